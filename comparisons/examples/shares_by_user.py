"""Shares of sessions with intervals that count users: sensitivity, precision, or the purchases in a tenth.

A share is a ratio of two sums over users, so its variance is that of the users' sums of residuals. Wilson's interval
is then taken at as many independent sessions as would be as sure.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from comparisons.examples.intervals import wilson
from em.statistics import Floats, Ints


class Share(NamedTuple):
    """A share of sessions, with the ends of its 95 % interval, and of how many."""

    value: float
    low: float
    high: float
    sessions: int


def share_by_user(y: Floats, user: Ints, among: NDArray[np.bool_]) -> Share:
    """Share of ones among some sessions.

    Parameters
    ----------
    y, user, among : (session,) 0 or 1; index of the user; whether the session counts.
    """
    n = int(among.sum())
    if n == 0:
        return Share(float("nan"), 0.0, 1.0, 0)
    value = float(y[among].mean())
    residuals = np.bincount(user[among], y[among] - value)
    users = int(np.unique(user[among]).size)
    independent = value * (1.0 - value) * n
    widening = max(float(np.square(residuals).sum()) * users / (users - 1) / independent, 1.0) if independent else 1.0
    low, high = wilson(value * n / widening, n / widening)
    return Share(value, max(low, 0.0), min(high, 1.0), n)
