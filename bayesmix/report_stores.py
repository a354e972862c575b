"""What the diagnostic report says of single stores: each one's coefficients, who belongs together, who moves most."""

from typing import NamedTuple

import numpy as np

from bayesmix.axis import axis_of, place, price_column
from bayesmix.diagnose import INTERVAL
from bayesmix.drawing import selection
from bayesmix.fitted import Fit
from bayesmix.label_free import co_membership, store_values
from bayesmix.pictures_of_stores import clustered
from bayesmix.pooling import pooling
from bayesmix.shrinkage import DRAWS, Shrinkage, explanation, furthest, shrinkage, typical_week
from bayesmix.some_stores import some_stores
from bayesmix.store_summaries import own_variances_along
from em.statistics import Floats, GaussianStatistics, Ints

SHOWN = 300  # stores drawn one by one; of more, an even selection


class Caterpillar(NamedTuple):
    """One number of all stores shown, (store,) each.

    Attributes
    ----------
    coefficient : name; "intercept" stands for log sales in a typical week, or the predictor of a typical row.
    mean, low, high : posterior and its 89 % interval.
    """

    coefficient: str
    mean: Floats
    low: Floats
    high: Floats


class Plane(NamedTuple):
    """Stores by log sales in a typical week and price elasticity.

    Attributes
    ----------
    store : (one,) those whose own weeks settle an elasticity.
    own, after : (one, 2) by least squares of their own weeks, and pooled.
    centres : (segment, 2)
    """

    store: Ints
    own: Floats
    after: Floats
    centres: Floats


class StoreByStore(NamedTuple):
    """What the page says of single stores.

    Attributes
    ----------
    shown : (one,) the stores drawn one by one; `caterpillars` and `together` are of these.
    together : probability of the same segment, stores in clustered order, and that order; None for one segment.
    plane : None without an intercept or a price.
    moved, shrinkage : the stores that pooling moves most, and how; none without an intercept, and of families, whose
        stores have rates (`report_rates`).
    explained : a sentence on each of these.
    borrowed : (store,) information in each store's weeks on its elasticity, and the share of the other stores in what
        is said of it; None where stores of a segment are alike.
    """

    shown: Ints
    caterpillars: list[Caterpillar]
    together: tuple[Floats, Ints] | None
    plane: Plane | None
    moved: Ints
    shrinkage: Shrinkage | None
    explained: list[str]
    borrowed: tuple[Floats, Floats] | None


def store_by_store(fit: Fit) -> StoreByStore:
    """Work it out, of a selection of stores where they are many."""
    shown = selection(len(fit.stores), SHOWN)
    some = some_stores(fit, shown)
    together = None
    if fit.k > 1 and len(shown) > 1:
        pairs = co_membership(some).to_numpy()
        order = clustered(pairs)
        together = pairs[np.ix_(order, order)], order
    counted = not isinstance(fit.statistics, GaussianStatistics)
    moved = np.arange(0) if counted else furthest(fit)
    pulled = shrinkage(fit, moved) if moved.size else None
    told = [] if pulled is None else [explanation(fit, pulled, row) for row in range(moved.size)]
    return StoreByStore(shown, _caterpillars(fit, some), together, _plane(fit), moved, pulled, told, _borrowed(fit))


def _caterpillars(fit: Fit, some: Fit) -> list[Caterpillar]:
    """Of every coefficient in which stores differ."""
    directions = np.eye(len(fit.coefficients))
    at = typical_week(fit)
    if at is not None:
        directions[fit.coefficients.index("intercept")] = at
    mean, _, low, high = store_values(some, directions[None], INTERVAL, DRAWS)
    return [
        Caterpillar(name, mean[:, c], low[:, c], high[:, c])
        for c, name in enumerate(fit.coefficients)
        if np.ptp(mean[:, c]) > 1e-9 * np.ptp([low[:, c], high[:, c]])
    ]


def _plane(fit: Fit) -> Plane | None:
    axis = axis_of(fit.coefficients, fit.statistics)
    if axis is None:
        return None
    known = np.flatnonzero(np.isfinite(own_variances_along(fit.gaussian, np.eye(axis.at.size)[axis.price])))
    after = np.asarray(fit.by_store["coefficients"].transpose("store", "coefficient"), dtype=float)
    return Plane(
        known, place(fit.gaussian.b[known], axis), place(after[known], axis), place(fit.draws.mu.mean(0), axis)
    )


def _borrowed(fit: Fit) -> tuple[Floats, Floats] | None:
    price, stats = price_column(fit.coefficients), fit.statistics
    if not isinstance(stats, GaussianStatistics) or price is None or fit.draws.omega is None:
        return None
    if fit.k > 1 and "membership" not in fit.by_store:
        return None
    unit = np.eye(len(fit.coefficients))[price]
    return 1.0 / own_variances_along(stats, unit), pooling(fit)[:, price]
