"""Finished folds on disk, a line of JSON for each, so that an interrupted run loses none of them.

As with chains (`bayesmix.kept`), a fold is known by a key over all that determines it.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from em.errors import InputError
from em.statistics import Floats


class Fold(NamedTuple):
    """What was found of the stores of one fold, see `bayesmix.store_loo.LeftOut`."""

    key: str
    elpd_i: Floats
    error_i: Floats
    settled_i: np.ndarray


def read_folds(file: Path | None) -> dict[str, Fold]:
    """The folds in a file by their keys; none where there is no file. A line that is not whole is passed over."""
    if file is None or not file.is_file():
        return {}
    found = {}
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            key, elpd_i, error_i, settled_i = json.loads(line)
            found[key] = Fold(key, np.array(elpd_i, float), np.array(error_i, float), np.array(settled_i, bool))
        except (ValueError, TypeError):
            continue
    return found


def append_fold(file: Path | None, fold: Fold) -> None:
    """Add a fold to a file; nothing where there is none."""
    if file is None:
        return
    line = json.dumps([fold.key, *(values.tolist() for values in fold[1:])])
    try:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(line + "\n")
    except OSError as refused:
        raise InputError(f"{file}: finished folds cannot be kept there ({refused.strerror})") from refused
