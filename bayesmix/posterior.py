"""Exact quantities of stores under every draw: log-likelihood, membership, coefficients; one pass over the draws."""

from typing import NamedTuple

import numpy as np

from bayesmix.conditional import store_coefficients
from bayesmix.labels import match, relabel
from em.likelihood import component_loglik, memberships_and_loglik
from em.statistics import Floats, GaussianStatistics, Ints

CHUNK = 1_000_000  # doubles in the largest array of a pass


class ParameterDraws(NamedTuple):
    """Draws of the parameters of any of the three models.

    Attributes
    ----------
    weight, sigma : (draw, segment)
    mu : (draw, segment, coefficient) coefficients of segments, or their means where stores vary inside a segment.
    omega : (draw, segment, coefficient, coefficient) their covariances; None where stores do not vary.
    """

    weight: Floats
    mu: Floats
    sigma: Floats
    omega: Floats | None = None


class StorePosterior(NamedTuple):
    """What the draws say about every store.

    Attributes
    ----------
    loglik : (draw, store) with the segment and the store's coefficients integrated out.
    permutation : (draw, segment), see `labels.match`.
    membership, membership_sd : (store, segment) posterior mean and sd of the membership probability.
    coefficients, coefficients_sd : (store, coefficient) posterior mean and sd, by the law of total variance.
    """

    loglik: Floats
    permutation: Ints
    membership: Floats
    membership_sd: Floats
    coefficients: Floats
    coefficients_sd: Floats


def store_posterior(stats: GaussianStatistics, draws: ParameterDraws, reference: Floats) -> StorePosterior:
    """Work out every store under every draw, in chunks of draws.

    Parameters
    ----------
    reference : (store, segment) memberships that number the segments.
    """
    n_draws, k, p = draws.mu.shape
    loglik = np.empty((n_draws, stats.n_stores))
    permutation = np.empty((n_draws, k), dtype=np.intp)
    # Moments about the first draw's values, so that small variances do not cancel.
    origin: list[Floats] = []
    moments = [np.zeros((stats.n_stores, size)) for size in (k, k, p, p)]
    size = max(1, CHUNK // (stats.n_stores * k * (p if draws.omega is None else p * p)))
    for begin in range(0, n_draws, size):
        chunk = slice(begin, begin + size)
        omega = None if draws.omega is None else draws.omega[chunk]
        part = ParameterDraws(draws.weight[chunk], draws.mu[chunk], draws.sigma[chunk], omega)
        with np.errstate(divide="ignore"):
            log_weight = np.log(part.weight)
        component = component_loglik(stats, part.mu, part.sigma, part.omega)
        membership, loglik[chunk] = memberships_and_loglik(log_weight, component)
        mean, covariance = store_coefficients(stats, part.mu, part.sigma, part.omega)
        permutation[chunk] = match(reference, membership)
        ordered = relabel(membership, permutation[chunk], axis=2)
        center = np.einsum("dsk,dskp->dsp", membership, np.broadcast_to(mean, (*membership.shape, p)))
        origin = origin or [ordered[0], center[0]]
        variance = np.diagonal(covariance, axis1=-2, axis2=-1)
        around = np.square(mean - origin[1][:, None, :]) + variance
        sums = (
            (ordered - origin[0]).sum(0),
            np.square(ordered - origin[0]).sum(0),
            (center - origin[1]).sum(0),
            np.einsum("dsk,dskp->sp", membership, around),
        )
        for total, addition in zip(moments, sums, strict=True):
            total += addition
    (m1, m2, c1, c2), (at_membership, at_center) = (moment / n_draws for moment in moments), origin
    return StorePosterior(
        loglik,
        permutation,
        at_membership + m1,
        np.sqrt(np.maximum(m2 - m1 * m1, 0.0)),
        at_center + c1,
        np.sqrt(np.maximum(c2 - c1 * c1, 0.0)),
    )
