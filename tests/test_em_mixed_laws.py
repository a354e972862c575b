"""Laws of the mixed model: derivatives, EM, rows in full, order, units, limits, and panels that say little."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from oracles import Rows, draw_rows, log_density_by_covariance, slope
from scipy.optimize import minimize

from em.conditional import store_coefficients
from em.covariance_rank import best_covariance
from em.designs import distinct_designs, project, sum_by_design
from em.errors import InputError
from em.fit import fit_mixture
from em.mixed_em import Normals, ecme_step
from em.mixed_model import fit_mixed_model, store_log_likelihoods
from em.simulator import Truth, draw_prices, draw_stores
from em.statistics import build, merge, take
from em.variance_slice import Slice, evaluate, lower_triangle

NAMES = ("intercept", "log_price", "x2")
SUBSETS = [(), (0,), (1,), (0, 1), (0, 2), (0, 1, 2)]
seeds = st.integers(0, 10_000)


def panel(seed, *, stores=12, p=2, weeks=(2, 9), own_prices=True, spread=0.6, sigma=0.7):
    """Rows whose stores differ in all coefficients."""
    rng = np.random.default_rng(seed)
    rows = draw_rows(rng, stores, 1, p=p, weeks=weeks, sigma=sigma, own_prices=own_prices)
    own = spread * rng.standard_normal((stores, p))
    return rows._replace(y=rows.y + np.einsum("rp,rp->r", rows.x, own[rows.store]))


def statistics(rows):
    return build(rows.store, rows.x, rows.y, rows.n_stores)


def whole(stats):
    return sum_by_design(project(stats), np.ones((stats.n_stores, 1)))


def slice_of(random, *, reml=False, log_sigma=None):
    q = len(random)
    return Slice(np.array(random, dtype=np.intp), np.zeros((q, q)), lower_triangle(q, q), log_sigma, reml)


@settings(max_examples=40)
@given(seeds, st.sampled_from(SUBSETS), st.booleans(), st.booleans(), st.booleans())
def test_score_and_information_are_derivatives(seed, random, reml, own_prices, sigma_free):
    sums = whole(statistics(panel(seed, p=3, own_prices=own_prices)))
    part = slice_of(random, reml=reml, log_sigma=None if sigma_free else 0.1)
    free = 0.5 * np.random.default_rng(seed).standard_normal(len(part.basis) + sigma_free)
    at = evaluate(part, sums, free)
    size = max(1.0, float(np.abs(at.information).max(initial=0.0)))
    if free.size:
        numeric = slope(lambda place: evaluate(part, sums, place).value, free, 1e-5)
        assert_allclose(at.score, numeric, atol=1e-6 * size)
        by_score = slope(lambda place: evaluate(part, sums, place).score, free, 1e-5)
        assert_allclose(at.information, -by_score, atol=1e-6 * size)


@settings(max_examples=30)
@given(seeds, st.sampled_from(SUBSETS), st.booleans(), st.booleans(), st.booleans())
def test_no_step_of_em_loses_likelihood(seed, random, reml, own_prices, sigma_free):
    sums = whole(statistics(panel(seed, p=3, own_prices=own_prices)))
    rng = np.random.default_rng(seed)
    q = len(random)
    now = Normals(np.zeros((1, 3)), rng.standard_normal((1, q, q)), np.exp(rng.standard_normal(1)))
    values = []
    for _ in range(25):
        now, value = ecme_step(
            sums, now, np.array(random, dtype=np.intp), lowest_v=1e-6 if sigma_free else None, restricted=reml
        )
        values.append(float(value[0]))
        if q:
            assert np.linalg.eigvalsh(now.root[0] @ now.root[0].T)[0] > -1e-12
    assert np.all(np.diff(values) > -1e-9 * abs(values[0]))


def test_newton_ends_where_em_ends():
    stats = statistics(panel(3, stores=40, weeks=(8, 12)))
    fit = fit_mixed_model(stats, sigma="common")
    now = Normals(np.zeros((1, 2)), np.eye(2)[None], np.ones(1))
    for _ in range(3000):
        now, value = ecme_step(whole(stats), now, np.array([0, 1]), lowest_v=1e-6)
    assert fit.log_likelihood == pytest.approx(float(value[0]), abs=1e-8)
    assert_allclose(now.root[0] @ now.root[0].T, fit.parameters.omega, rtol=1e-4)


def test_a_direction_that_gains_is_opened_even_from_no_variance_at_all():
    """Omega = 0 is a stationary point of its root; only the condition on its null space tells it from a maximum."""
    stats = statistics(panel(3, stores=40, weeks=(8, 12)))
    fit = fit_mixed_model(stats, sigma="common")
    nothing = best_covariance(slice_of((0, 1)), whole(stats), np.zeros((2, 2)), 0.0, -np.inf)
    assert nothing.rank == fit.summit.rank
    assert nothing.summit.point.value == pytest.approx(fit.log_likelihood, abs=1e-8)


@pytest.mark.parametrize("random", [["intercept"], ["log_price"], ["intercept", "log_price"]])
@pytest.mark.parametrize("sigma", ["fixed", "common"])
def test_the_likelihood_is_that_of_all_rows_and_nothing_beats_it(random, sigma):
    rows = panel(7, stores=15, weeks=(3, 8), sigma=1.0)
    fit = fit_mixed_model(statistics(rows), random=random, sigma=sigma)
    p = fit.parameters
    by_rows = log_density_by_covariance(rows, p.mu[None], [p.sigma], p.omega[None])
    assert fit.log_likelihood == pytest.approx(by_rows.sum(), abs=1e-9)
    columns, q = fit.random_columns, len(random)
    lower = np.tril_indices(q)

    def minus(free):
        root, omega = np.zeros((q, q)), np.zeros((2, 2))
        root[lower] = free[2 : 2 + lower[0].size]
        omega[np.ix_(columns, columns)] = root @ root.T
        scale = np.exp(free[-1]) if sigma == "common" else 1.0
        return -log_density_by_covariance(rows, free[None, :2], [scale], omega[None]).sum()

    start = np.concatenate([[10.0, -1.5], np.eye(q)[lower], [0.0] * (sigma == "common")])
    best = minimize(minus, start, method="BFGS", options={"gtol": 1e-4})
    assert fit.log_likelihood == pytest.approx(-best.fun, abs=1e-5)


def test_reml_is_the_likelihood_with_the_means_integrated_out():
    rows = panel(11, stores=6, weeks=(3, 5))
    fit = fit_mixed_model(statistics(rows), sigma="common", reml=True)
    p = fit.parameters
    n = rows.y.size
    covariance = p.sigma**2 * np.eye(n)
    same = rows.store[:, None] == rows.store[None, :]
    covariance += same * (rows.x @ p.omega @ rows.x.T)
    solved = np.linalg.solve(covariance, np.column_stack([rows.x, rows.y]))
    gram = rows.x.T @ solved[:, :2]
    residual = rows.y - rows.x @ np.linalg.solve(gram, rows.x.T @ solved[:, 2])
    dets = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(gram)[1]
    by_rows = -0.5 * ((n - 2) * np.log(2.0 * np.pi) + dets + residual @ np.linalg.solve(covariance, residual))
    assert fit.restricted_log_likelihood == pytest.approx(by_rows, abs=1e-8)
    assert_allclose(fit.mu_covariance, np.linalg.inv(gram), rtol=1e-7)
    assert fit.restricted_log_likelihood > by_rows - 1e-8
    assert fit.log_likelihood < fit_mixed_model(statistics(rows), sigma="common").log_likelihood


@settings(max_examples=20)
@given(seeds, st.booleans(), st.booleans())
def test_order_of_stores_and_parts_of_their_weeks_do_not_matter(seed, own_prices, reml):
    rows = panel(seed, stores=10, p=3, own_prices=own_prices, weeks=(4, 9))
    stats = statistics(rows)
    fit = fit_mixed_model(stats, sigma="common", reml=reml)
    order = np.random.default_rng(seed).permutation(10)
    turned = fit_mixed_model(take(stats, order), sigma="common", reml=reml)
    first = np.random.default_rng(seed).random(rows.y.size) < 0.5
    parts = [statistics(rows.taken(np.flatnonzero(part))) for part in (first, ~first)]
    merged = fit_mixed_model(merge(*parts), sigma="common", reml=reml)
    for other in (turned, merged):
        assert other.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-6)
        assert_allclose(other.parameters.mu, fit.parameters.mu, atol=1e-4)
    assert_allclose(turned.modes.theta, fit.modes.theta[order], atol=1e-4)


@settings(max_examples=20)
@given(seeds, st.booleans())
def test_units_of_sales_and_prices_do_not_matter(seed, reml):
    """Sales in other units shift log sales; prices in other units shift log price and so mix the coefficients."""
    rows = panel(seed, stores=14, weeks=(5, 9))
    fit = fit_mixed_model(statistics(rows), sigma="common", reml=reml)
    shifted = fit_mixed_model(statistics(rows._replace(y=rows.y + 3.0)), sigma="common", reml=reml)
    assert shifted.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-7)
    assert_allclose(shifted.parameters.mu, fit.parameters.mu + np.array([3.0, 0.0]), atol=1e-4)
    turn = np.array([[1.0, 4.6], [0.0, 1.0]])
    cents = fit_mixed_model(statistics(rows._replace(x=rows.x @ turn)), sigma="common", reml=reml)
    back = turn @ cents.parameters.omega @ turn.T
    assert cents.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-6)
    assert_allclose(turn @ cents.parameters.mu, fit.parameters.mu, atol=1e-4)
    assert_allclose(back, fit.parameters.omega, atol=1e-3 * np.abs(fit.parameters.omega).max())
    assert cents.singular == fit.singular or fit.singular == () == cents.singular or len(cents.singular) == 1
    # Log sales in other units of the logarithm: a Jacobian, and every coefficient with them.
    scaled = fit_mixed_model(statistics(rows._replace(y=rows.y * 10.0)), sigma="common", reml=reml)
    rows_of = rows.y.size - (2 if reml else 0)
    change = (scaled.restricted_log_likelihood or scaled.log_likelihood) - (
        fit.restricted_log_likelihood or fit.log_likelihood
    )
    assert change == pytest.approx(-rows_of * np.log(10.0), abs=1e-6)
    assert_allclose(
        scaled.parameters.omega, 100.0 * fit.parameters.omega, atol=0.1 * np.abs(fit.parameters.omega).max()
    )


def test_without_random_coefficients_it_is_the_mixture_with_one_segment():
    stats = statistics(panel(5, p=3))
    for rule in ("fixed", "common"):
        ours, theirs = fit_mixed_model(stats, random=(), sigma=rule), fit_mixture(stats, 1, sigma=rule)
        assert ours.log_likelihood == pytest.approx(theirs.log_likelihood, abs=1e-9)
        assert_allclose(ours.parameters.mu, theirs.parameters.theta[0], atol=1e-9)
        assert ours.n_parameters == theirs.n_parameters
        assert ours.criteria.bic == pytest.approx(theirs.criteria.bic, abs=1e-8)
        assert_allclose(ours.modes.theta, np.broadcast_to(ours.parameters.mu, (12, 3)))
        assert np.all(ours.modes.pooling == 1.0)


@settings(max_examples=15)
@given(seeds)
def test_a_larger_model_is_never_worse(seed):
    stats = statistics(panel(seed, stores=10, p=3, weeks=(3, 8)))
    values = {
        subset: fit_mixed_model(stats, random=[NAMES[a] for a in subset], sigma="common").log_likelihood
        for subset in SUBSETS
    }
    for smaller, low in values.items():
        for larger, high in values.items():
            if set(smaller) <= set(larger):
                assert high > low - 1e-6, (smaller, larger)


@settings(max_examples=20)
@given(seeds, st.booleans())
def test_modes_are_those_of_a_ridge_and_pooling_falls_with_weeks(seed, own_prices):
    rows = panel(seed, stores=8, p=3, own_prices=own_prices, weeks=(4, 12))
    stats = statistics(rows)
    fit = fit_mixed_model(stats, random=["intercept", "x2"], sigma="common")
    mu, omega, sigma = fit.parameters
    for store in range(8):
        x, y = rows.of(store)
        v = sigma**2 * np.eye(len(y)) + x @ omega @ x.T
        gain = omega @ x.T @ np.linalg.inv(v)
        assert_allclose(fit.modes.theta[store], mu + gain @ (y - x @ mu), atol=1e-7)
        assert_allclose(fit.modes.covariance[store], omega - gain @ x @ omega, atol=1e-8 + 1e-8 * omega.max())
    assert np.all((fit.modes.pooling >= 0.0) & (fit.modes.pooling <= 1.0))
    assert np.all(fit.modes.pooling[:, 1] == 1.0)
    # Twice the weeks leave less open.
    twice = merge(stats, stats)
    more = store_coefficients(twice, mu[None], np.array([sigma]), omega[None])[1][:, 0]
    assert np.all(np.trace(more - fit.modes.covariance, axis1=1, axis2=2) <= 1e-12)


def test_designs_are_told_apart_by_their_cross_products():
    for own_prices, expected in ((False, 1), (True, 12)):
        stats = statistics(panel(2, own_prices=own_prices, weeks=(5, 9)))
        distinct, index = distinct_designs(stats)
        assert len(distinct) == expected
        assert np.array_equal(distinct[index], stats.xtx)
    mixed = take(statistics(panel(2, weeks=(5, 9))), np.array([3, 0, 3, 1, 0]))
    distinct, index = distinct_designs(mixed)
    assert len(distinct) == 3
    assert np.array_equal(distinct[index], mixed.xtx)
    sums, alone = whole(mixed), fit_mixed_model(mixed, sigma="common")
    assert sums.weight.sum() == 5.0
    apart = mixed._replace(xtx=mixed.xtx * (1.0 + 1e-13 * np.arange(5))[:, None, None])
    assert fit_mixed_model(apart, sigma="common").log_likelihood == pytest.approx(alone.log_likelihood, abs=1e-8)


def only(rows, keep):
    """Some stores' rows, stores numbered anew."""
    mine = np.isin(rows.store, keep)
    return Rows(np.searchsorted(keep, rows.store[mine]), rows.x[mine], rows.y[mine], len(keep))


