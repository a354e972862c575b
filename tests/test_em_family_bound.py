"""The bound over all mixing distributions, and panels drawn from a fit, of families: laws, limits, and a grid."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from odd_panels import odd_panels
from scipy import stats as distributions
from scipy.special import logsumexp

from em.bootstrap import draw_replicates, draw_statistics, likelihood_ratio_test
from em.bound import bound
from em.design_counts import by_value, count_designs
from em.families import FAMILIES
from em.families.family import log_density
from em.fit import fit_mixture
from em.likelihood import store_loglik
from em.mixture import MixtureParameters, e_step
from em.panel import statistics_of
from em.regressions import anchors, loglik_of_own, own_coefficients, segment_loglik
from em.simulator import Truth, finite_mixture, simulate_panel
from em.steepest import ascend, rates

X = np.column_stack([np.ones(12), np.linspace(0.0, 1.0, 12)])
THETA = np.array([[1.0, -1.0], [2.2, 0.0], [-0.5, 1.0]])
SEGMENTS = finite_mixture(np.array([0.5, 0.3, 0.2]), THETA, np.full(3, 0.5))
CONTINUUM = Truth(np.ones(1), THETA[:1], np.ones(1), np.diag([0.4, 0.2])[None])


def panel(name, truth=SEGMENTS, seed=0, stores=60):
    trials = 6.0 if name == "binomial" else 1.0
    return simulate_panel(np.random.default_rng(seed), FAMILIES[name], truth, X, stores, trials=trials).panel


@pytest.mark.parametrize(
    ("name", "truth"),
    [("poisson", SEGMENTS), ("poisson", CONTINUUM), ("binomial", SEGMENTS), ("bernoulli", CONTINUUM)],
    ids=["poisson-segments", "poisson-continuum", "binomial-segments", "bernoulli-continuum"],
)
def test_no_number_of_segments_exceeds_the_bound_and_its_own_support_reaches_it(name, truth):
    stats = statistics_of(panel(name, truth))
    limit = bound(stats, fit_mixture(stats, 2, starts=5).parameters.theta)
    for k in (1, 2, 3):
        assert fit_mixture(stats, k, starts=5).log_likelihood <= limit.log_likelihood + 1e-9
    at_support = e_step(MixtureParameters(limit.weight, limit.theta, np.ones(limit.weight.size)), stats)[1]
    assert limit.slack < 1e-4
    assert float(at_support) == pytest.approx(limit.log_likelihood - limit.slack, abs=1e-6)


def test_bound_agrees_with_weights_on_a_fine_grid():
    """With the intercept as the only coefficient the problem has one dimension, which a grid covers."""
    rng = np.random.default_rng(4)
    y = rng.poisson(np.exp(rng.normal(0.5, 0.7, (50, 1))), (50, 4)).astype(float)
    stats = count_designs(FAMILIES["poisson"], np.repeat(np.arange(50), 4), np.ones((200, 1)), y.ravel(), 50)
    grid = np.linspace(-3.0, 3.0, 300)[:, None]
    density = segment_loglik(stats, grid, np.ones(300))
    weight = np.full(300, 1.0 / 300)
    for _ in range(5000):
        loglik = store_loglik(np.log(weight), density)
        weight = np.maximum(weight * np.exp(density - loglik[:, None]).mean(0), 1e-300)
    on_grid = store_loglik(np.log(weight), density).sum()
    limit = bound(stats, np.array([[0.0]]))
    assert on_grid - 1e-9 <= limit.log_likelihood < on_grid + 2e-2


@pytest.mark.parametrize("name", ["exposures from 0.001 to a billion", "a million trials"])
def test_bound_of_stores_far_apart_is_hardly_above_each_on_its_own(name):
    stats = statistics_of(replace(odd_panels()[name], between=None))
    own = loglik_of_own(stats, own_coefficients(stats)).sum() - 30 * np.log(30)
    limit = bound(stats, anchors(stats)[:1])
    assert own - 1e-3 < limit.log_likelihood < own + 60.0


@pytest.mark.parametrize("name", FAMILIES)
def test_loglik_of_own_is_that_of_each_store(name):
    stats = statistics_of(panel(name, stores=9))
    theta = anchors(stats)
    whole = segment_loglik(stats, theta, np.ones(9))
    assert_allclose(loglik_of_own(stats, theta), np.diagonal(whole), rtol=1e-10)


@pytest.mark.parametrize("name", ["poisson", "binomial"])
def test_the_rate_is_a_derivative_and_ascents_never_fall(name):
    stats = statistics_of(panel(name))
    fit = fit_mixture(stats, 2, starts=5)
    p = fit.parameters
    loglik = store_loglik(np.log(p.weight), segment_loglik(stats, p.theta, p.sigma))
    point, step = np.array([[0.3, 0.2]]), 1e-7
    grown = MixtureParameters(np.append((1.0 - step) * p.weight, step), np.concatenate([p.theta, point]), np.ones(3))
    difference = (float(e_step(grown, stats)[1]) - fit.log_likelihood) / step
    assert rates(stats, loglik, point, 1.0).value[0] == pytest.approx(difference, rel=1e-4)
    theta, value = anchors(stats), rates(stats, loglik, anchors(stats), 1.0).value
    for _ in range(10):
        theta, ahead = ascend(stats, loglik, theta, 1.0, steps=1)
        assert np.all(ahead >= value - 1e-9 * np.maximum(1.0, np.abs(value)))
        value = ahead


def test_far_from_every_store_the_nearest_still_leads_the_way():
    stats = statistics_of(odd_panels()["counts of a billion"])
    far = np.array([[19.0, 0.0]])
    at = rates(stats, loglik_of_own(stats, own_coefficients(stats)), far, 1.0)
    component = segment_loglik(stats, far, np.ones(1))[:, 0] - loglik_of_own(stats, own_coefficients(stats))
    assert at.height[0] == pytest.approx(logsumexp(component))
    assert at.shares.max() > 0.5
    assert at.value[0] == pytest.approx(-30.0)


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "gaussian"])
def test_drawn_statistics_are_distributed_like_those_of_drawn_rows(name):
    family, exposure = FAMILIES[name], np.where(np.arange(12) % 3, 1.0, 4.0)
    how = {"exposure": exposure} if family.size == "exposure" else {"trials": exposure} if name == "binomial" else {}
    drawn = simulate_panel(np.random.default_rng(1), family, SEGMENTS, X, 3000, **how).panel
    rows = statistics_of(drawn)
    again = draw_statistics(np.random.default_rng(2), MixtureParameters(*SEGMENTS[:3]), rows)
    for kept in ("x", "offset", "store", "design", "n"):
        assert_array_equal(getattr(again, kept), getattr(rows, kept))
    assert_array_equal(by_value(again).sum(1), by_value(rows).sum(1))
    for sums in ("total", "squares"):
        one, other = (
            np.bincount(s.store, s.total, 3000) if sums == "total" else by_value(s) @ np.square(s.y)
            for s in (rows, again)
        )
        assert distributions.ks_2samp(one, other).pvalue > 1e-3
    # What depends on the dispersion alone belongs to the same responses as the totals.
    assert (again.count @ again.y[again.value]) == pytest.approx(again.total.sum())


def test_repeated_rows_of_a_cell_are_drawn_one_by_one():
    rng, store = np.random.default_rng(0), np.repeat(np.arange(200), 30)
    family = FAMILIES["negative-binomial"]
    y = family.draw(rng, np.full(store.size, 1.0), np.ones(1), np.log(0.8))
    stats = count_designs(family, store, np.ones((store.size, 1)), y, 200)
    assert stats.n.max() == 30.0
    params = MixtureParameters(np.ones(1), np.array([[1.0]]), np.array([0.8]))
    again = draw_statistics(rng, params, stats)
    values = np.repeat(again.y[again.value], again.count.astype(int))
    assert values.size == store.size
    assert values.var() == pytest.approx(np.e + 0.64 * np.e**2, rel=0.1)
    ones = np.ones(1)
    assert segment_loglik(again, params.theta, params.sigma).sum() == pytest.approx(
        log_density(family, values, ones, ones, np.log(0.8)).sum()
    )


def test_two_clear_segments_are_found_and_a_third_is_not():
    truth = finite_mixture(np.array([0.6, 0.4]), THETA[:2], np.ones(2))
    stats = statistics_of(panel("poisson", truth, stores=30))
    fits = [fit_mixture(stats, k, starts=10) for k in (1, 2, 3)]
    first = likelihood_ratio_test(fits[0], fits[1], list(draw_replicates(fits[0], stats, 4, jobs=1)))
    second = likelihood_ratio_test(fits[1], fits[2], list(draw_replicates(fits[1], stats, 4, jobs=1)))
    assert first.p_value == pytest.approx(1 / 5)
    assert second.p_value > 1 / 5


def test_panels_with_a_dispersion_are_drawn_and_fitted():
    one = finite_mixture(np.ones(1), THETA[:1], np.array([0.4]))
    stats = statistics_of(panel("negative-binomial", one, stores=20))
    found = list(draw_replicates(fit_mixture(stats, 1), stats, 3, seed=1, jobs=1))
    assert np.all(np.array(found) >= 0.0)
    assert max(found) < 20.0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["poisson", "bernoulli"])
def test_p_values_are_uniform_when_the_smaller_model_is_true(name):
    truth, p_values = finite_mixture(np.array([0.6, 0.4]), THETA[:2], np.ones(2)), []
    for seed in range(60):
        stats = statistics_of(panel(name, truth, seed=100 + seed, stores=50))
        two, three = fit_mixture(stats, 2), fit_mixture(stats, 3)
        p_values.append(likelihood_ratio_test(two, three, list(draw_replicates(two, stats, 39, seed=seed))).p_value)
    assert distributions.kstest(p_values, "uniform").pvalue > 0.01
