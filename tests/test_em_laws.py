"""Laws of EM and of maximum likelihood that must hold on any panel."""

from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import draw_rows, em_step, log_density_by_rows, mix, slope

from em.accelerate import newton, squarem
from em.fit import fit_mixture
from em.membership import logit_step
from em.mixture import MixtureParameters, Model, e_step, m_step
from em.panel import Panel
from em.regressions import anchors
from em.score import derivatives, n_free, pack, unpack
from em.starts import choose, em_steps, random_starts, search
from em.statistics import GaussianStatistics, build, concatenate, take

RULES = ("fixed", "common", "segment")


def statistics(rows):
    return build(rows.store, rows.x, rows.y, rows.n_stores)


class Problem(NamedTuple):
    """A random panel, what is free in its mixture, and several random places to start from."""

    stats: GaussianStatistics
    model: Model
    params: MixtureParameters


def draw_problem(seed, starts=3):
    """The sigma rule, common coefficients and traits go round with the seed; the rest is random."""
    rng = np.random.default_rng(seed)
    rule = RULES[seed % 3]
    k, p = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    stores = int(rng.integers(k + 3, 25))
    rows = draw_rows(
        rng, stores, k, p=p, weeks=(1, int(rng.integers(2, 30))), sigma=rng.uniform(0.1, 2.0), spread=rng.uniform(0, 3)
    )
    stats = statistics(rows)
    common = tuple(bool(c) for c in rng.random(p) < 0.4) if seed % 2 else ()
    traits = np.column_stack([np.ones(stores), rng.normal(size=stores)]) if seed % 5 == 0 else None
    model = Model(rule, common, 0.0 if rule == "fixed" else 0.02, traits)
    params = random_starts(rng, stats, k, model, starts, anchors(stats))
    return Problem(stats, model, params)


def assert_never_falls(path, stats):
    """To 1e-9 of the log-likelihood's size, which is that of n where it crosses zero (its zero depends on units)."""
    path = np.array(path)
    fall = path[:-1] - path[1:]
    assert np.all(fall <= 1e-9 * (np.abs(path[:-1]) + stats.n_observations)), f"log-likelihood fell by {fall.max()}"


def em_never_falls(seed, steps=12):
    stats, model, params = draw_problem(seed)
    path = []
    for _ in range(steps):
        responsibilities, loglik = e_step(params, stats, model.traits)
        path.append(loglik)
        params = m_step(stats, responsibilities, model, params)
    assert_never_falls([*path, e_step(params, stats, model.traits)[1]], stats)


