"""The panel: which store sold how much in which week at what price, read, checked and named.

A *wide* file has a row for each week, one price for all stores and a column of sales for each store. A *long*
file has a row for each store and week with prices of their own. Both become the same panel of rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from em.between import Between, centred_traits
from em.design_counts import DesignCounts, count_designs
from em.errors import InputError
from em.response import LOG_SALES, Response, read_response
from em.statistics import Floats, GaussianStatistics, Ints, build
from em.table import Table, numbers, read_table, shorten

UNNAMED_WEEKS = "no column of weeks: the rows of a store are taken as its weeks, in their order"


@dataclass(frozen=True)
class Columns:
    """Which columns of a file hold what; None means: the usual name."""

    store: str | None = None
    week: str | None = None
    sales: str | None = None
    price: str | None = None
    covariates: tuple[str, ...] = ()
    formula: str | None = None
    membership: str | None = None
    between: str | None = None
    family: str = LOG_SALES
    exposure: str | None = None
    trials: str | None = None

    @property
    def logged(self) -> bool:
        """Whether the response is log sales."""
        return self.family == LOG_SALES


@dataclass(frozen=True)
class Panel:
    """Observed weeks of all stores, sorted by store and then by week.

    Attributes
    ----------
    stores : names, in the order of the file.
    weeks : labels, in order of time where they are numbers, else as they first appear.
    coefficients : names of the columns of `x`, such as ("intercept", "log_price").
    store, week : (row,) index into `stores` and `weeks`.
    x : (row, coefficient) design.
    y : (row,) log sales, or the response of a family on its own scale.
    file, sha256 : where it came from.
    traits, trait_names : (store, trait) what explains membership, the first a one; None when nothing does.
    between : what explains the coefficients of stores; None when nothing does.
    notes : what a careful reader should be told of how the file was read.
    columns : the names by which it was read, so that it can be read again.
    response : what y is where it is not log sales; None where it is.
    """

    stores: tuple[str, ...]
    weeks: tuple[str, ...]
    coefficients: tuple[str, ...]
    store: Ints = field(repr=False)
    week: Ints = field(repr=False)
    x: Floats = field(repr=False)
    y: Floats = field(repr=False)
    file: str
    sha256: str
    traits: Floats | None = field(default=None, repr=False)
    trait_names: tuple[str, ...] = ()
    between: Between | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    columns: Columns = Columns()
    response: Response | None = field(default=None, repr=False)

    @cached_property
    def _statistics(self) -> GaussianStatistics:
        return build(self.store, self.x, self.y, len(self.stores))

    @cached_property
    def _counts(self) -> DesignCounts | None:
        if self.response is None:
            return None
        family, _, offset, trials = self.response
        return count_designs(family, self.store, self.x, self.y, len(self.stores), offset=offset, trials=trials)


def store_statistics(panel: Panel) -> GaussianStatistics:
    """The sufficient statistics of stores of log sales, worked out once; after this nothing asks for a week.

    Raises
    ------
    InputError
        When the panel holds the response of another family.
    """
    log_sales(panel)
    return panel._statistics


def log_sales(panel: Panel) -> Floats:
    """The log sales of a panel's rows; (row,).

    Raises
    ------
    InputError
        When the panel holds the response of another family.
    """
    if panel.response is not None:
        raise InputError(f"{panel.file}: holds {panel.response.family.name} responses; expected log sales")
    return panel.y


def statistics_of(panel: Panel) -> GaussianStatistics | DesignCounts:
    """The statistics of a panel's stores, whatever the family."""
    return store_statistics(panel) if panel._counts is None else panel._counts


def read_panel(
    path: str | Path,
    *,
    store: str | None = None,
    week: str | None = None,
    sales: str | None = None,
    price: str | None = None,
    covariates: Sequence[str] = (),
    formula: str | None = None,
    membership: str | None = None,
    between: str | None = None,
    family: str = LOG_SALES,
    exposure: str | None = None,
    trials: str | None = None,
) -> Panel:
    """Read a wide or long panel from CSV or Parquet.

    Parameters
    ----------
    path : the file. It is long when it has a column `store` (or the one named here), else wide.
    store, week, sales, price : names of columns; without a week column the rows of a store are in order of time.
        In a wide file `sales` is what the names of the stores' columns begin with.
    covariates : further columns, entering as they are.
    formula : in place of price and covariates, an R-style formula such as "log(sales) ~ log(price) + display".
    membership : store-level covariates of membership, such as "region + size" (long files).
    between : store-level covariates that explain the coefficients, such as "income + competition" (long files).
    family : of the response. The default is log sales; for the others `sales`, or the left side of the formula, names
        the response on its own scale, and a price enters where there is one.
    exposure, trials : columns of a long file: what a count is proportional to, and the trials of a binomial.

    Raises
    ------
    InputError
        Naming file, column, store and week, and what was expected.
    """
    if formula is not None and (covariates or price):
        raise InputError("a formula takes the place of price and covariates; expected one or the other")
    if formula is not None and sales is None:
        from em.formula import response_of

        named = response_of(formula, logged=family == LOG_SALES)
        left = formula.rpartition("~")[0].strip()
        if family != LOG_SALES and left and named is None:
            raise InputError(
                f"formula {formula!r}: the response is {left}; expected the name of a column, whose link --family "
                f"{family} brings"
            )
        sales = None if named == "sales" else named
    columns = Columns(
        store, week, sales, price, tuple(covariates), formula, membership, between, family, exposure, trials
    )
    table = read_table(path, [name for name in ("store", "week", store, week) if name])
    names = {str(name).casefold() for name in table.frame.columns}
    long = store is not None or "store" in names
    rows = _long(table, columns) if long else _wide(table, columns)
    return _panel(table, columns, rows)


