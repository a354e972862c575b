"""The bound over all mixing distributions, the steepest direction, and the search that both serve."""

import numpy as np
import pytest

from em.bound import bound
from em.fit import fit_mixture
from em.likelihood import component_loglik, store_loglik
from em.mixture import MixtureParameters, Model, e_step
from em.regressions import anchors
from em.simulator import Truth, draw_prices, draw_stores, finite_mixture
from em.statistics import build
from em.steepest import ascend, rates


def panel(seed, truth, stores=60, weeks=20):
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(weeks), np.log(draw_prices(rng, weeks))])
    y = draw_stores(rng, truth, x, stores).y
    return build(np.repeat(np.arange(stores), weeks), np.tile(x, (stores, 1)), y.ravel(), stores)


SEGMENTS = finite_mixture(np.array([0.5, 0.3, 0.2]), np.array([[10.0, -1.0], [11.0, -2.0], [9.0, -1.5]]), np.ones(3))
CONTINUUM = Truth(np.ones(1), np.array([[10.0, -1.5]]), np.ones(1), np.array([[[0.3, -0.1], [-0.1, 0.2]]]))


@pytest.mark.parametrize("truth", [SEGMENTS, CONTINUUM], ids=["segments", "continuum"])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_number_of_segments_exceeds_the_bound_and_its_own_support_reaches_it(seed, truth):
    stats = panel(seed, truth)
    limit = bound(stats, fit_mixture(stats, 2, starts=10).parameters.theta)
    for k in range(1, 9):
        assert fit_mixture(stats, k, starts=10).log_likelihood <= limit.log_likelihood + 1e-9
    at_support = e_step(MixtureParameters(limit.weight, limit.theta, np.ones(limit.weight.size)), stats)[1]
    assert limit.slack < 1e-4
    assert float(at_support) == pytest.approx(limit.log_likelihood - limit.slack, abs=1e-7)
    assert limit.weight.sum() == pytest.approx(1.0, abs=1e-12)
    assert np.all(np.diff(limit.weight) <= 0.0)


def test_bound_agrees_with_weights_on_a_fine_grid():
    """With the intercept as the only coefficient the problem has one dimension, which a grid covers."""
    rng = np.random.default_rng(4)
    stores, weeks = 40, 5
    centre = rng.normal(0.0, 1.0, stores)
    y = centre[:, None] + rng.standard_normal((stores, weeks))
    stats = build(np.repeat(np.arange(stores), weeks), np.ones((stores * weeks, 1)), y.ravel(), stores)
    grid = np.linspace(y.mean(1).min(), y.mean(1).max(), 400)[:, None]
    density = component_loglik(stats, grid, np.ones(400))
    weight = np.full(400, 1.0 / 400)
    for _ in range(20_000):
        loglik = store_loglik(np.log(weight), density)
        weight = weight * np.exp(density - loglik[:, None]).mean(0)
        weight = np.maximum(weight, 1e-300)
    grid_value = store_loglik(np.log(weight), density).sum()
    limit = bound(stats, np.array([[0.0]]))
    assert limit.log_likelihood >= grid_value - 1e-9
    assert limit.log_likelihood - grid_value < 2e-3


def test_bound_of_stores_far_apart_is_each_store_on_its_own():
    rng = np.random.default_rng(5)
    stores, weeks = 6, 30
    x = np.column_stack([np.ones(weeks), np.log(draw_prices(rng, weeks))])
    theta = np.column_stack([20.0 * np.arange(stores), np.full(stores, -1.0)])
    y = theta @ x.T + rng.standard_normal((stores, weeks))
    stats = build(np.repeat(np.arange(stores), weeks), np.tile(x, (stores, 1)), y.ravel(), stores)
    own = np.diagonal(component_loglik(stats, stats.b, np.ones(stores))).sum() - stores * np.log(stores)
    limit = bound(stats, stats.b[:1])
    assert limit.log_likelihood == pytest.approx(own, abs=1e-4)
    assert limit.weight == pytest.approx(np.full(stores, 1.0 / stores), abs=1e-6)


def test_rate_is_the_derivative_of_the_likelihood_along_a_new_segment():
    stats = panel(2, SEGMENTS)
    fit = fit_mixture(stats, 2, starts=10)
    p = fit.parameters
    loglik = store_loglik(np.log(p.weight), component_loglik(stats, p.theta, p.sigma))
    point = np.array([[9.2, -1.4]])
    step = 1e-7
    grown = MixtureParameters(np.append((1.0 - step) * p.weight, step), np.concatenate([p.theta, point]), np.ones(3))
    difference = (float(e_step(grown, stats)[1]) - fit.log_likelihood) / step
    assert rates(stats, loglik, point, 1.0)[0][0] == pytest.approx(difference, rel=1e-4)
    assert np.abs(rates(stats, loglik, p.theta, 1.0)[0]).max() < 1e-5  # a segment of the optimum has slope zero


def test_ascents_of_the_rate_never_fall():
    stats = panel(3, CONTINUUM)
    fit = fit_mixture(stats, 2, starts=10)
    p = fit.parameters
    loglik = store_loglik(np.log(p.weight), component_loglik(stats, p.theta, p.sigma))
    theta = anchors(stats)
    value = rates(stats, loglik, theta, 1.0)[0]
    for _ in range(10):
        theta, ahead = ascend(stats, loglik, theta, 1.0, steps=1)
        assert np.all(ahead >= value - 1e-9 * np.maximum(1.0, np.abs(value)))
        value = ahead


@pytest.mark.parametrize("seed", range(3))
def test_more_segments_than_the_best_mixing_distribution_has_reach_the_bound(seed):
    """Where K is at least the number of support points, the search must end at the bound: nothing can be better."""
    stats = panel(seed, SEGMENTS, stores=40, weeks=10)
    limit = bound(stats, fit_mixture(stats, 2, starts=10).parameters.theta)
    k = int((limit.weight > 1e-6).sum()) + 1
    fit = fit_mixture(stats, k)
    assert fit.log_likelihood == pytest.approx(limit.log_likelihood, abs=2e-3)


def test_a_segment_of_one_store_is_set_aside_or_kept_from_infinity():
    """A store whose weeks lie on a line would let its own sigma fall to zero and the likelihood to infinity."""
    rng = np.random.default_rng(8)
    weeks, stores = 10, 30
    x = np.column_stack([np.ones(weeks), np.log(draw_prices(rng, weeks))])
    y = draw_stores(rng, SEGMENTS, x, stores).y
    y[0] = x @ np.array([12.0, -3.0])
    stats = build(np.repeat(np.arange(stores), weeks), np.tile(x, (stores, 1)), y.ravel(), stores)
    fit = fit_mixture(stats, 4, sigma="segment")
    assert np.isfinite(fit.log_likelihood)
    assert fit.parameters.sigma.min() >= fit.model.sigma_floor
    assert fit.starts_degenerate > 0
    if fit.parameters.sigma.min() > 1.001 * fit.model.sigma_floor:
        assert Model("segment").sigma == fit.model.sigma
    else:
        assert fit.warnings
