"""From one user to the average over users: the logistic curve with the users' differences integrated out.

A user's probability is expit(eta + sd z) with z standard normal. The average over users is flatter than any user's
curve, about expit(eta / sqrt(1 + c^2 sd^2)) with c = 16 sqrt(3) / (15 pi), c^2 = 0.346
(Zeger, Liang & Albert 1988, Biometrics 44, p. 1054).
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from em.glmm import GlmmFit
from em.quadrature import integrate, product_rule
from em.statistics import Floats
from em.store_modes import cells_of

C2 = (16.0 * math.sqrt(3.0) / (15.0 * math.pi)) ** 2
NODES = np.linspace(-8.5, 8.5, 341)  # the trapezium rule in a normal weight is exact to machine precision here
WEIGHTS = np.exp(-0.5 * NODES**2) / np.exp(-0.5 * NODES**2).sum()
STEP = 1e-4  # of differences, in log odds


class Contrast(NamedTuple):
    """A against B on average over users, with standard errors.

    Attributes
    ----------
    rates : shares of sessions with a purchase under A and under B.
    difference : B less A.
    log_odds_ratio : of these two shares.
    """

    rates: tuple[float, float]
    rate_errors: tuple[float, float]
    difference: float
    difference_error: float
    log_odds_ratio: float
    log_odds_ratio_error: float


def average_probability(eta: Floats | float, sd: float) -> Floats:
    """Probability on average over users whose log odds are eta + N(0, sd^2); the shape of eta."""
    return (expit(np.asarray(eta)[..., None] + sd * NODES) * WEIGHTS).sum(-1)


def attenuated(effect: float, sd: float) -> float:
    """The population-average log odds ratio that goes with a user's, nearly."""
    return effect / math.sqrt(1.0 + C2 * sd**2)


def true_average(intercept: float, effect: float, sd: float) -> Contrast:
    """What a known truth means on average over users; without standard errors."""
    return _contrast(average_probability(np.array([intercept, intercept + effect]), sd), np.zeros((2, 2)))


def marginal_contrast(estimate: Floats, covariance: Floats) -> Contrast:
    """A against B from a regression that speaks of the average: intercept and effect, (2,) and (2, 2)."""
    rates = expit(np.array([estimate[0], estimate.sum()]))
    slope = (rates * (1.0 - rates))[:, None] * np.array([[1.0, 0.0], [1.0, 1.0]])
    return _contrast(rates, slope @ covariance @ slope.T)


def integrated_contrast(fit: GlmmFit) -> Contrast:
    """A against B on average over users from a mixed model of intercept and effect, by the delta method."""
    at = _place(fit)
    pairs = [(at + step, at - step) for step in STEP * np.eye(3)]
    slope = np.column_stack([(_rates(up) - _rates(down)) / (2.0 * STEP) for up, down in pairs])
    return _contrast(_rates(at), slope @ joint_covariance(fit) @ slope.T)


def joint_covariance(fit: GlmmFit) -> Floats:
    """Inverse information of the means and the standard deviation between users together.

    Parameters
    ----------
    fit : a mixed model whose intercept varies and nothing else.

    Returns
    -------
    (coefficient + 1, coefficient + 1), the standard deviation last; by differences of the exact score.
    """
    at, cells, rule = _place(fit), cells_of(fit.statistics), product_rule(fit.quadrature, 1)
    size = np.append(fit.standard_errors, fit.sd_errors[0])

    def score(place: Floats) -> Floats:
        root = np.zeros((place.size - 1, 1))
        root[0, 0] = place[-1]
        return integrate(cells, place[:-1], root, np.array([0]), 0.0, rule).slope[:, :-1].sum(0)

    steps = 0.01 * np.diag(size)
    bend = np.stack([score(at + step) - score(at - step) for step in steps]) / (0.02 * size[:, None])
    return np.linalg.inv(-0.5 * (bend + bend.T))


def _place(fit: GlmmFit) -> Floats:
    return np.append(fit.parameters.mu, np.sqrt(fit.parameters.omega[0, 0]))


def _rates(place: Floats) -> Floats:
    return average_probability(np.array([place[0], place[0] + place[1]]), place[2])


def _contrast(rates: Floats, covariance: Floats) -> Contrast:
    """From two shares and their covariance."""
    of_logit = np.array([-1.0, 1.0]) / (rates * (1.0 - rates))
    of_difference = np.array([-1.0, 1.0])
    errors = [math.sqrt(max(slope @ covariance @ slope, 0.0)) for slope in (of_difference, of_logit)]
    low, high = (float(rate) for rate in rates)
    rate_errors = np.sqrt(np.diagonal(covariance))
    return Contrast(
        (low, high),
        (float(rate_errors[0]), float(rate_errors[1])),
        high - low,
        errors[0],
        float(logit(high) - logit(low)),
        errors[1],
    )
