"""Single rows of stores of any family given the store's other rows, by the quadrature of the stores."""

from typing import NamedTuple

import numpy as np

from bayesmix.family_designs import family_designs
from bayesmix.family_passes import compiled_pass, plain
from bayesmix.family_stores import family_components
from bayesmix.family_weeks import fill_rows
from em.design_counts import DesignCounts, cell_of_rows, count_designs, merge_weeks, value_of_rows
from em.families.family import log_density
from em.statistics import Floats, Ints

LIMIT = 0.3  # weight of a row beyond which nodes are placed anew; log-densities are then off by 1e-3 (at most 1e-2)
ARGUMENTS = "further, limit, mu, sigma, omega, first_row, cell, y, trials, value, loglik, alone"


class FamilyRows(NamedTuple):
    """Rows of known stores.

    Attributes
    ----------
    store : (row,) rising.
    x, offset : (row, coefficient) and (row,)
    y, trials : (row,)
    """

    store: Ints
    x: Floats
    offset: Floats
    y: Floats
    trials: Floats


class RowsGiven(NamedTuple):
    """Stores and single rows of them in each segment, for each draw.

    Attributes
    ----------
    loglik : (draw, store, segment) of the stores' data, coefficients integrated out.
    alone : (draw, row, segment) log-density of each row given the other rows of its store.
    """

    loglik: Floats
    alone: Floats


def rows_given_stores(
    stats: DesignCounts,
    nodes: int,
    mu: Floats,
    sigma: Floats,
    omega: Floats | None,
    rows: FamilyRows,
    *,
    left_out: bool,
    limit: float = LIMIT,
) -> RowsGiven:
    """Log-densities of single rows, each given the rows of its store without it.

    Parameters
    ----------
    nodes : of the quadrature, in each direction; with one, Laplace's approximation, nodes are always placed anew.
    mu : (draw, segment, coefficient), or (draw, store, segment, coefficient).
    sigma : (draw, segment)
    omega : (draw, segment, coefficient, coefficient); None where the stores of a segment do not differ.
    left_out : whether the rows are among those of `stats`; else they are further ones, one at a time.
    limit : see `LIMIT`.
    """
    p, stores = mu.shape[-1], stats.n_stores
    means = mu if mu.ndim == 4 else mu[:, None]
    log_sigma = np.log(sigma)[:, None]
    if omega is None or not np.diagonal(omega, axis1=-2, axis2=-1).any():
        at = means if means.shape[1] == 1 else means[:, rows.store]
        eta = rows.offset[:, None] + sum(at[..., a] * rows.x[:, None, a] for a in range(p))
        alone = log_density(stats.family, rows.y[:, None], eta, rows.trials[:, None], log_sigma)
        return RowsGiven(family_components(stats, nodes, mu, sigma, None).loglik, alone)
    count = count_designs(stats.family, rows.store, rows.x, rows.y, stores, offset=rows.offset, trials=rows.trials)
    if not left_out:  # cells for the rows, of which nothing has been seen yet
        count = count._replace(n=0.0 * count.n, total=0.0 * count.total, count=0.0 * count.count)
        stats = merge_weeks(stats, count)
    varying = np.flatnonzero(np.diagonal(omega, axis1=-2, axis2=-1).reshape(-1, p).any(0))
    data = family_designs(stats, None, nodes, varying)
    data = data._replace(n=data.n.copy(), total=data.total.copy())  # the pass changes them on its way
    loglik, alone = np.empty((len(sigma), stores, sigma.shape[1])), np.empty((len(sigma), rows.y.size, sigma.shape[1]))
    compiled_pass(stats.family, fill_rows, ARGUMENTS)(
        not left_out, limit if nodes > 1 else -1.0, plain(means), plain(sigma), plain(omega),
        np.searchsorted(rows.store, np.arange(stores + 1)).astype(np.int64),
        cell_of_rows(stats, rows.store, rows.x, rows.offset).astype(np.int64), plain(rows.y), plain(rows.trials),
        value_of_rows(stats, rows.y, rows.trials).astype(np.int64), loglik, alone, *map(plain, data),
    )  # fmt: skip
    return RowsGiven(loglik, alone)
