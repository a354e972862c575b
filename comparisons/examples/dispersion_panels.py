"""Two panels of counts whose single rows have one distribution: in one stores differ, in the other rows scatter.

    y_it ~ Poisson(mean exp(effect promotion_it) g),   g ~ Gamma(mean 1, standard deviation sigma),

with one g for all weeks of a store, or another one for every row. Either way a row taken alone is negative binomial
with variance m + sigma^2 m^2 about its mean m.
"""

import math
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from em.families import family_named
from em.panel import Panel
from em.response import Response
from em.statistics import Floats, Ints

MARGIN, CUT = 0.30, 0.08  # of the usual price: what a unit earns, and what the promotion takes off
BREAK_EVEN = math.log(MARGIN / (MARGIN - CUT))  # log rate ratio above which the promotion earns more than it costs


class Truth(NamedTuple):
    """What a panel is drawn from.

    Attributes
    ----------
    differ : whether the factor g belongs to a store or to a row.
    promoted : whether every store has promoted weeks, one in four, or half of the stores have nothing else.
    mean : units of an average row without promotion.
    effect : what the promotion adds to the log rate.
    sigma : standard deviation of g.
    stores, weeks : how many.
    """

    differ: Literal["stores", "rows"]
    promoted: Literal["weeks", "stores"] = "weeks"
    mean: float = 6.0
    effect: float = BREAK_EVEN
    sigma: float = 0.5
    stores: int = 80
    weeks: int = 20


class Rows(NamedTuple):
    """Rows of a panel, those of a store together: store (row,), x (row, 2) a one and the promotion, y (row,) units."""

    store: Ints
    x: Floats
    y: Floats

    @property
    def stores(self) -> int:
        """How many stores there are."""
        return int(self.store[-1]) + 1


def draw(rng: np.random.Generator, truth: Truth) -> Rows:
    """One panel."""
    n, weeks = truth.stores, truth.weeks
    store = np.repeat(np.arange(n), weeks)
    if truth.promoted == "weeks":
        promotion = rng.permuted(np.tile(np.arange(weeks) % 4 == 0, (n, 1)), axis=1).ravel()
    else:
        promotion = (rng.permutation(n) % 2 == 1)[store]
    size = truth.sigma**-2
    factor = (
        rng.gamma(size, 1.0 / size, n)[store] if truth.differ == "stores" else rng.gamma(size, 1.0 / size, n * weeks)
    )
    x = np.column_stack([np.ones(n * weeks), promotion])
    return Rows(store, x, rng.poisson(np.exp(x @ [math.log(truth.mean), truth.effect]) * factor).astype(float))


def panel(rows: Rows, family: str) -> Panel:
    """The rows as a panel of a family of counts."""
    n, weeks = rows.stores, rows.y.size // rows.stores
    return Panel(
        stores=tuple(f"S{s + 1:03d}" for s in range(n)),
        weeks=tuple(str(t + 1) for t in range(weeks)),
        coefficients=("intercept", "promotion"),
        store=rows.store,
        week=np.tile(np.arange(weeks), n),
        x=rows.x,
        y=rows.y,
        file="simulated",
        sha256="",
        response=Response(family_named(family), "units", np.zeros(rows.y.size), np.ones(rows.y.size)),
    )


def table(rows: Rows) -> pd.DataFrame:
    """A row for each store and week, as a long file has it: store, week, promotion, units."""
    week = pd.Series(rows.store).groupby(rows.store).cumcount() + 1
    return pd.DataFrame(
        {
            "store": [f"S{s + 1:03d}" for s in rows.store],
            "week": week,
            "promotion": rows.x[:, 1].astype(int),
            "units": rows.y.astype(int),
        }
    )
