"""The rivals that pool nothing and everything: each store's own regression, and one regression for all stores."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bayesmix.week_density import NormalMixtures, Weeks
from comparisons.week_scores import Scores, scores_of_draws, scores_of_student
from em.statistics import Floats, GaussianStatistics, pooled_coefficients, spectrum, sums_of_squares

SETTLED = 1e-6  # share of a week's columns in directions that a store's own weeks say nothing of
LEAST = 2  # degrees of freedom with which a store has a residual variance of its own


class Regression(NamedTuple):
    """Scores of a regression, and the weeks that it cannot predict and the one regression for all stores does."""

    scores: Scores
    borrowed: NDArray[np.bool_]


def one_regression(stats: GaussianStatistics, weeks: Weeks, *, fixed: bool) -> Regression:
    """All stores as one: Student t of its residual variance, or sigma 1 where that is fixed."""
    b = pooled_coefficients(stats)
    rss = sums_of_squares(stats, b[None]).sum()
    whole = GaussianStatistics(stats.n.sum(keepdims=True), stats.xtx.sum(0)[None], b[None], np.array([rss]))
    return _scores(whole, weeks._replace(store=np.zeros_like(weeks.store)), None, fixed=fixed)


def own_regressions(stats: GaussianStatistics, weeks: Weeks, *, common: bool, fixed: bool = False) -> Regression:
    """Each store by its own least squares.

    Parameters
    ----------
    common : whether the residual variance is one of all stores; else each store's own.
    fixed : whether it is 1, as where sigma is fixed.
    """
    return _scores(stats, weeks, one_regression(stats, weeks, fixed=fixed).scores, fixed=fixed, common=common)


def _scores(
    stats: GaussianStatistics, weeks: Weeks, otherwise: Scores | None, *, fixed: bool, common: bool = False
) -> Regression:
    leverage, settled = _leverage(stats, weeks)
    location = np.einsum("rp,rp->r", weeks.x, stats.b[weeks.store])
    degrees = np.maximum(stats.n - spectrum(stats.xtx).seen.sum(1), 0.0)
    rss = stats.rss
    if common or fixed:
        degrees, rss = (np.full(stats.n_stores, values.sum()) for values in (degrees, rss))
    able = settled & (fixed | ((degrees >= LEAST) & (rss > 0.0))[weeks.store])
    variance = np.ones(stats.n_stores) if fixed else np.divide(rss, degrees, out=np.ones_like(rss), where=degrees > 0.0)
    scale = np.sqrt(variance[weeks.store] * (1.0 + leverage))
    if fixed:
        normal = NormalMixtures(np.ones((1, scale.size, 1)), location[None, :, None], scale[None, :, None])
        found = scores_of_draws(normal, weeks.y)[0]
    else:
        found = scores_of_student(location, scale, np.maximum(degrees, LEAST)[weeks.store], weeks.y)
    if otherwise is not None:
        found = Scores(*(np.where(able, mine, pooled) for mine, pooled in zip(found, otherwise, strict=True)))
    return Regression(found, ~able)


def _leverage(stats: GaussianStatistics, weeks: Weeks) -> tuple[Floats, NDArray[np.bool_]]:
    """x'(X'X)^-1 x of each week, and whether the weeks seen settle its mean; (row,)."""
    values, vectors, scale, seen = spectrum(stats.xtx)
    turned = np.einsum("rpk,rp->rk", vectors[weeks.store], weeks.x / scale[weeks.store])
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=seen)
    unseen = (np.square(turned) * ~seen[weeks.store]).sum(1)
    settled = unseen <= SETTLED * np.square(turned).sum(1)
    return (np.square(turned) * inverse[weeks.store]).sum(1), settled