@pytest.mark.parametrize("block", range(10))
def test_em_never_falls(block):
    for seed in range(30 * block, 30 * block + 30):
        em_never_falls(seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_em_never_falls_on_ten_thousand_problems(block):
    for seed in range(1000 + 500 * block, 1500 + 500 * block):
        em_never_falls(seed, steps=20)


def test_accelerated_em_never_falls():
    for seed in range(90):
        stats, model, params = draw_problem(seed)
        loglik = e_step(params, stats, model.traits)[1]
        path = [loglik]
        for _ in range(5):
            params, loglik = squarem(params, loglik, stats, model, 1)
            assert_allclose(e_step(params, stats, model.traits)[1], loglik, rtol=1e-12)
            path.append(loglik)
        assert_never_falls(path, stats)


def test_accelerated_em_gains_more_than_as_many_steps():
    """Three EM steps a cycle: on a slow problem (segments that overlap) the leaps must pay."""
    rows = draw_rows(np.random.default_rng(8), 60, 2, weeks=(6, 6), spread=0.35)
    stats, model = statistics(rows), Model()
    start = random_starts(np.random.default_rng(0), stats, 3, model, 8, anchors(stats))
    plain = em_steps(start, stats, model, 60)[1]
    leaping = squarem(start, e_step(start, stats)[1], stats, model, 20)[1]
    top = fit_mixture(stats, 3).log_likelihood
    assert np.median(top - leaping) < 1e-3 * np.median(top - plain)


def test_swaps_never_lose():
    for seed in range(30):
        stats, model, params = draw_problem(seed)
        loglik = e_step(params, stats, model.traits)[1]
        params, better = search(
            np.random.default_rng(seed), params, loglik, stats, model, anchors(stats), swaps=4, steps=3
        )
        assert np.all(better >= loglik)
        assert_allclose(e_step(params, stats, model.traits)[1], better, rtol=1e-12)


def test_the_finish_goes_up_to_where_the_score_vanishes():
    climbed = 0
    for seed in range(90):
        stats, model, params = draw_problem(seed, starts=1)
        start = choose(params, 0)
        end = newton(start, stats, model)
        assert end.log_likelihood >= float(e_step(start, stats, model.traits)[1]) * (1.0 + 1e-12)
        assert_allclose(e_step(end.parameters, stats, model.traits)[1], end.log_likelihood, rtol=1e-12)
        inside = model.sigma == "fixed" or end.parameters.sigma.min() > model.sigma_floor * 1.01
        if end.converged and end.identified and inside:
            at = derivatives(end.parameters, stats, model)
            assert np.sqrt(at.score @ np.linalg.solve(at.information, at.score)) < 1e-6
            climbed += 1
    assert climbed > 45, "too few problems with an optimum in the open to say anything"


@pytest.mark.parametrize("common", [(), (1,), (0, 2)], ids=["own", "slope common", "two common"])
@pytest.mark.parametrize("rule", RULES)
def test_one_step_is_that_of_the_rows(rule, common):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        rows = draw_rows(rng, 7, 3, p=3, weeks=(4, 12))
        weight, theta = rng.dirichlet(np.ones(3)), rng.normal([10.0, -1.5, 0.5], 1.0, (3, 3))
        theta[:, list(common)] = theta[0, list(common)]
        sigma = {"fixed": np.ones(3), "common": np.full(3, 0.7), "segment": rng.uniform(0.4, 1.5, 3)}[rule]
        model = Model(rule, tuple(c in common for c in range(3)) if common else ())
        before = MixtureParameters(weight, theta, sigma)
        responsibilities, loglik = e_step(before, statistics(rows))
        after = m_step(statistics(rows), responsibilities, model, before)
        expected = em_step(rows, weight, theta, sigma, rule, common)
        for found, value in zip((*after[:3], loglik), expected, strict=True):
            assert_allclose(found, value, rtol=1e-7, atol=1e-9)


def test_many_starts_take_the_steps_of_each():
    for seed in range(12):
        stats, model, params = draw_problem(seed)
        together, loglik = em_steps(params, stats, model, 4)
        for start in range(3):
            alone, value = em_steps(choose(params, start), stats, model, 4)
            assert_allclose(value, loglik[start], rtol=1e-10)
            assert_allclose(alone.theta, together.theta[start], rtol=1e-5, atol=1e-5)


def test_a_logit_step_goes_up_and_ends_where_the_score_vanishes():
    rng = np.random.default_rng(0)
    for k in (2, 3, 4):
        traits = np.column_stack([np.ones(80), rng.normal(size=(80, 2))])
        responsibilities = rng.dirichlet(np.full(k, 0.4), 80)

        def expected_log_prior(gamma, traits=traits, responsibilities=responsibilities):
            scores = traits @ gamma.T
            return float((responsibilities * (scores - np.logaddexp.reduce(scores, 1)[:, None])).sum())

        # From far away a whole Newton step would overshoot; from nowhere it starts at the average shares.
        far = np.vstack([np.zeros(3), rng.normal(0.0, 4.0, (k - 1, 3))])
        for gamma in (far, None):
            value = -np.inf if gamma is None else expected_log_prior(gamma)
            for _ in range(60):
                gamma = logit_step(traits, responsibilities, gamma)
                assert expected_log_prior(gamma) >= value - 1e-9
                value = expected_log_prior(gamma)
        assert not gamma[0].any()
        flat = slope(lambda free, k=k: expected_log_prior(np.vstack([np.zeros(3), free.reshape(k - 1, 3)])),
                     gamma[1:].ravel())  # fmt: skip
        assert_allclose(flat, 0.0, atol=1e-5)


@pytest.mark.parametrize("seed", range(30))
def test_derivatives_are_those_of_the_log_likelihood(seed):
    stats, model, starts = draw_problem(seed, starts=1)
    k, p = starts.theta.shape[1:]
    rng = np.random.default_rng(seed)
    model = model._replace(sigma_floor=0.0)
    free = pack(choose(em_steps(starts, stats, model, 2)[0], 0), model)
    free = free + 0.05 * rng.standard_normal(free.size)
    assert free.size == n_free(k, p, model)
    assert_allclose(pack(unpack(free, k, p, model), model), free, rtol=1e-9, atol=1e-9)

    def loglik(at):
        return float(e_step(unpack(at, k, p, model), stats, model.traits)[1])

    at = derivatives(unpack(free, k, p, model), stats, model)
    size = np.abs(np.diagonal(at.information)).max()
    assert_allclose(at.log_likelihood, loglik(free), rtol=1e-12)
    assert_allclose(at.score, slope(loglik, free), rtol=1e-5, atol=1e-6 * np.sqrt(size) + 1e-8 * abs(loglik(free)))
    hessian = slope(lambda value: derivatives(unpack(value, k, p, model), stats, model).score, free)
    assert_allclose(at.information, -hessian, rtol=1e-5, atol=1e-6 * size)
    assert_allclose(at.information, at.information.T, rtol=1e-12, atol=1e-10 * size)
    outer = np.zeros_like(at.outer)
    for store in range(stats.n_stores):
        of_store = model._replace(traits=None if model.traits is None else model.traits[[store]])
        own = derivatives(unpack(free, k, p, model), take(stats, np.array([store])), of_store).score
        outer += np.outer(own, own)
    assert_allclose(at.outer, outer, rtol=1e-8, atol=1e-9 * np.abs(outer).max())


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("p", [1, 2, 3])
def test_one_segment_is_least_squares(rule, p):
    rows = draw_rows(np.random.default_rng(p), 12, 3, p=p)
    fit = fit_mixture(statistics(rows), 1, sigma=rule)
    theta = np.linalg.lstsq(rows.x, rows.y)[0]
    residual = rows.y - rows.x @ theta
    sigma = 1.0 if rule == "fixed" else np.sqrt(np.mean(residual**2))
    assert_allclose(fit.parameters.theta[0], theta, rtol=1e-10)
    assert_allclose(fit.parameters.sigma, [sigma], rtol=1e-10)
    loglik = -0.5 * np.sum(residual**2) / sigma**2 - rows.y.size * (np.log(sigma) + 0.5 * np.log(2 * np.pi))
    assert_allclose(fit.log_likelihood, loglik, rtol=1e-12)
    covariance = sigma**2 * np.linalg.inv(rows.x.T @ rows.x)
    assert_allclose(fit.standard_errors.theta[0], np.sqrt(np.diagonal(covariance)), rtol=1e-8)
    if rule != "fixed":
        assert_allclose(fit.standard_errors.sigma, sigma / np.sqrt(2.0 * rows.y.size), rtol=1e-8)


# Three segments well apart, so that every search ends in one place and fits can be compared to many digits.
APART = draw_rows(np.random.default_rng(21), 40, 3, p=2, weeks=(8, 20), sigma=0.6, spread=2.0)


def fit(rows, k=3, rule="segment", seed=0, starts=6):
    return fit_mixture(statistics(rows), k, sigma=rule, starts=starts, seed=seed)


def assert_same_fit(one, other, rtol=1e-6):
    assert_allclose(one.log_likelihood, other.log_likelihood, rtol=1e-10)
    for name in ("weight", "theta", "sigma"):
        assert_allclose(getattr(one.parameters, name), getattr(other.parameters, name), rtol=rtol, atol=1e-8)


@pytest.mark.parametrize("rule", RULES)
def test_the_solution_is_a_maximum(rule):
    best = fit(APART, rule=rule)
    assert best.converged
    assert best.warnings == () or rule == "fixed"
    density = log_density_by_rows(APART, best.parameters.theta, best.parameters.sigma)
    assert_allclose(best.log_likelihood, mix(best.parameters.weight, density).sum(), rtol=1e-11)
    at = derivatives(best.parameters, statistics(APART), best.model)
    scale = np.sqrt(np.diagonal(at.information))
    assert np.abs(at.score / scale).max() < 1e-6
    assert np.linalg.eigvalsh(at.information / scale / scale[:, None])[0] > 0.0
    again = m_step(statistics(APART), best.memberships, best.model, best.parameters)
    for name in ("weight", "theta", "sigma"):
        assert_allclose(getattr(again, name), getattr(best.parameters, name), rtol=1e-7)


def test_segments_stand_in_falling_order():
    assert np.all(np.diff(fit(APART).parameters.weight) <= 0.0)
    assert_allclose(fit(APART).memberships.mean(0), fit(APART).parameters.weight, rtol=1e-7)


def test_labels_mean_nothing():
    best = fit(APART)
    stats, order = statistics(APART), np.array([2, 0, 1])
    responsibilities, loglik = e_step(choose(best.parameters, order), stats)
    assert_allclose(loglik, best.log_likelihood, rtol=1e-12)
    assert_allclose(responsibilities, best.memberships[:, order], rtol=1e-9, atol=1e-12)
    assert_same_fit(fit_mixture(stats, 3, sigma="segment", starts=6, also=[choose(best.parameters, order)]), best)


@pytest.mark.parametrize("rule", RULES)
def test_the_order_of_stores_and_weeks_means_nothing(rule):
    rng = np.random.default_rng(1)
    order = rng.permutation(APART.n_stores)
    shuffled = APART._replace(store=np.argsort(order)[APART.store]).taken(rng.permutation(APART.y.size))
    one, other = fit(APART, rule=rule), fit(shuffled, rule=rule)
    assert_same_fit(one, other)
    assert_allclose(other.memberships, one.memberships[order], atol=1e-6)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("c", [100.0, 0.01])
def test_prices_in_other_units_move_the_intercepts(rule, c):
    x = APART.x.copy()
    x[:, 1] += np.log(c)
    one, other = fit(APART, rule=rule), fit(APART._replace(x=x), rule=rule)
    theta = one.parameters.theta
    moved = np.column_stack([theta[:, 0] - theta[:, 1] * np.log(c), theta[:, 1]])
    assert_allclose(other.parameters.theta, moved, rtol=1e-6)
    assert_allclose(other.log_likelihood, one.log_likelihood, rtol=1e-10)
    assert_allclose(other.standard_errors.theta[:, 1], one.standard_errors.theta[:, 1], rtol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_sales_in_other_units_move_the_intercepts(rule):
    one, other = fit(APART, rule=rule), fit(APART._replace(y=APART.y + np.log(1000.0)), rule=rule)
    assert_allclose(other.parameters.theta, one.parameters.theta + np.array([np.log(1000.0), 0.0]), rtol=1e-6)
    assert_allclose(other.parameters.sigma, one.parameters.sigma, rtol=1e-7)
    assert_allclose(other.log_likelihood, one.log_likelihood, rtol=1e-10)


def test_scaled_log_sales_scale_everything_but_the_weights():
    one, other = fit(APART), fit(APART._replace(y=3.0 * APART.y))
    assert_allclose(other.parameters.theta, 3.0 * one.parameters.theta, rtol=1e-6)
    assert_allclose(other.parameters.sigma, 3.0 * one.parameters.sigma, rtol=1e-6)
    assert_allclose(other.parameters.weight, one.parameters.weight, rtol=1e-6)
    assert_allclose(other.log_likelihood, one.log_likelihood - APART.y.size * np.log(3.0), rtol=1e-10)


@pytest.mark.parametrize("rule", RULES)
def test_every_store_twice_doubles_the_log_likelihood(rule):
    stats = statistics(APART)
    one = fit_mixture(stats, 3, sigma=rule, starts=6)
    twice = fit_mixture(concatenate([stats, stats]), 3, sigma=rule, starts=6)
    assert_allclose(twice.log_likelihood, 2.0 * one.log_likelihood, rtol=1e-10)
    assert_allclose(twice.parameters.theta, one.parameters.theta, rtol=1e-6)
    assert_allclose(twice.standard_errors.theta, one.standard_errors.theta / np.sqrt(2.0), rtol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_more_segments_never_fit_worse(rule):
    rows = draw_rows(np.random.default_rng(5), 30, 4, weeks=(8, 15), spread=1.5)
    path = [fit_mixture(statistics(rows), k, sigma=rule, starts=15).log_likelihood for k in range(1, 6)]
    assert np.all(np.diff(path) > -1e-6)


def test_the_same_seed_gives_the_same_fit():
    """To the last bit and the same story, on a panel whose segments overlap so that searches differ; others agree."""
    rows = draw_rows(np.random.default_rng(5), 40, 2, weeks=(6, 9), spread=0.5)
    one, other, third = (fit(rows, seed=seed, starts=4) for seed in (3, 3, 4))
    for name in ("log_likelihood", "iterations", "starts_at_best", "converged", "warnings"):
        assert getattr(one, name) == getattr(other, name)
    assert_array_equal(one.parameters.theta, other.parameters.theta)
    assert_array_equal(one.memberships, other.memberships)
    assert np.any(one.parameters.theta != third.parameters.theta)
    assert_same_fit(fit(APART, seed=4), fit(APART, seed=3))


def test_as_many_segments_as_stores():
    theta = np.array([[8.0, -1.0], [12.0, -1.0], [16.0, -1.0], [20.0, -1.0]])
    rows = draw_rows(np.random.default_rng(3), 4, weeks=(12, 12))
    rows = rows._replace(y=np.einsum("rp,rp->r", rows.x, theta[rows.store]) + np.sin(np.arange(48)))
    best = fit_mixture(statistics(rows), 4, starts=10)
    own = np.array([np.linalg.lstsq(*rows.of(i))[0] for i in range(4)])
    assert_allclose(best.parameters.weight, 0.25, atol=1e-6)
    assert_allclose(best.parameters.theta[np.argsort(best.parameters.theta[:, 0])], own, rtol=1e-5)


def without_error_in_one_store(seed, theta):
    """A panel with a store whose weeks lie on a line, which alone in a segment makes the likelihood infinite."""
    rows = draw_rows(np.random.default_rng(seed), 40, 2, weeks=(10, 10), spread=2.0, sigma=0.5)
    rows.y[rows.store == 0] = rows.x[rows.store == 0] @ np.array(theta)
    return statistics(rows)


def test_a_degenerate_start_is_set_aside_and_counted():
    best = fit_mixture(without_error_in_one_store(14, [8.7, 0.0]), 3, sigma="segment")
    assert best.parameters.sigma.min() > 0.1
    assert 0 < best.starts_degenerate < 50
    assert best.warnings == ()


def test_an_estimated_sigma_stays_above_its_bound_and_one_at_the_bound_is_told():
    best = fit_mixture(without_error_in_one_store(10, [14.0, -3.0]), 3, sigma="segment", starts=10)
    assert np.isfinite(best.log_likelihood)
    assert best.parameters.sigma.min() >= best.model.sigma_floor > 0.0
    if best.parameters.sigma.min() < 0.1:
        assert any("lower bound" in reason for reason in best.warnings)


def test_a_small_segment_stays():
    rng = np.random.default_rng(12)
    theta = np.where(np.arange(50)[:, None] < 2, [14.0, -2.0], [10.0, -1.0])
    store = np.repeat(np.arange(50), 30)
    x = np.column_stack([np.ones(1500), rng.uniform(0.2, 2.0, 1500)])
    y = np.einsum("rp,rp->r", x, theta[store]) + rng.standard_normal(1500)
    best = fit_mixture(build(store, x, y, 50), 2, starts=10)
    assert_allclose(best.parameters.weight, [0.96, 0.04], atol=1e-3)
    assert_array_equal(np.flatnonzero(best.segment == 2), [0, 1])
    assert best.criteria.smallest_segment == pytest.approx(0.04, abs=1e-3)


def test_common_coefficients_are_the_same_in_all_segments():
    rows = draw_rows(np.random.default_rng(31), 30, 3, p=3, weeks=(8, 20), sigma=0.6, spread=2.0)
    stats = statistics(rows)
    free = fit_mixture(stats, 3, sigma="segment", starts=6)
    held = fit_mixture(stats, 3, sigma="segment", starts=6, common=["log_price"])
    assert np.ptp(held.parameters.theta[:, 1]) == 0.0
    assert np.ptp(held.parameters.theta[:, 2]) > 0.0
    assert held.n_parameters == free.n_parameters - 2
    assert held.log_likelihood < free.log_likelihood
    everything = fit_mixture(stats, 3, starts=6, common=["intercept", "log_price", "x2"])
    assert_allclose(everything.log_likelihood, fit_mixture(stats, 1).log_likelihood, rtol=1e-10)


def panel_with_traits(rng, stores=150):
    size = rng.normal(size=stores)
    second = rng.random(stores) < 1.0 / (1.0 + np.exp(-(-0.5 + 1.5 * size)))
    store = np.repeat(np.arange(stores), 15)
    x = np.column_stack([np.ones(store.size), rng.uniform(0.2, 2.0, store.size)])
    theta = np.where(second[:, None], [12.0, -2.5], [10.0, -1.0])
    y = np.einsum("rp,rp->r", x, theta[store]) + rng.standard_normal(store.size)
    return Panel(
        stores=tuple(f"s{i}" for i in range(stores)), weeks=tuple(map(str, range(15))),
        coefficients=("intercept", "log_price"), store=store, week=np.tile(np.arange(15), stores), x=x, y=y,
        file="", sha256="", traits=np.column_stack([np.ones(stores), size]), trait_names=("intercept", "size"),
    )  # fmt: skip


def test_covariates_of_membership_are_recovered_and_nest_the_plain_mixture():
    panel = panel_with_traits(np.random.default_rng(17))
    with_traits = fit_mixture(panel, 2, starts=6)
    plain = fit_mixture(build(panel.store, panel.x, panel.y, 150), 2, starts=6)
    assert with_traits.log_likelihood > plain.log_likelihood + 10.0
    assert with_traits.n_parameters == plain.n_parameters + 1
    gamma, errors = with_traits.parameters.gamma, with_traits.standard_errors.gamma
    assert not gamma[0].any()
    sign = 1.0 if with_traits.parameters.theta[1, 0] > 11.0 else -1.0
    assert np.all(np.abs(gamma[1] - sign * np.array([-0.5, 1.5])) < 4.0 * errors[1])
    assert with_traits.converged
    assert with_traits.parameters.weight.sum() == pytest.approx(1.0)
    assert_allclose(with_traits.parameters.weight, with_traits.memberships.mean(0), rtol=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_the_first_segment_is_the_base_of_membership(seed):
    """Also where the search had another one for its base."""
    fit = fit_mixture(panel_with_traits(np.random.default_rng(seed), stores=60), 2, starts=3, seed=seed)
    assert fit.parameters.weight[0] >= fit.parameters.weight[1]
    assert not fit.parameters.gamma[0].any()
    assert not fit.standard_errors.gamma[0].any()
