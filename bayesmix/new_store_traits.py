"""The traits of a store not yet seen, as a user gives them: `{"income": 40, "region": "north"}`."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from em.between import Between
from em.errors import InputError
from em.formula import FUNCTIONS
from em.statistics import Floats


def new_store_traits(between: Between | None, given: Mapping[str, Any] | None) -> Floats | None:
    """Traits of a new store less their means over the stores of the fit; zero, the mean, for what is not given.

    Parameters
    ----------
    given : values by column of the data, or by name of a trait as the fit has it. Functions (`log(income)`), products
        (`income:size`) and levels (`region[T.north]`) are worked out.

    Returns
    -------
    (trait,), None where nothing explains the coefficients of the fit.

    Raises
    ------
    InputError
        When the fit has no traits, a name or level is none of its own, or a value is no number.
    """
    if between is None:
        if given:
            raise InputError(f"traits {', '.join(given)}: none explain the coefficients of this fit")
        return None
    used: set[str] = set()
    found = [_value(name, given or {}, used) for name in between.names]
    unknown = [name for name in given or {} if name not in used]
    if unknown:
        raise InputError(f"no trait {unknown[0]!r} in the fit; its traits are {', '.join(between.names)}")
    _check_levels(between, given or {})
    return np.array([0.0 if value is None else value - mean for value, mean in zip(found, between.mean, strict=True)])


LEVEL = re.compile(r"(?:C\()?\s*(\w+)\s*\)?\[(?:T\.)?(.+)\]")


def _value(name: str, given: Mapping[str, Any], used: set[str]) -> float | None:
    """A trait from what is given; None where nothing is."""
    if name in given:
        used.add(name)
        return _number(name, given[name])
    level, called = LEVEL.fullmatch(name), re.fullmatch(r"(\w+)\((\w+)\)", name)
    if level and level.group(1) in given:
        used.add(level.group(1))
        return float(str(given[level.group(1)]) == level.group(2))
    if called and called.group(1) in FUNCTIONS and called.group(2) in given:
        inner = _value(called.group(2), given, used)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return _number(name, FUNCTIONS[called.group(1)](inner))
    if ":" in name:
        parts = {part: _value(part, given, used) for part in name.split(":")}
        missing = [part for part, value in parts.items() if value is None]
        if missing and len(missing) < len(parts):
            raise InputError(f"the trait {name} needs {missing[0]}; expected it beside {', '.join(given)}")
        return None if missing else float(np.prod([value for value in parts.values() if value is not None]))
    return None


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as wrong:
        raise InputError(f"trait {name}: {str(value)[:40]!r} is no number; expected one") from wrong
    if not np.isfinite(number):
        raise InputError(f"trait {name}: is {number}; expected a number")
    return number


def _check_levels(between: Between, given: Mapping[str, Any]) -> None:
    """Raise InputError for a level without a column: it may be misspelt, or the one that others are compared with."""
    levels: dict[str, list[str]] = {}
    for name in between.names:
        found = LEVEL.fullmatch(name)
        if found:
            levels.setdefault(found.group(1), []).append(found.group(2))
    for column, names in levels.items():
        if column in given and str(given[column]) not in names:
            columns = [name for name in between.names if (found := LEVEL.fullmatch(name)) and found.group(1) == column]
            raise InputError(
                f"trait {column}: {given[column]!r} is none of {', '.join(names)}; for the level that these are "
                f"compared with, give {', '.join(f'{name!r}: 0' for name in columns)}"
            )
