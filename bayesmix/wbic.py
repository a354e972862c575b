"""WBIC: minus the log evidence, from one run at the temperature log(stores).

Minus the mean of the total log-likelihood under the posterior whose likelihood is raised to the power 1 / log(n), n the
number of stores; for large n it is minus the log evidence up to terms of the order sqrt(log n), also where parameters
are not identified and BIC fails (Watanabe 2013, Journal of Machine Learning Research 14, theorem 4).
"""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import NamedTuple

import numpy as np
from arviz_stats.base.array import array_stats

from bayesmix.density import log_density, with_data
from bayesmix.sample import draw_chain
from bayesmix.settings import Settings
from bayesmix.streams import stream
from bayesmix.target import Target, tempered
from em.command import CORES

DRAWN = Settings(draws=500, tune=500, chains=4)
LEAST_STORES = 3  # log(n) above 1


class Wbic(NamedTuple):
    """WBIC on the scale of minus log evidence, and its Monte Carlo error."""

    wbic: float
    se: float


def wbic(target: Target, settings: Settings = DRAWN) -> Wbic | None:
    """WBIC of a model; None for fewer than `LEAST_STORES` stores."""
    n = target.statistics.n_stores
    if n < LEAST_STORES:
        return None
    power = 1.0 / np.log(n)
    flat = target.draws.reshape(-1, target.draws.shape[-1])
    starts = flat[np.random.default_rng(stream(settings.seed, "start tempered")).choice(len(flat), settings.chains)]
    warm = with_data(tempered(target, power).density, {}, starts)
    stop = Event()
    with ThreadPoolExecutor(CORES, thread_name_prefix="tempered") as pool:
        try:
            chains = list(
                pool.map(
                    lambda number: draw_chain(warm, settings, number, stop, lambda _: None), range(settings.chains)
                )
            )
        except BaseException:
            stop.set()
            raise
    q = np.concatenate([chain.q for chain in chains])
    # the two densities share their prior, so that their difference is the log-likelihood times 1 - power
    loglik = (log_density(target.density, q) - log_density(warm, q)) / (1.0 - power)
    by_chain = loglik.reshape(settings.chains, -1)
    ess = float(np.asarray(array_stats.ess(by_chain, chain_axis=0, draw_axis=1, method="mean")))
    return Wbic(-float(loglik.mean()), float(loglik.std() / np.sqrt(max(ess, 1.0))))
