"""Draws of every store's coefficients given its data, for what is not a sum of them: rates, replicated panels."""

from typing import TYPE_CHECKING

import numpy as np

from bayesmix.checked_rows import StoreDraws
from bayesmix.known_stores import given_data
from bayesmix.posterior import thinned
from bayesmix.streams import stream
from em.drawn_segments import drawn_segments
from em.likelihood import roots
from em.statistics import Floats, Ints

if TYPE_CHECKING:
    from bayesmix.fitted import Fit

DRAWS = 200


def drawn_stores(fit: "Fit", most: int = DRAWS, seed: int = 0) -> StoreDraws:
    """One draw of every store for each of some draws of the parameters.

    A store's segment is drawn by its membership; where stores of a segment differ its coefficients are drawn from a
    normal with the mean and covariance that its data leave, which is exact for log sales alone.

    Parameters
    ----------
    most : draws of the parameters, evenly taken.

    Returns
    -------
    theta (draw, store, coefficient) and sigma (draw, store).
    """
    draws, rng = thinned(fit.draws, most), np.random.default_rng(stream(seed, "coefficients of stores"))
    known = given_data(fit.statistics, draws, fit.traits)
    n, stores, _ = known.membership.shape
    segment = drawn_segments(known.membership, rng.random((n, stores)))
    theta = np.broadcast_to(known.mean, (n, stores, *known.mean.shape[2:]))
    theta = np.take_along_axis(theta, segment[..., None, None], 2)[:, :, 0].copy()
    if draws.omega is not None:
        variance = np.broadcast_to(known.variance, (n, stores, *known.variance.shape[2:]))
        theta += _normal(rng, np.take_along_axis(variance, segment[..., None, None, None], 2)[:, :, 0])
    return StoreDraws(theta, np.take_along_axis(draws.sigma, segment, 1))


def new_stores(fit: "Fit", draw: Ints, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Coefficients (store, coefficient) and sigma (store,) of unseen stores, each under its own draw (store,)."""
    weight = fit.draws.weight[draw]
    segment = drawn_segments(weight, rng.random(draw.size))
    return of_segments(fit, draw, segment, rng)


def of_segments(fit: "Fit", draw: Ints, segment: Ints, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The same of stores of given segments, with the traits of the fit's stores; segment (one,) counted from 0."""
    theta = fit.draws.mu[draw, segment].copy()
    if fit.draws.gamma is not None and fit.traits is not None:
        theta += np.einsum("sm,smp->sp", fit.traits, fit.draws.gamma[draw])
    if fit.draws.omega is not None:
        theta += _normal(rng, fit.draws.omega[draw, segment])
    return theta, fit.draws.sigma[draw, segment]


def coefficients_of_stores(fit: "Fit", seed: int = 0) -> Floats | None:
    """Coefficients of a store taken at random, one for each draw and segment; None where stores of a segment are alike.

    Returns
    -------
    (draw, segment, coefficient)
    """
    if fit.draws.omega is None:
        return None
    values, vectors = np.linalg.eigh(fit.draws.omega)
    z = np.random.default_rng(seed).standard_normal(fit.draws.mu.shape)
    return fit.draws.mu + np.einsum("dkpq,dkq->dkp", vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :], z)


def _normal(rng: np.random.Generator, covariance: Floats) -> Floats:
    """Draws with mean zero and covariances (..., coefficient, coefficient), which may be singular."""
    p = covariance.shape[-1]
    z = rng.standard_normal(covariance.shape[:-1])
    return np.einsum("np,npq->nq", z.reshape(-1, p), roots(covariance.reshape(-1, p, p))).reshape(z.shape)
