"""What each store's rows say of its coefficients near the maximum-likelihood fit, as a quadratic function of them.

With s the slope and W minus the second derivative of the log-likelihood of a store's rows at its expected coefficients
theta*, that log-likelihood is about h'theta - theta'W theta / 2 with h = s + W theta*. W need not have full rank: a
store with one row says little, and this says so.
"""

from typing import NamedTuple

import numpy as np

from bayesmix.stores import CountedStores, given_segments
from em.normal_mixture import NormalMixtureParameters
from em.statistics import Floats
from em.store_modes import cells_of, squares_by_store


class StoreCurvature(NamedTuple):
    """W and h: `bend` (store, coefficient, coefficient) and `pull` (store, coefficient)."""

    bend: Floats
    pull: Floats


def store_curvature(stores: CountedStores, params: NormalMixtureParameters, traits: Floats | None) -> StoreCurvature:
    """At the expected coefficients of all stores under given parameters of one segment.

    Parameters
    ----------
    traits : (store, trait) in the units of params.gamma; None where nothing explains coefficients.
    """
    mu = params.mu
    if traits is not None and params.gamma is not None:
        mu = params.mu + (traits @ params.gamma)[:, None]
    theta = given_segments(stores, mu, params.sigma, params.omega).mean[:, 0]
    return curvature_at(stores, theta, float(params.sigma[0]))


def curvature_at(stores: CountedStores, theta: Floats, sigma: float) -> StoreCurvature:
    """At given coefficients of stores (store, coefficient) and dispersion."""
    cells = cells_of(stores.counts)
    eta = cells.offset + np.einsum("cp,cp->c", cells.x, theta[cells.store])
    first, second, _ = cells.family.slopes(eta, float(np.log(sigma)))
    slope = cells.sums @ (cells.x * first.of(cells.total, cells.n)[:, None])
    bend = -squares_by_store(cells, second.of(cells.total, cells.n), cells.x)
    return StoreCurvature(bend, slope + np.einsum("spq,sq->sp", bend, theta))
