"""What a model makes of each store's own estimate: drawn to its segment, or partly to the mean of all stores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.segments_of_stores import membership
from bayesmix.store_summaries import own_variances
from em.scatter import scatter
from em.statistics import Floats, GaussianStatistics

DRAWS = 200  # enough for a posterior mean that is read as whole per cent


@dataclass(frozen=True)
class Shrinkage:
    """Store coefficients before and after.

    Attributes
    ----------
    stores, coefficients : names.
    n : (store,) observed weeks.
    own : (store, coefficient) each store's own least squares.
    own_se : (store, coefficient) their standard errors, infinite where the store alone says nothing.
    after : by model name, (store, coefficient) posterior mean of the store's coefficients.
    pooling : by name of a model whose stores differ, (store, coefficient) share that the other stores have in the
        estimate.
    same_information : whether every store has the same design, and so the same pooling.
    """

    stores: tuple[str, ...]
    coefficients: tuple[str, ...]
    n: Floats
    own: Floats
    own_se: Floats
    after: dict[str, Floats]
    pooling: dict[str, Floats]
    same_information: bool


def shrinkage(fits: Sequence[Fit]) -> Shrinkage:
    """Store coefficients by each of the fits, beside each store's own."""
    first = fits[0]
    stats = first.statistics
    return Shrinkage(
        stores=first.stores,
        coefficients=first.coefficients,
        n=stats.n,
        own=stats.b,
        own_se=own_standard_errors(stats),
        after={fit.name: np.asarray(fit.by_store["coefficients"].transpose("store", "coefficient")) for fit in fits},
        pooling={fit.name: pooling(fit) for fit in fits if fit.draws.omega is not None},
        same_information=bool(np.allclose(stats.xtx, stats.xtx[:1], rtol=1e-9)),
    )


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


def own_standard_errors(stats: GaussianStatistics) -> Floats:
    """Standard errors of each store's own least squares, with one residual variance pooled over stores.

    Returns
    -------
    (store, coefficient), infinite where the store's weeks do not determine the coefficient.
    """
    return scatter(stats) * np.sqrt(own_variances(stats))
