"""PSIS-LOO of a store not yet seen, kept store by store; everything else is a summary of those values.

elpd = sum_i elpd_i, of the log-density that the model, without store i, gives to all of that store's sales. Sources:
Vehtari, Gelman & Gabry 2017, Statistics and Computing 27, equations 4-10; Merkle, Furr & Rabe-Hesketh 2019,
Psychometrika 84, for leaving out the store and not the week.
"""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from arviz_stats.base.array import array_stats
from scipy.special import logsumexp

from em.statistics import Floats, Ints

FEWEST_DRAWS = 100  # below which the tail of the importance ratios cannot be smoothed
CHUNK = 2_000_000  # log-likelihoods smoothed at once


class LeftOut(NamedTuple):
    """Log predictive densities of stores that were left out exactly; see `bayesmix.left_out`.

    Attributes
    ----------
    stores : (left,) their positions among all stores.
    elpd_i : (left,) log mean over draws of the store's likelihood.
    error_i : (left,) its Monte Carlo error.
    settled_i : (left,) whether the chains agreed and the error is small.
    folds : how many times stores were left out; as many as stores where each was left out alone.
    """

    stores: Ints
    elpd_i: Floats
    error_i: Floats
    settled_i: np.ndarray
    folds: int


class Loo(NamedTuple):
    """Leave one store out by Pareto-smoothed importance sampling, and exactly where that was done.

    Attributes
    ----------
    elpd_i : (store,) log-density.
    p_i : (store,) effective number of parameters, lppd_i - elpd_i.
    khat_i : (store,) Pareto k: how heavy the tail of the store's importance ratios is.
    khat_limit : above it elpd_i is not reliable; min(1 - 1 / log10(draws), 0.7).
    reff : effective draws of the store likelihoods per draw, mean over stores.
    left_out : the stores whose elpd_i is exact; None where none is.
    psis_i : (store,) elpd_i of importance sampling; None where that is elpd_i.
    """

    elpd_i: Floats
    p_i: Floats
    khat_i: Floats
    khat_limit: float
    reff: float
    left_out: LeftOut | None = None
    psis_i: Floats | None = None

    @property
    def n_doubtful(self) -> int:
        """Stores whose Pareto k is above the limit, and of those left out exactly the ones that did not settle."""
        doubtful = self.khat_i > self.khat_limit
        if self.left_out is not None:
            doubtful[self.left_out.stores] = ~self.left_out.settled_i
        return int(doubtful.sum())


def with_left_out(psis: Loo, left_out: LeftOut | None) -> Loo:
    """The same with the values of the stores that were left out exactly."""
    if left_out is None or not left_out.stores.size:
        return psis
    elpd_i = psis.elpd_i.copy()
    elpd_i[left_out.stores] = left_out.elpd_i
    return psis._replace(elpd_i=elpd_i, p_i=psis.elpd_i + psis.p_i - elpd_i, left_out=left_out, psis_i=psis.elpd_i)


def loo(store_loglik: xr.DataArray) -> Loo:
    """PSIS-LOO by ArviZ's smoothing, told the relative efficiency of the store likelihoods.

    `az.loo` would average the effective draws over all posterior variables, labels and covariances included. What PSIS
    smooths is the tail of 1 / p(y_i | draw), so the efficiency meant is that of the store likelihoods themselves
    (as `relative_eff` of R's loo).

    Parameters
    ----------
    store_loglik : (chain, draw, store_name)
    """
    reff = relative_efficiency(store_loglik)
    loglik = by_store(store_loglik)
    n_stores, n_draws = loglik.shape
    elpd_i, khat_i = np.empty((2, n_stores))
    size = max(1, CHUNK // n_draws)
    for begin in range(0, n_stores, size):
        chunk = slice(begin, begin + size)
        log_weight, khat_i[chunk] = smoothed(loglik[chunk], reff)
        elpd_i[chunk] = logsumexp(log_weight + loglik[chunk], axis=1)
    lppd_i = logsumexp(loglik, axis=1) - np.log(n_draws)
    return Loo(elpd_i, lppd_i - elpd_i, khat_i, khat_limit(n_draws), reff)


def khat_limit(draws: int) -> float:
    """Pareto k above which so many draws are too few (Vehtari et al. 2024, JMLR 25(72))."""
    return min(1.0 - 1.0 / np.log10(draws), 0.7)


def by_store(store_loglik: xr.DataArray) -> Floats:
    """Log-likelihoods as (store, chain x draw)."""
    values = store_loglik.transpose("store_name", "chain", "draw").to_numpy()
    return np.ascontiguousarray(values.reshape(len(values), -1))


def smoothed(loglik: Floats, reff: float) -> tuple[Floats, Floats]:
    """Smoothed log-weights that turn draws given all stores into draws without one, and the Pareto k of each store.

    Where all draws of the tail are the same (a chain that stands still) there is nothing to smooth: the weights stay as
    they are and k is infinite, as R's loo has it; so it is where so many are the same that k is no number.

    Parameters
    ----------
    loglik : (store, draw)

    Returns
    -------
    log_weight (store, draw), whose exponentials sum to 1; khat (store,).
    """
    log_weight = np.asarray(-loglik - np.asarray(logsumexp(-loglik, axis=1, keepdims=True)))
    khat = np.full(len(loglik), np.inf)
    n_draws = loglik.shape[1]
    tail = int(3.0 * np.sqrt(n_draws / reff) if n_draws * reff > 225 else n_draws / 5)  # draws, as ArviZ takes them
    varied = np.partition(loglik, tail - 1, axis=1)[:, tail - 1] > loglik.min(1)
    if varied.any():
        log_weight[varied], khat[varied] = array_stats.psislw(loglik[varied], r_eff=reff)  # pyright: ignore[reportArgumentType]
    return log_weight, np.where(np.isnan(khat), np.inf, khat)


def relative_efficiency(store_loglik: xr.DataArray) -> float:
    """Effective draws of the likelihoods of the stores, per draw; mean over stores, and 1 where it is undefined."""
    values = store_loglik.transpose("store_name", "chain", "draw").to_numpy()
    likelihood = np.exp(values - values.max((1, 2), keepdims=True))
    ess: Any = array_stats.ess(likelihood, chain_axis=-2, draw_axis=-1, method="mean")
    effective = np.asarray(ess, dtype=float)
    effective = effective[np.isfinite(effective)]
    return float(effective.mean() / values[0].size) if effective.size else 1.0


def total(elpd_i: Floats) -> float:
    """Sum over stores; (store,)."""
    return float(elpd_i.sum())


def standard_error(elpd_i: Floats) -> float:
    """Standard error of the total over stores drawn from the same population: sqrt(n var(elpd_i)); (store,)."""
    return float(np.sqrt(elpd_i.size * elpd_i.var(ddof=1))) if elpd_i.size > 1 else float("nan")
