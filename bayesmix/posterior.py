"""Exact quantities of stores under every draw: log-likelihood, membership, coefficients; one pass over the draws."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from bayesmix.labels import match, relabel
from bayesmix.stores import Stores, given_segments
from em.command import CORES, watched
from em.likelihood import memberships_and_loglik
from em.statistics import Floats, Ints

CHUNK = 1_000_000  # doubles in the largest array of a pass
OF_ALL_SEGMENTS = ("gamma",)  # quantities of normal segments that have no axis of segments


class ParameterDraws(NamedTuple):
    """Draws of the parameters of any of the three models.

    Attributes
    ----------
    weight, sigma : (draw, segment)
    mu : (draw, segment, coefficient) coefficients of segments, or their means where stores vary inside a segment.
    omega : (draw, segment, coefficient, coefficient) their covariances; None where stores do not vary.
    gamma : (draw, trait, coefficient) effects of traits of stores, centred; None where nothing explains coefficients.
    """

    weight: Floats
    mu: Floats
    sigma: Floats
    omega: Floats | None = None
    gamma: Floats | None = None


def part(draws: ParameterDraws, chosen: slice | Ints) -> ParameterDraws:
    """Some of the draws."""
    return ParameterDraws(*(None if values is None else values[chosen] for values in draws))  # pyright: ignore[reportArgumentType]


def thinned(draws: ParameterDraws, most: int = 1000) -> ParameterDraws:
    """At most so many draws, evenly taken."""
    n = len(draws.weight)
    return draws if n <= most else part(draws, np.linspace(0, n - 1, most).astype(np.intp))


def average(draws: ParameterDraws) -> ParameterDraws:
    """One draw: the mean of all."""
    return ParameterDraws(*(None if values is None else values.mean(0, keepdims=True) for values in draws))  # pyright: ignore[reportArgumentType]


def store_means(draws: ParameterDraws, traits: Floats | None) -> Floats:
    """Means of stores in each segment: mu, and where traits explain coefficients mu + Gamma'z_i of every store.

    Parameters
    ----------
    traits : (store, trait), centred over the stores of the fit; zeros are the average store. None without gamma.

    Returns
    -------
    (draw, segment, coefficient), with gamma (draw, store, segment, coefficient).

    Raises
    ------
    ValueError
        When the draws have effects and the traits are not given, or the other way round.
    """
    if (draws.gamma is None) != (traits is None):
        raise ValueError("draws with effects of traits need the traits of the stores, and others have none")
    if draws.gamma is None or traits is None:
        return draws.mu
    return draws.mu[:, None] + np.einsum("sm,dmp->dsp", traits, draws.gamma)[:, :, None, :]


def parameter_draws(quantities: Mapping[str, Floats]) -> ParameterDraws:
    """Draws by name, (draw, ...), under the roles they have in a likelihood, whatever the model.

    Parameters
    ----------
    quantities : weight, theta, sigma of a mixture; mu, omega, sigma of the hierarchical model; or weight, mu, omega,
        sigma of a mixture of normals; the last two perhaps with gamma.
    """
    q = quantities
    sigma = q["sigma"].reshape(len(q["sigma"]), -1)
    if "theta" in q:
        return ParameterDraws(q["weight"], q["theta"], sigma)
    if "weight" in q:
        return ParameterDraws(q["weight"], q["mu"], sigma, q["omega"], q.get("gamma"))
    return ParameterDraws(np.ones((len(sigma), 1)), q["mu"][:, None], sigma, q["omega"][:, None], q.get("gamma"))


def flat(values: Floats) -> Floats:
    """(chain, draw, ...) to (chain x draw, ...)."""
    return values.reshape(-1, *values.shape[2:])


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


def store_posterior(
    stats: Stores, draws: ParameterDraws, reference: Floats, traits: Floats | None = None
) -> StorePosterior:
    """Work out every store under every draw, in chunks of draws, one on each core.

    Parameters
    ----------
    reference : (store, segment) memberships that number the segments.
    traits : (store, trait) see `store_means`.
    """
    n_draws, k, p = draws.mu.shape
    loglik = np.empty((n_draws, stats.n_stores))
    permutation = np.empty((n_draws, k), dtype=np.intp)
    # Moments about the first draw's values, so that small variances do not cancel.
    first = part(draws, slice(0, 1))
    origin = _of_chunk(stats, traits, first, reference, (np.zeros((stats.n_stores, k)), np.zeros((stats.n_stores, p))))
    at = (origin.membership, origin.coefficients)
    moments = [np.zeros((stats.n_stores, size)) for size in (k, k, p, p)]
    size = max(1, CHUNK // (stats.n_stores * k * (p if draws.omega is None else p * p)))
    chunks = [slice(begin, min(begin + size, n_draws)) for begin in range(0, n_draws, size)]

    def work(chunk: slice) -> Sums:
        return _of_chunk(stats, traits, part(draws, chunk), reference, at)

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(CORES) as pool:
        steps = pool.map(work, chunks)  # in order, so that sums do not depend on which thread was first
        for chunk, sums in zip(chunks, watched(steps, "stores under every draw", len(chunks)), strict=True):
            loglik[chunk], permutation[chunk] = sums.loglik, sums.permutation
            for total, addition in zip(moments, sums[2:], strict=True):
                total += addition
    m1, m2, c1, c2 = (moment / n_draws for moment in moments)
    return StorePosterior(
        loglik,
        permutation,
        at[0] + m1,
        np.sqrt(np.maximum(m2 - m1 * m1, 0.0)),
        at[1] + c1,
        np.sqrt(np.maximum(c2 - c1 * c1, 0.0)),
    )


class Sums(NamedTuple):
    """What a chunk of draws adds: its log-likelihoods and permutations, and sums over its draws by store."""

    loglik: Floats
    permutation: Ints
    membership: Floats
    membership_squares: Floats
    coefficients: Floats
    coefficients_squares: Floats


def _of_chunk(
    stats: Stores,
    traits: Floats | None,
    draws: ParameterDraws,
    reference: Floats,
    origin: tuple[Floats, Floats],
) -> Sums:
    """One chunk of draws; sums are of deviations from `origin` (store, segment) and (store, coefficient)."""
    with np.errstate(divide="ignore"):
        log_weight = np.log(draws.weight)
    mu = store_means(draws, traits)
    component, mean, covariance = given_segments(stats, mu, draws.sigma, draws.omega)
    membership, loglik = memberships_and_loglik(log_weight, component)
    permutation = match(reference, membership)
    ordered = relabel(membership, permutation, axis=2) - origin[0]
    center = np.einsum("dsk,dskp->dsp", membership, np.broadcast_to(mean, (*membership.shape, mean.shape[-1])))
    around = np.square(mean - origin[1][:, None, :]) + np.diagonal(covariance, axis1=-2, axis2=-1)
    return Sums(
        loglik,
        permutation,
        ordered.sum(0),
        np.square(ordered).sum(0),
        (center - origin[1]).sum(0),
        np.einsum("dsk,dskp->sp", membership, around),
    )
