"""Leave the future out: each later week predicted from all before it, parameters learned on the way.

A store's coefficients are updated exactly, by merging the week's statistics. The parameters phi are drawn from the
posterior of the first weeks and, as weeks arrive, weighted by p(new weeks of all stores | weeks before, phi), the
factor by which the posterior changes, with Pareto smoothing; once its k is above the limit the model is fitted again
on all that is known then (Buerkner, Gabry & Vehtari 2020, Journal of Statistical Computation and Simulation 90).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from bayesmix.fitted import Fit
from bayesmix.posterior import thinned
from bayesmix.store_loo import khat_limit, smoothed
from bayesmix.stores import some
from bayesmix.week_density import joined, known, log_density_further, pieces, weeks_of
from comparisons.week_loo import DRAWS
from em.panel import Panel
from em.split_weeks import SplitPanel
from em.statistics import Floats


class FutureOut(NamedTuple):
    """One step ahead.

    Attributes
    ----------
    elpd_i : (later row,) log-density of each later week given all weeks before it.
    khat : (step,) Pareto k of the weights with which each later week was predicted; NaN after a new fit, when all
        weigh the same.
    refitted : (step,) whether the model was fitted again before this week.
    """

    elpd_i: Floats
    khat: Floats
    refitted: NDArray[np.bool_]


def leave_future_out(split: SplitPanel, first: Fit, refit: Callable[[Panel], Fit], most: int = DRAWS) -> FutureOut:
    """Predict the later weeks of a panel one after the other.

    Parameters
    ----------
    first : the posterior of `split.until(1)`.
    refit : the same model fitted to another panel.
    most : draws used.
    """
    rows, step = weeks_of(split.panel), split.step
    stats, draws = first.statistics, thinned(first.draws, most)
    ratio = np.zeros(len(draws.weight))
    elpd, khat = np.zeros(rows.y.size), np.full(split.n_steps, np.nan)
    refitted = np.zeros(split.n_steps, dtype=bool)
    for t in range(1, split.n_steps + 1):
        now = step == t
        weeks, log_weight = rows.of(now), np.full(ratio.size, -np.log(ratio.size))
        if np.ptp(ratio) > 0.0:
            smooth, k = smoothed(-ratio[None], 1.0)  # what is handed over is the log of the inverse ratios
            khat[t - 1] = k[0]
            if k[0] > khat_limit(ratio.size):
                draws = thinned(refit(split.until(t)).draws, most)
                ratio, refitted[t - 1], khat[t - 1] = np.zeros(len(draws.weight)), True, np.nan
                log_weight = np.full(ratio.size, -np.log(ratio.size))
            else:
                log_weight = smooth[0]
        density = np.concatenate(
            [
                log_density_further(some(stats, s), draws, part, first.traits_of(s))
                for s, part in pieces(weeks, stats.n_stores, draws)
            ],
            1,
        )
        elpd[now] = logsumexp(log_weight[:, None] + density, axis=0)
        ratio = ratio + density.sum(1)
        stats = joined(stats, known(weeks, stats.n_stores, stats))
    return FutureOut(elpd[split.later], khat, refitted)
