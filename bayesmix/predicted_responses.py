"""What stores of a family of responses will show in rows given: counts, choices and amounts.

Given a draw and a segment, a store's coefficients are taken as normal with the mean and variance that the quadrature
finds; those of a store not yet seen are. The mean response is integrated over them by Gauss-Hermite nodes.
"""

import numpy as np
from scipy.special import ndtri

from bayesmix.evenly_spread import evenly_spread
from bayesmix.known_stores import given_data
from bayesmix.posterior import ParameterDraws
from bayesmix.stores import CountedStores
from em.drawn_segments import drawn_segments
from em.quadrature import product_rule
from em.statistics import Floats, Ints

NODES = 15


def predicted_responses(
    stores: CountedStores,
    draws: ParameterDraws,
    traits: Floats | None,
    x: Floats,
    interval: float,
    size: Floats,
    seed: int,
    index: Ints,
) -> Floats:
    """Linear predictor, mean response and response of a single row, each with the ends of its interval.

    Parameters
    ----------
    traits : (store, trait) see `posterior.store_means`.
    x : (row, coefficient)
    size : (row,) exposure or trials.
    seed, index : of the random numbers, with the positions (store,) of the stores among all.

    Returns
    -------
    (3, 3, store, row)
    """
    known, family = given_data(stores, draws, traits), stores.counts.family
    n, n_stores, k = known.membership.shape
    of_exposure = family.size == "exposure"
    levels = [0.5 - 0.5 * interval, 0.5 + 0.5 * interval]
    result = np.empty((3, 3, n_stores, len(x)))
    rule = product_rule(NODES, 1)
    weight = np.exp(rule.log_weight - np.square(rule.v[:, 0])) / np.sqrt(np.pi)
    for s, store in enumerate(index):
        rng = np.random.default_rng([seed, int(store)])
        segment = drawn_segments(known.membership[:, s], rng.random(n))
        z, every = ndtri(evenly_spread(rng, n, 1)[:, 0]), np.arange(n)
        sigma = np.take_along_axis(draws.sigma, segment[:, None], 1)[:, 0]
        mean, variance = (
            known.mean[:, min(s, known.mean.shape[1] - 1)],
            known.variance[:, min(s, known.variance.shape[1] - 1)],
        )
        for j, row in enumerate(x):
            trials = np.full(1, 1.0 if of_exposure else size[j])
            center = np.broadcast_to(mean @ row, (n, k)) + (np.log(size[j]) if of_exposure else 0.0)
            spread = np.broadcast_to(np.maximum(np.einsum("dkpq,p,q->dk", variance, row, row), 0.0), (n, k))
            eta = center[every, segment] + np.sqrt(spread[every, segment]) * z
            average = sum(
                w * family.mean(center + np.sqrt(2.0 * spread) * v, trials)
                for w, v in zip(weight, rule.v[:, 0], strict=True)
            )
            drawn = family.draw(rng, eta, np.broadcast_to(trials, n), np.log(sigma))
            result[0, 0, s, j] = (known.membership[:, s] * center).sum() / n
            result[0, 1:, s, j] = np.quantile(eta, levels)
            result[1, 0, s, j] = (known.membership[:, s] * average).sum() / n
            result[1, 1:, s, j] = np.quantile(family.mean(eta, trials), levels)
            result[2, :, s, j] = np.quantile(drawn, [0.5, *levels], method="inverted_cdf")  # a count is a count
    return result
