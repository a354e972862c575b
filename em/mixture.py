"""One EM step of a finite mixture of Gaussian store regressions: statistics and responsibilities in, parameters out.

Every function takes any number of leading axes, so that many starts take one step together.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from em.likelihood import component_loglik, memberships_and_loglik
from em.statistics import Floats, GaussianStatistics, pool, solve, sums_of_squares

SigmaRule = Literal["fixed", "common", "segment"]


class MixtureParameters(NamedTuple):
    """Parameters of a finite mixture, possibly with covariates of membership.

    Attributes
    ----------
    weight : (..., segment) shares; with covariates of membership, their average over stores.
    theta : (..., segment, coefficient) coefficients, on the scale of log sales.
    sigma : (..., segment) residual standard deviations of log sales.
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


def e_step(params: MixtureParameters, stats: GaussianStatistics, traits: Floats | None = None) -> tuple[Floats, Floats]:
    """Responsibilities (..., store, segment) and the log-likelihood (...) of the same parameters."""
    component = component_loglik(stats, params.theta, params.sigma)
    responsibilities, loglik = memberships_and_loglik(log_weights(params, traits), component)
    return responsibilities, loglik.sum(-1)


def m_step(
    stats: GaussianStatistics, responsibilities: Floats, model: Model, previous: MixtureParameters | None = None
) -> MixtureParameters:
    """Parameters that maximise the expected complete-data log-likelihood.

    A segment whose weight is zero, or whose stores do not identify a coefficient, gets the shortest solution.
    With coefficients common to segments of unequal sigma the maximum is taken conditionally, coefficients first
    (ECM; Meng & Rubin 1993), which does not lower the likelihood either.

    Parameters
    ----------
    responsibilities : (..., store, segment)
    previous : the parameters of the step before; needed for such common coefficients and for traits.
    """
    n, xtx, xty = pool(stats, responsibilities)
    weight = responsibilities.sum(-2) / stats.n_stores
    if any(model.common):
        variance = np.ones_like(n) if previous is None else np.square(previous.sigma)
        theta = _solve_with_common(xtx, xty, variance, np.array(model.common))
    else:
        theta = solve(xtx, xty)
    if model.sigma == "fixed":
        sigma = np.ones_like(weight)
    else:
        squares = np.einsum("...sk,...sk->...k", responsibilities, sums_of_squares(stats, theta))
        if model.sigma == "common":
            sigma = np.sqrt(squares.sum(-1, keepdims=True) / n.sum(-1, keepdims=True)) * np.ones_like(weight)
        else:
            sigma = np.sqrt(squares / np.maximum(n, np.finfo(float).tiny))
        sigma = np.maximum(sigma, model.sigma_floor)
    if model.traits is None:
        return MixtureParameters(weight, theta, sigma)
    from em.membership import logit_step

    gamma = logit_step(model.traits, responsibilities, None if previous is None else previous.gamma)
    return MixtureParameters(weight, theta, sigma, gamma)


def _solve_with_common(xtx: Floats, xty: Floats, variance: Floats, common: np.ndarray) -> Floats:
    """Weighted normal equations of all segments at once, some coefficients shared between them."""
    k, p = xty.shape[-2:]
    place = layout_of_theta(k, common)
    free = int(place.max()) + 1
    expand = np.zeros((k, p, free))
    expand[np.arange(k)[:, None], np.arange(p), place] = 1.0
    precision = 1.0 / variance
    gram = np.einsum("kpf,...kpq,...k,kqg->...fg", expand, xtx, precision, expand, optimize=True)
    right = np.einsum("kpf,...kp,...k->...f", expand, xty, precision, optimize=True)
    return solve(gram, right)[..., place]


def layout_of_theta(k: int, common: np.ndarray) -> np.ndarray:
    """Which free coefficient stands at (segment, coefficient): own ones first, segment by segment, then the common."""
    own = np.flatnonzero(~common)
    place = np.empty((k, common.size), dtype=int)
    place[:, own] = np.arange(k * own.size).reshape(k, own.size)
    place[:, common] = k * own.size + np.arange(int(common.sum()))
    return place
