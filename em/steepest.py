"""Where one more segment would raise the likelihood fastest: the directional derivative of a mixing distribution.

For a mixture with store likelihoods g_i, moving mass to a segment at theta raises the log-likelihood at the rate
D(theta) = sum_i f_i(theta) / g_i - (number of stores) (Lindsay 1983). A local maximum is found by the fixed point
theta = (sum u_i X_i'X_i)^-1 sum u_i X_i'y_i with u_i = f_i(theta) / g_i, each step of which goes up; for families
other than the Gaussian by the regression weighted with u_i.
"""

from typing import NamedTuple

import numpy as np

from em.accelerate import Optimum, newton
from em.likelihood import store_loglik
from em.mixture import MixtureParameters, Model, above_floor, log_weights
from em.regressions import Stores, segment_loglik, weighted_regressions
from em.statistics import Floats

STILL = 1e-3  # gain in the logarithm of the sum of f_i / g_i below which a candidate far from every store has settled


class Rates(NamedTuple):
    """D at some coefficients (candidate,), log(D + stores), and the stores' shares of that sum (store, candidate)."""

    value: Floats
    height: Floats
    shares: Floats


def rates(stats: Stores, loglik: Floats, theta: Floats, sigma: float) -> Rates:
    """D at given coefficients.

    Parameters
    ----------
    loglik : (store,) log g_i of the mixture.
    theta : (candidate, coefficient)
    sigma : residual standard deviation of the segment to be added.
    """
    log_ratio = segment_loglik(stats, theta, np.full(len(theta), sigma)) - loglik[:, None]
    # Far from every store the ratios are nothing, but the nearest still leads the way.
    top = log_ratio.max(0)
    shares = np.exp(np.maximum(log_ratio - top, -700.0))
    total = shares.sum(0)
    value = np.exp(np.clip(top, -700.0, 700.0)) * total - stats.n_stores
    return Rates(value, top + np.log(total), shares / total)


def ascend(
    stats: Stores, loglik: Floats, theta: Floats, sigma: float, *, steps: int, tol: float = 1e-9
) -> tuple[Floats, Floats]:
    """Candidates moved uphill on D for a number of steps: theta (candidate, coefficient) and D (candidate,)."""
    at = rates(stats, loglik, theta, sigma)
    for _ in range(steps):
        here = np.full(len(theta), sigma)
        theta, _ = weighted_regressions(stats, at.shares, Model(), MixtureParameters(here, theta, here))
        before = at
        at = rates(stats, loglik, theta, sigma)
        if np.max(at.value - before.value) < tol and np.max(at.height - before.height) < STILL:
            break
    return theta, at.value


def peaks(
    stats: Stores,
    loglik: Floats,
    candidates: Floats,
    sigma: float,
    *,
    most: int = 12,
    keep: int | None = 48,
    width: Floats | float = np.inf,
) -> tuple[Floats, Floats]:
    """Find the highest distinct local maxima of D that ascents from the candidates reach.

    Parameters
    ----------
    keep : how many of the candidates go on after the first few steps, by D; None lets every one climb to its peak.
    width : of a peak in each coefficient, (coefficient,), where it can be below a hundredth.

    Returns
    -------
    theta (peak, coefficient) and D (peak,), falling.
    """
    theta, value = candidates, np.zeros(len(candidates))
    for steps, grid in ((5, 1e-2), (10, 1e-2), (60, 1e-4)):
        theta, value = ascend(stats, loglik, theta, sigma, steps=steps)
        # Climbers that have met go on as one.
        _, first = np.unique(np.round(theta / np.minimum(grid, width)), axis=0, return_index=True)
        first = first[np.argsort(-value[first])][:keep]
        theta, value = theta[first], value[first]
    return theta[:most], value[:most]


def improve(
    best: Optimum, stats: Stores, model: Model, candidates: Floats, *, tries: int = 2, rounds: int = 5
) -> tuple[Optimum, float]:
    """Leave an optimum by the steepest direction: put the segment that is missed least on a peak of D, and climb.

    Coefficients common to all segments and covariates of membership leave no such direction; the optimum is returned.

    Parameters
    ----------
    candidates : (candidate, coefficient) where ascents of D start.
    tries : how many peaks, and how many segments to give up, are tried in a round.

    Returns
    -------
    The optimum and the highest D at it. With sigma fixed, no mixture of any number of segments exceeds this optimum by
    more than that; with sigma estimated it is only a direction, and infinite where it was not looked for.
    """
    if any(model.common) or model.traits is not None or best.parameters.n_segments < 2:
        return best, np.inf
    steepest = np.inf
    for _ in range(rounds):
        starts, steepest = _moves(best.parameters, stats, model, candidates, tries)
        found = max(
            (newton(start, stats, model) for start in starts), key=lambda optimum: optimum.log_likelihood, default=best
        )
        if not above_floor(found.parameters, model) or found.log_likelihood < best.log_likelihood + 1e-7:
            break
        best = found
    return best, steepest


def _moves(
    params: MixtureParameters, stats: Stores, model: Model, candidates: Floats, tries: int
) -> tuple[list[MixtureParameters], float]:
    """Starting points with one segment moved to a peak of D, and the highest D."""
    sigma = float(np.sqrt(np.mean(np.square(params.sigma))))
    component = segment_loglik(stats, params.theta, params.sigma)
    log_weight = log_weights(params, None)
    theta, rate = peaks(stats, store_loglik(log_weight, component), np.concatenate([params.theta, candidates]), sigma)
    highest = max(float(rate[0]), 0.0)
    theta = theta[rate > 1e-6][:tries]
    k = params.n_segments
    without = [
        store_loglik(np.where(np.arange(k) == gone, -np.inf, log_weight), component).sum()
        - stats.n_stores * np.log1p(-min(params.weight[gone], 1.0 - 1e-12))
        for gone in range(k)
    ]
    starts = []
    for gone in np.argsort(without)[::-1][:tries]:
        for point in theta:
            moved = params.theta.copy()
            moved[gone] = point
            weight = params.weight.copy()
            weight[gone] = max(1.0 / stats.n_stores, 1e-3)
            spread = params.sigma.copy()
            spread[gone] = sigma
            starts.append(MixtureParameters(weight / weight.sum(), moved, spread))
    return starts, highest
