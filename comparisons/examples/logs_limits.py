"""Elasticities that regressions of logarithms find with endless data, where sales are counts.

Of sales with mean m and dispersion sigma the mean logarithm is nearly log m - (1 / m + sigma^2) / 2, whose slope in
log m is 1 + 1 / (2 m): too steep where counts are small. Weeks without sales have no logarithm. Leaving them out keeps
the better weeks at high prices, and the logarithm of one more has the slope m / (1 + m): both are too flat.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np

from comparisons.examples.logs_panels import MIDDLE, PRICES
from em.families import family_named
from em.families.family import log_density
from em.statistics import Floats

WITHOUT_ZEROS, ONE_MORE = "log-normal, zeros left out", "log-normal of units + 1"
LOGARITHMS: Mapping[str, Callable[[Floats], Floats]] = {
    WITHOUT_ZEROS: lambda y: np.log(np.maximum(y, 1.0)),  # zeros have no weight
    ONE_MORE: np.log1p,
}


def limit_elasticity(way: str, volume: float, elasticity: float, sigma: float) -> float:
    """What least squares of the logarithm on log price tends to, in one segment.

    Parameters
    ----------
    way : one of LOGARITHMS.
    volume, elasticity, sigma : the truth; see `logs_panels.Truth`.
    """
    log_price = np.log(PRICES / MIDDLE)
    found = [_moments(way, math.log(volume) + elasticity * x, sigma) for x in log_price]
    weight, mean = (np.array(each) for each in zip(*found, strict=True))
    centred = log_price - (weight @ log_price) / weight.sum()
    return float((weight * centred) @ mean / ((weight * centred) @ centred))


def _moments(way: str, eta: float, sigma: float) -> tuple[float, float]:
    """Share of rows that are taken at a linear predictor, and the mean of their logarithms."""
    mean = math.exp(eta)
    reach = 12.0 * math.sqrt(mean + (sigma * mean) ** 2)
    y = np.arange(max(0.0, math.floor(mean - reach)), mean + reach + 20.0)
    family = family_named("negative-binomial")
    share = np.exp(log_density(family, y, np.full(y.size, eta), np.ones(y.size), math.log(sigma)))
    if way == WITHOUT_ZEROS:
        share = np.where(y > 0.0, share, 0.0)
    return float(share.sum()), float(share @ LOGARITHMS[way](y) / share.sum())