@pytest.mark.parametrize("reml", [False, True])
def test_one_store_has_no_variance_between_stores(reml):
    fit = fit_mixed_model(statistics(only(panel(1, weeks=(9, 9)), [4])), sigma="common", reml=reml)
    assert fit.converged
    if reml:
        # With the mean integrated out one store says nothing at all about Omega.
        assert any("do not identify" in reason for reason in fit.warnings)
    else:
        assert fit.singular == (
            "the variance of intercept between stores is zero",
            "the variance of log_price between stores is zero",
        )


def test_stores_with_one_week_or_a_constant_price_are_uninformative_and_no_error():
    rows = panel(9, stores=20, weeks=(6, 9))
    x = rows.x.copy()
    for store in range(5):
        x[rows.store == store, 1] = 0.7
    keep = np.concatenate(
        [np.flatnonzero(rows.store < 15), [np.flatnonzero(rows.store == s)[0] for s in range(15, 20)]]
    )
    small = Rows(rows.store, x, rows.y, 20).taken(np.sort(keep))
    fit = fit_mixed_model(statistics(small), sigma="common")
    p = fit.parameters
    assert fit.converged
    assert fit.warnings == ()
    by_rows = log_density_by_covariance(small, p.mu[None], [p.sigma], p.omega[None])
    assert fit.log_likelihood == pytest.approx(by_rows.sum(), abs=1e-8)
    assert fit.modes.pooling[15:].mean() > fit.modes.pooling[5:15].mean()


