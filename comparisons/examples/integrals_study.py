"""How often intervals of the spread between stores hold the truth, by Laplace and by quadrature: a table, kept.

    python -m comparisons.examples.integrals_study [--panels 200]

writes the table anew; the page of the example reads it, and a test draws some of its rows again.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from comparisons.examples.integrals_panel import RANDOM, Truth, counted, draw
from comparisons.examples.intervals import wilson
from comparisons.examples.kept_study import held, make, read
from em.command import run, watched
from em.glmm import GlmmFit, fit_glmm

TABLE = "integrals_study.csv"
SEED = 7
RULES = {"Laplace": 1, "9 nodes": 9}
QUANTITIES = ("sd", "intercept", "effect")


class Estimate(NamedTuple):
    """An estimate and its standard error."""

    value: float
    error: float


class Study(NamedTuple):
    """How an integral did on one quantity over the panels.

    Attributes
    ----------
    rule, quantity : names.
    truth : of the quantity.
    mean, mean_error : of the estimates, and its error by simulation.
    spread, told : standard deviation of the estimates, and the mean of the standard errors told.
    covered, panels : 95 % intervals, estimate -+ 1.96 standard errors, that hold the truth, of so many.
    """

    rule: str
    quantity: str
    truth: float
    mean: float
    mean_error: float
    spread: float
    told: float
    covered: int
    panels: int

    @property
    def share(self) -> float:
        """Of intervals that hold the truth."""
        return self.covered / self.panels

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of that share by Wilson's score."""
        return wilson(self.covered, self.panels)


def estimates(fit: GlmmFit) -> dict[str, Estimate]:
    """What a fit says of each of QUANTITIES."""
    mu, errors = fit.parameters.mu, fit.standard_errors
    sd = Estimate(math.sqrt(fit.parameters.omega[0, 0]), float(fit.sd_errors[0]))
    return {"sd": sd} | {
        name: Estimate(float(mu[c]), float(errors[c])) for c, name in enumerate(("intercept", "effect"))
    }


def row(number: int) -> dict[str, float]:
    """The estimates of one panel, by its number from 0, as the table has them."""
    stats = counted(draw(np.random.default_rng([SEED, number]), Truth()))
    numbers: dict[str, float] = {"panel": number}
    for rule, nodes in RULES.items():
        for name, one in estimates(fit_glmm(stats, random=RANDOM, quadrature=nodes)).items():
            numbers |= {f"{name}, {rule}": one.value, f"error of {name}, {rule}": one.error}
    return numbers


def kept() -> pd.DataFrame:
    """The table as it was written: a row for each panel."""
    return read(TABLE)


def studied(table: pd.DataFrame) -> list[Study]:
    """How each rule did on each quantity, the sd first."""
    return [_studied(table, rule, name) for name in QUANTITIES for rule in RULES]


def _studied(table: pd.DataFrame, rule: str, name: str) -> Study:
    values, told = (table[column].to_numpy() for column in (f"{name}, {rule}", f"error of {name}, {rule}"))
    truth = float(getattr(Truth(), name))
    return Study(rule, name, truth, *held(values, told, truth))


def study(panels: int) -> pd.DataFrame:
    """So many panels."""
    return pd.DataFrame([row(number) for number in watched(range(panels), "panels")])


def command(argv: list[str]) -> int:
    """Draw the panels, fit, write the table."""
    return make(argv, "integrals_study", __doc__, "panels", TABLE, study)


if __name__ == "__main__":
    run(command)
