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


def one_regression(stats: GaussianStatistics, weeks: Weeks, *, fixed: bool, left_out: bool = False) -> Regression:
    """All stores as one: Student t of its residual variance, or sigma 1 where that is fixed.

    Parameters
    ----------
    left_out : the weeks are among those of `stats`, and each is predicted without it.
    """
    b = pooled_coefficients(stats)
    rss = sums_of_squares(stats, b[None]).sum()
    whole = GaussianStatistics(stats.n.sum(keepdims=True), stats.xtx.sum(0)[None], b[None], np.array([rss]))
    return _scores(whole, weeks._replace(store=np.zeros_like(weeks.store)), False, fixed, left_out)


def own_regressions(
    stats: GaussianStatistics, weeks: Weeks, *, common: bool, fixed: bool = False, left_out: bool = False
) -> Regression:
    """Each store by its own least squares.

    Parameters
    ----------
    common : whether the residual variance is one of all stores; else each store's own.
    fixed : whether it is 1, as where sigma is fixed.
    left_out : the weeks are among those of `stats`, and each is predicted without it.
    """
    mine = _scores(stats, weeks, common, fixed, left_out)
    whole = one_regression(stats, weeks, fixed=fixed, left_out=left_out).scores
    pairs = zip(mine.scores, whole, strict=True)
    return Regression(Scores(*(np.where(mine.borrowed, two, one) for one, two in pairs)), mine.borrowed)


def _scores(stats: GaussianStatistics, weeks: Weeks, common: bool, fixed: bool, left_out: bool) -> Regression:
    """Regression by store, and where it says nothing.

    Without week t, of residual e and leverage h, its residual is e / (1 - h) and the sum of squares is less by
    e^2 / (1 - h) (Cook & Weisberg 1982, section 2.2).
    """
    leverage, able = _leverage(stats, weeks)
    error = weeks.y - np.einsum("rp,rp->r", weeks.x, stats.b[weeks.store])
    degrees = np.maximum(stats.n - spectrum(stats.xtx).seen.sum(1), 0.0)
    rss = stats.rss
    if common:
        degrees, rss = (np.full(stats.n_stores, values.sum()) for values in (degrees, rss))
    degrees, rss, spread = degrees[weeks.store], rss[weeks.store], 1.0 + leverage
    if left_out:
        able &= leverage < 1.0 - SETTLED
        rest = np.where(able, 1.0 - leverage, 1.0)
        degrees, rss = degrees - 1.0, np.maximum(rss - np.square(error) / rest, 0.0)
        error, spread = error / rest, 1.0 / rest
    if fixed:
        sd = np.sqrt(spread)[None, :, None]
        normal = NormalMixtures(np.ones_like(sd), (weeks.y - error)[None, :, None], sd)
        return Regression(scores_of_draws(normal, weeks.y)[0], ~able)
    able &= (degrees >= LEAST) & (rss > 0.0)
    degrees = np.where(able, degrees, LEAST)
    scale = np.sqrt(np.where(able, rss / degrees, 1.0) * spread)
    return Regression(scores_of_student(weeks.y - error, scale, degrees, weeks.y), ~able)


def _leverage(stats: GaussianStatistics, weeks: Weeks) -> tuple[Floats, NDArray[np.bool_]]:
    """x'(X'X)^-1 x of each week, and whether the weeks seen settle its mean; (row,)."""
    values, vectors, scale, seen = spectrum(stats.xtx)
    turned = np.einsum("rpk,rp->rk", vectors[weeks.store], weeks.x / scale[weeks.store])
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=seen)
    unseen = (np.square(turned) * ~seen[weeks.store]).sum(1)
    settled = unseen <= SETTLED * np.square(turned).sum(1)
    return (np.square(turned) * inverse[weeks.store]).sum(1), settled
