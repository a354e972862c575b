"""What the prior expected a store to show, beside what the stores do show: the prior predictive check."""

from typing import NamedTuple

import numpy as np

from bayesmix.diagnose import INTERVAL
from bayesmix.fitted import Fit
from bayesmix.response_words import words_of
from em.statistics import Floats

NAMES = {
    "log_sales": "mean log sales of a store",
    "sales": "sales of a store in a week at average prices",
    "elasticity": "a store's own price elasticity",
}


class Expectation(NamedTuple):
    """Ranges that hold `INTERVAL` of what was expected, and of the stores observed; equal tails.

    Attributes
    ----------
    name : of the number of a store.
    prior, observed : lower and upper end.
    outside : share of the observed stores outside the prior's range.
    """

    name: str
    prior: tuple[float, float]
    observed: tuple[float, float]
    outside: float


def expectations(fit: Fit) -> list[Expectation]:
    """One line for each number of a store that the prior speaks of; none where the file has no draws from it."""
    prior, observed = fit.group("prior_predictive"), fit.group("observed_stores")
    if prior is None or observed is None:
        return []
    found = []
    words = words_of(fit)
    names = NAMES if words is None else {"response": f"{words.share} in a store"}
    for variable, name in names.items():
        if variable in prior and variable in observed:
            before, seen = (_settled(group[variable].to_numpy()) for group in (prior, observed))
            if before.size and seen.size:
                low, high = _range(before)
                outside = float(((seen < low) | (seen > high)).mean())
                found.append(Expectation(name, (low, high), _range(seen), outside))
    return found


def _settled(values: Floats) -> Floats:
    return values[np.isfinite(values)]


def _range(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [0.5 - 0.5 * INTERVAL, 0.5 + 0.5 * INTERVAL])
    return float(low), float(high)
