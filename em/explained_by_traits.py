"""What traits of stores explain: their effects, per unit of the trait, and how much of the stores' differences."""

from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc

from em import glmm, mixed_model
from em.between import separated
from em.glmm import GlmmFit
from em.mixed_model import MixedFit
from em.normal_mixture_fit import NormalMixtureFit
from em.statistics import Floats


class Effects(NamedTuple):
    """Effects of traits on coefficients, in units of the coefficient per unit of the trait.

    Attributes
    ----------
    estimate, error : (trait, coefficient) and its standard error; NaN where there is none.
    """

    estimate: Floats
    error: Floats


class DifferenceExplained(NamedTuple):
    """A coefficient's standard deviation between stores without traits and with them, and the share of its variance."""

    coefficient: str
    sd_without: float
    sd_left: float
    share: float


class Gain(NamedTuple):
    """What traits gain over the same model without them: twice the log-likelihood, parameters, chi-squared p-value."""

    statistic: float
    parameters: int
    p_value: float


def effects(fit: MixedFit | GlmmFit | NormalMixtureFit) -> Effects | None:
    """Effects of the traits; None where nothing explains the coefficients."""
    if fit.between is None:
        return None
    if isinstance(fit, NormalMixtureFit):
        values = fit.parameters.mu[0]
        errors = np.full_like(values, np.nan) if fit.standard_errors is None else fit.standard_errors.mu[0]
    else:
        values, errors = fit.parameters.mu, fit.standard_errors
    return Effects(separated(values, fit.between)[1], separated(errors, fit.between)[1])


def differences_explained(fit: MixedFit | GlmmFit) -> tuple[list[DifferenceExplained], Gain | None]:
    """How much of the variance between stores the traits explain, and what that gains; the fit is made without them.

    A share may be below zero where a trait explains nothing: variances are estimated anew. After REML there is no gain
    to tell, since restricted likelihoods of different means do not compare.
    """
    if fit.between is None:
        return [], None
    before = mixed_model.without_traits(fit) if isinstance(fit, MixedFit) else glmm.without_traits(fit)
    found = []
    for name in fit.random:
        c = fit.coefficients.index(name)
        was, left = float(before.parameters.omega[c, c]), float(fit.parameters.omega[c, c])
        found.append(
            DifferenceExplained(name, float(np.sqrt(was)), float(np.sqrt(left)), 1.0 - left / was if was else np.nan)
        )
    if isinstance(fit, MixedFit) and fit.restricted:
        return found, None
    statistic = max(2.0 * (fit.log_likelihood - before.log_likelihood), 0.0)
    number = len(fit.coefficients) - len(fit.of_stores)
    return found, Gain(statistic, number, float(chdtrc(number, statistic)))
