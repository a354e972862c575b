"""The certificate: no number of segments can reach a higher log-likelihood than this.

With sigma known (fixed at 1, or a family without one) the likelihood is concave in the mixing distribution, whatever
its number of support points (Lindsay 1983; Koenker & Mizera 2014). It is maximised by the constrained Newton method
(Wang 2007): add the peaks of the directional derivative D to the support, re-weigh all points by Newton with an active
set, drop those that get nothing. By concavity the maximum exceeds the value reached by at most max D, so that value
plus max D is a bound for every K.
"""

from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from em.accelerate import newton
from em.likelihood import store_loglik
from em.mixture import MixtureParameters, Model
from em.regressions import Stores, anchors, information_of_a_store, loglik_of_own, own_coefficients, segment_loglik
from em.statistics import Floats
from em.steepest import peaks

MOST_ANCHORS = 300
MOST_STORES = 20_000  # above this the bound is not worth the wait
MOST_POINTS = 60  # a mixing distribution of more points is a continuum, and tells nobody when to stop adding segments
MERGED = 0.05  # squared distance, in the information of an average store, below which two points stand for one
COVERED = 30.0  # a store further below its own best than this, in log-density, needs a point of its own
NOTHING = 1e-7  # weight below which a point is not told of
NEW = 1e-3  # weight with which new points enter
SETTLE_STEPS = 60
SLOPE = 1e-7  # directional derivative, in log-likelihood, at which a weight counts as settled


class Bound(NamedTuple):
    """The maximum over all mixing distributions.

    Attributes
    ----------
    log_likelihood : the bound: the value reached plus `slack`.
    slack : max D at the solution, what further iterations could still gain at the most.
    weight : (point,) falling.
    theta : (point, coefficient)
    """

    log_likelihood: float
    slack: float
    weight: Floats
    theta: Floats


def bound(stats: Stores, theta: Floats, *, tol: float = 1e-4, max_iter: int = 60, seed: int = 0) -> Bound | None:
    """Compute the bound for sigma = 1, or for a family that has none.

    Parameters
    ----------
    theta : (point, coefficient) where the support starts, such as the segments of the largest fit.
    tol : largest slack, in log-likelihood, to stop at.
    max_iter : the most rounds of adding, weighing and dropping; the bound holds wherever they stop.
    seed : which stores' coefficients are tried as new points, when there are more than 300.

    Returns
    -------
    The bound, or None where it takes more than 60 points: a continuum, to which segments only come closer.
    """
    with threadpool_limits(1, user_api="blas"):
        return _bound(stats, theta, tol, max_iter, np.random.default_rng(seed))


def _bound(stats: Stores, theta: Floats, tol: float, max_iter: int, rng: np.random.Generator) -> Bound | None:
    own, closest = anchors(stats), own_coefficients(stats)
    theta = _covering(stats, theta, closest)
    if len(theta) > MOST_POINTS:
        return None
    if len(own) > MOST_ANCHORS:
        chosen = rng.choice(len(own), MOST_ANCHORS, replace=False)
        own, closest = own[chosen], closest[chosen]
    information = information_of_a_store(stats)
    width = 0.5 / np.sqrt(np.maximum(np.diagonal(information), np.finfo(float).tiny))
    weight = np.full(len(theta), 1.0 / len(theta))
    component = segment_loglik(stats, theta, np.ones(len(theta)))
    theta, weight, component, loglik = _weigh(theta, weight, component)
    best = Bound(np.inf, np.inf, weight, theta)
    for turn in range(max_iter):
        new, value = peaks(stats, loglik, np.concatenate([theta, own]), 1.0, width=width)
        if value[0] < tol or turn == max_iter - 1:
            # Before a bound is claimed every candidate climbs to its own peak, and as many from between two stores.
            one, other = rng.integers(len(own), size=(2, len(own)))
            share = rng.uniform(-0.5, 1.5, (len(own), 1))
            wide = np.concatenate([theta, own, closest, share * own[one] + (1.0 - share) * own[other]])
            new, value = peaks(stats, loglik, wide, 1.0, keep=None, width=width)
            slack = max(float(value[0]), 0.0)
            order = np.argsort(-weight)[: int((weight > NOTHING).sum())]
            best = Bound(float(loglik.sum()) + slack, slack, weight[order] / weight[order].sum(), theta[order])
            if slack < tol:
                break
        new = new[value > 0.0]
        theta = np.concatenate([theta, new])
        weight = np.concatenate([(1.0 - NEW) * weight, np.full(len(new), NEW / len(new))])
        component = np.concatenate([component, segment_loglik(stats, new, np.ones(len(new)))], axis=1)
        theta, weight, component, loglik = _weigh(theta, weight, component)
        if len(theta) > MOST_POINTS:
            return None
        theta, weight, component, loglik = _settle(stats, information, theta, weight, component, loglik)
    return best


