"""How well standard deviations and correlations between stores are known, by the delta method on a root of Omega."""

from typing import NamedTuple

import numpy as np

from em.statistics import Floats


class Spread(NamedTuple):
    """Standard deviations and correlations with their standard errors, NaN where there is none.

    Attributes
    ----------
    sd, sd_error : (random,)
    correlation, correlation_error : (random, random)
    """

    sd: Floats
    sd_error: Floats
    correlation: Floats
    correlation_error: Floats


def spread(omega: Floats, root: Floats, moves: Floats, covariance: Floats | None) -> Spread:
    """Spread of the random coefficients; a correlation of a singular Omega is at an edge and has no error.

    Parameters
    ----------
    omega : (random, random) = root root'.
    root, moves : (random, direction), and how it moves with each free number, (free, random, direction).
    covariance : (free, free) of the estimates of the free numbers; None where there is none.
    """
    q, rank = root.shape
    sd = np.sqrt(np.diagonal(omega))
    outer = np.outer(sd, sd)
    correlation = np.divide(omega, outer, out=np.full((q, q), np.nan), where=outer > 0.0)
    sd_error, correlation_error = np.full(q, np.nan), np.full((q, q), np.nan)
    if covariance is None or not rank:
        return Spread(sd, sd_error, correlation, correlation_error)
    slopes = np.einsum("jab,cb->jac", moves, root)
    slopes = slopes + np.swapaxes(slopes, -1, -2)  # of Omega, (free, q, q)
    varies = sd > 0.0
    by_sd = np.diagonal(slopes, axis1=-2, axis2=-1)[:, varies] / (2.0 * sd[varies])
    sd_error[varies] = _errors(by_sd, covariance)
    if rank == q and varies.all():
        relative = by_sd / sd
        by_correlation = slopes / outer - correlation * (relative[:, :, None] + relative[:, None, :])
        correlation_error = _errors(by_correlation.reshape(len(moves), q * q), covariance).reshape(q, q)
        np.fill_diagonal(correlation_error, 0.0)
    return Spread(sd, sd_error, correlation, correlation_error)


def _errors(slopes: Floats, covariance: Floats) -> Floats:
    """Standard errors by the delta method; slopes (free, quantity)."""
    return np.sqrt(np.einsum("ja,jk,ka->a", slopes, covariance, slopes))
