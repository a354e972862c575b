"""How often intervals hold the truth when users come back: simulated experiments, kept as a table.

    python -m comparisons.examples.ab_coverage [--experiments 200]

writes the table anew; the page of the example reads it, and a test draws some of its rows again.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from comparisons.examples.ab_experiment import Truth, draw
from comparisons.examples.ab_models import MODELS, Answer, Whose, answers, fit_models
from comparisons.examples.averages import true_average
from comparisons.examples.intervals import percent, wilson
from comparisons.examples.kept_study import held, make, read
from em.command import run, watched
from em.statistics import Floats

TABLE = "ab_coverage.csv"
ERROR = "error of {}"
TRUTHS = {
    "users randomised": Truth(),
    "users randomised, no effect": Truth(effect=0.0),
    "sessions randomised": Truth(randomised="sessions"),
}
SEED = 21


class Coverage(NamedTuple):
    """How a model did over the experiments of one truth.

    Attributes
    ----------
    truth, model : names; `whose` effect the model speaks of.
    effect : its true value, log odds ratio.
    mean, mean_error : of the estimates, and its error by simulation.
    spread, told : standard deviation of the estimates, and the mean of the standard errors that the model told.
    covered, experiments : intervals that hold the truth, of so many.
    """

    truth: str
    model: str
    whose: Whose
    effect: float
    mean: float
    mean_error: float
    spread: float
    told: float
    covered: int
    experiments: int

    @property
    def share(self) -> float:
        """Of intervals that hold the truth."""
        return self.covered / self.experiments

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of that share by Wilson's score."""
        return wilson(self.covered, self.experiments)


def experiment(truth: str, number: int) -> tuple[Answer, ...]:
    """The answers to one simulated experiment of a truth, by its number from 0."""
    rng = np.random.default_rng([SEED, list(TRUTHS).index(truth), number])
    return answers(fit_models(draw(rng, TRUTHS[truth])))


def kept() -> pd.DataFrame:
    """The table as it was written: a row for each experiment, for each model its log odds ratio and standard error."""
    return read(TABLE)


def coverage(table: pd.DataFrame) -> list[Coverage]:
    """How every model did under every truth, in the order of the table."""
    return [
        _coverage(str(truth), model, rows[model].to_numpy(), rows[ERROR.format(model)].to_numpy())
        for truth, rows in table.groupby("truth", sort=False)
        for model in MODELS
    ]


def share(row: Coverage) -> str:
    """How many intervals hold the truth, with the 95 % interval of that share."""
    low, high = row.interval
    return f"{percent(row.share)} ({100.0 * low:.0f} to {100.0 * high:.0f})"


def _coverage(truth: str, model: str, estimates: Floats, told: Floats) -> Coverage:
    of, whose = TRUTHS[truth], MODELS[model]
    effect = of.effect if whose == "user" else true_average(of.intercept, of.effect, of.sd).log_odds_ratio
    return Coverage(truth, model, whose, effect, *held(estimates, told, effect))


def row(truth: str, number: int) -> dict[str, float | str]:
    """One experiment as the table has it."""
    numbers: dict[str, float | str] = {"truth": truth, "experiment": number}
    for one in experiment(truth, number):
        numbers |= {one.name: one.log_odds_ratio, ERROR.format(one.name): one.error}
    return numbers


def study(experiments: int) -> pd.DataFrame:
    """So many experiments of each truth."""
    numbers = [(truth, number) for truth in TRUTHS for number in range(experiments)]
    return pd.DataFrame([row(*one) for one in watched(numbers, "experiments")])


def command(argv: list[str]) -> int:
    """Draw the experiments, fit the models, write the table."""
    return make(argv, "ab_coverage", __doc__, "experiments", TABLE, study)


if __name__ == "__main__":
    run(command)