def _covering(stats: Stores, theta: Floats, own: Floats) -> Floats:
    """The points, and such stores' own coefficients as no point comes near, so that no store's density is zero."""
    ones = np.ones(1)
    at_best = loglik_of_own(stats, own)
    nearest = segment_loglik(stats, theta, np.ones(len(theta))).max(1)
    for _ in range(stats.n_stores):
        worst = int(np.argmin(nearest - at_best))
        if nearest[worst] > at_best[worst] - COVERED:
            break
        theta = np.concatenate([theta, own[worst : worst + 1]])
        nearest = np.maximum(nearest, segment_loglik(stats, own[worst : worst + 1], ones)[:, 0])
    return theta


def _settle(
    stats: Stores, information: Floats, theta: Floats, weight: Floats, component: Floats, loglik: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Merge points that stand for one and let the rest move by EM; kept only where the likelihood does not fall."""
    kept: list[int] = []
    group = np.empty(len(theta), dtype=int)
    for at in np.argsort(-weight):
        away = theta[kept] - theta[at]
        near = np.flatnonzero(np.einsum("kp,pq,kq->k", away, information, away) < MERGED)
        group[at] = near[0] if near.size else len(kept)
        if not near.size:
            kept.append(int(at))
    share = np.bincount(group, weight)
    merged = np.stack([np.bincount(group, weight * column) for column in theta.T], axis=1) / share[:, None]
    end = newton(MixtureParameters(share, merged, np.ones(len(share))), stats, Model(), max_iter=SETTLE_STEPS)
    if end.log_likelihood < float(loglik.sum()):
        return theta, weight, component, loglik
    component = segment_loglik(stats, end.parameters.theta, end.parameters.sigma)
    settled = store_loglik(np.log(np.maximum(end.parameters.weight, 1e-300)), component)
    return end.parameters.theta, end.parameters.weight, component, settled


def _weigh(
    theta: Floats, weight: Floats, component: Floats, max_iter: int = 200
) -> tuple[Floats, Floats, Floats, Floats]:
    """Best weights of given points, those without weight dropped: theta, weight, component and store log-likelihoods.

    Newton with an active set on sum_i log (F w)_i - n sum w over w >= 0, whose maximum has sum w = 1. A step that
    would make weights negative ends where the first one reaches zero, which then leaves the set.
    """
    top = component.max(1)
    density = np.exp(np.maximum(component - top[:, None], -700.0))
    stores = len(density)
    free = weight > 0.0
    for _ in range(max_iter):
        ratios = density / (density @ weight)[:, None]
        slope = ratios.sum(0) - stores
        if np.max(slope[free]) < SLOPE and np.min(slope[free]) > -SLOPE:
            idle = np.where(free, -np.inf, slope)
            if idle.max() < SLOPE:
                break
            free[int(idle.argmax())] = True
        active = np.flatnonzero(free)
        curvature = ratios[:, active].T @ ratios[:, active]
        step = np.zeros_like(weight)
        step[active] = np.linalg.lstsq(curvature + 1e-12 * np.trace(curvature) * np.eye(active.size), slope[active])[0]
        shrinking = step < 0.0
        reach = np.min(-weight[shrinking] / step[shrinking]) if shrinking.any() else np.inf
        value = np.log(density @ weight).sum() - stores * weight.sum()
        length = min(1.0, float(reach))
        while length > 1e-12:
            tried = np.maximum(weight + length * step, 0.0)
            mixture = density @ tried
            if np.all(mixture > 0.0) and np.log(mixture).sum() - stores * tried.sum() >= value:
                break
            length *= 0.5
        else:
            break
        weight = tried
        if length == reach:
            free[np.flatnonzero(shrinking)[int(np.argmin(weight[shrinking]))]] = False
            weight[~free] = 0.0
    kept = weight > 1e-12
    weight = weight[kept] / weight[kept].sum()
    return theta[kept], weight, component[:, kept], top + np.log(density[:, kept] @ weight)
