"""Log-likelihoods of stores and their coefficients given the data, of any family, for as many draws as there are."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bayesmix import family_designs as designs
from bayesmix.family_components import fill_components
from bayesmix.family_passes import compiled_pass, plain
from em.design_counts import DesignCounts
from em.statistics import Floats


class FamilyComponents(NamedTuple):
    """Stores in each segment, for each draw.

    Attributes
    ----------
    loglik : (..., store, segment) log-likelihood, coefficients integrated out where they vary.
    mean, covariance : (..., store, segment, coefficient) and (..., coefficient, coefficient) of the store's
        coefficients given its data and the segment.
    """

    loglik: Floats
    mean: Floats
    covariance: Floats


def family_components(
    stats: DesignCounts, nodes: int, mu: Floats, sigma: Floats, omega: Floats | None
) -> FamilyComponents:
    """Integrate every store in every segment, and the moments of its coefficients by the same quadrature.

    Parameters
    ----------
    nodes : of the quadrature, in each direction; 1 is Laplace's approximation.
    mu : (..., segment, coefficient), or (..., store, segment, coefficient) where each store has means of its own.
    sigma : (..., segment)
    omega : (..., segment, coefficient, coefficient), which may be singular; None where the stores of a segment do not
        differ. A coefficient whose variance is zero throughout does not vary.
    """
    lead, (k, p), stores = sigma.shape[:-1], mu.shape[-2:], stats.n_stores
    own = mu.ndim > sigma.ndim + 1
    means = plain(mu).reshape(-1, stores if own else 1, k, p)
    loglik = np.empty((len(means), stores, k))
    if omega is None or not np.diagonal(omega, axis1=-2, axis2=-1).any():
        data, none = designs.family_designs(stats), np.zeros((0, k, p, p))
        mean, covariance = np.zeros((0, stores, k, p)), np.zeros((0, stores, k, p, p))
        _pass(stats)(means, plain(sigma).reshape(-1, k), none, loglik, mean, covariance, *map(plain, data))
        mean = np.broadcast_to(mu if own else mu[..., None, :, :], (*lead, stores, k, p))
        return FamilyComponents(loglik.reshape(*lead, stores, k), mean, np.broadcast_to(0.0, (*lead, stores, k, p, p)))
    varying = np.flatnonzero(np.diagonal(omega, axis1=-2, axis2=-1).reshape(-1, p).any(0))
    data = designs.family_designs(stats, None, nodes, varying)
    mean, covariance = np.empty((len(means), stores, k, p)), np.empty((len(means), stores, k, p, p))
    _pass(stats)(
        means, plain(sigma).reshape(-1, k), plain(omega).reshape(-1, k, p, p), loglik, mean, covariance,
        *map(plain, data),
    )  # fmt: skip
    shape = (*lead, stores, k)
    return FamilyComponents(loglik.reshape(shape), mean.reshape(*shape, p), covariance.reshape(*shape, p, p))


def _pass(stats: DesignCounts) -> Callable:
    return compiled_pass(stats.family, fill_components, "mu, sigma, omega, loglik, mean, covariance")
