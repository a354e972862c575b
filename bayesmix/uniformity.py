"""Whether numbers between 0 and 1 are uniform, as all PIT values and ranks of a sound fit are.

The difference between their empirical distribution function and that of the uniform, with a band that the whole curve
leaves by chance with a known probability (Saeilynoja, Buerkner & Vehtari 2022, Statistics and Computing 32).
"""

from typing import NamedTuple

import numpy as np
from arviz_stats import ecdf_utils
from scipy.stats import hypergeom

from em.statistics import Floats

BAND = 0.99  # probability that a uniform sample stays inside everywhere, as in ArviZ
FEWEST = 10  # values below which a curve says nothing
SIMULATIONS = 1000
POINTS = 200  # of a curve


class EcdfDifference(NamedTuple):
    """A curve and its band.

    Attributes
    ----------
    at : (point,) values between 0 and 1.
    difference : (point,) share of the values not above `at`, minus `at`.
    low, high : (point,) the band.
    """

    at: Floats
    difference: Floats
    low: Floats
    high: Floats

    @property
    def departs(self) -> bool:
        """Whether the curve leaves the band anywhere."""
        return bool(((self.difference < self.low) | (self.difference > self.high)).any())

    @property
    def sides(self) -> tuple[int, int]:
        """Where the lower and the upper half of the curve leave the band furthest: 1 above, -1 below, 0 nowhere.

        Above on the left there are too many low values, below on the right too many high ones.
        """
        beyond = np.maximum(self.difference - self.high, 0.0) - np.maximum(self.low - self.difference, 0.0)
        halves = beyond[self.at <= 0.5], beyond[self.at > 0.5]
        left, right = (int(np.sign(half[np.abs(half).argmax()])) if half.size else 0 for half in halves)
        return left, right


def against_uniform(values: Floats, seed: int = 0) -> EcdfDifference | None:
    """The curve of a sample; None where there are too few values for one.

    Parameters
    ----------
    values : (value,) between 0 and 1.
    """
    if values.size < FEWEST:
        return None
    at = np.arange(1, min(values.size, POINTS)) / min(values.size, POINTS)
    rng = np.random.default_rng(seed)
    inside = ecdf_utils.simulate_confidence_bands(values.size, 1, at, BAND, SIMULATIONS, rng)
    low, high = ecdf_utils.get_pointwise_confidence_band(inside, values.size, at)
    return EcdfDifference(at, ecdf_utils.compute_ecdf(values, at) - at, low - at, high - at)


def against_other_chains(chains: int, draws: int, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """The band for the ranks of each of several chains among them all, which all of them leave together by chance.

    Of the lowest c of all ranks, a chain has a hypergeometric number. ArviZ's band takes other counts than those of
    the points it stands at and may cover everything, so this one is simulated here.

    Returns
    -------
    at, low, high : (point,) values between 0 and 1, and the ends of the band of the difference there.
    """
    at = np.arange(1, draws) / draws
    lowest = hypergeom(chains * draws, chains * np.arange(1, draws)[:, None], draws)
    below = lowest.cdf(np.arange(draws + 1))
    above = 1.0 - np.pad(below, ((0, 0), (1, 0)))[:, :-1]
    tail = np.minimum(below, above)  # (point, count)
    rng = np.random.default_rng(seed)
    rarest = np.empty(SIMULATIONS)
    for i in range(SIMULATIONS):
        ranks = np.sort(rng.permutation(chains * draws).reshape(chains, draws), axis=1)
        count = np.stack([np.searchsorted(one, chains * np.arange(1, draws)) for one in ranks])
        rarest[i] = tail[np.arange(draws - 1), count].min()
    level = np.quantile(rarest, 1.0 - BAND)
    low, high = (tail >= level).argmax(1), draws - (tail >= level)[:, ::-1].argmax(1)
    return at, low / draws - at, high / draws - at
