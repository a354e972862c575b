"""An A/B test in which people come back: users are given a variant, and each makes several sessions.

    bought_us ~ Bernoulli(p_us),   logit p_us = intercept + effect B_us + b_u,   b_u ~ N(0, sd^2),

so the effect is what B adds to the log odds of every single user.
"""

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from em.families import family_named
from em.statistics import Floats, Ints


class Truth(NamedTuple):
    """What an experiment is drawn from.

    Attributes
    ----------
    intercept : log odds of a purchase in a session under A, of a user with b_u = 0.
    effect : what B adds to the log odds of every user.
    sd : standard deviation of b_u between users.
    users : how many.
    sessions : mean number of a user, at least one each; drawn without regard to b_u.
    randomised : whether a user or each of the user's sessions is given a variant, one half each.
    """

    intercept: float = -1.8
    effect: float = 0.4
    sd: float = 1.5
    users: int = 800
    sessions: float = 6.0
    randomised: Literal["users", "sessions"] = "users"


class Sessions(NamedTuple):
    """Sessions of an experiment, those of a user together.

    Attributes
    ----------
    user : (session,) index of the user.
    x : (session, 2) a one, and whether the variant is B.
    bought : (session,) 0 or 1.
    """

    user: Ints
    x: Floats
    bought: Floats

    @property
    def users(self) -> int:
        """How many users there are."""
        return int(self.user[-1]) + 1


def draw(rng: np.random.Generator, truth: Truth) -> Sessions:
    """One experiment."""
    further = truth.sessions - 1.0
    number = 1 + rng.negative_binomial(1.5, 1.5 / (1.5 + further), truth.users)
    user = np.repeat(np.arange(truth.users), number)
    units = truth.users if truth.randomised == "users" else user.size
    variant = rng.permutation(np.arange(units) % 2)
    of_session = variant[user] if truth.randomised == "users" else variant
    x = np.column_stack([np.ones(user.size), of_session])
    eta = x @ [truth.intercept, truth.effect] + truth.sd * rng.standard_normal(truth.users)[user]
    return Sessions(user, x, family_named("bernoulli").draw(rng, eta, np.ones(user.size), 0.0))


def table(sessions: Sessions) -> pd.DataFrame:
    """A row for each session, as a long file has it: user, session, variant, bought."""
    number = pd.Series(sessions.user).groupby(sessions.user).cumcount() + 1
    return pd.DataFrame(
        {
            "user": [f"U{u + 1:04d}" for u in sessions.user],
            "session": number,
            "variant": np.where(sessions.x[:, 1] == 1.0, "B", "A"),
            "bought": sessions.bought.astype(int),
        }
    )
