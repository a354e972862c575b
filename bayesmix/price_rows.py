"""The rows of a design that a prediction is made for, from prices and covariates as a user gives them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from em.errors import InputError
from em.formula import FUNCTIONS
from em.statistics import Floats


class PriceRows(NamedTuple):
    """Weeks that are asked about.

    Attributes
    ----------
    x : (price, coefficient) the design.
    given : the columns that it was made of, (price,) by name.
    """

    x: Floats
    given: dict[str, Floats]


def price_rows(prices: Any, covariates: Mapping[str, Any] | None, coefficients: Sequence[str]) -> PriceRows:
    """The design at given prices.

    Parameters
    ----------
    prices : one price, several, or a mapping or data frame of prices (`price`) and covariates by name.
    covariates : further columns; a number stands for all prices.
    coefficients : of the fit. log_price is made of price, products (`a:b`) and functions (`sqrt(a)`) of their parts,
        and any column may be given as it is under the name of its coefficient.

    Raises
    ------
    InputError
        When a column is missing, unknown or no number, of another length, or at a price that is not above zero.
    """
    whole = isinstance(prices, Mapping | pd.DataFrame)
    columns = {str(name): _numbers(str(name), prices[name]) for name in prices} if whole else {}
    if not whole:
        columns["price"] = _numbers("price", prices)
    further = {str(name): _numbers(str(name), value) for name, value in (covariates or {}).items()}
    twice = [name for name in further if name in columns]
    if twice:
        raise InputError(f"{twice[0]} is given twice; expected it among prices or among covariates")
    columns = _of_one_length(columns | further)
    used: set[str] = set()
    x = [_column(name, columns, used, name) for name in coefficients]
    unused = [name for name in further if name not in used]
    if unused:
        raise InputError(f"covariate {unused[0]} is none of the fit's; its coefficients are {', '.join(coefficients)}")
    length = max((len(values) for values in columns.values()), default=1)
    design = np.column_stack([np.broadcast_to(column, length) for column in x])
    return PriceRows(design, {name: values for name, values in columns.items() if name in used})


def _numbers(name: str, values: Any) -> Floats:
    try:
        numbers = np.atleast_1d(np.asarray(values, dtype=float))
    except (TypeError, ValueError) as wrong:
        raise InputError(f"{name}: {str(values)[:40]!r} is no number; expected numbers") from wrong
    if numbers.ndim != 1 or not numbers.size:
        raise InputError(f"{name}: has shape {numbers.shape}; expected one number or a row of them")
    if not np.isfinite(numbers).all():
        at = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise InputError(f"{name}: value {at + 1} is {numbers[at]}; expected a number")
    return numbers


def _of_one_length(columns: dict[str, Floats]) -> dict[str, Floats]:
    lengths = {name: values.size for name, values in columns.items()}
    longest = max(lengths, key=lambda name: lengths[name], default=None)
    for name, length in lengths.items():
        if longest is not None and length not in (1, lengths[longest]):
            raise InputError(f"{name} has {length} values and {longest} {lengths[longest]}; expected as many, or one")
    return {name: np.broadcast_to(values, lengths[longest or name]) for name, values in columns.items()}


def _column(name: str, columns: Mapping[str, Floats], used: set[str], whole: str) -> Floats:
    """One column of the design, or a factor of one; `whole` is the coefficient that needs it."""
    if name == "intercept":
        return np.ones(1)
    found = _find(name, columns)
    if found is not None:
        used.add(found)
        return columns[found]
    if name == "log_price":
        return _apply("log", "price", columns, used, whole)
    if ":" in name:
        product: Floats = np.ones(1)
        for part in name.split(":"):
            product = product * _column(part, columns, used, whole)
        return product
    called = re.fullmatch(r"(\w+)\((\w+)\)", name)
    if called and called.group(1) in FUNCTIONS:
        return _apply(called.group(1), called.group(2), columns, used, whole)
    have = ", ".join(columns) or "nothing"
    if name.isidentifier():
        needs = "" if name == whole else f", which {whole} needs"
        hint = f", such as covariates={{{name!r}: 0.5}}" if "price" in columns else ""
        raise InputError(f"no values of {name}{needs}; expected them beside {have}{hint}")
    raise InputError(f"the coefficient {whole} cannot be worked out from {have}; expected a column called {name!r}")


def _apply(function: str, name: str, columns: Mapping[str, Floats], used: set[str], whole: str) -> Floats:
    """A function of a column, where it is a number."""
    inner = _column(name, columns, used, whole)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        values = FUNCTIONS[function](inner)
    if not np.isfinite(values).all():
        wrong = inner[np.flatnonzero(~np.isfinite(values))[0]]
        expected = "a number above zero" if function.startswith("log") else f"one that has a {function}"
        raise InputError(f"{name} is {wrong:g}; expected {expected}")
    return values


def _find(name: str, columns: Mapping[str, Floats]) -> str | None:
    """The column called `name`, whatever its capitals."""
    alike = [name] if name in columns else [column for column in columns if column.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else None
