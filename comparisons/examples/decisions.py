"""Where to draw the line: a threshold from what mistakes cost, and what it does to sessions not fitted.

A session of probability p is worth acting on where (1 - p) false_alarm < p miss, so above
false_alarm / (false_alarm + miss), if the probabilities can be taken at their word (Elkan 2001, IJCAI).
"""

from typing import NamedTuple

import numpy as np

from comparisons.examples.shares_by_user import Share, share_by_user
from em.statistics import Floats, Ints


class Costs(NamedTuple):
    """What it costs to act on a session that does not buy, and to pass one by that does; in any one unit."""

    false_alarm: float
    miss: float

    @property
    def threshold(self) -> float:
        """The probability above which acting is the cheaper mistake."""
        return self.false_alarm / (self.false_alarm + self.miss)


class Decisions(NamedTuple):
    """What acting above a threshold does.

    Attributes
    ----------
    table : (2, 2) sessions, without and with a purchase in rows, passed by and acted on in columns.
    sensitivity : of sessions with a purchase, acted on.
    specificity : of sessions without, passed by.
    precision : of sessions acted on, with a purchase.
    acted : of all sessions, acted on.
    """

    table: Ints
    sensitivity: Share
    specificity: Share
    precision: Share
    acted: Share


class Cost(NamedTuple):
    """Of a thousand sessions, with its 95 % interval."""

    value: float
    low: float
    high: float


def decided(probability: Floats, y: Floats, user: Ints, threshold: float) -> Decisions:
    """The decisions on sessions of these probabilities; all (session,)."""
    acting = probability > threshold
    bought, acted = y == 1.0, acting.astype(float)
    table = np.array(
        [[(~bought & ~acting).sum(), (~bought & acting).sum()], [(bought & ~acting).sum(), (bought & acting).sum()]]
    )
    return Decisions(
        table,
        share_by_user(acted, user, bought),
        share_by_user(1.0 - acted, user, ~bought),
        share_by_user(y, user, acting),
        share_by_user(acted, user, np.ones(y.size, dtype=bool)),
    )


def cost(costs: Costs, acting: np.ndarray, y: Floats) -> Floats:
    """What each session costs; (session,)."""
    return np.where(acting, costs.false_alarm * (1.0 - y), costs.miss * y)


def per_thousand(amount: Floats, user: Ints, drawn: Floats) -> Cost:
    """Of amounts (session,), the mean of a thousand sessions with an interval from resampled users (resample, user)."""
    users = drawn.shape[1]
    means = drawn @ np.bincount(user, amount, users) / (drawn @ np.bincount(user, minlength=users).astype(float))
    low, high = np.quantile(1000.0 * means, [0.025, 0.975])
    return Cost(1000.0 * float(amount.mean()), float(low), float(high))
