"""The hierarchical model in PyMC: theta_i ~ N(mu, Omega), with theta_i integrated out of the likelihood."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmix.conditional import store_coefficients
from bayesmix.likelihood import Symbolic, store_data, total_loglik
from bayesmix.priors import Priors, partial_correlation_shapes
from bayesmix.residual import free_by_segment, log_sigma_start, residual_sd
from em.mixture import SigmaRule, solve
from em.statistics import Floats, GaussianStatistics, pool, sums_of_squares

QUANTITIES = {"mu": ("coefficient",), "omega": ("coefficient", "coefficient_2"), "sigma": ("segment",)}


def hierarchical_model(stats: GaussianStatistics, priors: Priors, sigma: SigmaRule = "fixed") -> pm.Model:
    """The model of a continuum of stores, as one segment whose stores differ.

    Only mu, Omega and sigma are random: coefficients of stores follow exactly afterwards.

    Returns
    -------
    A model with the `QUANTITIES` among its variables.
    """
    names = priors.coefficients
    coords = {"segment": [1], "coefficient": names, "coefficient_2": names}
    with pm.Model(coords=coords, check_bounds=False) as model:
        data = store_data(stats)
        mu = pm.Normal("mu", pm.Data("mean", priors.mean), pm.Data("sd", priors.sd), dims="coefficient")
        scale = pm.HalfNormal("scale", pm.Data("spread", priors.spreads), dims="coefficient")
        shape = pm.Data("shape", partial_correlation_shapes(len(names), priors.lkj))
        partial = pm.Beta("partial", shape, shape)
        factor = scale[:, None] * correlation_factor(2.0 * partial - 1.0, len(names))
        pm.Deterministic("omega", factor @ factor.T, dims=("coefficient", "coefficient_2"))
        sigmas = residual_sd(priors, sigma, 1)
        pm.Potential("loglik", total_loglik(data, pt.zeros(1), mu[None], sigmas, factor[None]))
    return model


def correlation_factor(partial: Symbolic, p: int) -> Symbolic:
    """Cholesky factor of the correlation matrix with given canonical partial correlations, row by row.

    L_ij = r_ij prod_{m < j} sqrt(1 - r_im^2) with r_ii = 1 (Lewandowski, Kurowicka & Joe 2009). Written as sums of
    products with constant arrays, which fuse into few loops; nothing is factorised and nothing is indexed.

    Parameters
    ----------
    partial : (p (p - 1) / 2,) in (-1, 1), of rows 1, 2, ... of the strictly lower triangle.

    Returns
    -------
    (p, p), lower triangular, with rows of length one.
    """
    place = np.zeros((p * (p - 1) // 2, p, p))
    place[(np.arange(len(place)), *np.tril_indices(p, -1))] = 1.0
    r: Symbolic = pt.sum(partial[:, None, None] * pm.Data("place", place), axis=0)
    before: Symbolic = pm.Data("before", np.triu(np.ones((p, p)), 1))
    log_rest: Symbolic = pt.log1p(-r * r)
    log_length: Symbolic = pt.sum(0.5 * log_rest[:, :, None] * before[None], axis=1)
    return (r + pm.Data("identity", np.eye(p))) * pt.exp(log_length)


def hierarchical_start(stats: GaussianStatistics, sigma: SigmaRule, steps: int = 30) -> dict[str, Floats]:
    """Values of the model's random variables near its maximum likelihood, by a few steps of EM in closed form.

    Laird & Ware (1982), section 4, from the stores pooled. It needs no store with a regression of its own.
    """
    n, xtx, xty = pool(stats, np.ones((stats.n_stores, 1)))
    mu = solve(xtx, xty)
    residual = max(float(stats.rss.sum() / n[0]), 1e-12)
    omega = (float(sums_of_squares(stats, mu).sum() / n[0]) * np.linalg.pinv(xtx[0] / n[0], hermitian=True))[None]
    free = len(free_by_segment(sigma, 1)) > 0
    sd = np.array([np.sqrt(residual) if free else 1.0])
    for _ in range(steps):
        mean, covariance = (value[:, 0] for value in store_coefficients(stats, mu, sd, omega))
        mu = mean.mean(0, keepdims=True)
        omega = (np.einsum("sp,sq->pq", mean - mu, mean - mu) + covariance.sum(0))[None] / stats.n_stores
        omega = 0.5 * (omega + np.swapaxes(omega, -1, -2))  # rounding that is not symmetric would grow
        if free:
            squares = sums_of_squares(stats, mean[:, None, :], paired=True)[:, 0]
            squares = squares + np.einsum("spq,sqp->s", stats.xtx, covariance)
            sd = np.sqrt(np.maximum([squares.sum() / n[0]], 1e-12))
    scale = np.sqrt(np.maximum(np.diagonal(omega[0]), 1e-6))
    partial = partial_correlations(omega[0] / np.outer(scale, scale))
    return {"mu": mu[0], "scale": scale, "partial": 0.5 * (1.0 + partial), "log_sigma": log_sigma_start(sigma, sd)}


def partial_correlations(correlation: Floats, most: float = 0.95) -> Floats:
    """The inverse of `correlation_factor` in numbers, kept inside (-most, most); (p (p - 1) / 2,)."""
    p = len(correlation)
    factor = np.linalg.cholesky((1.0 - 1e-6) * correlation + 1e-6 * np.eye(p))
    rest = np.sqrt(1.0 - np.cumsum(np.square(factor), axis=1) + np.square(factor))
    lower = np.tril_indices(p, -1)
    return np.clip(factor[lower] / rest[lower], -most, most)
