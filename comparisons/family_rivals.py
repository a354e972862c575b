"""The rivals that pool nothing and everything, for counts, choices and amounts.

A store's own regression has a normal prior about the one regression for all, with a standard deviation of 2 of the
linear predictor for each coefficient, a factor of seven: nothing to a store whose weeks settle its coefficients, and
finite ones to a store that never sold. Its
coefficients are integrated out as those of any store are, so that what is uncertain of them widens what it predicts. A
store's own mean is the same without covariates, and one regression is that of all rows as if of one store.
"""

from typing import NamedTuple, cast

import numpy as np
from scipy.optimize import minimize_scalar

from bayesmix.posterior import ParameterDraws
from bayesmix.stores import NODES, CountedStores, segment_loglik
from bayesmix.week_density import Weeks, known
from em.family_segments import pooled_regression
from em.statistics import Ints

SPREAD = 2.0  # standard deviation of the linear predictor, times the root of the number of coefficients
SIGMAS = (-7.0, 3.0)  # where the logarithm of a dispersion is looked for
FINE = 1e-4


class Rival(NamedTuple):
    """A regression to set beside the models.

    Attributes
    ----------
    name : what tables call it.
    columns : (column,) of the design that it has.
    one : whether it is one regression for all stores.
    """

    name: str
    columns: Ints
    one: bool

    def seen(self, weeks: Weeks) -> Weeks:
        """Weeks as this regression has them."""
        store = np.zeros_like(weeks.store) if self.one else weeks.store
        return weeks._replace(x=np.ascontiguousarray(weeks.x[:, self.columns]), store=store)


class Regression(NamedTuple):
    """A rival once it knows some weeks: statistics of these, and its parameters as one draw."""

    stores: CountedStores
    draws: ParameterDraws


def rivals(coefficients: tuple[str, ...]) -> list[Rival]:
    """Each store's own regression and own mean, and one regression."""
    p = len(coefficients)
    constant = np.flatnonzero([name.casefold() == "intercept" for name in coefficients])
    found = [Rival("own regression", np.arange(p), False), Rival("one regression for all", np.arange(p), True)]
    if constant.size and p > 1:
        found.insert(1, Rival("own mean", constant, False))
    return found


def regression(rival: Rival, weeks: Weeks, n_stores: int, like: CountedStores) -> Regression:
    """A rival that knows these weeks; its dispersion by maximum likelihood with the coefficients integrated out."""
    like = like._replace(nodes=NODES.get(rival.columns.size, 1))
    stores = cast(CountedStores, known(rival.seen(weeks), 1 if rival.one else n_stores, like))
    theta, x = pooled_regression(stores.counts)[0], rival.seen(weeks).x
    omega = np.square(SPREAD) * np.linalg.inv(x.T @ x / len(x))
    mu, spread = theta[None, None], (0.5 * (omega + omega.T))[None, None]

    def off(log_sigma: float) -> float:
        return -float(segment_loglik(stores, mu, np.full((1, 1), np.exp(log_sigma)), spread).sum())

    sigma = 1.0
    if stores.counts.family.dispersed:
        sigma = float(np.exp(minimize_scalar(off, bounds=SIGMAS, method="bounded", options={"xatol": FINE}).x))  # pyright: ignore[reportAttributeAccessIssue]
    return Regression(stores, ParameterDraws(np.ones((1, 1)), mu, np.full((1, 1), sigma), spread))
