"""How much of the variance of log sales a mixed model explains: R-squared and the intraclass correlation."""

from typing import NamedTuple

import numpy as np

from em.mixed_model import MixedFit


class Explained(NamedTuple):
    """Variances over the rows of a panel and their shares.

    Attributes
    ----------
    fixed : variance of X mu over rows, with n - 1.
    between : variance that the stores' own coefficients add, averaged over rows.
    residual : sigma^2.
    r2_marginal : share of `fixed` (Nakagawa & Schielzeth 2013, eq. 26).
    r2_conditional : share of `fixed` and `between` (their eq. 27; Johnson 2014 for slopes).
    intraclass_correlation : `between` as a share of `between` and `residual`: the correlation of two weeks of a store.
    """

    fixed: float
    between: float
    residual: float
    r2_marginal: float
    r2_conditional: float
    intraclass_correlation: float


def explained(fit: MixedFit) -> Explained | None:
    """Shares of variance explained; None without an intercept, where the variance of X mu is not in the statistics."""
    if "intercept" not in fit.coefficients:
        return None
    mu, omega, sigma = fit.parameters
    one = fit.coefficients.index("intercept")
    gram, rows = fit.statistics.xtx.sum(0), fit.statistics.n_observations
    mean = gram[one] / rows
    centred = gram - rows * np.outer(mean, mean)
    fixed = float(mu @ centred @ mu) / max(rows - 1, 1)
    between = float(np.sum(omega * gram)) / rows
    residual = sigma**2
    total = fixed + between + residual
    return Explained(fixed, between, residual, fixed / total, (fixed + between) / total, between / (between + residual))
