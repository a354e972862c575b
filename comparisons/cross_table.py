"""Whether two ways of dividing stores into segments agree: a cross table, and the adjusted Rand index of it."""

import numpy as np

from em.statistics import Floats, Ints


def cross_table(first: Ints, second: Ints, k: int) -> Ints:
    """How many stores are in segment a by the one and in b by the other; (segment, segment).

    Parameters
    ----------
    first, second : (store,) segments counted from 0.
    """
    table = np.zeros((k, k), dtype=np.intp)
    np.add.at(table, (first, second), 1)
    return table


def adjusted_rand(table: Ints) -> float:
    """Agreement of two partitions whatever their segments are called: 1 for the same, 0 as by chance.

    Hubert & Arabie 1985, Journal of Classification 2, equation 5.

    Parameters
    ----------
    table : (segment, segment) counts of stores.
    """
    inside, rows, columns = (_pairs(counts) for counts in (table.ravel(), table.sum(1), table.sum(0)))
    expected = rows * columns / max(_pairs(np.array([table.sum()])), 1.0)
    highest = 0.5 * (rows + columns)
    return 1.0 if highest == expected else float((inside - expected) / (highest - expected))


def _pairs(counts: Ints) -> float:
    """Pairs of stores inside cells."""
    values: Floats = counts.astype(float)
    return float((values * (values - 1.0) / 2.0).sum())