@dataclass(frozen=True)
class _Rows:
    """Rows of a panel before they become a design: codes, sales, and the other columns to take from the file."""

    stores: tuple[str, ...]
    weeks: tuple[str, ...]
    store: Ints
    week: Ints
    sales: Floats
    position: Ints  # of each row in the table
    notes: tuple[str, ...]
    response: str | None  # the column of a long file; in a wide one each store has its own


def _long(table: Table, columns: Columns) -> _Rows:
    store_column = table.find(columns.store or "store", "store names")
    what = "sales" if columns.logged else "response"
    column = table.find(columns.sales or "sales", what)
    sales = numbers(table, column, what, positive=columns.logged)
    names = table.frame[store_column].astype(str).where(table.frame[store_column].notna(), "").str.strip()
    nameless = np.flatnonzero(np.asarray(names == ""))
    if nameless.size:
        row = int(table.frame.index[nameless[0]])
        raise InputError(f"{table.file}: column {store_column}, {table.place(row)}: the store has no name")
    store, stores = pd.factorize(names)
    week, weeks = _weeks(table, columns, store)
    _refuse_repeats(table, [str(name) for name in stores], weeks, store, week)
    kept = ~np.isnan(sales)
    empty = np.setdiff1d(np.arange(len(stores)), store[kept])
    if empty.size:
        raise InputError(f"{table.file}: store {stores[empty[0]]}: has no week with sales; expected at least one")
    position = np.flatnonzero(kept)
    order = np.lexsort((week[position], store[position]))
    position = position[order]
    notes = _gap_note(int((~kept).sum())) + (() if _has_weeks(table, columns) else (UNNAMED_WEEKS,))
    return _Rows(tuple(stores), weeks, store[position], week[position], sales[position], position, notes, column)


def _has_weeks(table: Table, columns: Columns) -> bool:
    """Whether a long file has a column of weeks."""
    return columns.week is not None or "week" in {str(name).casefold() for name in table.frame.columns}


def _weeks(table: Table, columns: Columns, store: Ints) -> tuple[Ints, tuple[str, ...]]:
    """Code of each row's week and the labels in order of time."""
    if not _has_weeks(table, columns):
        running = pd.Series(store).groupby(store).cumcount().to_numpy()
        return running, tuple(str(number + 1) for number in range(int(running.max()) + 1))
    column = table.find(columns.week or "week", "weeks")
    labels = table.frame[column]
    missing = np.flatnonzero(np.asarray(labels.isna()))
    if missing.size:
        row = int(table.frame.index[missing[0]])
        raise InputError(f"{table.file}: column {column}, {table.place(row)}: the week is missing")
    codes, unique = pd.factorize(labels)
    as_numbers = np.asarray(pd.to_numeric(pd.Series(unique), errors="coerce"), dtype=float)
    if not np.isnan(as_numbers).any():
        order = np.argsort(as_numbers, kind="stable")
        codes, unique = np.argsort(order)[codes], unique[order]
    return codes, tuple(str(label) for label in unique)


def _refuse_repeats(table: Table, stores: Sequence[str], weeks: Sequence[str], store: Ints, week: Ints) -> None:
    key = store.astype(np.int64) * len(weeks) + week
    repeated = pd.Series(key).duplicated().to_numpy()
    if repeated.any():
        at = int(np.flatnonzero(repeated)[0])
        raise InputError(
            f"{table.file}: {table.place(int(table.frame.index[at]))}: store {stores[store[at]]}, "
            f"week {weeks[week[at]]} stands more than once ({int(repeated.sum())} repeated rows); "
            "expected one row for each store and week"
        )


