"""The models of an A/B test side by side: what each says B does, to whom, and how surely."""

from typing import Literal, NamedTuple

from comparisons.examples.ab_experiment import Sessions
from comparisons.examples.averages import Contrast, integrated_contrast, marginal_contrast
from comparisons.examples.marginal_models import Marginal, clustered, exchangeable, independent
from em.design_counts import count_designs
from em.families import family_named
from em.glmm import GlmmFit, fit_glmm

NODES = 15  # of quadrature; with 25 nothing changes in the fifth digit

Whose = Literal["average", "user"]
MODELS: dict[str, Whose] = {
    "GLM, users ignored": "average",
    "GLM, standard errors by user": "average",
    "GEE, exchangeable": "average",
    "GLMM, averaged over users": "average",
    "GLMM, Laplace": "user",
    "GLMM, quadrature": "user",
}


class Answer(NamedTuple):
    """What a model says of B.

    Attributes
    ----------
    name : of the model.
    whose : whether the effect is that on the average over users, or that on each user.
    log_odds_ratio, error : the effect and its standard error.
    """

    name: str
    whose: Whose
    log_odds_ratio: float
    error: float


class Models(NamedTuple):
    """The fits."""

    glm: Marginal
    clustered: Marginal
    gee: Marginal
    laplace: GlmmFit
    quadrature: GlmmFit


def fit_models(sessions: Sessions) -> Models:
    """Fit all of them; to the mixed model a user is one or two distinct designs, however many sessions there were."""
    x, y, user = sessions.x, sessions.bought, sessions.user
    stats = count_designs(family_named("bernoulli"), user, x, y, sessions.users)
    return Models(
        independent(x, y),
        clustered(x, y, user),
        exchangeable(x, y, user),
        fit_glmm(stats, random=["intercept"]),
        fit_glmm(stats, random=["intercept"], quadrature=NODES),
    )


def contrasts(models: Models) -> dict[str, Contrast]:
    """A against B on average over users, by the models that say so; the mixed model's users are averaged over."""
    of_average = (
        *(marginal_contrast(one.estimate, one.covariance) for one in (models.glm, models.clustered, models.gee)),
        integrated_contrast(models.quadrature),
    )
    names = [name for name, whose in MODELS.items() if whose == "average"]
    return dict(zip(names, of_average, strict=True))


def answers(models: Models) -> tuple[Answer, ...]:
    """The answer of each of MODELS; the mixed model gives one of each kind."""
    of_average = [(at.log_odds_ratio, at.log_odds_ratio_error) for at in contrasts(models).values()]
    of_user = [
        (float(fit.parameters.mu[1]), float(fit.standard_errors[1])) for fit in (models.laplace, models.quadrature)
    ]
    return tuple(
        Answer(name, whose, *one) for (name, whose), one in zip(MODELS.items(), of_average + of_user, strict=True)
    )
