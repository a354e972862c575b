"""Logistic regressions that speak of the average over users, by statsmodels.

As if sessions were independent; with standard errors that count users; and generalised estimating equations with one
correlation inside users, whose covariance is the robust ("sandwich") one (Liang & Zeger 1986, Biometrika 73).
"""

from typing import NamedTuple

import numpy as np
import statsmodels.api as sm

from em.errors import InputError
from em.statistics import Floats, Ints


class Marginal(NamedTuple):
    """Coefficients of the average over users.

    Attributes
    ----------
    estimate, covariance : (coefficient,) log odds, and (coefficient, coefficient).
    correlation : of two sessions of a user, as assumed by the fit; zero where sessions count as independent.
    """

    estimate: Floats
    covariance: Floats
    correlation: float

    @property
    def standard_errors(self) -> Floats:
        """Of the estimates; (coefficient,)."""
        return np.sqrt(np.diagonal(self.covariance))


def independent(x: Floats, y: Floats) -> Marginal:
    """Logistic regression (GLM) that takes every session for another user.

    Parameters
    ----------
    x, y : (session, coefficient) and (session,) 0 or 1.
    """
    fit = sm.GLM(y, x, family=sm.families.Binomial()).fit()
    return Marginal(np.asarray(fit.params), np.asarray(fit.cov_params()), 0.0)


def clustered(x: Floats, y: Floats, user: Ints) -> Marginal:
    """The same estimates with the robust covariance that counts users; `user` is (session,)."""
    fit = sm.GLM(y, x, family=sm.families.Binomial()).fit(cov_type="cluster", cov_kwds={"groups": user})
    return Marginal(np.asarray(fit.params), np.asarray(fit.cov_params()), 0.0)


def exchangeable(x: Floats, y: Floats, user: Ints) -> Marginal:
    """GEE: one correlation between all sessions of a user, and the robust covariance.

    Raises
    ------
    InputError
        When there are no finite estimates.
    """
    structure = sm.cov_struct.Exchangeable()
    fit = sm.GEE(y, x, groups=user, family=sm.families.Binomial(), cov_struct=structure).fit()
    if fit is None:
        raise InputError("GEE found no estimates; expected sessions with and without a purchase for every variant")
    return Marginal(np.asarray(fit.params), np.asarray(fit.cov_params()), float(structure.dep_params))
