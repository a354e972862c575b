"""Exact first and second derivatives of a mixture's log-likelihood, from the store statistics (Louis 1982).

The free parameters stand in one vector: coefficients own to a segment, coefficients common to all, the logits of
membership of segments 2..K, and the logarithms of the free sigmas.
"""

from typing import NamedTuple

import numpy as np

from em.likelihood import component_loglik, memberships_and_loglik
from em.mixture import MixtureParameters, Model, layout_of_theta, log_weights
from em.statistics import Floats, GaussianStatistics, sums_of_squares, take

CHUNK = 2_000_000  # doubles of store scores held at once


class Derivatives(NamedTuple):
    """Log-likelihood and its derivatives at one value of the free parameters.

    Attributes
    ----------
    log_likelihood : of the whole panel.
    score : (free,) gradient.
    information : (free, free) observed information, minus the Hessian.
    outer : (free, free) sum over stores of the outer product of their scores, the meat of the sandwich.
    """

    log_likelihood: float
    score: Floats
    information: Floats
    outer: Floats


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


def derivatives(params: MixtureParameters, stats: GaussianStatistics, model: Model) -> Derivatives:
    """Log-likelihood, score and observed information at given parameters.

    With complete-data scores s_ik and Hessians H_ik of store i in segment k, responsibilities r_ik and
    s_i = sum_k r_ik s_ik, the observed information is sum_i { sum_k r_ik (-H_ik - s_ik s_ik') + s_i s_i' }
    (Louis 1982, eq. 3.1).
    """
    k, p = params.theta.shape
    matrix = expansion(k, p, model)
    full = matrix.shape[0]
    total, score = 0.0, np.zeros(full)
    information, outer = np.zeros((full, full)), np.zeros((full, full))
    n_chunks = 1 + stats.n_stores * full * k // CHUNK
    for index in np.array_split(np.arange(stats.n_stores), n_chunks):
        part = stats if n_chunks == 1 else take(stats, index)
        traits = np.ones((index.size, 1)) if model.traits is None else model.traits[index]
        of_chunk = model._replace(traits=None if model.traits is None else traits)
        ll, s, i, o = _chunk(params, part, traits, of_chunk)
        total, score, information, outer = total + ll, score + s, information + i, outer + o
    return Derivatives(total, matrix.T @ score, matrix.T @ information @ matrix, matrix.T @ outer @ matrix)


def _chunk(
    params: MixtureParameters, stats: GaussianStatistics, traits: Floats, model: Model
) -> tuple[float, Floats, Floats, Floats]:
    k, p = params.theta.shape
    q = traits.shape[1]
    stores = stats.n_stores
    log_weight = log_weights(params, model.traits)
    prior = np.broadcast_to(np.exp(log_weight), (stores, k))
    r, loglik = memberships_and_loglik(log_weight, component_loglik(stats, params.theta, params.sigma))
    precision = 1.0 / np.square(params.sigma)
    squares = sums_of_squares(stats, params.theta) * precision
    slope = np.einsum("sab,skb->ska", stats.xtx, stats.b[:, None, :] - params.theta) * precision[:, None]

    theta_at = np.arange(k * p).reshape(k, p)
    gamma_at = k * p + np.arange(k * q).reshape(k, q)
    tau_at = k * (p + q) + np.arange(k)
    scores = np.zeros((k, stores, k * (p + q + 1)))
    information = np.zeros((scores.shape[-1],) * 2)
    for j in range(k):
        scores[j][:, theta_at[j]] = slope[:, j]
        scores[j][:, tau_at[j]] = squares[:, j] - stats.n
        scores[j][:, gamma_at.ravel()] = (((np.arange(k) == j) - prior)[:, :, None] * traits[:, None, :]).reshape(
            stores, -1
        )
        information[np.ix_(theta_at[j], theta_at[j])] = np.einsum("s,sab->ab", r[:, j] * precision[j], stats.xtx)
        cross = 2.0 * r[:, j] @ slope[:, j]
        information[theta_at[j], tau_at[j]] = information[tau_at[j], theta_at[j]] = cross
        information[tau_at[j], tau_at[j]] = 2.0 * r[:, j] @ squares[:, j]
        for m in range(k):
            spread = prior[:, j] * ((j == m) - prior[:, m])
            information[np.ix_(gamma_at[j], gamma_at[m])] = (traits * spread[:, None]).T @ traits
    own = np.einsum("sk,ksf->sf", r, scores)
    weighted = (scores * np.sqrt(r.T)[:, :, None]).reshape(k * stores, -1)
    outer = own.T @ own
    return float(loglik.sum()), own.sum(0), information - weighted.T @ weighted + outer, outer
