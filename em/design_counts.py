"""Statistics of a store for any family: each distinct row of a design once, with how often and with what total.

Given the linear predictor a family needs of rows only their number (or trials) n and the total of their responses
(`em.families.family`), so the rows of a store with one design x and one offset are one cell; the distinct responses
are kept, with counts, for what depends on the dispersion alone. Stores with a design in common share all that follows
from it. The cost of a step grows with the cells and with the distinct designs of the panel, and no longer with the
weeks; where every row has a design of its own there are as many cells as rows and nothing is gained.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from em.families.family import Family
from em.statistics import Floats, Ints


class DesignCounts(NamedTuple):
    """What a family's likelihood needs of every store.

    Attributes
    ----------
    family : the distribution of the response.
    n_stores : number of stores.
    x, offset : (design, coefficient) and (design,), each distinct row once.
    store, design : (cell,) where a store met a design, sorted by store.
    n, total : (cell,) trials, or rows where there are none, and sum of the responses.
    y, trials : (value,) each distinct response once.
    value_store, value, count : (seen,) how many rows of a store had a response, sorted by store.
    """

    family: Family
    n_stores: int
    x: Floats
    offset: Floats
    store: Ints
    design: Ints
    n: Floats
    total: Floats
    y: Floats
    trials: Floats
    value_store: Ints
    value: Ints
    count: Floats

    @property
    def n_coefficients(self) -> int:
        """Number of coefficients p."""
        return self.x.shape[1]

    @property
    def n_observations(self) -> int:
        """Rows of the panel: observed weeks summed over stores."""
        return int(self.count.sum())


def count_designs(
    family: Family,
    store: Ints,
    x: Floats,
    y: Floats,
    n_stores: int,
    *,
    offset: Floats | None = None,
    trials: Floats | None = None,
) -> DesignCounts:
    """Statistics of every store from the rows of a panel.

    Parameters
    ----------
    store : (row,) index of the row's store, 0 .. n_stores - 1, in any order.
    x, y : (row, coefficient) design and (row,) response.
    offset : (row,) known part of the linear predictor, such as the logarithm of an exposure; None is zero.
    trials : (row,) of a binomial; None is one.
    """
    offset = np.zeros(y.size) if offset is None else offset
    trials = np.ones(y.size) if trials is None else trials
    return _counted(
        family, n_stores, (store, np.column_stack([x, offset]), trials, y), (store, np.column_stack([y, trials]), None)
    )


def _counted(
    family: Family,
    n_stores: int,
    cells: tuple[Ints, Floats, Floats, Floats],
    values: tuple[Ints, Floats, Floats | None],
) -> DesignCounts:
    """From rows or cells (store, design and offset, n, total) and responses (store, y and trials, count)."""
    designs, design = distinct_rows(cells[1])
    store, design, n, total = _summed(cells[0], design, cells[2], cells[3])
    responses, value = distinct_rows(values[1])
    count = np.ones(value.size) if values[2] is None else values[2]
    value_store, value, count = _summed(values[0], value, count)
    return DesignCounts(
        family, n_stores, designs[:, :-1], designs[:, -1], store, design, n, total,
        responses[:, 0], responses[:, 1], value_store, value, count,
    )  # fmt: skip


def distinct_rows(rows: Floats) -> tuple[Floats, Ints]:
    """Each distinct row once, in rising order, and which of them is each row's."""
    order = np.lexsort(rows.T[::-1])
    ordered = rows[order]
    new = np.concatenate([[True], np.any(ordered[1:] != ordered[:-1], axis=1)])[: len(rows)]
    index = np.empty(len(rows), dtype=np.intp)
    index[order] = np.cumsum(new) - 1
    return ordered[new], index


def _summed(store: Ints, other: Ints, *amounts: Floats) -> tuple:
    """Distinct pairs of store and other, sorted, with sums of the amounts."""
    key, place = np.unique(store * (int(other.max(initial=0)) + 1) + other, return_inverse=True)
    width = int(other.max(initial=0)) + 1
    return key // width, key % width, *(np.bincount(place, amount, key.size) for amount in amounts)


def with_designs(stats: DesignCounts, rows: Floats) -> DesignCounts:
    """Statistics of the same rows of a panel with other designs, one for each cell; rows (cell, coefficient)."""
    designs, design = distinct_rows(np.column_stack([rows, stats.offset[stats.design]]))
    store, design, n, total = _summed(stats.store, design, stats.n, stats.total)
    return stats._replace(x=designs[:, :-1], offset=designs[:, -1], store=store, design=design, n=n, total=total)


