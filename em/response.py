"""The response of a panel on its own scale: counts, choices and amounts, with their exposure or trials."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from em.errors import InputError
from em.families import family_named
from em.families.family import Family
from em.statistics import Floats, Ints
from em.table import Table, numbers, refuse

LOG_SALES = "gaussian"  # the family of log sales, which has statistics and models of its own


class Response(NamedTuple):
    """What a panel's y is, where it is not log sales.

    Attributes
    ----------
    family : its distribution.
    name : the column that holds it.
    offset : (row,) logarithm of the exposure, or zero.
    trials : (row,) or ones.
    """

    family: Family
    name: str
    offset: Floats
    trials: Floats

    def of_rows(self, kept: NDArray[np.bool_]) -> "Response":
        """The response of some of the rows; `kept` (row,)."""
        return self._replace(offset=self.offset[kept], trials=self.trials[kept])


def read_response(
    table: Table,
    family: str,
    columns: Sequence[str],
    y: Floats,
    position: Ints,
    exposure: str | None = None,
    trials: str | None = None,
) -> Response:
    """Check a response and read what goes with it.

    Parameters
    ----------
    columns : (row,) the column that holds each response; one for all in a long file.
    y, position : (row,) the responses, and where their rows stand in the table.
    exposure, trials : names of columns; None where there is none.

    Raises
    ------
    InputError
        When a column does not go with the family, or naming the first response that cannot be.
    """
    of = family_named(family)
    for option, given, size in (("exposure", exposure, "exposure"), ("trials", trials, "trials")):
        if given is not None and of.size != size:
            raise InputError(f"--{option} does not go with --family {family}; expected no --{option}")
    if of.size == "trials" and trials is None:
        raise InputError(f"--family {family} needs the column of trials; expected --trials NAME, or --family bernoulli")
    offset, number = np.zeros(y.size), np.ones(y.size)
    if exposure is not None:
        offset = np.log(_observed(table, table.find(exposure, "exposure"), "exposure", position, positive=True))
    if trials is not None:
        column = table.find(trials, "trials")
        number = _observed(table, column, "number of trials", position, positive=False)
        wrong = (number < 1.0) | (number != np.floor(number))
        refuse(table, column, "number of trials", _at(table, position, wrong), "a whole number, 1 or more")
    impossible = ~of.possible(y, number)
    if impossible.any():
        column = columns[int(np.flatnonzero(impossible)[0])]
        inside = impossible & np.array([other == column for other in columns])
        expected = of.expected + ("" if trials is None else f", of column {trials}")
        refuse(table, column, "response", _at(table, position, inside), expected)
    name = columns[0] if len(set(columns)) == 1 else "sales"  # of a wide file, whose columns are stores
    return Response(of, name, offset, number)


def _at(table: Table, position: Ints, rows: np.ndarray) -> np.ndarray:
    """Which lines of the table are marked among the rows of the panel."""
    marked = np.zeros(len(table.frame), dtype=bool)
    marked[position[rows]] = True
    return marked


def _observed(table: Table, column: str, what: str, position: Ints, *, positive: bool) -> Floats:
    values = numbers(table, column, what, positive=positive)[position]
    if np.isnan(values).any():
        row = int(position[np.isnan(values)][0])
        keys = "".join(f", {key} {table.frame[key].iloc[row]}" for key in table.keys if key != column)
        raise InputError(
            f"{table.file}: column {column}, {table.place(int(table.frame.index[row]))}{keys}: the {what} is missing; "
            "expected a number where there is a response"
        )
    return values
