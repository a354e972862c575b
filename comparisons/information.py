"""WAIC of a store not yet seen, kept store by store: the same quantity as `bayesmix.store_loo`, another approximation.

Source: Vehtari, Gelman & Gabry 2017, Statistics and Computing 27, equations 11-12.
"""

from typing import NamedTuple

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
