"""The panel of the example of integrals: stores that differ, with a few yes or no each."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from em.command import replacing
from em.design_counts import DesignCounts, count_designs
from em.families import family_named
from em.panel import Panel, read_panel
from em.statistics import Floats

FORMULA = "reordered ~ promotion"
FAMILY = "bernoulli"
RANDOM = ("intercept",)


class Truth(NamedTuple):
    """What is drawn.

    Attributes
    ----------
    stores, weeks : how many, and weeks of each store, every other one with a promotion.
    intercept, effect : mean log odds of a reorder in a week without promotion, and what a promotion adds.
    sd : standard deviation of the log odds between stores.
    """

    stores: int = 400
    weeks: int = 4
    intercept: float = -0.5
    effect: float = 1.0
    sd: float = 2.0


class Weeks(NamedTuple):
    """The rows: store, promotion (0 or 1) and whether the store reordered (0 or 1)."""

    store: np.ndarray
    promotion: Floats
    reordered: Floats


def draw(rng: np.random.Generator, truth: Truth) -> Weeks:
    """Rows of one panel, all weeks of the first store first."""
    own = truth.intercept + truth.sd * rng.standard_normal(truth.stores)
    store = np.repeat(np.arange(truth.stores), truth.weeks)
    promotion = np.tile((np.arange(truth.weeks) % 2).astype(float), truth.stores)
    probability = expit(own[store] + truth.effect * promotion)
    return Weeks(store, promotion, (rng.random(store.size) < probability).astype(float))


def counted(weeks: Weeks) -> DesignCounts:
    """The statistics of the stores."""
    x = np.column_stack([np.ones(weeks.store.size), weeks.promotion])
    return count_designs(family_named(FAMILY), weeks.store, x, weeks.reordered, int(weeks.store[-1]) + 1)


def write(path: Path, weeks: Weeks) -> None:
    """The rows as a file with columns store, week, promotion, reordered."""
    first = np.searchsorted(weeks.store, weeks.store)
    frame = pd.DataFrame(
        {
            "store": [f"S{store + 1:03d}" for store in weeks.store],
            "week": np.arange(weeks.store.size) - first + 1,
            "promotion": weeks.promotion.astype(int),
            "reordered": weeks.reordered.astype(int),
        }
    )
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False)


def read(path: Path) -> Panel:
    """The file as a panel."""
    return read_panel(path, store="store", week="week", family=FAMILY, formula=FORMULA)
