"""How a continuum of stores is put together: variance explained, what stores borrow, and whether they are normal."""

from typing import NamedTuple

import numpy as np

from bayesmix.conditional import store_coefficients
from bayesmix.fitted import Fit
from bayesmix.posterior import ParameterDraws, store_means
from bayesmix.segments_of_stores import membership
from em.between import expanded
from em.explained import Explained, variance_shares
from em.statistics import Floats

DRAWS = 200  # enough for a posterior mean that is read as whole per cent


def pooling(fit: Fit) -> Floats:
    """Share that the other stores have in what a model whose stores differ says of each store.

    Given the hyperparameters, theta_i has variance Omega before the store's own weeks are seen and
    V_i = (Omega^-1 + X_i'X_i / sigma^2)^-1 after. The share is V_i / Omega, coefficient by coefficient: 0 where the
    store speaks for itself, 1 where its weeks say nothing and the others speak for it. With one coefficient it is the
    weight of the mean of all stores in the store's estimate (Gelman & Pardoe 2006, Technometrics 48). Of several
    segments it is that of each, weighted by the store's membership; 1 of a coefficient that does not vary.

    Returns
    -------
    (store, coefficient) posterior mean, from 0 to 1.
    """
    draws, stats = fit.draws, fit.statistics
    if draws.omega is None:
        return np.ones(stats.b.shape)
    belongs = np.ones((stats.n_stores, 1)) if fit.k == 1 else membership(fit)
    thinned = np.unique(np.linspace(0, len(draws.sigma) - 1, DRAWS).astype(int))
    identity = np.eye(stats.n_coefficients)
    share = np.zeros(stats.b.shape)
    for d in thinned:
        for k in range(fit.k):
            before = draws.omega[d, k]
            after = np.linalg.solve(identity + before @ stats.xtx / draws.sigma[d, k] ** 2, before)
            variance = np.diagonal(before)
            left = np.diagonal(after, axis1=1, axis2=2)
            left = np.divide(left, variance, out=np.ones_like(left), where=variance > 0.0)
            share += belongs[:, k, None] * left
    return share / thinned.size


def explained(fit: Fit) -> Explained | None:
    """Shares of the variance of log sales under every draw of a hierarchical fit, (draw,) each.

    None where there are segments, and without an intercept.
    """
    draws, names = fit.draws, fit.coefficients
    if fit.model != "hierarchical" or draws.omega is None or "intercept" not in names:
        return None
    stats, mu, omega = fit.statistics, draws.mu[:, 0], draws.omega[:, 0]
    if fit.between is not None and draws.gamma is not None:  # what traits explain is explained by the means
        effects = draws.gamma.reshape(len(mu), -1)
        stats, mu = expanded(stats, fit.between), np.concatenate([mu, effects], axis=1)
        omega = np.pad(omega, ((0, 0), *2 * ((0, effects.shape[1]),)))
    return variance_shares(stats, names.index("intercept"), mu, omega, draws.sigma[:, 0])


class RandomEffects(NamedTuple):
    """How far stores are from the average one in one number.

    Attributes
    ----------
    coefficient : index; that of the intercept is the store's log sales in a typical week, at the panel's mean columns.
    z : (store,) standardised so that they are standard normal if the stores' coefficients are normal.
    """

    coefficient: int
    z: Floats


def random_effects(fit: Fit) -> list[RandomEffects]:
    """Standardised deviations of the stores, of every coefficient that varies in a hierarchical fit.

    At the posterior means of the parameters, with mu that of stores with the same traits, a'(E[theta_i | y_i] - mu) is
    N(0, a'(Omega - V_i)a) over stores, so its ratio to that standard deviation is standard normal whatever each store's
    weeks (Lange & Ryan 1989, Annals of Statistics 17). Stores whose own weeks say nothing of it are left out.
    """
    draws, stats = fit.draws, fit.statistics
    if fit.model != "hierarchical" or draws.omega is None:
        return []
    average = ParameterDraws(*(None if v is None else v.mean(0, keepdims=True) for v in draws))  # pyright: ignore[reportArgumentType]
    mu, omega, sigma = store_means(average, fit.traits)[0], draws.omega.mean(0), average.sigma[0]
    mean, after = store_coefficients(stats, mu, sigma, omega)
    told = np.broadcast_to(omega[0] - after[:, 0], (stats.n_stores, *omega.shape[1:]))
    directions, found = np.eye(len(fit.coefficients)), []
    if "intercept" in fit.coefficients:
        one = fit.coefficients.index("intercept")
        directions[one] = stats.xtx.sum(0)[one] / stats.n_observations
    for c in np.flatnonzero(np.diagonal(omega[0])):
        a = directions[c]
        variance = np.einsum("p,spq,q->s", a, told, a)
        known = variance > 1e-6 * (a @ omega[0] @ a)
        found.append(RandomEffects(int(c), ((mean[:, 0] - mu[..., 0, :]) @ a)[known] / np.sqrt(variance[known])))
    return found
