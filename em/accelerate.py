"""Two accelerators of EM that never lose likelihood: SQUAREM for many starts at once, Newton for the finish.

SQUAREM (Varadhan & Roland 2008, scheme S3) extrapolates two EM steps; where that is no better than the two steps
themselves it keeps them. Newton uses the exact information, made positive definite where it is not; where its step
does not go up, EM steps take its place.
"""

from typing import NamedTuple

import numpy as np

from em.ascent import BELOW_ROUNDING, GAIN, Point, newton_step
from em.membership import separated
from em.mixture import MixtureParameters, Model, e_step, m_step
from em.regressions import Stores, longest_step
from em.score import derivatives, least_share_observed, pack, unpack
from em.starts import where
from em.statistics import Floats

SETTLED = 1e-6  # gain in log-likelihood over a whole cycle below which no start goes on
CURVATURE = 1e-10  # smallest eigenvalue of the scaled information that counts as positive
OBSERVED = 1e-6  # share of the complete-data information below which segments are not told apart


class Optimum(NamedTuple):
    """Where an ascent ended.

    Attributes
    ----------
    parameters, log_likelihood : the log-likelihood belongs to exactly these parameters.
    converged : the score, in units of its standard deviation, is below 1e-6 in every direction, or EM gains nothing.
    iterations : EM and Newton steps.
    identified : the data tell the segments apart; not so where they coincide, are empty, or traits separate them.
    """

    parameters: MixtureParameters
    log_likelihood: float
    converged: bool
    iterations: int
    identified: bool


def squarem(
    params: MixtureParameters, loglik: Floats, stats: Stores, model: Model, cycles: int
) -> tuple[MixtureParameters, Floats]:
    """Accelerated EM cycles (three steps each) on many starts; parameters (start, ...) and log-likelihoods (start,)."""
    responsibilities, _ = e_step(params, stats, model.traits)
    for _ in range(cycles):
        before = loglik
        one = m_step(stats, responsibilities, model, params)
        responsibilities, _ = e_step(one, stats, model.traits)
        two = m_step(stats, responsibilities, model, one)
        responsibilities, loglik = e_step(two, stats, model.traits)
        leap = m_step(stats, e_step(_extrapolate(params, one, two, model), stats, model.traits)[0], model, two)
        r_leap, loglik_leap = e_step(leap, stats, model.traits)
        better = loglik_leap > loglik
        params = where(better, leap, two)
        responsibilities = np.where(better[:, None, None], r_leap, responsibilities)
        loglik = np.where(better, loglik_leap, loglik)
        if np.max(loglik - before) < SETTLED:
            break
    return params, loglik


def _extrapolate(
    zero: MixtureParameters, one: MixtureParameters, two: MixtureParameters, model: Model
) -> MixtureParameters:
    """The squared step from three successive EM iterates, each start with its own length."""
    at = [_flat(params) for params in (zero, one, two)]
    r, v = at[1] - at[0], at[2] - 2.0 * at[1] + at[0]
    length = np.sqrt(np.square(r).sum(-1) / np.maximum(np.square(v).sum(-1), 1e-300))
    length = np.clip(length, 1.0, 64.0)[:, None]
    flat = at[0] + 2.0 * length * r + np.square(length) * v
    starts, k, p = zero.theta.shape
    log_weight = flat[:, :k] - flat[:, :k].max(-1, keepdims=True)
    weight = np.exp(log_weight)
    theta = flat[:, k : k + k * p].reshape(starts, k, p)
    sigma = np.exp(np.clip(flat[:, k + k * p : 2 * k + k * p], -50.0, 50.0))
    sigma = np.ones_like(sigma) if model.sigma == "fixed" else np.maximum(sigma, model.sigma_floor)
    gamma = None if zero.gamma is None else flat[:, 2 * k + k * p :].reshape(zero.gamma.shape)
    return MixtureParameters(weight / weight.sum(-1, keepdims=True), theta, sigma, gamma)


def _flat(params: MixtureParameters) -> Floats:
    starts = params.weight.shape[0]
    parts = [np.log(np.maximum(params.weight, 1e-300)), params.theta, np.log(np.maximum(params.sigma, 1e-300))]
    if params.gamma is not None:
        parts.append(params.gamma)
    return np.concatenate([part.reshape(starts, -1) for part in parts], axis=-1)


def newton(
    params: MixtureParameters,
    stats: Stores,
    model: Model,
    *,
    tol: float = GAIN,
    max_iter: int = 2000,
    em_block: int = 20,
) -> Optimum:
    """Climb from one start to its optimum.

    Parameters
    ----------
    tol : the predicted gain, half of score' information^-1 score, at which to stop.
    max_iter : EM and Newton steps together.
    """
    k, p = params.theta.shape
    iterations = 0
    while True:
        if np.all(params.weight > 0.0):
            at = derivatives(params, stats, model)
            point = Point(at.log_likelihood, at.score, at.information)
            step, gain, definite = newton_step(point, np.ones(at.score.size, dtype=bool), CURVATURE)
            if gain < tol:
                told = least_share_observed(at) > OBSERVED
                apart = model.traits is not None and separated(model.traits, params.gamma)
                return Optimum(params, at.log_likelihood, True, iterations, told and not apart)
            free = pack(params, model)
            if gain < BELOW_ROUNDING and definite:
                ahead = unpack(free + step, k, p, model)
            else:
                ahead = _uphill(free, step, at.log_likelihood, stats, model, k, p)
            if ahead is not None and iterations < max_iter:
                params, iterations = ahead, iterations + 1
                continue
        before = params
        responsibilities, loglik = e_step(params, stats, model.traits)
        start = float(loglik)
        for _ in range(em_block):
            params = m_step(stats, responsibilities, model, params)
            responsibilities, loglik = e_step(params, stats, model.traits)
        iterations += em_block
        if float(loglik) < start:
            params, loglik = before, start
        flat = float(loglik) - start <= 1e-12 * abs(start)
        if flat or iterations >= max_iter:
            return Optimum(params, float(loglik), bool(flat), iterations, False)


def _uphill(
    free: Floats, step: Floats, loglik: float, stats: Stores, model: Model, k: int, p: int
) -> MixtureParameters | None:
    """Parameters on the Newton step, halved until the likelihood rises; None when it never does."""
    length = min(1.0, longest_step(stats) / float(np.abs(step).max()))
    for _ in range(5):
        params = unpack(free + length * step, k, p, model)
        if np.all(params.sigma >= model.sigma_floor) and float(e_step(params, stats, model.traits)[1]) > loglik:
            return params
        length *= 0.25
    return None
