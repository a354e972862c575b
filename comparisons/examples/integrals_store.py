"""What is integrated for one store, its likelihood times the density of its level: exactly, and as Laplace has it."""

from typing import NamedTuple

import numpy as np
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from em.mixed_model import MixedParameters
from em.quadrature import product_rule
from em.statistics import Floats

DRAWN = (-3.0, 3.5)  # from where to where, in standard deviations between stores
WIDE = 12.0  # of them on either side, over which the area is taken


class Integrand(NamedTuple):
    """The curve of one store over its own log odds in a week without promotion.

    Attributes
    ----------
    promotion, reordered : (week,) of the store.
    level : (point,) own log odds.
    height, laplace : (point,) the integrand, and the normal curve with its mode and curvature; both over the area
        below the former.
    nodes : (node,) where a rule of nine nodes looks, and the heights there.
    ratio : area below Laplace's curve over the exact one.
    """

    promotion: Floats
    reordered: Floats
    level: Floats
    height: Floats
    laplace: Floats
    nodes: tuple[Floats, Floats]
    ratio: float


def integrand(promotion: Floats, reordered: Floats, parameters: MixedParameters) -> Integrand:
    """The curve of one store under estimates of intercept, effect of promotion and variance between stores.

    Parameters
    ----------
    promotion, reordered : (week,) zeros and ones.
    """
    (intercept, effect), sd = parameters.mu, float(np.sqrt(parameters.omega[0, 0]))

    def log_height(level: Floats | float) -> Floats:
        eta = np.add.outer(np.asarray(level, dtype=float), effect * promotion)
        rows = (reordered * eta - np.logaddexp(0.0, eta)).sum(-1)
        return rows + norm.logpdf(level, intercept, sd)

    level = intercept + sd * np.linspace(*DRAWN, 401)
    mode, information = _mode(promotion, reordered, intercept, effect, sd)
    width = 1.0 / np.sqrt(information)
    top = float(np.exp(log_height(mode)))
    area = quad(
        lambda b: float(np.exp(log_height(b))), intercept - WIDE * sd, intercept + WIDE * sd, points=[mode], limit=200
    )[0]
    at = mode + np.sqrt(2.0) * width * product_rule(9, 1).v[:, 0]
    return Integrand(
        promotion, reordered, level,
        np.exp(log_height(level)) / area,
        top * np.exp(-0.5 * np.square((level - mode) / width)) / area,
        (at, np.exp(log_height(at)) / area),
        top * width * float(np.sqrt(2.0 * np.pi)) / area,
    )  # fmt: skip


def _mode(promotion: Floats, reordered: Floats, intercept: float, effect: float, sd: float) -> tuple[float, float]:
    """Most probable level, by Newton's method, and minus the second derivative of the log of the integrand there."""
    level, information = intercept, 1.0
    for _ in range(100):
        share = expit(level + effect * promotion)
        information = float((share * (1.0 - share)).sum()) + sd**-2
        step = (float((reordered - share).sum()) - (level - intercept) / sd**2) / information
        level += step
        if abs(step) < 1e-12:
            break
    return level, information
