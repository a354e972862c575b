"""Two numbers of a store whose predictive distribution under a draw is known exactly, and how they compare with it.

The store's own least squares b_i are normal given a segment, so any a'b_i is too:

    a'b_i | segment k ~ N( a'mu_k, sigma_k^2 a'(X_i'X_i)^-1 a + a'Omega_k a )

or about a'(mu_k + Gamma'z_i) where traits explain the coefficients.

With a the means of the store's columns this is its mean log sales (the first term of the variance is sigma_k^2 / n_i);
with a a unit vector, its own slope. A store not yet seen is a mixture of the segments.

LOO-PIT of a store: the probability of a value below the one observed, the store left out. The draws are given the
weights of PSIS-LOO; nothing is simulated (Gelfand, Dey & Chang 1992; Vehtari, Gelman & Gabry 2017).
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from bayesmix.axis import price_column
from bayesmix.fitted import Fit
from bayesmix.known_stores import chunks_of_stores
from bayesmix.posterior import ParameterDraws, store_means
from bayesmix.store_loo import by_store, smoothed
from em.scatter import scatter
from em.statistics import Floats, GaussianStatistics, Ints, spectrum

SETTLED = 1e-6  # share of a coefficient in directions that the store's weeks say nothing of


class Summary(NamedTuple):
    """One number of each of some stores.

    Attributes
    ----------
    name : "mean log sales" or "price elasticity".
    store : (one,) index of the stores that have it.
    direction : (one, coefficient) a.
    noise : (one,) a'(X'X)^-1 a.
    observed : (one,) a'b.
    """

    name: str
    store: Ints
    direction: Floats
    noise: Floats
    observed: Floats


def store_summaries(stats: GaussianStatistics, coefficients: tuple[str, ...]) -> list[Summary]:
    """Mean log sales of the stores, and their own price slopes where their weeks settle one.

    Without an intercept there is no mean, without log price no slope.
    """
    found = []
    names = [name.casefold() for name in coefficients]
    if "intercept" in names:
        every = np.flatnonzero(stats.n > 0.0)
        means = stats.xtx[every, names.index("intercept")] / stats.n[every, None]
        found.append(
            Summary("mean log sales", every, means, 1.0 / stats.n[every], np.einsum("sp,sp->s", means, stats.b[every]))
        )
    price = price_column(coefficients)
    if price is not None:
        variance = own_variances(stats)[:, price]
        settled = np.flatnonzero(np.isfinite(variance))
        direction = np.zeros((settled.size, stats.n_coefficients))
        direction[:, price] = 1.0
        found.append(Summary("price elasticity", settled, direction, variance[settled], stats.b[settled, price]))
    return found


def own_variances(stats: GaussianStatistics) -> Floats:
    """Variances of each store's own least squares, in units of sigma^2: the diagonal of (X_i'X_i)^-1.

    Returns
    -------
    (store, coefficient), infinite where the store's weeks do not determine the coefficient.
    """
    return np.stack([own_variances_along(stats, unit) for unit in np.eye(stats.n_coefficients)], 1)


def own_variances_along(stats: GaussianStatistics, along: Floats) -> Floats:
    """Variances of sums a'b_i of each store's own least squares, in units of sigma^2: a'(X_i'X_i)^-1 a.

    Parameters
    ----------
    along : (coefficient,) a.

    Returns
    -------
    (store,), infinite where the store's weeks do not determine the sum.
    """
    values, vectors, scale, seen = spectrum(stats.xtx)
    turned = np.einsum("sak,sa->sk", vectors, along / scale) ** 2
    unseen = np.sum(turned * ~seen, 1)
    variance = np.sum(np.divide(turned, values, out=np.zeros_like(values), where=seen), 1)
    return np.where(unseen > SETTLED * turned.sum(1), np.inf, variance)


def own_standard_errors(stats: GaussianStatistics) -> Floats:
    """Standard errors of each store's own least squares, with one residual variance pooled over stores.

    Returns
    -------
    (store, coefficient), infinite where the store's weeks do not determine the coefficient.
    """
    return scatter(stats) * np.sqrt(own_variances(stats))


def predictive(summary: Summary, draws: ParameterDraws, traits: Floats | None = None) -> tuple[Floats, Floats]:
    """Mean and sd of a summary under every draw, in each segment; both (draw, store, segment).

    Parameters
    ----------
    traits : (store, trait) of all stores of the fit, see `posterior.store_means`.
    """
    mu = store_means(draws, None if traits is None else traits[summary.store])
    mean = np.einsum("sp,dkp->dsk" if traits is None else "sp,dskp->dsk", summary.direction, mu, optimize=True)
    variance = np.square(draws.sigma)[:, None] * summary.noise[:, None]
    if draws.omega is not None:
        variance = variance + np.einsum(
            "sp,dkpq,sq->dsk", summary.direction, draws.omega, summary.direction, optimize=True
        )
    return mean, np.sqrt(variance)


def loo_pit(fit: Fit, summary: Summary, reff: float) -> Floats:
    """Probability that the summary of a store not seen is below the observed one; (one,).

    Parameters
    ----------
    reff : relative efficiency of the store likelihoods, see `store_loo.loo`.
    """
    loglik = by_store(fit.store_loglik)
    pit = np.empty(summary.store.size)
    for chunk in chunks_of_stores(summary.store.size, fit.draws._replace(omega=None)):
        part = _part(summary, chunk)
        log_weight, _ = smoothed(loglik[part.store], reff)
        mean, sd = predictive(part, fit.draws, fit.traits)
        below = np.einsum("dk,dsk->sd", fit.draws.weight, ndtr((part.observed[:, None] - mean) / sd))
        pit[chunk] = np.einsum("sd,sd->s", np.exp(log_weight), below)
    return np.clip(pit, 0.0, 1.0)


def _part(s: Summary, chunk: slice) -> Summary:
    return Summary(s.name, s.store[chunk], s.direction[chunk], s.noise[chunk], s.observed[chunk])
