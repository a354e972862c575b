"""Sufficient statistics of a Gaussian store: all that the data say about it, computed once.

For a store with design X_i and response y_i,

    sum_t (y_it - x_it' theta)^2 = rss_i + (theta - b_i)' X_i'X_i (theta - b_i),

two non-negative terms, so nothing cancels. Statistics are values with laws: those of two halves of a
panel merge into those of the whole, and the order of stores and weeks does not matter.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

SINGULAR = 1e-12  # eigenvalue of scaled cross-products, as a share of the largest, below which nothing is seen
CHUNK = 2_000_000  # doubles of design held at once while building


class GaussianStatistics(NamedTuple):
    """What a Gaussian likelihood needs of every store.

    Attributes
    ----------
    n : (store,) number of observed weeks, as floats.
    xtx : (store, coefficient, coefficient) cross-products X_i'X_i.
    b : (store, coefficient) the store's own least-squares coefficients (the shortest, where X_i has not full rank).
    rss : (store,) residual sum of squares at b, in squared units of the response.
    """

    n: Floats
    xtx: Floats
    b: Floats
    rss: Floats

    @property
    def n_stores(self) -> int:
        """Number of stores."""
        return self.n.shape[0]

    @property
    def n_coefficients(self) -> int:
        """Number of coefficients p."""
        return self.b.shape[1]

    @property
    def n_observations(self) -> int:
        """Rows of the panel: observed weeks summed over stores."""
        return int(self.n.sum())


def build(store: Ints, x: Floats, y: Floats, n_stores: int) -> GaussianStatistics:
    """Statistics of every store from the rows of a panel.

    Parameters
    ----------
    store : (row,) index of the row's store, 0 .. n_stores - 1, in any order.
    x : (row, coefficient) design.
    y : (row,) response.
    n_stores : number of stores; one without rows has n = 0 and is uninformative.
    """
    if np.any(store[1:] < store[:-1]):
        order = np.argsort(store, kind="stable")
        store, x, y = store[order], x[order], y[order]
    p = x.shape[1]
    counts = np.bincount(store, minlength=n_stores)
    first = np.concatenate(([0], np.cumsum(counts)[:-1]))
    stats = GaussianStatistics(
        counts.astype(float), np.zeros((n_stores, p, p)), np.zeros((n_stores, p)), np.zeros(n_stores)
    )
    for length in np.unique(counts[counts > 0]):
        members = np.flatnonzero(counts == length)
        for chunk in np.array_split(members, 1 + members.size * length * p // CHUNK):
            rows = first[chunk, None] + np.arange(length)
            stats.xtx[chunk], stats.b[chunk], stats.rss[chunk] = _least_squares(x[rows], y[rows])
    return stats


def _least_squares(x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Cross-products, coefficients and residual sums of stores of one length; x (store, row, p), y (store, row).

    Stores that share one design, as in a wide panel, share one decomposition.
    """
    shared = bool(np.all(x == x[:1]))
    design = x[:1] if shared else x
    u, s, vt = np.linalg.svd(design, full_matrices=False)
    cutoff = s[:, :1] * max(design.shape[1:]) * np.finfo(float).eps
    inverse = np.divide(1.0, s, out=np.zeros_like(s), where=s > cutoff)
    if shared:
        b = (y @ u[0] * inverse[0]) @ vt[0]
        residual = y - b @ x[0].T
    else:
        b = np.einsum("srp,sr,sp,spq->sq", u, y, inverse, vt, optimize=True)
        residual = y - np.einsum("srp,sp->sr", x, b)
    xtx = np.einsum("srp,srq->spq", design, design, optimize=True)
    return np.broadcast_to(xtx, (x.shape[0], *xtx.shape[1:])), b, np.einsum("sr,sr->s", residual, residual)


def merge(first: GaussianStatistics, second: GaussianStatistics) -> GaussianStatistics:
    """Statistics of the same stores from two disjoint sets of their weeks."""
    xtx = first.xtx + second.xtx
    xty = _xty(first) + _xty(second)
    b = solve(xtx, xty)
    at_b = [sums_of_squares(part, b[:, None, :], paired=True)[:, 0] for part in (first, second)]
    return GaussianStatistics(first.n + second.n, xtx, b, at_b[0] + at_b[1])


