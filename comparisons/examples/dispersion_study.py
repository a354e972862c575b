"""How often intervals of a promotion's effect hold the truth, by model: simulated panels, kept as a table.

    python -m comparisons.examples.dispersion_study [--panels 200]

writes the table anew; the page of the example reads it, and a test draws one of its rows again.
"""

import numpy as np
import pandas as pd

from comparisons.examples.ab_coverage import Coverage
from comparisons.examples.dispersion_models import Answer, answers, fit_models
from comparisons.examples.dispersion_panels import Truth, draw, panel
from comparisons.examples.kept_study import held, make, read
from em.command import run, watched

TABLE = "dispersion_coverage.csv"
ERROR = "error of {}"
TRUTHS = {
    "stores differ, weeks promoted": Truth("stores"),
    "stores differ, half of stores promoted": Truth("stores", "stores"),
    "rows scatter, weeks promoted": Truth("rows"),
    "rows scatter, half of stores promoted": Truth("rows", "stores"),
}
SEED = 31
K, STARTS = 3, 5


def answers_to(truth: str, number: int) -> tuple[Answer, ...]:
    """The answers to one simulated panel of a truth, by its number from 0."""
    rng = np.random.default_rng([SEED, list(TRUTHS).index(truth), number])
    rows = draw(rng, TRUTHS[truth])
    return answers(fit_models(panel(rows, "poisson"), panel(rows, "negative-binomial"), K, STARTS))


def row(truth: str, number: int) -> dict[str, float | str]:
    """One panel as the table has it."""
    numbers: dict[str, float | str] = {"truth": truth, "panel": number}
    for one in answers_to(truth, number):
        numbers |= {one.name: one.log_ratio, ERROR.format(one.name): one.error}
    return numbers


def kept() -> pd.DataFrame:
    """The table as it was written: a row for each panel, for each model its log rate ratio and standard error."""
    return read(TABLE)


def coverage(table: pd.DataFrame) -> list[Coverage]:
    """How every model did under every truth, in the order of the table."""
    models = [name for name in table.columns[2:] if ERROR.format(name) in table.columns]
    found = []
    for truth, rows in table.groupby("truth", sort=False):
        effect = TRUTHS[str(truth)].effect
        for model in models:
            estimates, told = rows[model].to_numpy(), rows[ERROR.format(model)].to_numpy()
            found.append(Coverage(str(truth), model, "average", effect, *held(estimates, told, effect)))
    return found


def study(panels: int) -> pd.DataFrame:
    """So many panels of each truth."""
    numbers = [(truth, number) for truth in TRUTHS for number in range(panels)]
    return pd.DataFrame([row(*one) for one in watched(numbers, "panels")])


def command(argv: list[str]) -> int:
    """Draw the panels, fit the models, write the table."""
    return make(argv, "dispersion_study", __doc__, "panels", TABLE, study)


if __name__ == "__main__":
    run(command)
