"""Stores of families for many draws: against the kernel's integral in `em`, brute force, and limits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from test_bayes_family_kernel import P, drawn, kernel, panel

from bayesmix.family_stores import family_components
from em.family_segments import family_loglik

MU = np.array([[0.2, 0.4, -0.1], [0.6, 0.1, 0.3]])
SIGMA = np.ones(2)
OMEGA = np.array([[[0.5, 0.0, 0.2], [0.0, 0.0, 0.0], [0.2, 0.0, 0.4]], [[0.3, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0] * 3]])


@pytest.fixture(scope="module")
def stats():
    return panel("poisson", stores=5)


def test_without_omega_they_are_the_segments(stats):
    found = family_components(stats, 9, MU, SIGMA, None)
    assert_allclose(found.loglik, family_loglik(stats, MU, SIGMA), rtol=1e-12)
    assert_allclose(found.mean, np.broadcast_to(MU, (5, 2, P)))
    assert found.covariance.shape == (5, 2, P, P)
    assert not found.covariance.any()


@pytest.mark.parametrize("nodes", [1, 3])
def test_mixed_over_segments_they_are_the_value_of_the_kernel(stats, nodes):
    case = (2, [0, 2], nodes, 1)
    (log_weight, mu, sigma, spread, effect), traits = drawn(case, stores=5)
    spread *= np.sign(np.diagonal(spread, axis1=1, axis2=2))[:, None, :]  # positive diagonals, as Cholesky factors have
    value = kernel(stats, case, traits)(log_weight, mu, sigma, spread, effect)[0]
    own = mu + (traits @ effect)[:, None]
    found = family_components(stats, nodes, own, sigma, spread @ np.swapaxes(spread, 1, 2))
    assert logsumexp(log_weight + found.loglik, axis=1).sum() == pytest.approx(float(value), rel=1e-10)


def test_moments_are_those_of_brute_force(stats):
    found = family_components(stats, 25, MU, SIGMA, OMEGA)
    root = np.linalg.cholesky(OMEGA[0][np.ix_([0, 2], [0, 2])])
    grid = np.linspace(-6.0, 6.0, 301)
    u = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1).reshape(-1, 2)
    theta = np.tile(MU[0], (len(u), 1))
    theta[:, [0, 2]] += u @ root.T
    height = family_loglik(stats, theta[:, None], np.ones((len(u), 1)))[..., 0].T - 0.5 * np.square(u).sum(1)
    whole = logsumexp(height, axis=1)
    assert_allclose(found.loglik[:, 0], whole + 2.0 * np.log((grid[1] - grid[0]) / np.sqrt(2.0 * np.pi)), rtol=1e-8)
    share = np.exp(height - whole[:, None])
    mean = share @ theta
    assert_allclose(found.mean[:, 0], mean, atol=1e-7)
    square = np.einsum("sg,ga,gb->sab", share, theta, theta) - mean[:, :, None] * mean[:, None, :]
    assert_allclose(found.covariance[:, 0], square, atol=1e-7)


def test_laplace_has_the_curvature_at_the_mode(stats):
    laplace, many = (family_components(stats, nodes, MU, SIGMA, OMEGA) for nodes in (1, 15))
    assert_allclose(laplace.mean, many.mean, atol=0.1)
    sd = [np.sqrt(np.diagonal(of.covariance, axis1=-2, axis2=-1)) for of in (laplace, many)]
    assert_allclose(sd[0], sd[1], rtol=0.15, atol=1e-12)
    assert (sd[0][:, 0, [0, 2]] > 0.1).all()


def test_draws_are_independent_and_keep_their_axes(stats):
    rng = np.random.default_rng(3)
    mu, sigma = MU + 0.3 * rng.normal(size=(2, 3, 2, P)), np.ones((2, 3, 2))
    omega = OMEGA * rng.uniform(0.5, 2.0, (2, 3, 1, 1, 1))
    whole = family_components(stats, 3, mu, sigma, omega)
    assert whole.covariance.shape == (2, 3, 5, 2, P, P)
    one = family_components(stats, 3, mu[1, 2], sigma[1, 2], omega[1, 2])
    for a, b in zip(whole, one, strict=True):
        assert_allclose(a[1, 2], b, rtol=1e-12, atol=1e-15)


def test_a_singular_omega_is_the_limit_of_regular_ones(stats):
    column = np.array([0.7, 0.0, 0.4])
    singular = np.tile(np.outer(column, column), (2, 1, 1))
    near = singular + np.diag([0.0, 0.0, 1e-10])
    found, limit = (family_components(stats, 5, MU, SIGMA, omega) for omega in (singular, near))
    assert_allclose(found.loglik, limit.loglik, atol=1e-7)
    assert_allclose(found.covariance, limit.covariance, atol=1e-7)
    zero = family_components(stats, 5, MU, SIGMA, 0.0 * singular)
    assert_allclose(zero.loglik, family_loglik(stats, MU, SIGMA), rtol=1e-12)
