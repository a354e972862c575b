"""How a continuum of stores is put together: variance explained, what stores borrow, and whether they are normal."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.posterior import average, store_means, thinned
from bayesmix.segments_of_stores import membership
from bayesmix.store_summaries import own_variances_along
from bayesmix.stores import given_segments, mean_row
from em.between import expanded
from em.conditional import over_segments
from em.explained import Explained, variance_shares
from em.likelihood import membership as membership_at
from em.statistics import Floats, GaussianStatistics

OPEN = 0.5  # share of the variance between stores
DRAWS = 200  # enough for a posterior mean that is read as whole per cent


def pooling(fit: Fit) -> Floats:
    """Share that the other stores have in what a model whose stores differ says of each store.

    Given the hyperparameters, theta_i has variance Omega before the store's own weeks are seen and V_i after, for log
    sales (Omega^-1 + X_i'X_i / sigma^2)^-1. The share is V_i / Omega, coefficient by coefficient: 0 where the
    store speaks for itself, 1 where its weeks say nothing and the others speak for it. With one coefficient it is the
    weight of the mean of all stores in the store's estimate (Gelman & Pardoe 2006, Technometrics 48). Of several
    segments it is that of each, weighted by the store's membership; 1 of a coefficient that does not vary.

    Returns
    -------
    (store, coefficient) posterior mean, from 0 to 1.
    """
    share = np.zeros((fit.statistics.n_stores, fit.statistics.n_coefficients))
    if fit.draws.omega is None:
        return share + 1.0
    for one in _variances(fit, np.eye(fit.statistics.n_coefficients)):
        before = np.broadcast_to(one.before, share.shape)
        share += one.belongs * np.divide(one.after, before, out=np.ones_like(share), where=before > 0.0)
    return share


def own_weight(fit: Fit, directions: Floats) -> Floats:
    """Share of the precision of what is said of sums a'theta_i that each store's own least squares of them carry.

    It is a'V_i a over the variance sigma^2 a'(X_i'X_i)^-1 a of a'b_i. With one coefficient that is the weight of b_i in
    the estimate, and one less `pooling`; with several a store may be known well along a although its own a'b_i says
    little, for its weeks settle other sums that go with it in all stores. Other families have no such estimate: there
    it is the share of the variance of the sum between stores that a store's rows settle, one less `pooling` of it.

    Parameters
    ----------
    directions : (sum, coefficient), a of each sum.

    Returns
    -------
    (store, sum) posterior mean, from 0, where the store's own weeks do not settle the sum, to 1.
    """
    share = np.zeros((fit.statistics.n_stores, len(directions)))
    if fit.draws.omega is None:
        return share
    if not isinstance(fit.statistics, GaussianStatistics):
        for one in _variances(fit, directions):
            before = np.broadcast_to(one.before, share.shape)
            left = np.divide(one.after, before, out=np.ones_like(share), where=before > 0.0)
            share += one.belongs * (1.0 - left)
        return np.clip(share, 0.0, 1.0)
    alone = np.stack([own_variances_along(fit.statistics, along) for along in directions], 1)
    for one in _variances(fit, directions):
        share += one.belongs * one.after / (one.sigma**2 * alone)
    return np.clip(share, 0.0, 1.0)


class _Variances(NamedTuple):
    """Variances of sums of coefficients under one draw in one segment.

    Attributes
    ----------
    belongs : (store, 1) membership, over the number of draws.
    sigma : of the segment.
    before : (sum,) before a store's weeks are seen.
    after : (store, sum) after.
    """

    belongs: Floats
    sigma: float
    before: Floats
    after: Floats


def _variances(fit: Fit, directions: Floats) -> Iterator[_Variances]:
    """Under some of the draws, in all segments, of a model whose stores differ; directions (sum, coefficient)."""
    draws, stats = thinned(fit.draws, DRAWS), fit.statistics
    omega: Any = draws.omega
    belongs = np.ones((stats.n_stores, 1)) if fit.k == 1 else membership(fit)
    n, means = len(draws.weight), store_means(draws, fit.traits)
    for d in range(n):
        after = given_segments(stats, means[d], draws.sigma[d], omega[d]).covariance
        for k in range(fit.k):
            yield _Variances(
                belongs[:, k, None] / n,
                float(draws.sigma[d, k]),
                np.einsum("mp,pq,mq->m", directions, omega[d, k], directions),
                np.einsum("mp,spq,mq->sm", directions, after[:, k], directions, optimize=True),
            )


def left_open(fit: Fit) -> Floats:
    """Share of the whole variance between stores, segments included, that a store's weeks leave open.

    The posterior mean of what `em.conditional.over_segments` says at one value of the parameters: unlike `pooling` it
    counts what is not known of the store's segment, and is not 1 where the stores of a segment are alike.

    Returns
    -------
    (store, coefficient), from 0 to 1.
    """
    draws, stats = thinned(fit.draws, DRAWS), fit.statistics
    n, means = len(draws.weight), store_means(draws, fit.traits)
    total = np.zeros((stats.n_stores, stats.n_coefficients))
    for d in range(n):
        mu, sigma = means[d], draws.sigma[d]
        omega = np.zeros((*mu.shape, mu.shape[-1])) if draws.omega is None else draws.omega[d]
        weight = draws.weight[d]
        component, mean, covariance = given_segments(stats, mu, sigma, None if draws.omega is None else omega)
        with np.errstate(divide="ignore"):
            share = membership_at(np.log(weight), component)
        mean, covariance = (np.broadcast_to(of, (stats.n_stores, *of.shape[1:])) for of in (mean, covariance))
        covariance = np.broadcast_to(covariance, (*mean.shape, mean.shape[-1]))
        total += over_segments(mean, covariance, share, weight, mu, omega).pooling
    return total / n


def explained(fit: Fit) -> Explained | None:
    """Shares of the variance of log sales, or of a linear predictor, under every draw of a hierarchical fit.

    (draw,) each; None where there are segments, and without an intercept.
    """
    draws, names = fit.draws, fit.coefficients
    if fit.model != "hierarchical" or draws.omega is None or "intercept" not in names:
        return None
    stats, mu, omega = fit.statistics, draws.mu[:, 0], draws.omega[:, 0]
    stats = stats if isinstance(stats, GaussianStatistics) else stats.counts
    if fit.between is not None and draws.gamma is not None:  # what traits explain is explained by the means
        effects = draws.gamma.reshape(len(mu), -1)
        stats = expanded(stats, fit.between)  # pyright: ignore[reportArgumentType]
        mu = np.concatenate([mu, effects], axis=1)
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
    weeks (Lange & Ryan 1989, Annals of Statistics 17). Stores whose own weeks say nothing of it are left out. For other
    families it is near that where stores' rows settle most of what differs; there is nothing of a coefficient of which
    half of the stores have more than `OPEN` left open.
    """
    draws, stats = fit.draws, fit.statistics
    if fit.model != "hierarchical" or draws.omega is None:
        return []
    means = average(draws)
    mu, omega, sigma = store_means(means, fit.traits)[0], draws.omega.mean(0), means.sigma[0]
    _, mean, after = given_segments(stats, mu, sigma, omega)
    told = np.broadcast_to(omega[0] - after[:, 0], (stats.n_stores, *omega.shape[1:]))
    directions, found = np.eye(len(fit.coefficients)), []
    if "intercept" in fit.coefficients:
        one = fit.coefficients.index("intercept")
        directions[one] = mean_row(stats, one)
    for c in np.flatnonzero(np.diagonal(omega[0])):
        a = directions[c]
        variance = np.einsum("p,spq,q->s", a, told, a)
        between = a @ omega[0] @ a
        if not isinstance(stats, GaussianStatistics) and np.median(variance) < (1.0 - OPEN) * between:
            continue
        known = variance > 1e-6 * between
        found.append(RandomEffects(int(c), ((mean[:, 0] - mu[..., 0, :]) @ a)[known] / np.sqrt(variance[known])))
    return found