def with_responses(stats: DesignCounts, cell: Ints, y: Floats, trials: Floats) -> DesignCounts:
    """Statistics of the same stores and designs with other responses; (row,) each, `cell` where a row belongs."""
    responses, value = distinct_rows(np.column_stack([y, trials]))
    value_store, value, count = _summed(stats.store[cell], value, np.ones(value.size))
    return stats._replace(
        total=np.bincount(cell, y, stats.store.size), y=responses[:, 0], trials=responses[:, 1],
        value_store=value_store, value=value, count=count,
    )  # fmt: skip


def take_stores(stats: DesignCounts, index: Ints) -> DesignCounts:
    """Statistics of the stores at `index`, in that order, repeats allowed; designs that nobody met are left out."""
    cell, cell_store = _rows_of(stats.store, index, stats.n_stores)
    seen, seen_store = _rows_of(stats.value_store, index, stats.n_stores)
    design, new_design = np.unique(stats.design[cell], return_inverse=True)
    value, new_value = np.unique(stats.value[seen], return_inverse=True)
    return DesignCounts(
        stats.family, index.size, stats.x[design], stats.offset[design], cell_store, new_design,
        stats.n[cell], stats.total[cell], stats.y[value], stats.trials[value], seen_store, new_value, stats.count[seen],
    )  # fmt: skip


def _rows_of(store: Ints, index: Ints, n_stores: int) -> tuple[Ints, Ints]:
    """Positions of the rows of chosen stores, and which choice each belongs to; `store` is sorted."""
    first = np.searchsorted(store, np.arange(n_stores + 1))
    length = np.diff(first)[index]
    owner = np.repeat(np.arange(index.size), length)
    inside = np.arange(owner.size) - np.repeat(np.cumsum(length) - length, length)
    return first[index][owner] + inside, owner


def concatenate_stores(parts: list[DesignCounts]) -> DesignCounts:
    """Statistics of disjoint sets of stores, one set after the other."""
    before = np.concatenate([[0], np.cumsum([part.n_stores for part in parts])])
    return _joined(parts, before[:-1], int(before[-1]))


def merge_weeks(first: DesignCounts, second: DesignCounts) -> DesignCounts:
    """Statistics of the same stores from two disjoint sets of their weeks."""
    return _joined([first, second], np.zeros(2, dtype=np.intp), first.n_stores)


def _joined(parts: list[DesignCounts], shift: Ints, n_stores: int) -> DesignCounts:
    cells = (
        np.concatenate([part.store + by for part, by in zip(parts, shift, strict=True)]),
        np.concatenate([np.column_stack([part.x, part.offset])[part.design] for part in parts]),
        np.concatenate([part.n for part in parts]),
        np.concatenate([part.total for part in parts]),
    )
    values = (
        np.concatenate([part.value_store + by for part, by in zip(parts, shift, strict=True)]),
        np.concatenate([np.column_stack([part.y, part.trials])[part.value] for part in parts]),
        np.concatenate([part.count for part in parts]),
    )
    return _counted(parts[0].family, n_stores, cells, values)


def cell_of_rows(stats: DesignCounts, store: Ints, x: Floats, offset: Floats) -> Ints:
    """The cell of each row of stores, which must have met its design; (row,)."""
    known = np.column_stack([stats.store.astype(float), stats.x[stats.design], stats.offset[stats.design]])
    return _places(known, np.column_stack([store.astype(float), x, offset]))


def value_of_rows(stats: DesignCounts, y: Floats, trials: Floats) -> Ints:
    """Which of the distinct responses each row has; (row,)."""
    return _places(np.column_stack([stats.y, stats.trials]), np.column_stack([y, trials]))


def _places(known: Floats, asked: Floats) -> Ints:
    """Where rows stand among others, all of which are distinct."""
    distinct, index = distinct_rows(np.concatenate([known, asked]))
    place = np.full(len(distinct), -1, dtype=np.intp)
    place[index[: len(known)]] = np.arange(len(known))
    found = place[index[len(known) :]]
    if (found < 0).any():
        raise ValueError("a row that the statistics do not hold")
    return found


def by_design(stats: DesignCounts, amounts: Floats) -> csr_array:
    """Amounts of the cells as a sparse matrix (store, design)."""
    first = np.searchsorted(stats.store, np.arange(stats.n_stores + 1))
    return csr_array((amounts, stats.design, first), shape=(stats.n_stores, len(stats.offset)))


def by_value(stats: DesignCounts) -> csr_array:
    """Counts of the responses as a sparse matrix (store, value)."""
    first = np.searchsorted(stats.value_store, np.arange(stats.n_stores + 1))
    return csr_array((stats.count, stats.value, first), shape=(stats.n_stores, stats.y.size))


def pooled_designs(stats: DesignCounts) -> tuple[Floats, Floats]:
    """Numbers and totals of every design over all stores; (design,) each."""
    designs = stats.offset.size
    return np.bincount(stats.design, stats.n, designs), np.bincount(stats.design, stats.total, designs)
