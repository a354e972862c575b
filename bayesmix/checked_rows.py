"""The rows of a panel of counts, choices or amounts, as checks of a model need them: what was seen where.

Rows of a store with one design have one linear predictor, so predictors are worked out for each distinct design of a
store, a cell, and rows only point at theirs.
"""

from typing import NamedTuple

import numpy as np

from em.design_counts import DesignCounts, distinct_rows
from em.errors import InputError
from em.families.family import Family
from em.panel import Panel
from em.statistics import Floats, Ints


class Rows(NamedTuple):
    """What was observed.

    Attributes
    ----------
    family : of the response.
    n_stores : number of stores.
    store : (cell,) sorted.
    x, offset : (cell, coefficient) and (cell,)
    cell : (row,) sorted.
    y, trials : (row,)
    """

    family: Family
    n_stores: int
    store: Ints
    x: Floats
    offset: Floats
    cell: Ints
    y: Floats
    trials: Floats

    @property
    def store_of_row(self) -> Ints:
        """Which store each row is of; (row,) sorted."""
        return self.store[self.cell]

    @property
    def of_trials(self) -> bool:
        """Whether responses are successes among trials."""
        return self.family.link == "logit"

    @property
    def yes_or_no(self) -> bool:
        """Whether every row is a single trial, which no dispersion and no frequency can speak against."""
        return self.of_trials and float(self.trials.max()) == 1.0


class StoreDraws(NamedTuple):
    """What a model says of every store: draws of a posterior, or one estimate.

    Attributes
    ----------
    theta : (draw, store, coefficient)
    sigma : (draw, store) dispersion; ignored by families that have none.
    """

    theta: Floats
    sigma: Floats


class Seen(NamedTuple):
    """Distinct rows with how often each was seen: (seen,) cells, responses, trials and counts."""

    cell: Ints
    y: Floats
    trials: Floats
    count: Floats


def rows_of(data: Panel | DesignCounts) -> Rows:
    """The rows of a panel of another family than log sales, or of its statistics where these still tell them apart.

    Raises
    ------
    InputError
        When the panel holds log sales, or a store's statistics do not say which response goes with which design.
    """
    if isinstance(data, DesignCounts):
        return _rows_of_statistics(data)
    if data.response is None:
        raise InputError(f"{data.file}: holds log sales; expected counts, choices or amounts (--family)")
    family, _, offset, trials = data.response
    cells, cell = distinct_rows(np.column_stack([data.store.astype(float), data.x, offset]))
    order = np.argsort(cell, kind="stable")
    return Rows(
        family, len(data.stores), cells[:, 0].astype(np.intp), cells[:, 1:-1], cells[:, -1],
        cell[order], data.y[order], trials[order],
    )  # fmt: skip


def _rows_of_statistics(stats: DesignCounts) -> Rows:
    """Rows where every design of a store was met once, or responses are yes or no, or all stores have one design."""
    n_rows = np.bincount(stats.value_store, stats.count, stats.n_stores)
    n_cells = np.bincount(stats.store, minlength=stats.n_stores)
    cells = np.arange(stats.store.size)
    if np.array_equal(n_rows, n_cells):
        cell, y, trials = cells, stats.total, stats.n
    elif stats.family.link == "logit" and stats.trials.max() == 1.0:
        cell = np.repeat(cells, stats.n.astype(np.intp))
        number = np.arange(cell.size) - np.searchsorted(cell, cell)
        y, trials = (number < stats.total[cell]).astype(float), np.ones(cell.size)
    elif np.all(n_cells == 1):
        value = np.repeat(np.arange(stats.value.size), stats.count.astype(np.intp))
        cell, y, trials = stats.value_store[value], stats.y[stats.value[value]], stats.trials[stats.value[value]]
    else:
        raise InputError(
            "stores met designs more than once, so their statistics do not hold their rows; expected the panel"
        )
    return Rows(
        stats.family, stats.n_stores, stats.store, stats.x[stats.design], stats.offset[stats.design], cell, y, trials
    )


def distinct(rows: Rows) -> Seen:
    """Each distinct row once."""
    found, index = distinct_rows(np.column_stack([rows.cell.astype(float), rows.y, rows.trials]))
    return Seen(found[:, 0].astype(np.intp), found[:, 1], found[:, 2], np.bincount(index).astype(float))


def predictors(rows: Rows, draws: StoreDraws, draw: int) -> tuple[Floats, Floats]:
    """Linear predictor and log dispersion of every cell under one draw; (cell,) both."""
    eta = rows.offset + np.einsum("cp,cp->c", rows.x, draws.theta[draw][rows.store])
    if not rows.family.dispersed:
        return eta, np.zeros(eta.size)
    return eta, np.log(draws.sigma[draw])[rows.store]


def evenly(draws: StoreDraws, wanted: int) -> Ints:
    """So many draws, evenly taken; each several times where there are fewer."""
    n = len(draws.theta)
    return np.linspace(0, n - 1, wanted).astype(np.intp) if n >= wanted else np.arange(wanted) % n
