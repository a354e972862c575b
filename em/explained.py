"""How much of the variance of log sales a mixed model explains: R-squared and the intraclass correlation.

For other families shares are of the variance on the scale of the linear predictor, to which a single response (or
trial) brings the variance of its family there: pi^2 / 3 under a logit link, the standard logistic distribution's; under
a logarithmic link log(1 + v), v the squared coefficient of variation of a response with the panel's mean, as if it were
lognormal (Nakagawa, Johnson & Schielzeth 2017, tables 1 and 2).
"""

from typing import Any, NamedTuple

import numpy as np

from em.design_counts import DesignCounts, pooled_designs
from em.families.family import Family
from em.glmm import GlmmFit
from em.mixed_model import MixedFit
from em.statistics import Floats, GaussianStatistics


class Explained(NamedTuple):
    """Variances over the rows of a panel and their shares: numbers, or arrays over draws.

    Attributes
    ----------
    fixed : variance of X mu over rows, with n - 1.
    between : variance that the stores' own coefficients add, averaged over rows.
    residual : sigma^2, or a family's variance on the scale of the linear predictor.
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


def explained(fit: MixedFit | GlmmFit) -> Explained | None:
    """Shares of variance explained; None without an intercept, where the variance of X mu is not in the statistics."""
    if "intercept" not in fit.coefficients:
        return None
    one = fit.coefficients.index("intercept")
    return Explained(*map(float, variance_shares(fit.statistics, one, *map(np.asarray, fit.parameters))))


def variance_shares(
    stats: GaussianStatistics | DesignCounts, intercept: int, mu: Floats, omega: Floats, sigma: Floats
) -> Explained:
    """Shares of variance at given parameters.

    Parameters
    ----------
    intercept : index of its coefficient.
    mu : (..., coefficient)
    omega : (..., coefficient, coefficient)
    sigma : (...)
    """
    if isinstance(stats, DesignCounts):
        n, total = pooled_designs(stats)
        gram, rows = (stats.x * n[:, None]).T @ stats.x, float(n.sum())
        residual = observation_variance(stats.family, float(total.sum()) / rows, sigma)
    else:
        gram, rows, residual = stats.xtx.sum(0), stats.n_observations, np.square(sigma)
    mean = gram[intercept] / rows
    centred = gram - rows * np.outer(mean, mean)
    fixed = np.einsum("...p,pq,...q->...", mu, centred, mu) / max(rows - 1, 1)
    between = np.einsum("...pq,pq->...", omega, gram) / rows
    total = fixed + between + residual
    return Explained(fixed, between, residual, fixed / total, (fixed + between) / total, between / (between + residual))


def observation_variance(family: Family, mean: float, sigma: Floats) -> Floats:
    """Variance of one response with this mean, or of one trial, on the scale of the linear predictor; as sigma."""
    if family.link == "logit":
        return np.full_like(sigma, np.pi**2 / 3.0)
    positive = max(mean, float(np.finfo(float).tiny))
    eta = np.full_like(sigma, mean if family.link == "identity" else np.log(positive))
    # About eta it is 1 / sigma^2 of a Gaussian, and one over the squared coefficient of variation under a log link.
    information = -family.slopes(eta, np.log(sigma))[1].of(family.mean(eta, np.ones_like(eta)), np.ones_like(eta))
    return 1.0 / information if family.link == "identity" else np.log1p(1.0 / information)
