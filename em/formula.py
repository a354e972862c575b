"""R-style formulas for the design and for membership, by formulaic."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from em.errors import InputError
from em.statistics import Floats, Ints
from em.table import Table, numbers, shorten

FUNCTIONS = {"log": np.log, "log10": np.log10, "log1p": np.log1p, "exp": np.exp, "sqrt": np.sqrt}
MARKS = ("I", "C", "center", "scale", "poly", "bs")  # formulaic's own
MOST_COLUMNS = 30

if TYPE_CHECKING:
    from em.panel import Columns


def design(table: Table, columns: "Columns", sales: Floats, position: Ints) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Response, design and coefficient names of a formula such as "log(sales) ~ log(price) + display".

    Parameters
    ----------
    sales : (row,) of the panel's rows.
    position : (row,) where these rows stand in the table.

    Raises
    ------
    InputError
        When the formula cannot be read, names no column of the file, or gives a value that is missing or infinite.
    """
    formula = columns.formula or ""
    response, _, terms = formula.rpartition("~")
    name = columns.sales or response_of(formula, logged=columns.logged) or "sales"
    left = f"log({name})" if columns.logged else name
    if response.strip() and response.replace(" ", "").replace("`", "") != left.replace(" ", ""):
        scale = "the model's scale" if columns.logged else f"whose link --family {columns.family} brings"
        raise InputError(f"formula {formula!r}: the response is {response.strip()}; expected {left}, {scale}")
    if not terms.strip():
        raise InputError(f'formula {formula!r}: has no terms; expected such as "{left} ~ log(price) + display"')
    x, names = _matrix(table, terms, position, f"formula {formula!r}", response=name)
    usual = {"Intercept": "intercept"}
    for price in (columns.price or "price", *(n[4:-1] for n in names if n.casefold() == "log(price)")):
        usual[f"log({price})"] = "log_price"
    return np.log(sales) if columns.logged else sales, x, tuple(usual.get(n, n) for n in names)


def response_of(formula: str, *, logged: bool = True) -> str | None:
    """NAME where the formula begins with log(NAME) ~, or NAME ~ where the response is not logged; else None."""
    left = r"log\(\s*`?(.+?)`?\s*\)" if logged else r"`?([^~()]+?)`?"
    found = re.fullmatch(rf"\s*{left}\s*~.*", formula, flags=re.DOTALL)
    return found.group(1) if found else None


def store_traits(
    table: Table, formula: str, stores: Sequence[str], store: Ints, position: Ints, what: str = "membership"
) -> tuple[Floats, tuple[str, ...]]:
    """Store-level covariates, (store, trait) with ones first, and their names.

    Continuous covariates enter as they are.

    Parameters
    ----------
    what : they explain, "membership" or "between" (the coefficients).

    Raises
    ------
    InputError
        When a covariate differs between the weeks of a store, or is missing.
    """
    whose = [stores[int(i)] for i in store]
    x, names = _matrix(table, formula, position, f"{what} {formula!r}", whose=whose)
    if "Intercept" not in names:
        raise InputError(f"{what} {formula!r}: has no intercept; remove the 0 or -1")
    first = np.searchsorted(store, np.arange(len(stores)))
    values = x[first]
    differs = ~np.isclose(x, values[store], rtol=1e-12, atol=0.0)
    if differs.any():
        row, column = (int(at[0]) for at in np.nonzero(differs))
        place = table.place(int(table.frame.index[position[row]]))
        raise InputError(
            f"{table.file}: {names[column]}, store {stores[store[row]]}, {place}: differs between weeks of the store; "
            f"expected one value for each store in a trait of --{what}"
        )
    scaled = values / np.maximum(np.sqrt(np.square(values).mean(0)), 1e-300)
    ranks = [np.linalg.matrix_rank(scaled[:, : j + 1]) for j in range(len(names))]
    if ranks[-1] < len(names):
        first = next(j for j, rank in enumerate(ranks) if rank <= j)
        raise InputError(
            f"{table.file}: {what} {formula!r}: {names[first]} is the same in all stores or a "
            "combination of others; expected traits that differ between stores, each in its own way"
        )
    return values, tuple("intercept" if name == "Intercept" else name for name in names)


def _categories(cells: Any) -> bool:
    """Whether a column holds names rather than numbers, some of which may be spoilt."""
    if pd.api.types.is_numeric_dtype(cells):
        return False
    return bool(np.isnan(np.asarray(pd.to_numeric(cells, errors="coerce"), dtype=float)).all())


def _matrix(
    table: Table,
    formula: str,
    position: Ints,
    what: str,
    response: str | None = None,
    whose: Sequence[str] | None = None,
) -> tuple[Floats, tuple[str, ...]]:
    """Design matrix of the right-hand side, numbers checked as everywhere; (row, coefficient) and names."""
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    called = [name for name in re.findall(r"([^\W\d][\w.]*)\s*\(", formula) if name not in (*FUNCTIONS, *MARKS)]
    if called or "|" in formula or "~" in formula or "{" in formula:
        found = f"{called[0]}()" if called else "one of | ~ {"
        raise InputError(
            f"{what}: {found} is not understood here; expected {', '.join((*FUNCTIONS, *MARKS))} of columns"
        )
    try:
        parsed = Formula.from_spec(formula.strip())
        # Formulaic does not list what stands only inside its stateful functions, such as center().
        named = {name for name in re.findall(r"[^\W\d][\w.]*", formula) if name in table.frame.columns}
        used = sorted(named | set(map(str, parsed.required_variables)) - set(FUNCTIONS))
    except (FormulaicError, SyntaxError) as wrong:
        raise InputError(f"{what}: cannot be read ({str(wrong).splitlines()[0]})") from wrong
    frame = {}
    for name in used:
        if name == response:
            raise InputError(f"{what}: {name} stands on both sides; expected terms that explain it")
        column = table.find(name, what)
        cells = table.frame[column]
        frame[name] = cells.to_numpy()[position] if _categories(cells) else numbers(table, column, name)[position]
        missing = pd.isna(frame[name])
        if missing.any():
            row = int(np.flatnonzero(missing)[0])
            place = _place(table, position, row, whose)
            raise InputError(
                f"{table.file}: column {column}, {place}: is missing in a week with sales; expected a value"
            )
    try:
        with np.errstate(divide="ignore", invalid="ignore"):
            matrix = parsed.get_model_matrix(
                pd.DataFrame(frame, index=range(position.size)), na_action="ignore", context=FUNCTIONS
            )
    except (FormulaicError, SyntaxError) as wrong:
        raise InputError(f"{what}: cannot be evaluated ({str(wrong).splitlines()[0]})") from wrong
    values = np.asarray(matrix, dtype=float)
    names = tuple(str(name) for name in matrix.columns)
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = (int(at[0]) for at in np.nonzero(bad))
        place = _place(table, position, row, whose)
        raise InputError(f"{table.file}: {names[column]}, {place}: is {values[row, column]}; expected a finite number")
    if len(names) > MOST_COLUMNS:
        raise InputError(f"{what}: makes {len(names)} columns; expected at most {MOST_COLUMNS}")

    if not names:
        raise InputError(f"{what}: has no terms; the file has {shorten([str(c) for c in table.frame.columns])}")
    return values, names


def _place(table: Table, position: Ints, row: int, whose: Sequence[str] | None) -> str:
    """Where a row of the panel stands in the file, and whose it is where that matters."""
    place = table.place(int(table.frame.index[position[row]]))
    return place if whose is None else f"store {whose[row]}, {place}"
