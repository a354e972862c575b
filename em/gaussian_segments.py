"""Segments of Gaussian stores: weighted least squares, and the derivatives of a store's log-density in a segment."""

from typing import TYPE_CHECKING

import numpy as np

from em.common_coefficients import solve_with_common
from em.likelihood import LOG_2PI
from em.statistics import Floats, GaussianStatistics, pool, pooled_coefficients, solve, spectrum, sums_of_squares

if TYPE_CHECKING:
    from em.mixture import MixtureParameters, Model

PRIOR_WEEKS = 2.0  # how many average weeks of the whole panel a store's own coefficients are shrunk by


def gaussian_regressions(
    stats: GaussianStatistics, responsibilities: Floats, model: "Model", previous: "MixtureParameters | None"
) -> tuple[Floats, Floats]:
    """Coefficients (..., segment, coefficient) and sigmas (..., segment), by the closed form."""
    n, xtx, xty = pool(stats, responsibilities)
    if any(model.common):
        variance = np.ones_like(n) if previous is None else np.square(previous.sigma)
        theta = solve_with_common(xtx, xty, 1.0 / variance, np.array(model.common))
    else:
        theta = solve(xtx, xty)
    if model.sigma == "fixed":
        return theta, np.ones_like(n)
    squares = np.einsum("...sk,...sk->...k", responsibilities, sums_of_squares(stats, theta))
    if model.sigma == "common":
        sigma = np.sqrt(squares.sum(-1, keepdims=True) / n.sum(-1, keepdims=True)) * np.ones_like(n)
    else:
        sigma = np.sqrt(squares / np.maximum(n, np.finfo(float).tiny))
    return theta, np.maximum(sigma, model.sigma_floor)


def gaussian_slopes(
    stats: GaussianStatistics, theta: Floats, sigma: Floats, responsibilities: Floats
) -> tuple[Floats, Floats]:
    """Slopes by (theta, log sigma), and the weighted sum of minus the second derivatives."""
    k, p = theta.shape
    precision = 1.0 / np.square(sigma)
    squares = sums_of_squares(stats, theta) * precision
    slope = np.einsum("sab,skb->ska", stats.xtx, stats.b[:, None, :] - theta) * precision[:, None]
    v = np.concatenate([slope, (squares - stats.n[:, None])[..., None]], axis=-1)
    of_v = np.zeros((k, p + 1, p + 1))
    of_v[:, :p, :p] += np.einsum("sk,sab->kab", responsibilities, stats.xtx, optimize=True) * precision[:, None, None]
    cross = 2.0 * np.einsum("sk,ska->ka", responsibilities, slope)
    of_v[:, :p, p] += cross
    of_v[:, p, :p] += cross
    of_v[:, p, p] += 2.0 * np.einsum("sk,sk->k", responsibilities, squares)
    return v, of_v


def gaussian_anchors(stats: GaussianStatistics, weeks: float = PRIOR_WEEKS) -> Floats:
    """Every store's own coefficients, shrunk by so many average weeks to the pooled ones; (store, coefficient)."""
    pooled = pooled_coefficients(stats)
    gram = stats.xtx + weeks * stats.xtx.sum(0) / stats.n.sum()
    own = np.einsum("spq,sq->sp", stats.xtx, stats.b - pooled)
    return pooled + solve(gram, own)


def gaussian_loglik_of_own(stats: GaussianStatistics, theta: Floats) -> Floats:
    """Log-density of every store under its own theta (store, coefficient) with sigma at 1; (store,)."""
    squares = sums_of_squares(stats, theta[:, None, :], paired=True)[:, 0]
    return -0.5 * (squares + stats.n * LOG_2PI)


def gaussian_drawn(
    rng: np.random.Generator, stats: GaussianStatistics, theta: Floats, sigma: Floats
) -> GaussianStatistics:
    """Statistics drawn as such: least squares normal about theta (store, coefficient), residual sums chi-squared.

    Where X_i has not full rank only its row space is drawn; the rest of b_i is what it was, and carries no weight.
    """
    values, vectors, unit, seen = spectrum(stats.xtx)
    root = np.where(seen, 1.0 / np.sqrt(np.where(seen, values, 1.0)), 0.0)
    noise = np.einsum("sab,sb->sa", vectors, root * rng.standard_normal(root.shape)) / unit
    noise *= sigma[:, None]
    left = stats.n - seen.sum(1)
    rss = np.square(sigma) * np.where(left > 0, rng.chisquare(np.maximum(left, 1.0)), 0.0)
    return stats._replace(b=theta + noise, rss=rss)
