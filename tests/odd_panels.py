"""Small panels of families that are hard on a fit, for our numbers and R's.

`python tests/odd_panels.py FOLDER` writes each as FOLDER/NAME.csv (store, y, trials, exposure, columns of x, traits),
from which `Rscript tests/reference/glmm.R FOLDER` makes tests/reference/glmm.json.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from em.between import centred_traits
from em.families import FAMILIES
from em.panel import Panel
from em.simulator import Truth, simulate_panel

SLOPE = np.diag([0.25, 0.09])


def continuum(mu, omega, sigma=1.0):
    """A truth of one normal."""
    return Truth(np.ones(1), np.array([mu]), np.array([sigma]), np.array([omega], dtype=float))


def odd_panels() -> dict[str, Panel]:
    """Each panel by its name; the second coefficient is that of x1, between 0 and 1."""
    rng = np.random.default_rng(20)
    x = np.stack([np.column_stack([np.ones(8), rng.uniform(0.0, 1.0, 8).round(3)]) for _ in range(30)])
    z = np.column_stack([rng.normal(40.0, 10.0, 30).round(2), rng.poisson(3.0, 30).astype(float)])
    traits = centred_traits(("income", "competition"), z)
    gamma = np.array([[0.03, -0.02], [0.1, 0.0]])
    days = rng.integers(1, 8, (30, 8)).astype(float)
    level = np.diag([0.5, 0.0])

    def drawn(family, truth, **more):
        return simulate_panel(rng, FAMILIES[family], truth, x, 30, **more).panel

    panels = {
        "traits": drawn("poisson", continuum([1.0, -0.8], SLOPE), exposure=days, between=traits, gamma=gamma),
        "traits of shares": drawn(
            "binomial", continuum([0.5, -0.8], level), trials=20.0 * days, between=traits, gamma=gamma
        ),
        "exposures from 0.001 to a billion": drawn(
            "poisson", continuum([0.5, -0.8], level), exposure=np.power(10.0, rng.integers(-3, 10, (30, 8)))
        ),
        "a million trials": drawn("binomial", continuum([-9.0, 2.0], level), trials=1e6),
        "one trial and a million": drawn(
            "binomial", continuum([-2.0, 1.0], level), trials=np.where(np.arange(30)[:, None] % 2, 1e6, 1.0)
        ),
        "counts of a billion": drawn("poisson", continuum([20.5, -0.8], 0.1 * level)),
        "rare": drawn("bernoulli", continuum([-3.0, 0.5], level)),
        "stores of zeros and of ones": drawn("bernoulli", continuum([0.0, 1.0], [[6.0, 0.0], [0.0, 0.0]])),
    }
    one = panels["traits"].week < 1 + 7 * (np.arange(30) % 3 == 0)[panels["traits"].store]
    panels["stores of one week"] = some_rows(panels["traits"], one)
    return panels


def some_rows(panel: Panel, kept) -> Panel:
    """The panel with some of its rows, each store keeping one, and no traits."""
    return Panel(
        panel.stores, panel.weeks, panel.coefficients, panel.store[kept], panel.week[kept], panel.x[kept],
        panel.y[kept], panel.file, panel.sha256, columns=panel.columns,
        response=None if panel.response is None else panel.response.of_rows(kept),
    )  # fmt: skip


def frame_of(panel: Panel) -> pd.DataFrame:
    """The rows of a panel, with traits less their means."""
    assert panel.response is not None
    columns = {
        "store": panel.store,
        "y": panel.y.astype(int),
        "trials": panel.response.trials.astype(int),
        "exposure": np.exp(panel.response.offset),
        "x1": panel.x[:, 1],
    }
    if panel.between is not None:
        columns |= {name: panel.between.values[panel.store, j] for j, name in enumerate(panel.between.names)}
    return pd.DataFrame(columns)


if __name__ == "__main__":
    for name, panel in odd_panels().items():
        frame_of(panel).to_csv(Path(sys.argv[1]) / f"{name}.csv", index=False, float_format="%.17g")
