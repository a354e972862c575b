"""Coefficients of a store, given the parameters: Gaussian and exact, so never sampled."""

import numpy as np

from bayesmix.designs import distinct_designs
from em.likelihood import roots
from em.statistics import Floats, GaussianStatistics


def store_coefficients(
    stats: GaussianStatistics, mu: Floats, sigma: Floats, omega: Floats | None
) -> tuple[Floats, Floats]:
    """Mean and covariance of theta_i given its segment and the data of store i.

    With y_i = X_i theta_i + e, theta_i ~ N(mu_k, Omega_k) and H = Omega R' (sigma^2 I + R Omega R')^-1 R, R'R = X'X:

        E theta_i = mu + H (b_i - mu),   Var theta_i = Omega - H Omega

    (Lindley & Smith 1972). H is the share of its own least squares that a store keeps; nothing singular is inverted.

    Parameters
    ----------
    mu : (..., segment, coefficient)
    sigma : (..., segment)
    omega : (..., segment, coefficient, coefficient); None where theta_i is mu of its segment.

    Returns
    -------
    mean (..., store, segment, coefficient), covariance (..., store, segment, coefficient, coefficient); axes of stores
    of length one where stores do not differ.
    """
    if omega is None:
        return mu[..., None, :, :], np.zeros((1, 1, *2 * (stats.n_coefficients,)))
    designs, index = distinct_designs(stats)
    root = roots(designs)[:, None]
    spread = omega[..., None, :, :, :]
    half = root @ spread  # R Omega
    inner = half @ np.swapaxes(root, -1, -2)
    inner = inner + np.square(sigma)[..., None, :, None, None] * np.eye(stats.n_coefficients)
    kept = np.swapaxes(half, -1, -2) @ np.linalg.solve(inner, np.broadcast_to(root, inner.shape))
    center = mu[..., None, :, :]
    mean = center + np.einsum("...skpq,...skq->...skp", kept[..., index, :, :, :], stats.b[:, None, :] - center)
    return mean, (spread - kept @ spread)[..., index, :, :, :]
