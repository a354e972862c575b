"""The evidence that draws about one mode hold, by bridge sampling from a multivariate normal."""

from typing import NamedTuple

import numpy as np
from arviz_stats.base.array import array_stats
from scipy.special import expit, logsumexp

from bayesmix.density import Density, log_density
from em.statistics import Floats

DRAWS = 4000  # most draws that are used, of the posterior and of the normal
STEPS = 1000  # most iterations of the bridge
RIDGE = 1e-8  # added to variances of the normal, relative, so that draws that hardly moved can be weighed
SETTLED = 1e-10  # change of the log evidence at which they end


class Evidence(NamedTuple):
    """Logarithm of the integral of the unnormalised density, and its approximate standard error."""

    log_evidence: float
    se: float


def bridge(density: Density, unconstrained: Floats, seed: int = 0) -> Evidence:
    """Log evidence by the optimal bridge (Meng & Wong 1996) on the unconstrained scale.

    The normal is fitted to the first half of every chain and the bridge built on the second, so that the same draws do
    not serve twice (Overstall & Forster 2010). Every draw of the normal is used with its mirror image. The standard
    error is Fruehwirth-Schnatter's (2004, section 3.2), with effective numbers of posterior draws.

    Parameters
    ----------
    unconstrained : (chain, draw, dimension) draws of the density, about one mode.
    """
    half = unconstrained.shape[1] // 2
    fitted = unconstrained[:, :half].reshape(-1, unconstrained.shape[2])
    second = unconstrained[:, half:]
    thin = max(1, second.shape[0] * second.shape[1] // DRAWS)
    chains = second[:, ::thin]
    posterior = chains.reshape(-1, chains.shape[2])
    center, factor = _normal(fitted)
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((len(posterior) // 2 + 1, len(center)))
    proposal = center + np.concatenate([z, -z]) @ factor.T
    # log density minus log normal, at draws of either; what is common is taken off against overflow
    ratio_1 = log_density(density, posterior) - _log_normal(posterior, center, factor)
    ratio_2 = log_density(density, proposal) - _log_normal(proposal, center, factor)
    n_1, n_2 = _effective(ratio_1.reshape(chains.shape[:2])), float(len(proposal))
    log_odds = np.log(n_1 / n_2)
    log_z = float(np.median(ratio_1))
    for _ in range(STEPS):
        before = log_z
        upper = ratio_2 - np.logaddexp(log_odds + ratio_2, log_z)
        lower = -np.logaddexp(log_odds + ratio_1, log_z)
        log_z = float(logsumexp(upper) - np.log(len(upper)) - logsumexp(lower) + np.log(len(lower)))
        if abs(log_z - before) < SETTLED:
            break
    share = n_1 / (n_1 + n_2)
    f_1 = expit(-(log_odds + ratio_1 - log_z)) / (1.0 - share)
    f_2 = expit(log_odds + ratio_2 - log_z) / share
    relative = f_2.var() / f_2.mean() ** 2 / n_2 + f_1.var() / f_1.mean() ** 2 / n_1
    return Evidence(log_z, float(np.sqrt(relative)))


def _normal(draws: Floats) -> tuple[Floats, Floats]:
    """Mean and Cholesky factor of the covariance of (draw, dimension)."""
    covariance = np.atleast_2d(np.cov(draws.T))
    ridge = RIDGE * np.diag(np.maximum(np.diagonal(covariance), np.finfo(float).tiny))
    return draws.mean(0), np.linalg.cholesky(covariance + ridge)


def _log_normal(q: Floats, center: Floats, factor: Floats) -> Floats:
    z = np.linalg.solve(factor, (q - center).T)
    return -0.5 * np.square(z).sum(0) - np.log(np.diagonal(factor)).sum() - 0.5 * len(center) * np.log(2.0 * np.pi)


def _effective(values: Floats) -> float:
    """Effective number of draws of (chain, draw)."""
    if np.ptp(values) == 0.0 or values.shape[1] < 4:
        return float(values.size)
    return min(float(np.asarray(array_stats.ess(values, chain_axis=0, draw_axis=1, method="mean"))), float(values.size))
