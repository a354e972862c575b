"""Panels of the same stores at other volumes: sales are counts, and their elasticities are known.

    y_it ~ negative binomial about volume (p_it / middle)^elasticity_k(i),   dispersion sigma,

with two segments of stores that differ in their price elasticity alone. Only the volume changes between panels.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from em.families import family_named

PRICES = np.round(np.geomspace(1.6, 2.6, 9), 2)
MIDDLE = float(np.sqrt(PRICES[0] * PRICES[-1]))
FORMULA = "units ~ log(price)"
LOGARITHMS = "log(units) ~ log(price)"


class Truth(NamedTuple):
    """What panels are drawn from.

    Attributes
    ----------
    volumes : units of an average row at the middle price, one panel for each.
    elasticities : of the two segments, half of the stores each.
    sigma : dispersion of rows, as a coefficient of variation; 0.2 is 20 per cent beyond Poisson.
    stores, weeks : how many.
    """

    volumes: tuple[float, ...] = (2.0, 6.0, 20.0, 60.0, 200.0, 2000.0)
    elasticities: tuple[float, float] = (-3.0, -1.5)
    sigma: float = 0.2
    stores: int = 40
    weeks: int = 40


def draw(rng: np.random.Generator, truth: Truth, volume: float) -> pd.DataFrame:
    """One panel, a row for each store and week: store, week, price, units, and units + 1."""
    n, weeks = truth.stores, truth.weeks
    store, week = np.repeat(np.arange(n), weeks), np.tile(np.arange(weeks), n)
    price = rng.choice(PRICES, n * weeks)
    elasticity = np.asarray(truth.elasticities)[store % 2]
    eta = math.log(volume) + elasticity * np.log(price / MIDDLE)
    units = family_named("negative-binomial").draw(rng, eta, np.ones(eta.size), math.log(truth.sigma)).astype(int)
    return pd.DataFrame(
        {
            "store": [f"S{s + 1:02d}" for s in store],
            "week": week + 1,
            "price": price,
            "units": units,
            "one_more": units + 1,
        }
    )
