"""Leaving stores out exactly: the posterior of the other stores is drawn again, store by store or in folds.

Where importance sampling fails (a high Pareto k) this is what it stands for, and cheap: a store is a handful of
numbers, the density is compiled already, and chains start at draws of the whole posterior that were weighted as if the
stores had been left out.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
from arviz_stats.base.array import array_stats
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from bayesmix.density import with_data
from bayesmix.kept import key_of
from bayesmix.kept_folds import Fold, append_fold, read_folds
from bayesmix.sample import draw_chain
from bayesmix.settings import Settings
from bayesmix.store_loo import LeftOut, smoothed
from bayesmix.streams import stream
from bayesmix.target import Target, loglik, parameters, without
from em.command import CORES, watched
from em.statistics import Floats, Ints

FEWER = Settings(draws=300, tune=250, chains=4)
LONGER = 4  # times as many draws where the first ones have not settled
RHAT = 1.2  # of the log-density, above which they have not
ERROR = 0.25  # Monte Carlo error of a store's log predictive density above which more are drawn
DOUBTFUL = 1.0  # and above which, with more draws, it has not settled: a factor e in density


def folds_of(n_stores: int, folds: int, seed: int = 0) -> list[Ints]:
    """Stores in folds of sizes that differ by one at most, at random."""
    order = np.random.default_rng(stream(seed, "folds")).permutation(n_stores)
    return [np.sort(order[first::folds]) for first in range(folds)]


def leave_out(
    target: Target, folds: Sequence[Ints], settings: Settings = FEWER, keep: Path | None = None, what: str = ""
) -> LeftOut:
    """Draw the posterior without each fold, and judge the stores of the fold by it.

    Parameters
    ----------
    folds : positions of the stores to be left out together.
    settings : how much is drawn without each fold; `LONGER` times as much where that does not settle.
    keep : a file in which finished folds are kept, and from which those of the same density, starts and settings are
        read; None keeps none.
    what : of which model, for the progress bar.
    """
    kept, found = read_folds(keep), list[Fold]()
    told = f"without stores, {what}" if what else "without stores"
    stop = Event()
    whole = loglik(target, parameters(target, target.draws.reshape(-1, target.draws.shape[-1])))
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(CORES, thread_name_prefix="fold") as pool:
        try:
            for fold in watched(_folds(target, whole, folds, settings, kept, keep, pool, stop), told, len(folds)):
                found.append(fold)
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return LeftOut(
        np.concatenate(folds),
        np.concatenate([fold.elpd_i for fold in found]),
        np.concatenate([fold.error_i for fold in found]),
        np.concatenate([fold.settled_i for fold in found]),
        len(folds),
    )


def _folds(
    target: Target,
    whole: Floats,
    folds: Sequence[Ints],
    settings: Settings,
    kept: dict[str, Fold],
    keep: Path | None,
    pool: ThreadPoolExecutor,
    stop: Event,
) -> Iterator[Fold]:
    """Every fold in turn, drawn ahead on all cores; `whole` is (draw, store) under draws of all stores."""
    parts = []
    for number, stores in enumerate(folds):
        part = without(target, stores)
        drawn = replace(settings, seed=settings.seed + number)
        density = with_data(part.density, {}, _starts(target, whole[:, stores].sum(1), drawn))
        parts.append(
            (replace(part, density=density), drawn, key_of(density, (drawn, LONGER, RHAT, ERROR, DOUBTFUL), 0))
        )
    waiting = [None if key in kept else pool.submit(_draw, part, drawn, stop) for part, drawn, key in parts]
    for stores, (part, drawn, key), future in zip(folds, parts, waiting, strict=True):
        if future is None:
            yield kept[key]
            continue
        q, lp = future.result()
        fold = _judged(target, stores, key, q, lp)
        if (fold.error_i > ERROR).any() and lp.shape[1] == drawn.draws:
            fold = _judged(target, stores, key, *pool.submit(_draw_once, part, _longer(drawn), stop).result())
        append_fold(keep, fold)
        yield fold


def _starts(target: Target, left_out: Floats, settings: Settings) -> Floats:
    """Draws of all stores, one for each chain, weighted as if the fold were left out; `left_out` is (draw,)."""
    log_weight = smoothed(left_out[None], 1.0)[0][0]
    weight = np.exp(log_weight - logsumexp(log_weight))
    chosen = np.random.default_rng(stream(settings.seed, "start without stores")).choice(
        weight.size, settings.chains, p=weight / weight.sum()
    )
    return target.draws.reshape(weight.size, -1)[chosen]


def _draw(part: Target, settings: Settings, stop: Event) -> tuple[Floats, Floats]:
    """Chains one after the other, and again with more draws where they do not agree on the log-density."""
    q, lp = _draw_once(part, settings, stop)
    return (q, lp) if _rhat(lp) < RHAT else _draw_once(part, _longer(settings), stop)


def _longer(settings: Settings) -> Settings:
    return replace(settings, draws=LONGER * settings.draws, tune=LONGER * settings.tune)


def _draw_once(part: Target, settings: Settings, stop: Event) -> tuple[Floats, Floats]:
    """Chains one after the other: q (chain, draw, dimension) and the log-density (chain, draw)."""
    chains = [draw_chain(part.density, settings, number, stop, lambda _: None) for number in range(settings.chains)]
    return np.stack([chain.q for chain in chains]), np.stack([chain.statistics["lp"] for chain in chains])


def _judged(target: Target, stores: Ints, key: str, q: Floats, lp: Floats) -> Fold:
    """What draws without a fold say of its stores."""
    values = loglik(target, parameters(target, q.reshape(-1, q.shape[-1])), stores).T
    elpd_i = logsumexp(values, axis=1) - np.log(values.shape[1])
    error_i = np.array([_error(one.reshape(lp.shape)) for one in values - elpd_i[:, None]])
    return Fold(key, elpd_i, error_i, (error_i < DOUBTFUL) & (_rhat(lp) < RHAT))


def _rhat(lp: Floats) -> float:
    return float(np.asarray(array_stats.rhat(lp, chain_axis=0, draw_axis=1)))


def _error(relative: Floats) -> float:
    """Monte Carlo error of the logarithm of a mean; logarithms relative to that mean (chain, draw)."""
    likelihood = np.exp(relative)
    ess = float(np.asarray(array_stats.ess(likelihood, chain_axis=0, draw_axis=1, method="mean")))
    return float(likelihood.std() / np.sqrt(ess)) if np.isfinite(ess) else 0.0
