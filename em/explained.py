"""How much of the variance of log sales a mixed model explains: R-squared and the intraclass correlation."""

from typing import Any, NamedTuple

import numpy as np

from em.mixed_model import MixedFit
from em.statistics import Floats, GaussianStatistics


class Explained(NamedTuple):
    """Variances over the rows of a panel and their shares: numbers, or arrays over draws.

    Attributes
    ----------
    fixed : variance of X mu over rows, with n - 1.
    between : variance that the stores' own coefficients add, averaged over rows.
    residual : sigma^2.
    r2_marginal : share of `fixed` (Nakagawa & Schielzeth 2013, eq. 26).
    r2_conditional : share of `fixed` and `between` (their eq. 27; Johnson 2014 for slopes).
    intraclass_correlation : `between` as a share of `between` and `residual`: the correlation of two weeks of a store.
    """

    fixed: Any
    between: Any
    residual: Any
    r2_marginal: Any
    r2_conditional: Any
    intraclass_correlation: Any


def explained(fit: MixedFit) -> Explained | None:
    """Shares of variance explained; None without an intercept, where the variance of X mu is not in the statistics."""
    if "intercept" not in fit.coefficients:
        return None
    one = fit.coefficients.index("intercept")
    return Explained(*map(float, variance_shares(fit.statistics, one, *map(np.asarray, fit.parameters))))


def variance_shares(stats: GaussianStatistics, intercept: int, mu: Floats, omega: Floats, sigma: Floats) -> Explained:
    """Shares of variance at given parameters.

    Parameters
    ----------
    intercept : index of its coefficient.
    mu : (..., coefficient)
    omega : (..., coefficient, coefficient)
    sigma : (...)
    """
    gram, rows = stats.xtx.sum(0), stats.n_observations
    mean = gram[intercept] / rows
    centred = gram - rows * np.outer(mean, mean)
    fixed = np.einsum("...p,pq,...q->...", mu, centred, mu) / max(rows - 1, 1)
    between = np.einsum("...pq,pq->...", omega, gram) / rows
    residual = np.square(sigma)
    total = fixed + between + residual
    return Explained(fixed, between, residual, fixed / total, (fixed + between) / total, between / (between + residual))
