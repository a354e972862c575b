"""Reads a CSV or Parquet file into a data frame, and tells of what is in it where a reader would look for it."""

import csv
import difflib
import hashlib
import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from em.errors import InputError

MISSING = ["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "#N/A"]
COMMA = r"[\d.]*\d,\d+"  # a number with a decimal comma
POINT = r"\d+\.(?!\d{3}(?:\.\d{3})*(?!\d))\d+"  # one with a decimal point that is not a mark of thousands


@dataclass(frozen=True)
class Table:
    """The columns of one file.

    Attributes
    ----------
    frame : one column for each of the file's; its index is the position of the row in the file, from 0.
    file : the file's name as given.
    sha256 : of the file's bytes.
    first_line : line of the first row in a text file, None where lines mean nothing (Parquet).
    keys : the columns that name a row: stores and weeks.
    """

    frame: pd.DataFrame
    file: str
    sha256: str
    first_line: int | None
    keys: tuple[str, ...]

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


def read_table(path: str | Path, keys: Sequence[str] = ("store", "week")) -> Table:
    """Read a CSV (comma, semicolon, tab or bar; decimal point or comma; UTF-8, UTF-16 or cp1252) or Parquet file.

    Parameters
    ----------
    keys : names, whatever their capitals, of columns that name a row: kept as they are written, told in messages.

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
    except (OSError, ValueError) as wrong:
        reason = getattr(wrong, "strerror", None) or wrong
        raise InputError(f"{file}: cannot be read ({reason}); expected a CSV or Parquet file") from wrong
    digest = hashlib.sha256(content).hexdigest()
    wanted = {name.casefold() for name in keys}
    if content.startswith(b"PAR1"):
        frame, first_line = _parquet(content, file, wanted), None
    else:
        frame, first_line = _csv(_decode(content, file), file, wanted)
    named = tuple(str(column) for column in frame.columns if str(column).casefold() in wanted)
    return Table(frame, file, digest, first_line, named)


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
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _csv(text: str, file: str, keys: set[str]) -> tuple[pd.DataFrame, int]:
    """The frame, and the line of the file on which its first row stands."""
    lines = text.split("\n")
    above = next(i for i, line in enumerate(lines) if line.strip())
    lines = lines[above:]
    try:
        separator = max(",;\t|", key=lambda mark: len(next(csv.reader(lines[:1], delimiter=mark))))
        names = [name.strip() for name in next(csv.reader(lines[:1], delimiter=separator, skipinitialspace=True))]
    except csv.Error as wrong:
        raise InputError(f"{file}: line {above + 1} is no header ({wrong}); expected names of columns") from wrong
    names = [name or f"column {position + 1}" for position, name in enumerate(names)]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(
            f"{file}: column {shorten(repeated)} stands more than once in the header (line {above + 1}); "
            "expected a name for each column"
        )
    body = "\n".join(lines[1:])
    comma = separator != "," and _has_cell(body, separator, COMMA) and not _has_cell(body, separator, POINT)
    kept = {name: str for name in names if name.casefold() in keys}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame: pd.DataFrame = pd.read_csv(  # pyright: ignore[reportCallIssue]
                io.StringIO("\n".join(lines)),
                sep=separator,
                header=0,
                names=names,
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
    except pd.errors.ParserWarning as wrong:
        raise InputError(
            f"{file}: line {above + 2} has more cells than the header; expected {len(names)} in every line"
        ) from wrong
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error, ValueError) as wrong:
        raise InputError(
            f"{file}: is not a table ({_plain(wrong)}); expected as many cells as the header has"
        ) from wrong
    frame = frame.dropna(how="all")
    if frame.empty:
        raise InputError(f"{file}: has a header but no rows; expected a row for each week")
    _refuse_short_lines(frame, lines, separator, file, above)
    return frame, above + 2


def _refuse_short_lines(frame: pd.DataFrame, lines: list[str], separator: str, file: str, above: int) -> None:
    """Raise InputError for a line that ends before its last cell, which pandas reads as empty cells."""
    width = frame.shape[1]
    for row in frame.index[np.asarray(frame.iloc[:, -1].isna())]:
        line = lines[row + 1] if row + 1 < len(lines) else ""
        cells = next(csv.reader([line], delimiter=separator), [])
        if 0 < len(cells) < width and '"' not in line:
            raise InputError(
                f"{file}: line {row + above + 2} has {len(cells)} cells; expected {width}, as the header has"
            )


def _has_cell(body: str, separator: str, number: str) -> bool:
    """Whether any cell is, whole, a number of this form."""
    edge = f'[{re.escape(separator)}"\\n]'
    return re.search(f"(?:^|{edge}) *-?(?:{number})(?= *(?:{edge}|$))", body) is not None


def _parquet(content: bytes, file: str, keys: set[str]) -> pd.DataFrame:
    from pyarrow import ArrowException

    try:
        frame = pd.read_parquet(io.BytesIO(content))
    except (ArrowException, ValueError, OSError) as wrong:
        raise InputError(f"{file}: is not a Parquet file that can be read ({_plain(wrong)})") from wrong
    named = any(name is not None for name in frame.index.names)
    frame = frame.reset_index(drop=not named)
    if frame.empty:
        raise InputError(f"{file}: has no rows; expected a row for each week")
    frame.columns = [str(column) for column in frame.columns]
    for column in frame.columns:
        if column.casefold() in keys:
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
        refuse(table, column, what, np.isnan(values) & cells.notna().to_numpy(), expected)
    refuse(table, column, what, np.isinf(values), expected)
    if positive:
        refuse(table, column, what, values <= 0.0, f"{expected} (its logarithm is taken)")
    return values


def refuse(table: Table, column: str, what: str, bad: np.ndarray, expected: str) -> None:
    """Raise InputError naming the first of the bad cells of a column, `bad` (row,) of the table."""
    count = int(bad.sum())
    if not count:
        return
    position = int(np.flatnonzero(bad)[0])
    cell = table.frame[column].iloc[position]
    where = [table.place(int(table.frame.index[position]))]
    where += [f"{key} {table.frame[key].iloc[position]}" for key in table.keys if key != column]
    more = f" ({count} such cells in the column)" if count > 1 else ""
    told = repr(cell) if isinstance(cell, str) else f"{cell}"
    raise InputError(
        f"{table.file}: column {column}, {', '.join(where)}: the {what} is {told}; expected {expected}{more}"
    )