def _wide(table: Table, columns: Columns) -> _Rows:
    prefix = columns.sales or "sales"
    stores = [str(c) for c in table.frame.columns if str(c).casefold().startswith(prefix.casefold())]
    if not stores:
        raise InputError(
            f"{table.file}: no column begins with {prefix!r} and none is called 'store'; expected a wide file "
            f"(Price, Sales1, Sales2, ...) or a long one (name its columns with --store --week --sales --price); "
            f"its columns are {shorten([str(c) for c in table.frame.columns])}"
        )
    for what, given in (("membership", columns.membership), ("between", columns.between)):
        if given:
            raise InputError(f"{table.file}: traits of stores (--{what}) need a long file, with a column for each")
    if columns.exposure or columns.trials:
        raise InputError(f"{table.file}: --exposure and --trials need a long file, with a column for each")
    values = np.column_stack([numbers(table, name, "sales", positive=columns.logged) for name in stores])
    for name, observed in zip(stores, ~np.isnan(values).all(0), strict=True):
        if not observed:
            raise InputError(f"{table.file}: column {name}: has no week with sales; expected at least one")
    week = columns.week or ("week" if "week" in {str(name).casefold() for name in table.frame.columns} else None)
    labels = table.frame[table.find(week, "weeks")].astype(str) if week else [str(i + 1) for i in range(len(values))]
    store, position = np.nonzero(~np.isnan(values.T))
    return _Rows(
        tuple(stores),
        tuple(labels),
        store,
        position,
        values[position, store],
        position,
        _gap_note(int(np.isnan(values).sum())),
        None,
    )


def _gap_note(gaps: int) -> tuple[str, ...]:
    return (f"{gaps} empty cells of sales are weeks not observed",) if gaps else ()


def _panel(table: Table, columns: Columns, rows: _Rows) -> Panel:
    if columns.formula is not None:
        from em.formula import design

        y, x, names = design(table, columns, rows.sales, rows.position)
    else:
        names = {str(name).casefold() for name in table.frame.columns}
        priced = columns.logged or columns.price is not None or "price" in names
        taken = [(table.find(columns.price or "price", "price"), "price", True)] if priced else []
        taken += [(table.find(name, "covariates"), "covariate", False) for name in columns.covariates]
        repeated = [name for i, (name, *_) in enumerate(taken) if name in [other for other, *_ in taken[:i]]]
        if repeated:
            raise InputError(f"{table.file}: column {repeated[0]} is named twice among price and covariates")
        values = [observed(table, name, what, rows.position, positive=positive) for name, what, positive in taken]
        y = np.log(rows.sales) if columns.logged else rows.sales
        x = np.column_stack([np.ones(y.size), *(np.log(values[0]) for _ in range(priced)), *values[priced:]])
        names = ("intercept", *("log_price",) * priced, *(name for name, *_ in taken[priced:]))
    check_rank(table.file, x, names)
    response = None
    if not columns.logged:
        held = [rows.response] * y.size if rows.response else [rows.stores[i] for i in rows.store]
        response = read_response(table, columns.family, held, y, rows.position, columns.exposure, columns.trials)
    traits, trait_names = None, ()
    if columns.membership:
        from em.formula import store_traits

        traits, trait_names = store_traits(table, columns.membership, rows.stores, rows.store, rows.position)
    between = None
    if columns.between:
        from em.formula import store_traits

        found, found_names = store_traits(table, columns.between, rows.stores, rows.store, rows.position, "between")
        between = centred_traits(found_names[1:], found[:, 1:])
    return Panel(
        rows.stores, rows.weeks, names, rows.store, rows.week, x, y, table.file, table.sha256,
        traits, trait_names, between, rows.notes, columns, response,
    )  # fmt: skip


def observed(table: Table, column: str, what: str, position: Ints, *, positive: bool) -> Floats:
    """The values of a column at given rows, where none may be missing; (row,).

    Raises
    ------
    InputError
        Naming the first missing cell.
    """
    values = numbers(table, column, what, positive=positive)[position]
    if np.isnan(values).any():
        at = int(position[np.isnan(values)][0])
        place = table.place(int(table.frame.index[at]))
        raise InputError(
            f"{table.file}: column {column}, {place}: the {what} is missing in a week with sales; expected a number"
        )
    return values


def check_rank(file: str, x: Floats, names: Sequence[str]) -> None:
    """Raise InputError when a column of the design is a combination of those before it.

    Raises
    ------
    InputError
        Naming the first such column.
    """
    scale = np.sqrt(np.einsum("rp,rp->p", x, x))
    gram = np.linalg.qr(x / np.where(scale > 0.0, scale, 1.0), mode="r")
    diagonal = np.abs(np.diagonal(gram))
    if x.shape[0] < x.shape[1]:
        raise InputError(f"{file}: {x.shape[0]} observations are too few for the coefficients {', '.join(names)}")
    short = np.flatnonzero(diagonal < 1e-5)
    if short.size:
        raise InputError(
            f"{file}: {names[short[0]]} does not vary, or is a combination of {', '.join(names[: short[0]])}, over the "
            "whole panel, so its coefficient cannot be estimated; expected a column that varies"
        )
