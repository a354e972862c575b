"""WAIC and PSIS-LOO of a store not yet seen, kept store by store; everything else is a summary of those values.

A criterion is a sum over stores, elpd = sum_i elpd_i, of the log-density that the model, without store i, gives to
all of that store's sales. Sources: Vehtari, Gelman & Gabry 2017, Statistics and Computing 27, equations 4-12;
Merkle, Furr & Rabe-Hesketh 2019, Psychometrika 84, for leaving out the store and not the week.
"""

import warnings
from typing import Any, NamedTuple

import arviz as az
import numpy as np
import xarray as xr
from scipy.special import logsumexp

from em.statistics import Floats

SAMPLE = ("chain", "draw")
HIGH_VARIANCE = 0.4  # of a store's log-likelihood, above which its WAIC is in doubt (Vehtari et al. 2017, section 2.3)


class Waic(NamedTuple):
    """elpd_i = lppd_i - p_i by store, with p_i the posterior variance of the store's log-likelihood.

    Attributes
    ----------
    elpd_i : (store,) log-density.
    p_i : (store,) effective number of parameters.
    """

    elpd_i: Floats
    p_i: Floats

    @property
    def n_doubtful(self) -> int:
        """Stores whose variance is above 0.4."""
        return int((self.p_i > HIGH_VARIANCE).sum())


class Loo(NamedTuple):
    """Leave one store out by Pareto-smoothed importance sampling.

    Attributes
    ----------
    elpd_i : (store,) log-density.
    p_i : (store,) effective number of parameters, lppd_i - elpd_i.
    khat_i : (store,) Pareto k: how heavy the tail of the store's importance ratios is.
    khat_limit : above it elpd_i is not reliable; min(1 - 1 / log10(draws), 0.7).
    reff : effective draws of the store likelihoods per draw, mean over stores.
    """

    elpd_i: Floats
    p_i: Floats
    khat_i: Floats
    khat_limit: float
    reff: float

    @property
    def n_doubtful(self) -> int:
        """Stores whose Pareto k is above the limit."""
        return int((self.khat_i > self.khat_limit).sum())


def waic(store_loglik: xr.DataArray) -> Waic:
    """Widely applicable information criterion.

    Parameters
    ----------
    store_loglik : (chain, draw, store_name)
    """
    draws = store_loglik.stack(sample=SAMPLE).transpose("sample", ...).values
    lppd_i = logsumexp(draws, axis=0) - np.log(draws.shape[0])
    p_i = draws.var(axis=0, ddof=1)
    return Waic(lppd_i - p_i, p_i)


def loo(store_loglik: xr.DataArray) -> Loo:
    """PSIS-LOO by ArviZ, told the relative efficiency of the store likelihoods.

    ArviZ would average the effective draws over all posterior variables, labels and covariances included. What PSIS
    smooths is the tail of 1 / p(y_i | draw), so the efficiency meant is that of the store likelihoods themselves
    (as `relative_eff` of R's loo).

    Parameters
    ----------
    store_loglik : (chain, draw, store_name)
    """
    reff = relative_efficiency(store_loglik)
    tree = xr.DataTree.from_dict({"/log_likelihood": xr.Dataset({"store": store_loglik})})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of Pareto k, which is reported store by store
        result: Any = az.loo(tree, var_name="store", reff=reff, pointwise=True)
    elpd_i = np.asarray(result.elpd_i, dtype=float)
    lppd_i = logsumexp(store_loglik.values, axis=(0, 1)) - np.log(result.n_samples)
    return Loo(elpd_i, lppd_i - elpd_i, np.asarray(result.pareto_k, dtype=float), float(result.good_k), reff)


def relative_efficiency(store_loglik: xr.DataArray) -> float:
    """Effective draws of the likelihoods of the stores, per draw; mean over stores, and 1 where it is undefined."""
    likelihood = np.exp(store_loglik - store_loglik.max(SAMPLE))
    effective = np.asarray(az.ess(likelihood, method="mean"), dtype=float)
    effective = effective[np.isfinite(effective)]
    draws = store_loglik.sizes["chain"] * store_loglik.sizes["draw"]
    return float(effective.mean() / draws) if effective.size else 1.0


def total(elpd_i: Floats) -> float:
    """Sum over stores; (store,)."""
    return float(elpd_i.sum())


def standard_error(elpd_i: Floats) -> float:
    """Standard error of the total over stores drawn from the same population: sqrt(n var(elpd_i)); (store,)."""
    return float(np.sqrt(elpd_i.size * elpd_i.var(ddof=1))) if elpd_i.size > 1 else float("nan")