def test_one_week_for_each_store_cannot_tell_sigma_from_a_random_intercept():
    fit = fit_mixed_model(statistics(panel(4, stores=30, weeks=(1, 1))), random=["intercept"], sigma="common")
    assert any("do not identify" in reason for reason in fit.warnings)


def test_sales_without_error_are_refused_or_stop_at_the_floor():
    rows = panel(4, stores=10, weeks=(5, 6), spread=0.0, sigma=0.0)
    with pytest.raises(InputError, match="without any error"):
        fit_mixed_model(statistics(rows), sigma="common")
    rows = panel(4, stores=10, weeks=(5, 6), sigma=0.0)
    fit = fit_mixed_model(statistics(rows), sigma="common")
    assert any("lower bound" in reason for reason in fit.warnings)


def test_what_cannot_be_asked_is_refused():
    stats = statistics(panel(4))
    with pytest.raises(InputError, match="no coefficient 'price'"):
        fit_mixed_model(stats, random=["price"])
    with pytest.raises(InputError, match="named twice"):
        fit_mixed_model(stats, random=["intercept", "intercept"])
    with pytest.raises(InputError, match="sigma is 'segment'"):
        fit_mixed_model(stats, sigma="segment")  # pyright: ignore[reportArgumentType]
    flat = Rows(np.arange(4), np.ones((4, 2)), np.arange(4.0), 4)
    with pytest.raises(InputError, match="do not identify the coefficients intercept, log_price"):
        fit_mixed_model(statistics(flat))


