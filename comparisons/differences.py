"""Differences in elpd between models on the same stores, and the weights that predict a new store best together."""

import warnings
from typing import NamedTuple

import arviz as az
import numpy as np
import xarray as xr
from arviz_stats.utils import ELPDDataLOO

from bayesmix.store_loo import standard_error, total
from em.statistics import Floats

SMALL = 4.0  # |difference| in elpd below which models predict alike (Sivula et al. 2025, arXiv 2008.10296)
FEW_STORES = 100  # below which the standard error of a difference is too small (same source)
SURE = 2.0  # standard errors


class Difference(NamedTuple):
    """elpd of a model minus that of the best, and the standard error of that difference."""

    elpd_diff: float
    dse: float

    @property
    def decided(self) -> bool:
        """Whether it is both large enough to matter and large against its standard error."""
        return abs(self.elpd_diff) >= SMALL and abs(self.elpd_diff) >= SURE * self.dse


def difference(elpd_i: Floats, reference_i: Floats) -> Difference:
    """Sum over stores of the pointwise difference, with its standard error sqrt(n var(difference_i)).

    Stores that are hard to predict are hard for every model; in pairs that cancels, so this standard error and not
    those of the two totals says how sure the difference is (Vehtari, Gelman & Gabry 2017, equation 24).

    Parameters
    ----------
    elpd_i, reference_i : (store,) of the two models, stores in the same order.
    """
    diff_i = elpd_i - reference_i
    return Difference(total(diff_i), standard_error(diff_i))


def stacking_weights(elpd_i: Floats) -> Floats:
    """Weights of the models whose mixture would have predicted the stores left out best.

    Yao, Vehtari, Simpson & Gelman 2018, Bayesian Analysis 13, by ArviZ. Only ratios of densities within a store
    matter, so each store's best is taken off first: ArviZ takes exp(elpd_i), which is zero for a store with some
    eight hundred weeks, and then answers with equal weights.

    Parameters
    ----------
    elpd_i : (store, model)

    Returns
    -------
    (model,) non-negative, summing to one.
    """
    relative = elpd_i - elpd_i.max(1, keepdims=True)
    models = {str(m): _as_arviz(relative[:, m]) for m in range(relative.shape[1])}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of choosing among many models, which weighting does not do
        table = az.compare(models, method="stacking", round_to="none")
    weights = np.clip(table["weight"].reindex(list(models)).to_numpy(dtype=float), 0.0, None)
    return weights / weights.sum()


def _as_arviz(elpd_i: Floats) -> ELPDDataLOO:
    return ELPDDataLOO(
        elpd=total(elpd_i),
        se=standard_error(elpd_i),
        p=0.0,
        n_samples=0,
        n_data_points=elpd_i.size,
        scale="log",
        warning=False,
        good_k=0.7,
        elpd_i=xr.DataArray(elpd_i, dims="store"),
    )


def flags(diff: Difference, *, best: bool) -> tuple[str, ...]:
    """What to bear in mind when reading a difference."""
    if best or diff.decided:
        return ()
    if abs(diff.elpd_diff) < SMALL:
        return ("difference below 4",)
    return ("difference below 2 standard errors",)
