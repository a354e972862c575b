"""One EM step of a finite mixture of store regressions: statistics and responsibilities in, parameters out.

Every function takes any number of leading axes, so that many starts take one step together.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from em.likelihood import memberships_and_loglik
from em.regressions import Stores, segment_loglik, weighted_regressions
from em.statistics import Floats

SigmaRule = Literal["fixed", "common", "segment"]


class MixtureParameters(NamedTuple):
    """Parameters of a finite mixture, possibly with covariates of membership.

    Attributes
    ----------
    weight : (..., segment) shares; with covariates of membership, their average over stores.
    theta : (..., segment, coefficient) coefficients, on the scale of log sales, or of a family's linear predictor.
    sigma : (..., segment) residual standard deviations of log sales, or a family's dispersion.
    gamma : (..., segment, trait) multinomial-logit coefficients of membership, zero for the first segment; or None.
    """

    weight: Floats
    theta: Floats
    sigma: Floats
    gamma: Floats | None = None

    @property
    def n_segments(self) -> int:
        """Number of segments K."""
        return self.theta.shape[-2]


class Model(NamedTuple):
    """What is free in a mixture, and what bounds it.

    Attributes
    ----------
    sigma : "fixed" (at 1), "common" (one, estimated) or "segment" (one for each segment).
    common : (coefficient,) True where a coefficient is the same in all segments.
    sigma_floor : lower bound of an estimated sigma; without it a segment of one store can make the likelihood infinite.
    traits : (store, trait) covariates of membership, the first column ones; or None.
    """

    sigma: SigmaRule = "fixed"
    common: tuple[bool, ...] = ()
    sigma_floor: float = 0.0
    traits: Floats | None = None


def above_floor(params: MixtureParameters, model: Model) -> NDArray[np.bool_]:
    """Whether every sigma is above its lower bound; (...)."""
    return params.sigma.min(-1) > model.sigma_floor * (1.0 + 1e-9)


def log_weights(params: MixtureParameters, traits: Floats | None) -> Floats:
    """Log prior membership: (..., segment), or (..., store, segment) when traits explain it."""
    if traits is None or params.gamma is None:
        with np.errstate(divide="ignore"):
            return np.log(params.weight)
    scores = traits @ np.swapaxes(params.gamma, -1, -2)
    top = scores.max(-1, keepdims=True)
    return scores - top - np.log(np.exp(scores - top).sum(-1, keepdims=True))


def e_step(params: MixtureParameters, stats: Stores, traits: Floats | None = None) -> tuple[Floats, Floats]:
    """Responsibilities (..., store, segment) and the log-likelihood (...) of the same parameters."""
    component = segment_loglik(stats, params.theta, params.sigma)
    responsibilities, loglik = memberships_and_loglik(log_weights(params, traits), component)
    return responsibilities, loglik.sum(-1)


def m_step(
    stats: Stores, responsibilities: Floats, model: Model, previous: MixtureParameters | None = None
) -> MixtureParameters:
    """Parameters that maximise the expected complete-data log-likelihood.

    A segment whose weight is zero, or whose stores do not identify a coefficient, gets the shortest solution.
    With coefficients common to segments of unequal sigma the maximum is taken conditionally, coefficients first
    (ECM; Meng & Rubin 1993), which does not lower the likelihood either; nor do a family's Newton steps, of which
    there are two.

    Parameters
    ----------
    responsibilities : (..., store, segment)
    previous : the parameters of the step before; needed for such common coefficients, for traits and for families.
    """
    weight = responsibilities.sum(-2) / stats.n_stores
    theta, sigma = weighted_regressions(stats, responsibilities, model, previous)
    if model.traits is None:
        return MixtureParameters(weight, theta, sigma)
    from em.membership import logit_step

    gamma = logit_step(model.traits, responsibilities, None if previous is None else previous.gamma)
    return MixtureParameters(weight, theta, sigma, gamma)