def test_a_fixed_sigma_is_distrusted_where_sales_scatter_less():
    stats = statistics(panel(4, stores=40, weeks=(9, 12), sigma=0.2))
    assert any("sigma is fixed at 1" in reason for reason in fit_mixed_model(stats).warnings)
    assert fit_mixed_model(stats, sigma="common").warnings == ()
    assert "not to be trusted" in repr(fit_mixed_model(stats))


def test_time_does_not_grow_with_weeks():
    """Statistics of a store with a thousand times the weeks are as many numbers."""
    stats = statistics(panel(6, stores=30, weeks=(8, 9)))
    many = stats._replace(n=1000.0 * stats.n, xtx=1000.0 * stats.xtx, rss=1000.0 * stats.rss)
    fit = fit_mixed_model(many, sigma="common")
    assert fit.converged
    assert fit.iterations < 60
    assert fit.log_likelihood == pytest.approx(store_log_likelihoods(many, fit.parameters).sum(), abs=1e-6)


@pytest.mark.slow
def test_a_known_truth_is_recovered_with_honest_standard_errors():
    """Estimates of mu scatter about the truth by their standard errors, and Omega is unbiased by REML."""
    truth = Truth(np.ones(1), np.array([[10.6, -1.4]]), np.array([0.8]), np.array([[[0.5, -0.15], [-0.15, 0.2]]]))
    rng = np.random.default_rng(12)
    x = np.column_stack([np.ones(26), np.log(draw_prices(rng, 26))])
    scores, omegas = [], []
    for _ in range(300):
        drawn = draw_stores(rng, truth, x, 30)
        stats = build(np.repeat(np.arange(30), 26), np.tile(x, (30, 1)), drawn.y.ravel(), 30)
        fit = fit_mixed_model(stats, sigma="common", reml=True)
        scores.append((fit.parameters.mu - truth.mu[0]) / fit.standard_errors)
        omegas.append(fit.parameters.omega)
    assert np.all(np.abs(np.mean(scores, 0)) < 0.2)
    assert_allclose(np.std(scores, 0), 1.0, atol=0.13)
    error = np.std(omegas, 0) / np.sqrt(300)
    assert np.all(np.abs(np.mean(omegas, 0) - truth.omega[0]) < 4.0 * error)