def concatenate(parts: list[GaussianStatistics]) -> GaussianStatistics:
    """Statistics of disjoint sets of stores, one set after the other."""
    return GaussianStatistics(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def take(stats: GaussianStatistics, index: Ints) -> GaussianStatistics:
    """Statistics of the stores at `index`, in that order, repeats allowed."""
    return GaussianStatistics(*(field[index] for field in stats))


def sums_of_squares(stats: GaussianStatistics, theta: Floats, *, paired: bool = False) -> Floats:
    """Residual sum of squares of every store at given coefficients.

    Parameters
    ----------
    theta : (..., segment, coefficient); with `paired`, (store, segment, coefficient): each store its own.

    Returns
    -------
    (..., store, segment), or (store, segment) with `paired`.
    """
    # Stores run fastest in memory, so that every operation below is one long loop.
    at = np.swapaxes(theta, 0, 1) if paired else theta[..., :, None, :]
    xtx, b = np.ascontiguousarray(stats.xtx.transpose(1, 2, 0)), np.ascontiguousarray(stats.b.T)
    d = [at[..., a] - b[a] for a in range(stats.n_coefficients)]
    total = np.broadcast_to(stats.rss, d[0].shape).copy()
    for a, d_a in enumerate(d):
        inner = xtx[a, a] * d_a
        for c in range(a):
            inner += (2.0 * xtx[a, c]) * d[c]
        inner *= d_a
        total += inner
    np.maximum(total, stats.rss, out=total)  # a singular X'X may round to a little below zero
    return np.swapaxes(total, -1, -2)


def pool(stats: GaussianStatistics, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Weighted sums over stores: of n, X'X and X'y.

    Parameters
    ----------
    weights : (..., store, segment), non-negative.

    Returns
    -------
    n (..., segment), xtx (..., segment, coefficient, coefficient), xty (..., segment, coefficient)
    """
    p = stats.n_coefficients
    flat = np.concatenate([stats.n[:, None], stats.xtx.reshape(-1, p * p), _xty(stats)], axis=1)
    sums = np.swapaxes(weights, -1, -2) @ flat
    return sums[..., 0], sums[..., 1 : 1 + p * p].reshape(*sums.shape[:-1], p, p), sums[..., 1 + p * p :]


class Spectrum(NamedTuple):
    """Eigenvectors of X'X scaled to a unit diagonal, so that the units of a covariate do not decide what is singular.

    Attributes
    ----------
    values : (..., coefficient), rising.
    vectors : (..., coefficient, coefficient), in columns.
    scale : (..., coefficient): X'X = scale vectors diag(values) vectors' scale.
    seen : (..., coefficient) whether the data say anything in that direction.
    """

    values: Floats
    vectors: Floats
    scale: Floats
    seen: NDArray[np.bool_]


def column_sizes(xtx: Floats) -> Floats:
    """Length of each column of X, 1 for one of zeros; (..., coefficient)."""
    size = np.sqrt(np.diagonal(xtx, axis1=-2, axis2=-1))
    return np.where(size > 0.0, size, 1.0)


def spectrum(xtx: Floats) -> Spectrum:
    """Eigen-decomposition of scaled cross-products (..., coefficient, coefficient)."""
    scale = column_sizes(xtx)
    values, vectors = np.linalg.eigh(xtx / (scale[..., :, None] * scale[..., None, :]))
    return Spectrum(values, vectors, scale, values > SINGULAR * np.maximum(values[..., -1:], np.finfo(float).tiny))


def solve(xtx: Floats, xty: Floats) -> Floats:
    """Solve symmetric systems X'X theta = X'y, by the shortest scaled solution where singular; (..., coefficient)."""
    values, vectors, scale, seen = spectrum(xtx)
    inverse = np.where(seen, 1.0 / np.where(seen, values, 1.0), 0.0)
    rotated = np.einsum("...pq,...p->...q", vectors, xty / scale)
    return np.einsum("...pq,...q->...p", vectors, inverse * rotated) / scale


def pooled_coefficients(stats: GaussianStatistics) -> Floats:
    """Least squares over all stores together; (coefficient,)."""
    return solve(stats.xtx.sum(0), _xty(stats).sum(0))


def _xty(stats: GaussianStatistics) -> Floats:
    return np.einsum("spq,sq->sp", stats.xtx, stats.b)
