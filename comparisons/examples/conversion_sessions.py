"""Sessions of a shop on the net: how long, how many pages, where from, and whether they ended in a purchase.

bought_us ~ Bernoulli(p_us),   logit p_us = intercept + by_log_minutes log(minutes) + by_page pages
                                            + referral + b_u,   b_u ~ N(0, sd^2) over users.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import root_scalar

from comparisons.examples.averages import average_probability
from em.families import family_named
from em.statistics import Floats

REFERRALS = {
    "direct": 0.40,
    "email": 0.15,
    "search": 0.30,
    "social": 0.15,
}  # shares of sessions; the first is reference
PARTNER = 12  # sessions from a new partner


class Truth(NamedTuple):
    """What sessions are drawn from: log odds, those of referrals against direct, and the spread between users."""

    intercept: float = -3.9
    by_log_minutes: float = 0.6
    by_page: float = 0.1
    email: float = 0.8
    search: float = 0.3
    social: float = -0.6
    sd: float = 1.1

    @property
    def coefficients(self) -> Floats:
        """In the order of the design that the formula of the example makes."""
        return np.array([self.intercept, self.by_log_minutes, self.by_page, self.email, self.search, self.social])


TRUTH = Truth()


def draw(rng: np.random.Generator, users: int, letter: str) -> pd.DataFrame:
    """Sessions of so many users, 3 each on average, whose names begin with a letter; `own` is b_u of each row."""
    number = 1 + rng.negative_binomial(1.5, 1.5 / 3.5, users)
    user = np.repeat(np.arange(users), number)
    minutes = np.maximum(np.round(np.exp(rng.normal(np.log(4.0), 0.9, user.size)), 1), 0.1)
    pages = 1.0 + rng.poisson(1.2 * minutes**0.6).astype(np.float64)
    referral = rng.choice(list(REFERRALS), user.size, p=list(REFERRALS.values()))
    own = TRUTH.sd * rng.standard_normal(users)[user]
    x = design(minutes, pages, referral)
    bought = family_named("bernoulli").draw(rng, x @ TRUTH.coefficients + own, np.ones(user.size), 0.0)
    return pd.DataFrame(
        {
            "user": [f"{letter}{u + 1:04d}" for u in user],
            "session": pd.Series(user).groupby(user).cumcount() + 1,
            "minutes": minutes,
            "pages": pages.astype(int),
            "referral": referral,
            "bought": bought.astype(int),
            "own": own,
        }
    )


def design(minutes: Floats, pages: Floats, referral: np.ndarray) -> Floats:
    """The design of the truth; (session, coefficient)."""
    others = [(referral == name).astype(float) for name in list(REFERRALS)[1:]]
    return np.column_stack([np.ones(minutes.size), np.log(minutes), pages, *others])


def with_partner(sessions: pd.DataFrame) -> pd.DataFrame:
    """The same sessions and a few from a new partner, each of another user, by construction without a purchase."""
    added = sessions.drop_duplicates("user").head(PARTNER).copy()
    added["user"] = [f"P{i + 1:04d}" for i in range(PARTNER)]
    added["referral"], added["bought"] = "partner", 0
    return pd.concat([sessions, added], ignore_index=True)


def largest_effect(eta: Floats, sd: float) -> float:
    """The effect, in log odds, at which no purchase at all in some sessions would happen in one case of twenty.

    Parameters
    ----------
    eta : (session,) log odds of a purchase without the effect, of users with b_u = 0; each session of another user.
    sd : standard deviation between users.
    """

    def excess(effect: float) -> float:
        return float(np.log1p(-average_probability(eta + effect, sd)).sum() - np.log(0.05))

    return float(root_scalar(excess, bracket=(-20.0, 20.0)).root)
