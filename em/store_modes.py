"""The most probable deviation of every store from the mean of all, given its data: Newton's method on all at once.

A store's coefficients are mu + root u with u standard normal, so its deviation maximises

    g_i(u) = sum over cells of [ total a(eta) + n c(eta) ] - u'u / 2,   eta = offset + x'(mu + root u),

which is concave for every family here.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from em.design_counts import DesignCounts
from em.families.family import Family
from em.statistics import Floats, Ints

MOST = 200  # Newton steps, halvings included
SETTLED = 1e-10  # squared Newton step, in standard deviations of a store's u, after which one more is the last


class Cells(NamedTuple):
    """Where each store met each of its designs, with the sums over a store's cells as a matrix.

    Attributes
    ----------
    x, offset : (cell, coefficient) and (cell,)
    store : (cell,) sorted.
    n, total : (cell,)
    sums : (store, cell) of ones.
    """

    family: Family
    n_stores: int
    x: Floats
    offset: Floats
    store: Ints
    n: Floats
    total: Floats
    sums: csr_array


class Modes(NamedTuple):
    """Most probable deviations.

    Attributes
    ----------
    u : (store, direction)
    value : (store,) g there, without the carrier.
    information : (store, direction, direction) minus the second derivative of g there.
    """

    u: Floats
    value: Floats
    information: Floats


def cells_of(stats: DesignCounts, back: Floats | None = None) -> Cells:
    """The cells of a panel, in coordinates theta = back theta* where these are given."""
    x = stats.x if back is None else stats.x @ back
    first = np.searchsorted(stats.store, np.arange(stats.n_stores + 1))
    sums = csr_array((np.ones(stats.store.size), np.arange(stats.store.size), first))
    return Cells(
        stats.family, stats.n_stores, x[stats.design], stats.offset[stats.design], stats.store, stats.n,
        stats.total, sums,
    )  # fmt: skip


def squares_by_store(cells: Cells, amount: Floats, columns: Floats) -> Floats:
    """Sums over a store's cells of amount times column times column; (store, column, column)."""
    m = columns.shape[1]
    first, second = np.triu_indices(m)
    sums = cells.sums @ (columns[:, first] * columns[:, second] * amount[:, None])
    whole = np.empty((sums.shape[0], m, m))
    whole[:, first, second] = sums
    whole[:, second, first] = sums
    return whole


def modes(cells: Cells, mu: Floats, root: Floats, log_sigma: float, start: Floats | None = None) -> Modes:
    """Find the modes of all stores.

    Parameters
    ----------
    mu, root : (coefficient,) and (coefficient, direction).
    start : (store, direction) where Newton starts; zero when None.
    """
    directions = cells.x @ root
    center = cells.offset + cells.x @ mu
    stores, r = cells.n_stores, root.shape[1]
    u = np.zeros((stores, r)) if start is None else start

    def at(u: Floats) -> tuple[Floats, Floats, Floats]:
        eta = center + np.einsum("cr,cr->c", directions, u[cells.store])
        value = cells.sums @ cells.family.terms(eta, log_sigma).of(cells.total, cells.n)
        first, second, _ = cells.family.slopes(eta, log_sigma)
        slope = cells.sums @ (directions * first.of(cells.total, cells.n)[:, None]) - u
        bend = np.eye(r) - squares_by_store(cells, second.of(cells.total, cells.n), directions)
        return value - 0.5 * np.square(u).sum(1), slope, bend

    value, slope, bend = at(u)
    length = np.ones(stores)
    for _ in range(MOST):
        step = np.linalg.solve(bend, slope[..., None])[..., 0]
        gain = np.einsum("sr,sr->s", slope, step)
        last = bool(gain.max(initial=0.0) < SETTLED)
        ahead = u + length[:, None] * step
        value_ahead, slope_ahead, bend_ahead = at(ahead)
        better = value_ahead >= value - 1e-12 * np.abs(value) if not last else np.ones(stores, dtype=bool)
        u = np.where(better[:, None], ahead, u)
        value = np.where(better, value_ahead, value)
        slope = np.where(better[:, None], slope_ahead, slope)
        bend = np.where(better[:, None, None], bend_ahead, bend)
        length = np.where(better, np.minimum(1.0, 4.0 * length), 0.25 * length)
        if last:
            break
    return Modes(u, value, bend)
