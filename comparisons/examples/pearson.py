"""Pearson's dispersion of counts, of rows and of stores: where a panel scatters more than Poisson has it.

Squares of what counts are off a Poisson regression, in units of their variance; 1 where that is right.
"""

import math
from typing import NamedTuple

import numpy as np

from em.statistics import Floats, Ints


class Dispersion(NamedTuple):
    """A dispersion and its standard error, which counts stores."""

    value: float
    error: float


class Pearson(NamedTuple):
    """The dispersions of a panel, or the ones that a truth has on average.

    Attributes
    ----------
    rows : of the rows about the mean of all stores.
    totals : of the totals of stores about theirs: what is left between stores.
    within : of the rows about their own store's level: what is left inside stores.
    """

    rows: Dispersion
    totals: Dispersion
    within: Dispersion


def pearson(store: Ints, y: Floats, mean: Floats, n_parameters: int) -> Pearson:
    """The dispersions of counts.

    Parameters
    ----------
    store, y : (row,) index of the store and count.
    mean : (row,) of the regression that takes all stores for alike, of so many parameters.
    """
    n = int(store.max()) + 1
    total, expected = np.bincount(store, y, n), np.bincount(store, mean, n)
    own = mean * (total / expected)[store]
    off_own = np.divide(np.square(y - own), own, out=np.zeros(y.size), where=own > 0.0)  # a store of zeros is not off
    of_rows = np.bincount(store, np.square(y - mean) / mean, n)
    return Pearson(
        _summed(of_rows, y.size - n_parameters),
        _summed(np.square(total - expected) / expected, n - n_parameters),
        _summed(np.bincount(store, off_own, n), y.size - n - n_parameters + 1),
    )


def _summed(by_store: Floats, freedom: int) -> Dispersion:
    return Dispersion(float(by_store.sum() / freedom), math.sqrt(by_store.size * by_store.var(ddof=1)) / freedom)


def expected_dispersions(store: Ints, mean: Floats, sigma: float, *, of_stores: bool) -> Pearson:
    """What to expect where a factor of standard deviation sigma multiplies the means of stores, or else of single rows.

    Parameters
    ----------
    store, mean : (row,) index of the store, and mean where the factor is 1.
    """
    total = np.bincount(store, mean)
    rows = 1.0 + sigma**2 * float(mean.mean())
    squares = np.bincount(store, mean**2)
    totals = 1.0 + sigma**2 * float((total if of_stores else squares / total).mean())
    return Pearson(*(Dispersion(value, 0.0) for value in (rows, totals, 1.0 if of_stores else rows)))
