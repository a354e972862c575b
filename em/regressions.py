"""What a mixture asks of its stores, for Gaussian statistics and for those of other families.

The one place that tells the two apart: search, acceleration, derivatives and standard errors stand on these.
"""

from typing import TYPE_CHECKING

import numpy as np

from em.design_counts import DesignCounts, take_stores
from em.family_segments import (
    LOWEST_SIGMA,
    TYPICAL_SIGMA,
    family_anchors,
    family_drawn,
    family_loglik,
    family_loglik_of_own,
    family_regressions,
    family_slopes,
    pooled_regression,
)
from em.gaussian_segments import (
    gaussian_anchors,
    gaussian_drawn,
    gaussian_loglik_of_own,
    gaussian_regressions,
    gaussian_slopes,
)
from em.likelihood import component_loglik
from em.scatter import scatter, sigma_floor
from em.statistics import Floats, GaussianStatistics, Ints, take

if TYPE_CHECKING:
    from em.mixture import MixtureParameters, Model

Stores = GaussianStatistics | DesignCounts
HARDLY = 1e-9  # average rows that own coefficients are shrunk by


def segment_loglik(stats: Stores, theta: Floats, sigma: Floats) -> Floats:
    """Log-density of every store's data under every segment, (..., store, segment).

    Parameters
    ----------
    theta, sigma : (..., segment, coefficient) and (..., segment).
    """
    of = component_loglik if isinstance(stats, GaussianStatistics) else family_loglik
    return of(stats, theta, sigma)  # pyright: ignore[reportArgumentType]


def weighted_regressions(
    stats: Stores, responsibilities: Floats, model: "Model", previous: "MixtureParameters | None"
) -> tuple[Floats, Floats]:
    """Coefficients and sigmas of every segment from weights (..., store, segment): the regressions of an M-step."""
    of = gaussian_regressions if isinstance(stats, GaussianStatistics) else family_regressions
    return of(stats, responsibilities, model, previous)  # pyright: ignore[reportArgumentType]


def segment_slopes(stats: Stores, theta: Floats, sigma: Floats, responsibilities: Floats) -> tuple[Floats, Floats]:
    """Derivatives of each store's log-density in each segment by (theta, log sigma).

    Returns
    -------
    First derivatives (store, segment, p + 1), and minus the second ones, summed over stores with their
    responsibilities (store, segment): (segment, p + 1, p + 1).
    """
    of = gaussian_slopes if isinstance(stats, GaussianStatistics) else family_slopes
    return of(stats, theta, sigma, responsibilities)  # pyright: ignore[reportArgumentType]


def anchors(stats: Stores) -> Floats:
    """Every store's own coefficients, a little shrunk to the pooled ones so that few weeks cannot make them wild.

    Returns
    -------
    (store, coefficient)
    """
    return gaussian_anchors(stats) if isinstance(stats, GaussianStatistics) else family_anchors(stats)


def own_coefficients(stats: Stores) -> Floats:
    """Every store's own coefficients, shrunk only where its rows say nothing; (store, coefficient)."""
    of = gaussian_anchors if isinstance(stats, GaussianStatistics) else family_anchors
    return of(stats, HARDLY)  # pyright: ignore[reportArgumentType]


def loglik_of_own(stats: Stores, theta: Floats) -> Floats:
    """Log-density of every store's data under coefficients of its own, (store,), sigma at 1 where there is one.

    Parameters
    ----------
    theta : (store, coefficient)
    """
    of = gaussian_loglik_of_own if isinstance(stats, GaussianStatistics) else family_loglik_of_own
    return of(stats, theta)  # pyright: ignore[reportArgumentType]


def information_of_a_store(stats: Stores) -> Floats:
    """About the coefficients, from an average store with sigma at 1; (coefficient, coefficient)."""
    if isinstance(stats, GaussianStatistics):
        return stats.xtx.mean(0)
    return pooled_regression(stats)[1] * (stats.n_observations / stats.n_stores)


def drawn(rng: np.random.Generator, stats: Stores, theta: Floats, sigma: Floats) -> Stores:
    """Statistics of the same stores with responses drawn anew, each by its theta (store, ...) and sigma (store,)."""
    of = gaussian_drawn if isinstance(stats, GaussianStatistics) else family_drawn
    return of(rng, stats, theta, sigma)  # pyright: ignore[reportArgumentType]


def some_stores(stats: Stores, index: Ints) -> Stores:
    """Statistics of the stores at `index`, in that order."""
    return take(stats, index) if isinstance(stats, GaussianStatistics) else take_stores(stats, index)


def longest_step(stats: Stores) -> float:
    """How far Newton may move a coefficient in one step; where it is infinite small steps would take for ever."""
    return 5.0 if isinstance(stats, GaussianStatistics) else 1000.0


def typical_sigma(stats: Stores) -> float:
    """Where an estimated sigma starts."""
    return scatter(stats) if isinstance(stats, GaussianStatistics) else TYPICAL_SIGMA


def lowest_sigma(stats: Stores) -> float:
    """Lower bound of an estimated sigma."""
    return sigma_floor(stats) if isinstance(stats, GaussianStatistics) else LOWEST_SIGMA
