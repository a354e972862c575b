"""Coefficients of a store, given the parameters of any of the three models: exact, so never sampled."""

import numpy as np

from em import conditional
from em.statistics import Floats, GaussianStatistics


def store_coefficients(
    stats: GaussianStatistics, mu: Floats, sigma: Floats, omega: Floats | None
) -> tuple[Floats, Floats]:
    """Mean and covariance of theta_i given its segment and the data of store i, by `em.conditional`.

    Parameters
    ----------
    mu : (..., segment, coefficient), or with omega (..., store, segment, coefficient)
    sigma : (..., segment)
    omega : (..., segment, coefficient, coefficient); None where theta_i is mu of its segment.

    Returns
    -------
    mean (..., store, segment, coefficient), covariance (..., store, segment, coefficient, coefficient); axes of stores
    of length one where stores do not differ.
    """
    if omega is None:
        return mu[..., None, :, :], np.zeros((1, 1, *2 * (stats.n_coefficients,)))
    mean, covariance, _ = conditional.store_coefficients(stats, mu, sigma, omega)
    return mean, covariance
