"""Scatter of weeks about each store's own curve: what bounds an estimated sigma, and judges a fixed one."""

import numpy as np

from em.errors import InputError
from em.statistics import GaussianStatistics, pooled_coefficients, spectrum, sums_of_squares

FLOOR = 0.01  # lower bound of an estimated sigma, as a share of the scatter inside stores
BY_CHANCE = 3.3  # standard deviations beyond which scatter is not 1 by chance
CLOSE = (0.8, 1.25)  # scatter inside stores that a sigma fixed at 1 can stand for


def scatter(stats: GaussianStatistics) -> float:
    """Residual standard deviation inside stores, about each store's own coefficients; 0.0 when nothing is left over."""
    left = degrees_left(stats)
    return float(np.sqrt(stats.rss.sum() / left)) if left > 0 else 0.0


def degrees_left(stats: GaussianStatistics) -> float:
    """Weeks less the rank of each store's design, summed over stores."""
    return float((stats.n - spectrum(stats.xtx).seen.sum(1)).sum())


def sigma_floor(stats: GaussianStatistics) -> float:
    """Lower bound of an estimated sigma, from the data: a hundredth of the scatter inside stores.

    Where stores leave no scatter of their own (a week each), that about the pooled curve takes its place.

    Raises
    ------
    InputError
        When sales follow one curve without any error.
    """
    within = scatter(stats)
    squares = sums_of_squares(stats, pooled_coefficients(stats)[None, :])
    about_pooled = float(np.sqrt(squares.sum() / stats.n.sum()))
    if about_pooled <= 1e-10:
        raise InputError("sales follow the model without any error, so sigma cannot be estimated; use sigma fixed")
    return FLOOR * (within if within > 1e-6 * about_pooled else about_pooled)


def against_fixed_sigma(stats: GaussianStatistics, remedy: str = "--sigma common or --sigma segment") -> list[str]:
    """Why sigma = 1 is wrong for these stores, and what to do; empty when it is not."""
    within = scatter(stats)
    if within == 0.0 or CLOSE[0] < within < CLOSE[1]:
        return []
    # The logarithm of the scatter has standard deviation 1 / sqrt(2 x degrees left).
    if abs(np.log(within)) * np.sqrt(2.0 * degrees_left(stats)) < BY_CHANCE:
        return []
    return [f"sigma is fixed at 1, but sales scatter by {within:.3g} about each store's own curve; use {remedy}"]
