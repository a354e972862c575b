"""The five functions of the classical description, by their names: a thin face on the core.

Here y is (stores, weeks) log sales and X is (weeks, 2), ones and log prices, the same for all stores; sigma is 1.
"""

import numpy as np

from em.fit import fit_mixture
from em.mixture import MixtureParameters, Model, e_step, m_step
from em.regressions import anchors
from em.starts import choose, random_starts
from em.statistics import Floats, GaussianStatistics, build


def LogL(theta: Floats, pi: Floats, y: Floats, X: Floats) -> float:
    """Log-likelihood of a panel, each store's segment summed out; theta (segment, coefficient), pi (segment,)."""
    return float(e_step(_parameters(theta, pi), _statistics(y, X))[1])


def EStep(theta: Floats, pi: Floats, y: Floats, X: Floats) -> Floats:
    """Probability that each store belongs to each segment; W (store, segment)."""
    return e_step(_parameters(theta, pi), _statistics(y, X))[0]


def MStep(y: Floats, X: Floats, W: Floats) -> tuple[Floats, Floats]:
    """Parameters given the probabilities W (store, segment): theta (segment, coefficient) and pi (segment,)."""
    params = m_step(_statistics(y, X), np.asarray(W, dtype=float), Model())
    return params.theta, params.weight


def EM(
    K: int, y: Floats, X: Floats, tol: float = 1e-10, max_iter: int = 1000, seed: int = 0
) -> tuple[Floats, Floats, float]:
    """Plain EM from K random stores: theta, pi and the log-likelihood that belongs to them.

    Parameters
    ----------
    tol : the gain in log-likelihood of a step at which to stop.
    max_iter : number of steps at the most.
    """
    stats = _statistics(y, X)
    params = choose(random_starts(np.random.default_rng(seed), stats, K, Model(), 1, anchors(stats)), 0)
    responsibilities, loglik = e_step(params, stats)
    for _ in range(max_iter):
        before = loglik
        params = m_step(stats, responsibilities, Model())
        responsibilities, loglik = e_step(params, stats)
        if loglik - before < tol:
            break
    return params.theta, params.weight, float(loglik)


def Estimate(K: int, y: Floats, X: Floats, n_init: int = 50, seed: int = 0) -> tuple[Floats, Floats, float]:
    """The best of n_init searches: theta, pi (falling) and the log-likelihood that belongs to them."""
    fit = fit_mixture(_statistics(y, X), K, starts=n_init, seed=seed)
    return fit.parameters.theta, fit.parameters.weight, fit.log_likelihood


def _parameters(theta: Floats, pi: Floats) -> MixtureParameters:
    theta, pi = np.atleast_2d(np.asarray(theta, dtype=float)), np.asarray(pi, dtype=float)
    return MixtureParameters(pi, theta, np.ones_like(pi))


def _statistics(y: Floats, X: Floats) -> GaussianStatistics:
    y, X = np.atleast_2d(np.asarray(y, dtype=float)), np.asarray(X, dtype=float)
    stores, weeks = y.shape
    return build(np.repeat(np.arange(stores), weeks), np.tile(X, (stores, 1)), y.ravel(), stores)
