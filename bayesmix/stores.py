"""Stores as posteriors take them: log sales, whose integrals are exact, and other families, whose are quadratures.

The one place that tells the two apart: likelihoods, coefficients, centring and prediction stand on these.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from em.conditional import store_coefficients
from em.design_counts import DesignCounts, concatenate_stores, pooled_designs, take_stores
from em.families.family import Family, linked_mean
from em.likelihood import component_loglik
from em.panel import Panel, statistics_of
from em.statistics import Floats, GaussianStatistics, Ints, concatenate, take

if TYPE_CHECKING:
    from bayesmix.family_stores import FamilyComponents

NODES = {0: 1, 1: 9, 2: 5, 3: 3}  # usual ones of each direction, by how many coefficients vary between stores


class CountedStores(NamedTuple):
    """Stores of any family, with how finely the integrals over their coefficients are worked out.

    Attributes
    ----------
    counts : each distinct row of a store with how often and with what total.
    nodes : of the quadrature in each direction; 1 is Laplace's approximation.
    """

    counts: DesignCounts
    nodes: int

    @property
    def n_stores(self) -> int:
        """Number of stores."""
        return self.counts.n_stores

    @property
    def n_coefficients(self) -> int:
        """Number of coefficients p."""
        return self.counts.n_coefficients

    @property
    def n_observations(self) -> int:
        """Rows of the panel."""
        return self.counts.n_observations


Stores = GaussianStatistics | CountedStores


class GivenSegments(NamedTuple):
    """What the data of stores say if they are in a segment.

    Attributes
    ----------
    loglik : (..., store, segment) with the coefficients of stores integrated out.
    mean, covariance : (..., store, segment, coefficient) and once more (coefficient,), of the coefficients of stores
        given their data; axes of stores of length one where stores do not differ.
    """

    loglik: Floats
    mean: Floats
    covariance: Floats


def stores_of(panel: Panel, varying: int, nodes: int | None = None) -> Stores:
    """The stores of a panel.

    Parameters
    ----------
    varying : how many coefficients vary between the stores of a segment.
    nodes : of a quadrature in each direction; None is the usual number.
    """
    stats = statistics_of(panel)
    if isinstance(stats, GaussianStatistics):
        return stats
    return CountedStores(stats, NODES.get(varying, 1) if nodes is None else nodes)


def family_of(stores: Stores) -> Family | None:
    """The family of the response; None for log sales."""
    return stores.counts.family if isinstance(stores, CountedStores) else None


def given_segments(stores: Stores, mu: Floats, sigma: Floats, omega: Floats | None = None) -> GivenSegments:
    """Log-likelihoods and coefficients of all stores in all segments.

    Parameters
    ----------
    mu : (..., segment, coefficient) coefficients of segments, or with omega their means, then also
        (..., store, segment, coefficient).
    sigma : (..., segment) residual standard deviation of log sales, or dispersion of a family.
    omega : (..., segment, coefficient, coefficient) covariance of store coefficients inside a segment; None is zero.
    """
    if omega is None:
        alike = np.zeros((1, 1, *2 * (stores.n_coefficients,)))
        return GivenSegments(segment_loglik(stores, mu, sigma), mu[..., None, :, :], alike)
    if isinstance(stores, CountedStores):
        return GivenSegments(*_integrated(stores, mu, sigma, omega))
    mean, covariance, _ = store_coefficients(stores, mu, sigma, omega)
    return GivenSegments(component_loglik(stores, mu, sigma, omega), mean, covariance)


def segment_loglik(stores: Stores, mu: Floats, sigma: Floats, omega: Floats | None = None) -> Floats:
    """The log-likelihoods of `given_segments` alone; (..., store, segment)."""
    if isinstance(stores, CountedStores):
        return _integrated(stores, mu, sigma, omega).loglik
    return component_loglik(stores, mu, sigma, omega)


def _integrated(stores: CountedStores, mu: Floats, sigma: Floats, omega: Floats | None) -> "FamilyComponents":
    from bayesmix.family_stores import family_components  # compiled code takes two seconds to load

    return family_components(stores.counts, stores.nodes, mu, sigma, omega)


def some(stores: Stores, index: Ints) -> Stores:
    """The stores at `index`, in that order."""
    if isinstance(stores, CountedStores):
        return stores._replace(counts=take_stores(stores.counts, index))
    return take(stores, index)


def with_one_unseen(stores: Stores) -> Stores:
    """The same stores, and after them one of which nothing has been seen."""
    p = stores.n_coefficients
    if isinstance(stores, CountedStores):
        nothing = take_stores(stores.counts, np.zeros(0, dtype=np.intp))._replace(n_stores=1)
        return stores._replace(counts=concatenate_stores([stores.counts, nothing]))
    return concatenate([stores, GaussianStatistics(np.zeros(1), np.zeros((1, p, p)), np.zeros((1, p)), np.zeros(1))])


def mean_row(stores: Stores, intercept: int) -> Floats:
    """Means of the columns over all rows (of a binomial: over all trials), by the column of ones; (coefficient,)."""
    if isinstance(stores, CountedStores):
        n, _ = pooled_designs(stores.counts)
        return n @ stores.counts.x / n.sum()
    total = stores.xtx.sum(0)
    return total[intercept] / total[intercept, intercept]


def mean_response(stores: Stores, intercept: int) -> float:
    """Mean of the response over all rows on the scale of the linear predictor, by the column of ones."""
    if isinstance(stores, CountedStores):
        n, total = pooled_designs(stores.counts)
        return linked_mean(stores.counts.family, float(total.sum()), float(n @ np.exp(stores.counts.offset)))
    return float(np.einsum("sp,sp->", stores.xtx[:, intercept], stores.b) / stores.n.sum())


def rows_of_stores(stores: Stores) -> Ints:
    """How many rows of the panel each store has; (store,)."""
    if isinstance(stores, CountedStores):
        return np.bincount(stores.counts.value_store, stores.counts.count, stores.n_stores).astype(np.intp)
    return stores.n.astype(np.intp)


def on_columns(stores: Stores, back: Floats) -> Stores:
    """Statistics on columns x' back, whose coefficients are back^-1 theta; back (coefficient, coefficient)."""
    if isinstance(stores, CountedStores):
        return stores._replace(counts=stores.counts._replace(x=stores.counts.x @ back))
    onto = np.linalg.inv(back)  # exact: a unit triangular matrix but for the order of its rows
    return stores._replace(xtx=back.T @ stores.xtx @ back, b=stores.b @ onto.T)
