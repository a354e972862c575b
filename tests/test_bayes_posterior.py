"""Quantities of stores against brute force."""

import numpy as np
import oracles
import pytest

import bayesmix.posterior
from bayesmix.posterior import ParameterDraws, store_posterior
from bayesmix.stores import given_segments
from em.statistics import build


def panel(seed=0, stores=6, p=2, own_prices=True):
    rows = oracles.draw_rows(np.random.default_rng(seed), stores, 2, p=p, weeks=(1, 8), own_prices=own_prices)
    return rows, build(rows.store, rows.x, rows.y, stores)


def draws_of(rng, n, k, p, spread):
    factor = rng.normal(size=(n, k, p, p))
    return ParameterDraws(
        rng.dirichlet(2.0 * np.ones(k), n),
        np.array([10.0, -1.0, 0.5])[:p] + rng.normal(size=(n, k, p)),
        rng.uniform(0.5, 1.5, (n, k)),
        factor @ np.swapaxes(factor, -1, -2) if spread else None,
    )


@pytest.mark.parametrize("own_prices", [True, False])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_store_coefficients_are_the_conditional_of_the_joint_gaussian(p, own_prices):
    rows, stats = panel(p, p=p, own_prices=own_prices)
    draws = draws_of(np.random.default_rng(p), 2, 2, p, spread=True)
    _, mean, covariance = given_segments(stats, draws.mu, draws.sigma, draws.omega)
    for d in range(2):
        for k in range(2):
            mu, omega, sigma = draws.mu[d, k], draws.omega[d, k], draws.sigma[d, k]
            for store in range(rows.n_stores):
                x, y = rows.of(store)
                of_y = x @ omega @ x.T + sigma**2 * np.eye(len(y))
                gain = np.linalg.solve(of_y, x @ omega).T
                np.testing.assert_allclose(mean[d, store, k], mu + gain @ (y - x @ mu), rtol=1e-8, atol=1e-9)
                np.testing.assert_allclose(covariance[d, store, k], omega - gain @ x @ omega, atol=1e-9)


def test_a_singular_covariance_leaves_no_room_in_its_direction():
    _, stats = panel()
    omega = np.array([[[0.5, 0.0], [0.0, 0.0]]])
    _, mean, covariance = given_segments(stats, np.array([[10.0, -1.0]]), np.ones(1), omega)
    np.testing.assert_allclose(mean[:, 0, 1], -1.0, atol=1e-12)
    np.testing.assert_allclose(covariance[:, 0, 1], 0.0, atol=1e-12)


@pytest.mark.parametrize("spread", [False, True])
def test_memberships_and_likelihoods_are_those_of_the_rows(spread):
    rows, stats = panel(1)
    draws = draws_of(np.random.default_rng(1), 3, 2, 2, spread)
    found = store_posterior(stats, draws, np.tile([1.0, 0.0], (rows.n_stores, 1)))
    shares = []
    for d in range(3):
        omega = draws.omega[d] if spread else np.zeros((2, 2, 2))
        density = oracles.log_density_by_covariance(rows, draws.mu[d], draws.sigma[d], omega)
        np.testing.assert_allclose(found.loglik[d], oracles.mix(draws.weight[d], density), rtol=1e-9)
        shares.append(oracles.posterior(draws.weight[d], density)[:, found.permutation[d]])
    np.testing.assert_allclose(found.membership, np.mean(shares, axis=0), atol=1e-9)
    np.testing.assert_allclose(found.membership_sd, np.std(shares, axis=0), atol=1e-9)


@pytest.mark.parametrize("spread", [False, True])
def test_coefficients_have_the_moments_of_their_draws(spread):
    """Mean and sd against drawing segment and coefficients of every store many times."""
    _, stats = panel(2)
    draws = draws_of(np.random.default_rng(2), 4, 2, 2, spread)
    reference = np.tile([1.0, 0.0], (stats.n_stores, 1))
    found = store_posterior(stats, draws, reference)
    rng, drawn = np.random.default_rng(3), []
    for d in range(4):
        one = ParameterDraws(*(None if value is None else value[d : d + 1] for value in draws))
        share = store_posterior(stats, one, reference)
        order = share.permutation[0]
        _, mean, covariance = given_segments(stats, one.mu, one.sigma, one.omega)
        mean = np.broadcast_to(mean[0], (stats.n_stores, 2, 2))
        covariance = np.broadcast_to(covariance[0] if spread else covariance, (stats.n_stores, 2, 2, 2))
        for store in range(stats.n_stores):
            segment = order[rng.choice(2, 4000, p=share.membership[store])]
            noise = np.array([rng.multivariate_normal(np.zeros(2), covariance[store, k], 4000) for k in (0, 1)])
            drawn.append(mean[store][segment] + noise[segment, np.arange(4000)])
    drawn = np.array(drawn).reshape(4, stats.n_stores, 4000, 2).transpose(1, 0, 2, 3).reshape(stats.n_stores, -1, 2)
    np.testing.assert_allclose(found.coefficients, drawn.mean(1), atol=0.05)
    np.testing.assert_allclose(found.coefficients_sd, drawn.std(1), rtol=0.05, atol=0.01)


def test_chunks_of_draws_do_not_matter(monkeypatch):
    _, stats = panel(3)
    draws = draws_of(np.random.default_rng(3), 7, 3, 2, True)
    reference = np.random.default_rng(4).dirichlet(np.ones(3), stats.n_stores)
    whole = store_posterior(stats, draws, reference)
    monkeypatch.setattr(bayesmix.posterior, "CHUNK", 1)
    for one, other in zip(whole, store_posterior(stats, draws, reference), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
