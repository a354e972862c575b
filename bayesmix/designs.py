"""Stores sorted by their design, as the kernel takes them."""

from typing import NamedTuple

import numpy as np

from em.designs import project
from em.statistics import Floats, GaussianStatistics, Ints


class StoresByDesign(NamedTuple):
    """Statistics of the stores, those of equal X'X together, as the kernel takes them.

    Attributes
    ----------
    first : (design + 1,) where the stores of each distinct X'X begin.
    root : (design, coefficient, coefficient) R with R'R = X'X.
    n : (store,) observed weeks, sorted by design as are the next two.
    b : (store, coefficient) the store's own least-squares coefficients.
    rss : (store,) residual sum of squares at b.
    traits : (store, trait) that explain coefficients; without columns where nothing does.
    """

    first: Ints
    root: Floats
    n: Floats
    b: Floats
    rss: Floats
    traits: Floats


def by_design(stats: GaussianStatistics, traits: Floats | None = None) -> StoresByDesign:
    """Sort the stores by their X'X and take the root of each distinct one; traits (store, trait)."""
    traits = np.zeros((stats.n_stores, 0)) if traits is None else traits
    stores = project(stats)
    first = np.append(stores.first, stats.n_stores).astype(np.int64)
    return StoresByDesign(first, stores.root, stores.n, stats.b[stores.order], stores.rss, traits[stores.order])
