"""Reads a CSV or Parquet file into a data frame, and tells of what is in it where a reader would look for it."""

import csv
import difflib
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from em.errors import InputError

MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "#N/A"]
TEXT_COLUMNS = ("store", "week")


@dataclass(frozen=True)
class Table:
    """The columns of one file.

    Attributes
    ----------
    frame : one column for each of the file's; its index is the position of the row in the file, from 0.
    file : the file's name as given.
    sha256 : of the file's bytes.
    first_line : line of the first row in a text file, None where lines mean nothing (Parquet).
    """

    frame: pd.DataFrame
    file: str
    sha256: str
    first_line: int | None

    def place(self, position: int) -> str:
        """Where a row stands, in words."""
        return f"row {position + 1}" if self.first_line is None else f"line {position + self.first_line}"

    def find(self, name: str, what: str) -> str:
        """The column called `name`, whatever its capitals.

        Raises
        ------
        InputError
            When no column, or more than one, has that name.
        """
        columns = [str(column) for column in self.frame.columns]
        if name in columns:
            return name
        alike = [column for column in columns if column.casefold() == name.casefold()]
        if len(alike) == 1:
            return alike[0]
        close = difflib.get_close_matches(name, columns, n=3)
        hint = f"did you mean {', '.join(close)}?" if close else f"its columns are {shorten(columns)}"
        raise InputError(f"{self.file}: no column {name!r} for the {what}; {hint}")


def shorten(names: Sequence[str], most: int = 8) -> str:
    """Names in a row, the first few of many."""
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")


def read_table(path: str | Path, text_columns: Sequence[str] = TEXT_COLUMNS) -> Table:
    """Read a CSV (comma, semicolon, tab or bar; decimal point or comma; UTF-8, UTF-16 or cp1252) or Parquet file.

    Parameters
    ----------
    text_columns : names, whatever their capitals, of columns to keep as they are written.

    Raises
    ------
    InputError
        When the file is missing, empty, not a table, or names a column twice.
    """
    file = str(path)
    try:
        content = Path(path).read_bytes()
    except IsADirectoryError as wrong:
        raise InputError(f"{file}: is a folder; expected a CSV or Parquet file") from wrong
    except OSError as wrong:
        raise InputError(f"{file}: cannot be read ({wrong.strerror}); expected a CSV or Parquet file") from wrong
    digest = hashlib.sha256(content).hexdigest()
    if content.startswith(b"PAR1"):
        return Table(_parquet(content, file, text_columns), file, digest, None)
    text = _decode(content, file)
    return Table(_csv(text, file, text_columns), file, digest, 2)


def _decode(content: bytes, file: str) -> str:
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    if encoding != "utf-16" and b"\0" in content:
        raise InputError(f"{file}: is not a text file; expected a CSV or Parquet file")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    if not text.strip():
        raise InputError(f"{file}: is empty; expected a header line and a row for each week")
    return text


def _csv(text: str, file: str, text_columns: Sequence[str]) -> pd.DataFrame:
    header = text.lstrip("\r\n").split("\n", 1)[0]
    separator = max(",;\t|", key=lambda mark: len(next(csv.reader([header], delimiter=mark))))
    names = [name.strip() for name in next(csv.reader([header.rstrip("\r")], delimiter=separator))]
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    if repeated:
        raise InputError(f"{file}: column {shorten(repeated)} stands more than once in the header (line 1)")
    comma = (
        separator != "," and _has_cell(text, separator, r"[\d.]*\d,\d+") and not _has_cell(text, separator, r"\d+\.\d+")
    )
    wanted = {name.casefold() for name in text_columns}
    kept = {name: str for name in names if name.casefold() in wanted}
    try:
        frame: pd.DataFrame = pd.read_csv(  # pyright: ignore[reportCallIssue]
            io.StringIO(text.lstrip("\r\n")),
            sep=separator,
            header=0,
            names=[name or f"column {position + 1}" for position, name in enumerate(names)],
            index_col=False,
            decimal="," if comma else ".",
            thousands="." if comma else None,
            skipinitialspace=True,
            skip_blank_lines=False,
            keep_default_na=False,
            na_values={name: [""] if name in kept else MISSING for name in names},
            dtype=kept,  # pyright: ignore[reportArgumentType]
            low_memory=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error, ValueError) as wrong:
        raise InputError(
            f"{file}: is not a table ({_plain(wrong)}); expected as many cells as the header has"
        ) from wrong
    frame = frame.dropna(how="all")
    if frame.empty:
        raise InputError(f"{file}: has a header but no rows; expected a row for each week")
    return frame


def _has_cell(text: str, separator: str, number: str) -> bool:
    """Whether any cell of the text is, whole, a number of this form."""
    edge = f'[{re.escape(separator)}"\\r\\n]'
    return re.search(f"{edge} *-?{number}(?={edge}|$)", text) is not None


def _parquet(content: bytes, file: str, text_columns: Sequence[str]) -> pd.DataFrame:
    from pyarrow import ArrowException

    try:
        frame = pd.read_parquet(io.BytesIO(content)).reset_index(drop=True)
    except (ArrowException, ValueError, OSError) as wrong:
        raise InputError(f"{file}: is not a Parquet file that can be read ({_plain(wrong)})") from wrong
    if frame.empty:
        raise InputError(f"{file}: has no rows; expected a row for each week")
    frame.columns = [str(column) for column in frame.columns]
    wanted = {name.casefold() for name in text_columns}
    for column in frame.columns:
        if column.casefold() in wanted:
            missing = frame[column].isna()
            frame[column] = frame[column].astype(str).mask(missing)
    return frame


def _plain(wrong: Exception) -> str:
    return str(wrong).strip().split("\n")[-1].removeprefix("Error tokenizing data. C error: ")


def numbers(table: Table, column: str, what: str, *, positive: bool = False) -> np.ndarray:
    """A column as floats, with NaN where the cell is empty.

    Parameters
    ----------
    what : what the column holds ("sales", "price"), for the message.
    positive : whether zero and below are refused.

    Returns
    -------
    (row,)

    Raises
    ------
    InputError
        Naming the first cell that is no number, infinite, or not above zero.
    """
    cells = table.frame[column]
    expected = "a number above zero" if positive else "a number"
    if pd.api.types.is_numeric_dtype(cells):
        values = cells.to_numpy(dtype=float, na_value=np.nan)
    else:
        values = np.asarray(pd.to_numeric(cells, errors="coerce"), dtype=float)
        _refuse(table, column, what, np.isnan(values) & cells.notna().to_numpy(), expected)
    _refuse(table, column, what, np.isinf(values), expected)
    if positive:
        _refuse(table, column, what, values <= 0.0, f"{expected} (its logarithm is taken)")
    return values


def _refuse(table: Table, column: str, what: str, bad: np.ndarray, expected: str) -> None:
    count = int(bad.sum())
    if not count:
        return
    position = int(np.flatnonzero(bad)[0])
    cell = table.frame[column].iloc[position]
    row = table.frame.index[position]
    where = [table.place(int(row))]
    for name in table.frame.columns:
        if str(name).casefold() in TEXT_COLUMNS and str(name) != column:
            where.append(f"{str(name).casefold()} {table.frame[name].iloc[position]}")
    more = f" ({count} such cells in the column)" if count > 1 else ""
    raise InputError(
        f"{table.file}: column {column}, {', '.join(where)}: the {what} is {cell!r}; expected {expected}{more}"
    )
