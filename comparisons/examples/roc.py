"""How well probabilities tell sessions apart: the ROC curve and the area under it, with users resampled."""

from typing import NamedTuple

import numpy as np

from em.statistics import Floats, Ints


class Roc(NamedTuple):
    """The curve and its 95 % intervals.

    Attributes
    ----------
    false_positive, true_positive : (point,) shares called positive of sessions without and with a purchase.
    area, low, high : under the curve: the probability that a session with a purchase has the higher score.
    band_at, band_low, band_high : (point,) false positives, and the interval of true positives there.
    """

    false_positive: Floats
    true_positive: Floats
    area: float
    low: float
    high: float
    band_at: Floats
    band_low: Floats
    band_high: Floats


def resampled_users(rng: np.random.Generator, users: int, resamples: int) -> Floats:
    """How often each user is drawn when as many users are drawn again, (resample, user)."""
    return rng.multinomial(users, np.full(users, 1.0 / users), size=resamples).astype(float)


def roc(score: Floats, y: Floats, user: Ints, drawn: Floats) -> Roc:
    """The curve of all sessions, with intervals from resampled users.

    Parameters
    ----------
    score, y, user : (session,)
    drawn : (resample, user) of `resampled_users`.
    """
    at = np.linspace(0.0, 1.0, 101)
    false_positive, true_positive = curve(score, y, np.ones(y.size))
    areas, heights = np.empty(len(drawn)), np.empty((len(drawn), at.size))
    for r, times in enumerate(drawn):
        points = curve(score, y, times[user])
        areas[r], heights[r] = np.trapezoid(points[1], points[0]), np.interp(at, *points)
    low, high = np.quantile(areas, [0.025, 0.975])
    band_low, band_high = np.quantile(heights, [0.025, 0.975], axis=0)
    area = float(np.trapezoid(true_positive, false_positive))
    return Roc(false_positive, true_positive, area, float(low), float(high), at, band_low, band_high)


def curve(score: Floats, y: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """False and true positives at every threshold, from none to all; sessions with one score go together.

    Parameters
    ----------
    score, y, weight : (session,)
    """
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0.0, True)
    true, false = (np.cumsum((weight * of)[order])[last] for of in (y, 1.0 - y))
    return np.append(0.0, false / false[-1]), np.append(0.0, true / true[-1])
