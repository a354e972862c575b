"""The models of counts beside each other, by maximum likelihood: what each says of a promotion, and how surely."""

from typing import NamedTuple

from em.fit import MixtureFit, fit_mixture
from em.glmm import GlmmFit, fit_glmm
from em.panel import Panel

PROMOTION = 1  # position of its coefficient
POISSON, NEGATIVE_BINOMIAL = "Poisson", "negative binomial"
BY_STORE = "Poisson, standard errors by store"
LEVELS, SEGMENTS = "Poisson, random intercept", "Poisson, segments"
BOTH = "negative binomial, random intercept"


class Answer(NamedTuple):
    """What a model says of the promotion: name of the model, log rate ratio and its standard error."""

    name: str
    log_ratio: float
    error: float


class Fits(NamedTuple):
    """The fits; the segments of the mixture have levels of their own and one effect of the promotion."""

    poisson: MixtureFit
    negative_binomial: MixtureFit
    levels: GlmmFit
    segments: MixtureFit
    both: GlmmFit


def fit_models(poisson: Panel, negative_binomial: Panel, k: int, starts: int, nodes: int = 1) -> Fits:
    """Fit all of them to one panel, which is given under both families.

    Parameters
    ----------
    k, starts : segments of the mixture, with one effect of the promotion for all, and searches for them.
    nodes : of the quadrature over levels of stores.
    """
    return Fits(
        fit_mixture(poisson, 1),
        fit_mixture(negative_binomial, 1),
        fit_glmm(poisson, random=["intercept"], quadrature=nodes),
        fit_mixture(poisson, k, common=["promotion"], starts=starts),
        fit_glmm(negative_binomial, random=["intercept"], quadrature=nodes),
    )


def answers(fits: Fits) -> tuple[Answer, ...]:
    """The answer of each model; plain Poisson gives a second one, with standard errors that count stores."""
    plain, robust = fits.poisson, fits.poisson.robust_standard_errors
    found = [
        _of_mixture(POISSON, plain),
        Answer(BY_STORE, float(plain.parameters.theta[0, PROMOTION]), float(robust.theta[0, PROMOTION])),  # pyright: ignore[reportOptionalMemberAccess]
        _of_mixture(NEGATIVE_BINOMIAL, fits.negative_binomial),
        _of_levels(LEVELS, fits.levels),
        _of_mixture(SEGMENTS, fits.segments),
        _of_levels(BOTH, fits.both),
    ]
    return tuple(found)


def _of_mixture(name: str, fit: MixtureFit) -> Answer:
    error = float("nan") if fit.standard_errors is None else float(fit.standard_errors.theta[0, PROMOTION])
    return Answer(name, float(fit.parameters.theta[0, PROMOTION]), error)


def _of_levels(name: str, fit: GlmmFit) -> Answer:
    return Answer(name, float(fit.parameters.mu[PROMOTION]), float(fit.standard_errors[PROMOTION]))
