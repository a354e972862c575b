"""Coefficients of the stores, given the parameters: Gaussian and exact."""

from typing import NamedTuple

import numpy as np

from em.designs import distinct_designs
from em.likelihood import roots
from em.statistics import Floats, GaussianStatistics


class ConditionalModes(NamedTuple):
    """What is known of each store's coefficients, given its data and the parameters.

    Attributes
    ----------
    theta : (store, coefficient) the most probable coefficients, which are also the expected ones.
    covariance : (store, coefficient, coefficient)
    kept : (store, coefficient, coefficient) H with theta = mu + H (b_i - mu): what a store keeps of its own least
        squares; the rest is pooled.
    pooling : (store, coefficient) share of the variance between stores that a store's weeks leave open, from 0 (its
        own sales decide) to 1 (the mean of all stores); 1 for coefficients that do not vary.
    """

    theta: Floats
    covariance: Floats
    kept: Floats
    pooling: Floats


class StoreCoefficients(NamedTuple):
    """Each store's coefficients, whatever the number of segments.

    Attributes
    ----------
    mean : (store, coefficient)
    covariance : (store, coefficient, coefficient)
    pooling : (store, coefficient) share of the variance between stores that a store's weeks leave open, 0 to 1.
    """

    mean: Floats
    covariance: Floats
    pooling: Floats


def conditional_modes(stats: GaussianStatistics, mu: Floats, omega: Floats, sigma: float) -> ConditionalModes:
    """Modes and pooling of every store under one normal; mu (coefficient,), omega (coefficient, coefficient)."""
    mean, covariance, kept = store_coefficients(stats, mu[None], np.array([sigma]), omega[None])
    covariance, kept = covariance[:, 0], kept[:, 0]
    return ConditionalModes(mean[:, 0], covariance, kept, left_open(covariance, np.diagonal(omega)))


def over_segments(
    mean: Floats, covariance: Floats, share: Floats, weight: Floats, mu: Floats, omega: Floats
) -> StoreCoefficients:
    """Coefficients of stores that may be of several segments.

    Parameters
    ----------
    mean, covariance : (store, segment, coefficient) and once more (coefficient,), given segment and data of the store.
    share : (store, segment) the probability of each.
    weight : (segment,)
    mu, omega : (segment, coefficient), or (store, segment, coefficient) when means differ between stores, and
        (segment, coefficient, coefficient).
    """
    center = np.einsum("sk,ska->sa", share, mean)
    off = mean - center[:, None, :]
    whole = np.einsum("sk,skab->sab", share, covariance + off[..., None] * off[..., None, :])
    apart = np.square(mu - (weight @ mu)[..., None, :]) + np.diagonal(omega, axis1=-2, axis2=-1)
    return StoreCoefficients(center, whole, left_open(whole, weight @ apart))


def left_open(covariance: Floats, variance: Floats) -> Floats:
    """Variances of stores' coefficients as shares of those between stores; 1 for coefficients that do not vary."""
    left = np.diagonal(covariance, axis1=-2, axis2=-1)
    return np.clip(np.divide(left, variance, out=np.ones_like(left), where=variance > 0.0), 0.0, 1.0)


def store_coefficients(
    stats: GaussianStatistics, mu: Floats, sigma: Floats, omega: Floats
) -> tuple[Floats, Floats, Floats]:
    """Mean and covariance of theta_i given its segment and the data of store i, and the share H that it keeps.

    With y_i = X_i theta_i + e, theta_i ~ N(mu_k, Omega_k) and H = Omega R' (sigma^2 I + R Omega R')^-1 R, R'R = X'X:

        E theta_i = mu + H (b_i - mu),   Var theta_i = Omega - H Omega

    (Lindley & Smith 1972). Nothing singular is inverted, and the variance is formed as a square, L C L' with
    Omega = L L' and C = (I + L'X'X L / sigma^2)^-1, so that it cannot be negative.

    Parameters
    ----------
    mu : (..., segment, coefficient), or (..., store, segment, coefficient) when means differ between stores
    sigma : (..., segment)
    omega : (..., segment, coefficient, coefficient)

    Returns
    -------
    mean (..., store, segment, coefficient), covariance and H (..., store, segment, coefficient, coefficient).
    """
    designs, index = distinct_designs(stats)
    values, vectors = np.linalg.eigh(omega)
    half = (vectors * np.sqrt(np.clip(values, 0.0, None))[..., None, :])[..., None, :, :, :]
    turned = roots(designs)[:, None] @ half / sigma[..., None, :, None, None]
    inner = np.eye(stats.n_coefficients) + np.swapaxes(turned, -1, -2) @ turned
    covariance = half @ np.linalg.solve(inner, np.broadcast_to(np.swapaxes(half, -1, -2), inner.shape))
    kept = covariance @ designs[:, None] / np.square(sigma)[..., None, :, None, None]
    center = mu if mu.ndim == sigma.ndim + 2 else mu[..., None, :, :]
    kept, covariance = kept[..., index, :, :, :], covariance[..., index, :, :, :]
    mean = center + np.einsum("...skpq,...skq->...skp", kept, stats.b[:, None, :] - center)
    return mean, covariance, kept
