"""What the example of conversions works out: fits, odds ratios, and probabilities judged on new users."""

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from comparisons.examples.averages import average_probability
from comparisons.examples.calibration import Calibration, calibration
from comparisons.examples.conversion_sessions import TRUTH, largest_effect
from comparisons.examples.decisions import Cost, Costs, Decisions, cost, decided, per_thousand
from comparisons.examples.marginal_models import Marginal, clustered, independent
from comparisons.examples.roc import Roc, resampled_users, roc
from em.glmm import GlmmFit, fit_glmm
from em.panel import Panel
from em.statistics import Floats

SEED, NODES, RESAMPLES = 2, 15, 1000
COSTS = Costs(false_alarm=1.0, miss=6.0)


class OddsRatio(NamedTuple):
    """By what the odds of a purchase are multiplied when something changes, in logarithms.

    Attributes
    ----------
    change : what changes, in words.
    value, error : of the mixed model, for each user.
    truth : what made the data.
    average, average_error : of the logistic regression, on average over users.
    """

    change: str
    value: float
    error: float
    truth: float
    average: float
    average_error: float


class Judged(NamedTuple):
    """Probabilities of one origin on the sessions of new users."""

    name: str
    probability: Floats
    calibration: Calibration
    roc: Roc
    cost: Cost


class Separated(NamedTuple):
    """What fits say of sessions none of which ended in a purchase.

    Attributes
    ----------
    told : the sentence of our fit.
    estimate, error, robust_error : what a logistic regression gives for the coefficient, sessions or users counted.
    largest : odds ratio above which so many failures would be rarer than one case in twenty.
    """

    told: str
    estimate: float
    error: float
    robust_error: float
    largest: float


class Contents(NamedTuple):
    """All that the page tells."""

    panel: Panel
    new: Panel
    fit: GlmmFit
    logistic: Marginal
    ratios: list[OddsRatio]
    judged: dict[str, Judged]
    decisions: Decisions
    costs_of: dict[str, Cost]
    separated: Separated


def contents(panel: Panel, new: Panel, rare: Panel, own: Floats) -> Contents:
    """Everything worked out.

    Parameters
    ----------
    panel, new, rare : the sessions to fit, those of new users, and the first with a partner's.
    own : (session,) of new users: how far their log odds are from those of the user in the middle.
    """
    fit = fit_glmm(panel, random=["intercept"], quadrature=NODES)
    logistic = clustered(panel.x, panel.y, panel.store)
    mu, sd = fit.parameters.mu, float(np.sqrt(fit.parameters.omega[0, 0]))
    true = new.x @ TRUTH.coefficients
    probabilities = {
        "mixed model, averaged over users": average_probability(new.x @ mu, sd),
        "mixed model, the user in the middle": expit(new.x @ mu),
        "logistic regression": expit(new.x @ logistic.estimate),
        "the truth": average_probability(true, TRUTH.sd),
        "the truth, each user known": expit(true + own),
    }
    drawn = resampled_users(np.random.default_rng(SEED), len(new.stores), RESAMPLES)

    def costs(acting: np.ndarray) -> Cost:
        return per_thousand(cost(COSTS, acting, new.y), new.store, drawn)

    judged = {
        name: Judged(
            name, p, calibration(p, new.y, new.store), roc(p, new.y, new.store, drawn), costs(p > COSTS.threshold)
        )
        for name, p in probabilities.items()
    }
    ours = probabilities["mixed model, averaged over users"]
    acting = ours > COSTS.threshold
    everyone, nobody = np.ones(new.y.size, dtype=bool), np.zeros(new.y.size, dtype=bool)
    saved = {
        name: per_thousand(cost(COSTS, other, new.y) - cost(COSTS, acting, new.y), new.store, drawn)
        for name, other in (("everybody", everyone), ("nobody", nobody))
    }
    costs_of = {"everybody": costs(everyone), "nobody": costs(nobody)} | {f"saved, {k}": v for k, v in saved.items()}
    decisions = decided(ours, new.y, new.store, COSTS.threshold)
    return Contents(
        panel, new, fit, logistic, _ratios(fit, logistic), judged, decisions, costs_of, _separated(rare, fit)
    )


def _ratios(fit: GlmmFit, logistic: Marginal) -> list[OddsRatio]:
    """Changes that a reader can picture: twice the minutes, one page, another referral than direct."""
    changes = {"twice the minutes": ("log(minutes)", np.log(2.0)), "one page more": ("pages", 1.0)}
    changes |= {f"{name}, not direct": (f"referral[T.{name}]", 1.0) for name in ("email", "search", "social")}
    found = []
    for change, (name, by) in changes.items():
        at = fit.coefficients.index(name)
        of_both = (
            (fit.parameters.mu[at], fit.standard_errors[at]),
            (logistic.estimate[at], logistic.standard_errors[at]),
        )
        (value, error), (average, average_error) = ((float(by * a), float(by * b)) for a, b in of_both)
        truth = float(by * TRUTH.coefficients[at])
        found.append(OddsRatio(change, value, error, truth, average, average_error))
    return found


def _separated(rare: Panel, fit: GlmmFit) -> Separated:
    """What happens with a partner whose sessions never ended in a purchase; other effects as `fit` has them."""
    at = rare.coefficients.index("referral[T.partner]")
    told = fit_glmm(rare, random=[]).warnings  # users who differ do not change what separates
    usual, robust = independent(rare.x, rare.y), clustered(rare.x, rare.y, rare.store)
    others = np.delete(rare.x, at, axis=1)[rare.x[:, at] == 1.0]
    largest = largest_effect(others @ fit.parameters.mu, float(np.sqrt(fit.parameters.omega[0, 0])))
    errors = float(usual.standard_errors[at]), float(robust.standard_errors[at])
    return Separated("; ".join(told), float(usual.estimate[at]), *errors, float(np.exp(largest)))
