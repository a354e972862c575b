"""Studies of many simulated panels, kept as tables: made anew by a command, read by the pages of the examples."""

import math
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from comparisons.examples.intervals import Z
from em.command import Parser, replacing
from em.errors import InputError
from em.statistics import Floats


class Held(NamedTuple):
    """How estimates with standard errors did against a truth.

    Attributes
    ----------
    mean, mean_error : of the estimates, and its error by simulation.
    spread, told : standard deviation of the estimates, and the mean of the standard errors told, where there is one.
    covered, tried : 95 % intervals, estimate -+ 1.96 standard errors, that hold the truth, of so many.
    """

    mean: float
    mean_error: float
    spread: float
    told: float
    covered: int
    tried: int


def held(estimates: Floats, told: Floats, truth: float) -> Held:
    """Judge estimates and their standard errors, both (panel,)."""
    spread, n = float(estimates.std(ddof=1)), estimates.size
    covered = int((np.abs(estimates - truth) < Z * told).sum())
    return Held(float(estimates.mean()), spread / math.sqrt(n), spread, float(np.nanmean(told)), covered, n)


def read(table: str) -> pd.DataFrame:
    """A table as it was written: a row for each simulated panel."""
    with files("comparisons.examples").joinpath("templates", table).open(encoding="utf-8") as file:
        return pd.read_csv(file)


def make(argv: list[str], module: str, doc: str | None, unit: str, table: str, study: Callable) -> int:
    """The command of a study: draw the panels, fit, write the table.

    Parameters
    ----------
    module, doc : of the command.
    unit : what is drawn, which names the option for how many.
    study : from that number to the table.

    Raises
    ------
    InputError
        When too few are asked for, or the table cannot be written.
    """
    parser = Parser(prog=f"python -m comparisons.examples.{module}", description=doc)
    parser.add_argument(f"--{unit}", type=int, default=200, metavar="N", help="of each truth (default: 200)")
    number = getattr(parser.parse_args(argv), unit)
    if number < 2:
        raise InputError(f"--{unit} is {number}; expected at least 2")
    with replacing(Path(__file__).parent / "templates" / table) as temporary:
        study(number).to_csv(temporary, index=False, float_format="%.4f")
    return 0
