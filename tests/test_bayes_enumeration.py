"""Tiny panels, where every way of giving the stores a segment can be summed: likelihood, memberships, leave-one-out.

Nothing here is integrated out, factorised or summarised: rows, labels, sums.
"""

import itertools

import numpy as np
import oracles
import pytest
from numba import njit

from bayesmix.designs import by_design
from bayesmix.kernel import value_and_gradient
from bayesmix.posterior import ParameterDraws, store_posterior
from em.likelihood import component_loglik, membership, store_loglik
from em.statistics import GaussianStatistics, build, take

compiled = njit(value_and_gradient, error_model="numpy")
CASES = [(seed, k, spread) for seed in range(4) for k in (1, 2, 3) for spread in (False, True)]


def tiny(seed, k, spread, draws=3):
    """Rows of five stores, their statistics, and draws (draw, ...) of parameters under which stores are undecided."""
    rng = np.random.default_rng(seed)
    rows = oracles.draw_rows(rng, 5, k, p=2 + seed % 2, weeks=(1, 4), own_prices=seed % 3 > 0)
    stats = build(rows.store, rows.x, rows.y, rows.n_stores)
    p = stats.n_coefficients
    mu = np.linalg.lstsq(rows.x, rows.y)[0] + 0.5 * rng.standard_normal((k, p))
    mu = mu + 0.05 * rng.standard_normal((draws, k, p))
    sigma = rng.uniform(0.7, 1.5, (draws, k))
    omega = None
    if spread:
        factor = 0.5 * rng.standard_normal((draws, k, p, p))
        omega = factor @ np.swapaxes(factor, -1, -2)
    return rows, stats, ParameterDraws(rng.dirichlet(np.full(k, 3.0), draws), mu, sigma, omega)


def densities(rows, draws, d):
    """Log-density of every store's rows under every segment of draw d; (store, segment)."""
    if draws.omega is None:
        return oracles.log_density_by_rows(rows, draws.mu[d], draws.sigma[d])
    return oracles.log_density_by_covariance(rows, draws.mu[d], draws.sigma[d], draws.omega[d])


def every_labelling(weight, density):
    """All label vectors (labelling, store), and the logarithm of the joint density of each with the data."""
    labels = np.array(list(itertools.product(range(len(weight)), repeat=len(density))))
    joint = [sum(np.log(weight[z]) + density[i, z] for i, z in enumerate(row)) for row in labels]
    return labels, np.array(joint)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("seed", "k", "spread"), CASES)
def test_the_log_likelihood_is_the_sum_over_all_labellings(seed, k, spread):
    rows, stats, draws = tiny(seed, k, spread)
    expected = oracles.log_likelihood_by_labels(draws.weight[0], densities(rows, draws, 0))
    factor = np.zeros((0, *stats.xtx.shape[1:])) if draws.omega is None else np.linalg.cholesky(draws.omega[0])
    close(
        compiled(np.log(draws.weight[0]), draws.mu[0], draws.sigma[0], factor, factor[:0, 0], *by_design(stats))[0],
        expected,
    )
    omega = None if draws.omega is None else draws.omega[0]
    component = component_loglik(stats, draws.mu[0], draws.sigma[0], omega)
    close(store_loglik(np.log(draws.weight[0]), component).sum(), expected)


@pytest.mark.parametrize(("seed", "k", "spread"), CASES)
def test_memberships_are_shares_of_all_labellings(seed, k, spread):
    rows, stats, draws = tiny(seed, k, spread)
    shares = []
    for d, weight in enumerate(draws.weight):
        labels, joint = every_labelling(weight, densities(rows, draws, d))
        share = np.exp(joint - np.logaddexp.reduce(joint))
        shares.append([[share[labels[:, i] == z].sum() for z in range(k)] for i in range(rows.n_stores)])
    expected = np.array(shares)
    component = component_loglik(stats, draws.mu, draws.sigma, draws.omega)
    close(membership(np.log(draws.weight), component), expected)
    posterior = store_posterior(stats, draws, expected[0])
    renumbered = np.stack([share[:, order] for share, order in zip(expected, posterior.permutation, strict=True)])
    close(posterior.membership, renumbered.mean(0))
    close(posterior.membership_sd, renumbered.std(0))


@pytest.mark.parametrize(("seed", "k", "spread"), CASES)
def test_leaving_a_store_out_is_a_ratio_of_two_sums_over_all_labellings(seed, k, spread):
    """With a prior that gives each of a few parameter values its probability, nothing is left to chance.

    The density of store i given the others is p(y) / p(y without i); from the posterior and the log-likelihoods that a
    file holds it is 1 / sum_s posterior_s / p(y_i | s), the identity on which leave-one-out by importance rests.
    """
    rows, stats, draws = tiny(seed, k, spread)
    prior = np.random.default_rng(seed).dirichlet(np.ones(len(draws.weight)))

    def total(kept):
        parts = []
        for d, weight in enumerate(draws.weight):
            parts.append(np.log(prior[d]) + oracles.log_likelihood_by_labels(weight, densities(rows, draws, d)[kept]))
        return np.logaddexp.reduce(parts)

    everybody = np.arange(rows.n_stores)
    expected = [total(everybody) - total(np.delete(everybody, i)) for i in everybody]
    loglik = store_posterior(stats, draws, np.eye(k)[everybody % k]).loglik
    log_posterior = np.log(prior) + loglik.sum(1)
    log_posterior -= np.logaddexp.reduce(log_posterior)
    close(-np.logaddexp.reduce(log_posterior[:, None] - loglik, axis=0), expected)


def test_the_kernel_of_all_stores_less_one_is_that_store():
    rows, stats, draws = tiny(2, 3, True)
    factor = np.linalg.cholesky(draws.omega[0])
    parameters = np.log(draws.weight[0]), draws.mu[0], draws.sigma[0], factor, factor[:0, 0]

    def value(part: GaussianStatistics):
        return float(compiled(*parameters, *by_design(part))[0])

    everybody = np.arange(rows.n_stores)
    density = densities(rows, draws, 0)
    for i in everybody:
        others = np.delete(everybody, i)
        by_labels = oracles.log_likelihood_by_labels(draws.weight[0], density[others])
        close(value(take(stats, others)), by_labels)
        close(value(stats) - value(take(stats, others)), oracles.mix(draws.weight[0], density)[i])
