"""Stores by their design: those that share X'X share whatever is factorised from it; in a wide panel all of them do.

With a root R of a design's cross-products (R'R = X'X) a store is e_i = R b_i, the projection of its sales on the
columns of its design: as many numbers as coefficients, each with the residual's variance, also where X'X is singular
and b_i therefore wild. `whitening` gives coordinates in which units decide nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from em.errors import InputError
from em.likelihood import roots
from em.statistics import Floats, GaussianStatistics, Ints, spectrum


def distinct_designs(stats: GaussianStatistics) -> tuple[Floats, Ints]:
    """Each distinct X'X once, (design, coefficient, coefficient), and which of them is a store's, (store,)."""
    flat = np.ascontiguousarray(stats.xtx.reshape(stats.n_stores, -1))
    if np.all(flat == flat[0]):
        return stats.xtx[:1], np.zeros(stats.n_stores, dtype=np.intp)
    distinct, index = np.unique(flat, axis=0, return_inverse=True)
    return distinct.reshape(-1, *stats.xtx.shape[1:]), index.reshape(-1)


class Projections(NamedTuple):
    """Stores sorted by their design.

    Attributes
    ----------
    root : (design, coefficient, coefficient) R with R'R = X'X.
    design : (store,) whose root is a store's, rising.
    first : (design,) where the stores of a design begin.
    order : (store,) the position in the panel of each store as sorted here.
    n, rss : (store,) observed weeks and residual sums of squares, sorted.
    e : (store, coefficient) R b, sorted.
    """

    root: Floats
    design: Ints
    first: Ints
    order: Ints
    n: Floats
    rss: Floats
    e: Floats


class DesignSums(NamedTuple):
    """Weighted sums over the stores of each design: all that a normal distribution of coefficients needs of them.

    Attributes
    ----------
    root : (design, coefficient, coefficient)
    weight : (design, segment) sum of the stores' weights.
    mean : (design, segment, coefficient) weighted mean of e.
    scatter : (design, segment, coefficient, coefficient) weighted sum of squares of e about that mean.
    n, rss : (segment,) weighted sums over all stores.
    """

    root: Floats
    weight: Floats
    mean: Floats
    scatter: Floats
    n: Floats
    rss: Floats


def project(stats: GaussianStatistics) -> Projections:
    """Sort the stores by design and project their sales on its columns."""
    distinct, design = distinct_designs(stats)
    order = np.argsort(design, kind="stable")
    design = design[order]
    first = np.flatnonzero(np.concatenate(([True], design[1:] > design[:-1])))
    root = np.ascontiguousarray(roots(distinct))
    e = np.einsum("spq,sq->sp", root[design], stats.b[order])
    return Projections(root, design, first, order, stats.n[order], stats.rss[order], e)


def sum_by_design(stores: Projections, weight: Floats) -> DesignSums:
    """Sums over the stores of each design, with weights (store, segment) in the order of `stores`."""
    total = np.add.reduceat(weight, stores.first, axis=0)
    n, rss = weight.T @ stores.n, weight.T @ stores.rss
    p = stores.e.shape[1]
    if stores.first.size == stores.design.size:
        mean = np.broadcast_to(stores.e[:, None, :], (*weight.shape, p))
        return DesignSums(stores.root, total, mean, np.zeros((*weight.shape, p, p)), n, rss)
    weighted = np.add.reduceat(weight[:, :, None] * stores.e[:, None, :], stores.first, axis=0)
    mean = weighted / np.maximum(total, np.finfo(float).tiny)[..., None]
    off = stores.e[:, None, :] - mean[stores.design]
    products = (weight[..., None] * off)[..., None] * off[..., None, :]
    return DesignSums(stores.root, total, mean, np.add.reduceat(products, stores.first, axis=0), n, rss)


def whitening(stats: GaussianStatistics, random: Ints, names: Sequence[str]) -> Floats:
    """Coordinates theta = back theta* in which the panel's columns are orthogonal and of unit size.

    The random coefficients turn among themselves only and the others take up what is left, so that a covariance of the
    random coefficients stays one: Omega = back Omega* back'.

    Parameters
    ----------
    random : positions of the random coefficients.
    names : of the coefficients.

    Returns
    -------
    `back` (coefficient, coefficient) with back' (sum X'X / rows) back = I.

    Raises
    ------
    InputError
        When the stores together do not identify every coefficient.
    """
    return orthogonal_coordinates(stats.xtx.sum(0) / stats.n.sum(), random, names)


def orthogonal_coordinates(gram: Floats, random: Ints, names: Sequence[str]) -> Floats:
    """The same from mean cross-products of a panel's columns, (coefficient, coefficient)."""
    if not np.all(spectrum(gram).seen):
        raise InputError(f"the stores together do not identify the coefficients {', '.join(names)}; leave one out")
    order = np.concatenate([random, np.setdiff1d(np.arange(len(gram)), random)])
    back = np.zeros_like(gram)
    back[np.ix_(order, order)] = np.linalg.inv(np.linalg.cholesky(gram[np.ix_(order, order)])).T
    return back
