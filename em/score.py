"""Exact first and second derivatives of a mixture's log-likelihood, from the store statistics (Louis 1982).

The free parameters stand in one vector: coefficients own to a segment, coefficients common to all, the logits of
membership of segments 2..K, and the logarithms of the free sigmas.
"""

from typing import NamedTuple

import numpy as np

from em.common_coefficients import layout_of_theta
from em.likelihood import memberships_and_loglik
from em.mixture import MixtureParameters, Model, log_weights
from em.regressions import Stores, segment_loglik, segment_slopes, some_stores
from em.statistics import Floats

CHUNK = 2_000_000  # doubles of store scores held at once


class Derivatives(NamedTuple):
    """Log-likelihood and its derivatives at one value of the free parameters.

    Attributes
    ----------
    log_likelihood : of the whole panel.
    score : (free,) gradient.
    information : (free, free) observed information, minus the Hessian.
    outer : (free, free) sum over stores of the outer product of their scores, the meat of the sandwich.
    complete : (free, free) information there would be if every store's segment were known.
    """

    log_likelihood: float
    score: Floats
    information: Floats
    outer: Floats
    complete: Floats


def least_share_observed(at: Derivatives) -> float:
    """Smallest share of the complete-data information that the data hold, over all directions.

    It is 1 less EM's rate of convergence (Dempster, Laird & Rubin 1977) and does not depend on units; zero where
    segments coincide or are empty, negative at a saddle.
    """
    scale = np.sqrt(np.maximum(np.diagonal(at.complete), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(at.complete / scale[:, None] / scale)
    if values[0] < 1e-14:
        return 0.0
    whiten = vectors / np.sqrt(values) / scale[:, None]
    return float(np.linalg.eigvalsh(whiten.T @ at.information @ whiten)[0])


def n_free(k: int, p: int, model: Model) -> int:
    """Number of free parameters of a mixture with K segments and p coefficients."""
    return expansion(k, p, model).shape[1]


def expansion(k: int, p: int, model: Model) -> Floats:
    """How the full vector (theta, gamma, log sigma; all segments) follows from the free one; (full, free)."""
    q = 1 if model.traits is None else model.traits.shape[1]
    common = np.array(model.common or (False,) * p)
    place = layout_of_theta(k, common).ravel()
    n_theta, n_gamma = int(place.max()) + 1, (k - 1) * q
    n_sigma = {"fixed": 0, "common": 1, "segment": k}[model.sigma]
    matrix = np.zeros((k * (p + q + 1), n_theta + n_gamma + n_sigma))
    matrix[np.arange(k * p), place] = 1.0
    matrix[k * p + q + np.arange(n_gamma), n_theta + np.arange(n_gamma)] = 1.0
    if n_sigma:
        matrix[k * (p + q) + np.arange(k), n_theta + n_gamma + (np.arange(k) if n_sigma == k else 0)] = 1.0
    return matrix


def pack(params: MixtureParameters, model: Model) -> Floats:
    """The free parameters as one vector."""
    k, p = params.theta.shape
    if model.traits is None or params.gamma is None:
        gamma = (np.log(params.weight) - np.log(params.weight[0]))[:, None]
    else:
        gamma = params.gamma
    full = np.concatenate([params.theta.ravel(), gamma.ravel(), np.log(params.sigma)])
    matrix = expansion(k, p, model)
    return matrix.T @ full / matrix.sum(0)


def unpack(free: Floats, k: int, p: int, model: Model) -> MixtureParameters:
    """The parameters from their free vector."""
    full = expansion(k, p, model) @ free
    q = 1 if model.traits is None else model.traits.shape[1]
    theta, gamma = full[: k * p].reshape(k, p), full[k * p : k * (p + q)].reshape(k, q)
    sigma = np.exp(full[k * (p + q) :])
    if model.traits is None:
        odds = np.exp(gamma[:, 0] - gamma[:, 0].max())
        return MixtureParameters(odds / odds.sum(), theta, sigma)
    params = MixtureParameters(np.full(k, 1.0 / k), theta, sigma, gamma)
    return params._replace(weight=np.exp(log_weights(params, model.traits)).mean(0))


def derivatives(params: MixtureParameters, stats: Stores, model: Model) -> Derivatives:
    """Log-likelihood, score and observed information at given parameters.

    With complete-data scores s_ik and Hessians H_ik of store i in segment k, responsibilities r_ik and
    s_i = sum_k r_ik s_ik, the observed information is sum_i { sum_k r_ik (-H_ik - s_ik s_ik') + s_i s_i' }
    (Louis 1982, eq. 3.1).
    """
    k, p = params.theta.shape
    matrix = expansion(k, p, model)
    full = matrix.shape[0]
    total, score = 0.0, np.zeros(full)
    information, outer, complete = np.zeros((3, full, full))
    n_chunks = 1 + stats.n_stores * full // CHUNK
    for index in np.array_split(np.arange(stats.n_stores), n_chunks):
        part = stats if n_chunks == 1 else some_stores(stats, index)
        traits = np.ones((index.size, 1)) if model.traits is None else model.traits[index]
        of_chunk = model._replace(traits=None if model.traits is None else traits)
        ll, s, i, o, c = _chunk(params, part, traits, of_chunk)
        total, score, information, outer, complete = total + ll, score + s, information + i, outer + o, complete + c
    squares = (matrix.T @ of_full @ matrix for of_full in (information, outer, complete))
    return Derivatives(total, matrix.T @ score, *squares)


def _chunk(
    params: MixtureParameters, stats: Stores, traits: Floats, model: Model
) -> tuple[float, Floats, Floats, Floats, Floats]:
    k, p = params.theta.shape
    q = traits.shape[1]
    stores = stats.n_stores
    log_weight = log_weights(params, model.traits)
    prior = np.broadcast_to(np.exp(log_weight), (stores, k))
    r, loglik = memberships_and_loglik(log_weight, segment_loglik(stats, params.theta, params.sigma))
    v, of_v = segment_slopes(stats, params.theta, params.sigma, r)

    # Of a store's complete-data score under segment j only these are not zero: v_j = (theta_j, log sigma_j), and the
    # logits of all segments, (1{j = m} - prior_m) traits.
    rv = r[..., None] * v
    v_at = np.concatenate([np.arange(k * p).reshape(k, p), (k * (p + q) + np.arange(k))[:, None]], axis=1)
    r_traits = (r[..., None] * traits[:, None, :]).reshape(stores, k * q)
    prior_traits = (prior[..., None] * traits[:, None, :]).reshape(stores, k * q)
    logits = slice(k * p, k * (p + q))

    own = np.empty((stores, k * (p + q + 1)))
    own[:, v_at] = rv
    own[:, logits] = r_traits - prior_traits
    outer = own.T @ own
    information = outer.copy()
    complete = np.zeros_like(outer)
    complete[v_at[:, :, None], v_at[:, None, :]] = of_v
    information[v_at[:, :, None], v_at[:, None, :]] += of_v - np.einsum("skv,skw->kvw", rv, v, optimize=True)
    between = np.einsum("skv,sg->kvg", rv, prior_traits, optimize=True)
    for j in range(k):
        between[j, :, j * q : (j + 1) * q] -= rv[:, j].T @ traits
    information[v_at, logits] += between
    information[logits, v_at.ravel()] += between.reshape(-1, k * q).T
    known = -prior_traits.T @ prior_traits
    for j in range(k):
        block = slice(j * q, (j + 1) * q)
        known[block, block] += (traits * prior[:, j, None]).T @ traits
    complete[logits, logits] = known
    mixed = r_traits.T @ prior_traits
    of_logits = mixed + mixed.T - 2.0 * prior_traits.T @ prior_traits
    for j in range(k):
        block = slice(j * q, (j + 1) * q)
        of_logits[block, block] += (traits * (prior[:, j] - r[:, j])[:, None]).T @ traits
    information[logits, logits] += of_logits
    return float(loglik.sum()), own.sum(0), information, outer, complete
