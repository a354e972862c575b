"""Store log-likelihoods from statistics against arithmetic on rows, covariances in full, and every labelling."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from oracles import (
    Rows,
    draw_rows,
    log_density_by_covariance,
    log_density_by_rows,
    log_likelihood_by_labels,
    mix,
    posterior,
)

from em.likelihood import component_loglik, membership, memberships_and_loglik, roots, store_loglik
from em.mixture import MixtureParameters, e_step
from em.statistics import build

SEEDS = st.integers(0, 2**32 - 1)


def statistics(rows):
    return build(rows.store, rows.x, rows.y, rows.n_stores)


def draw_parameters(rng, k, p, leading=()):
    """Weights, coefficients near those of `draw_rows`, sigmas, and covariances of full rank."""
    weight = rng.dirichlet(np.ones(k), leading)
    theta = rng.normal([10.0, -1.5, 0.5][:p], 1.0, (*leading, k, p))
    root = rng.normal(0.0, 0.7, (*leading, k, p, p))
    return weight, theta, rng.uniform(0.3, 2.0, (*leading, k)), root @ np.swapaxes(root, -1, -2)


@st.composite
def cases(draw):
    """Rows (some stores shorter than their coefficients, one perhaps without rows) and parameters."""
    rng = np.random.default_rng(draw(SEEDS))
    k, p = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    rows = draw_rows(rng, draw(st.integers(1, 6)), p=p, weeks=(1, draw(st.integers(1, 20))))
    return rows._replace(n_stores=rows.n_stores + draw(st.integers(0, 1))), *draw_parameters(rng, k, p)


@given(cases())
def test_a_mixture_is_its_rows_one_by_one(case):
    rows, weight, theta, sigma, _ = case
    density = log_density_by_rows(rows, theta, sigma)
    component = component_loglik(statistics(rows), theta, sigma)
    assert_allclose(component, density, rtol=1e-9)
    assert_allclose(store_loglik(np.log(weight), component), mix(weight, density), rtol=1e-9, atol=1e-11)
    assert_allclose(membership(np.log(weight), component), posterior(weight, density), rtol=1e-6, atol=1e-9)


@given(cases())
def test_a_continuum_is_its_full_covariance(case):
    rows, weight, mu, sigma, omega = case
    density = log_density_by_covariance(rows, mu, sigma, omega)
    component = component_loglik(statistics(rows), mu, sigma, omega)
    assert_allclose(component, density, rtol=1e-9, atol=1e-9)
    assert_allclose(store_loglik(np.log(weight), component), mix(weight, density), rtol=1e-9, atol=1e-9)


@given(cases())
def test_a_continuum_without_spread_is_a_mixture(case):
    rows, _, mu, sigma, omega = case
    stats = statistics(rows)
    none = component_loglik(stats, mu, sigma)
    assert_allclose(component_loglik(stats, mu, sigma, np.zeros_like(omega)), none, rtol=1e-9, atol=1e-11)
    away = [np.abs(component_loglik(stats, mu, sigma, scale * omega) - none).max() for scale in (1e-4, 1e-6, 1e-8)]
    for farther, nearer in itertools.pairwise(away):
        assert nearer <= 0.02 * farther + 1e-9, "the difference should vanish in proportion to Omega"


def test_a_singular_covariance_of_coefficients_is_allowed():
    rng = np.random.default_rng(4)
    rows = draw_rows(rng, 4)
    mu, sigma, omega = np.array([[10.0, -1.5]]), np.array([0.8]), np.array([[[0.5, 0.0], [0.0, 0.0]]])
    assert_allclose(
        component_loglik(statistics(rows), mu, sigma, omega),
        log_density_by_covariance(rows, mu, sigma, omega),
        rtol=1e-10,
    )


@pytest.mark.parametrize("continuum", [False, True], ids=["mixture", "continuum"])
def test_leading_axes_are_many_at_once(continuum):
    rng = np.random.default_rng(11)
    rows = draw_rows(rng, 5, p=3)
    stats = statistics(rows)
    weight, theta, sigma, omega = draw_parameters(rng, 3, 3, (4, 2))
    together = component_loglik(stats, theta, sigma, omega if continuum else None)
    shares, total = memberships_and_loglik(np.log(weight), together)
    assert (together.shape, shares.shape, total.shape) == ((4, 2, 5, 3), (4, 2, 5, 3), (4, 2, 5))
    for at in np.ndindex(4, 2):
        density = (
            log_density_by_covariance(rows, theta[at], sigma[at], omega[at])
            if continuum
            else log_density_by_rows(rows, theta[at], sigma[at])
        )
        assert_allclose(together[at], density, rtol=1e-9)
        assert_allclose(total[at], mix(weight[at], density), rtol=1e-9)
        assert_allclose(shares[at], posterior(weight[at], density), rtol=1e-6, atol=1e-9)


@given(SEEDS, st.integers(1, 3), st.integers(1, 6))
def test_the_panel_is_a_sum_over_all_labellings(seed, k, stores):
    rng = np.random.default_rng(seed)
    rows = draw_rows(rng, stores)
    weight, theta, sigma, _ = draw_parameters(rng, k, 2)
    _, loglik = e_step(MixtureParameters(weight, theta, sigma), statistics(rows))
    assert_allclose(loglik, log_likelihood_by_labels(weight, log_density_by_rows(rows, theta, sigma)), rtol=1e-9)


def test_weights_may_differ_between_stores():
    rng = np.random.default_rng(2)
    rows = draw_rows(rng, 5)
    _, theta, sigma, _ = draw_parameters(rng, 3, 2)
    weight = rng.dirichlet(np.ones(3), 5)
    density = log_density_by_rows(rows, theta, sigma)
    total = store_loglik(np.log(weight), component_loglik(statistics(rows), theta, sigma))
    assert_allclose(total, [mix(weight[i], density[i : i + 1])[0] for i in range(5)], rtol=1e-10)


def test_memberships_sum_to_one_and_a_segment_without_weight_has_no_store():
    rows = draw_rows(np.random.default_rng(7), 6)
    theta = np.array([[10.0, -1.5], [11.0, -1.0], [10.0, -1.5]])
    with np.errstate(divide="ignore"):
        log_weight = np.log([0.4, 0.6, 0.0])
    component = component_loglik(statistics(rows), theta, np.ones(3))
    shares, total = memberships_and_loglik(log_weight, component)
    assert_allclose(shares.sum(1), 1.0, rtol=1e-12)
    assert shares[:, 2].max() < 1e-300
    assert_allclose(total, store_loglik(log_weight[:2], component[:, :2]), rtol=1e-13)


def test_a_store_far_from_every_segment_keeps_its_membership():
    """Densities below the smallest double: the ratio of two of them is still what it is."""
    rows = Rows(np.zeros(60, int), np.ones((60, 1)), np.full(60, 100.0), 1)
    component = component_loglik(statistics(rows), np.array([[0.0], [0.001]]), np.ones(2))
    assert component.max() < -1e5
    assert_allclose(membership(np.log([0.5, 0.5]), component)[0, 1], 1.0 / (1.0 + np.exp(-60 * 0.0999995)), rtol=1e-6)


@given(SEEDS, st.integers(1, 3), st.booleans())
def test_roots_give_back_the_cross_products(seed, p, singular):
    x = np.random.default_rng(seed).normal(size=(4, 6, p))
    if singular:
        x[..., -1] = x[..., 0]
    xtx = np.swapaxes(x, 1, 2) @ x
    root = roots(xtx)
    assert_allclose(np.swapaxes(root, 1, 2) @ root, xtx, atol=1e-12 * np.abs(xtx).max())
