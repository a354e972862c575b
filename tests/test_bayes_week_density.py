"""Densities of weeks of known stores against densities of whole stores written out with full covariances."""

import numpy as np
import oracles
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from bayesmix.posterior import ParameterDraws, thinned
from bayesmix.week_density import Weeks, log_density, log_density_left_out, pieces, predicted
from em.statistics import build, merge, take

MODELS = ("mixture", "hierarchical", "normal-mixture")


def draws_of(model, n=3, p=3, seed=0):
    rng = np.random.default_rng(seed)
    k = 1 if model == "hierarchical" else 3
    factor = 0.5 * rng.normal(size=(n, k, p, p))
    return ParameterDraws(
        rng.dirichlet(np.ones(k), n),
        np.array([10.0, -1.5, 0.4]) + 0.4 * rng.normal(size=(n, k, p)),
        rng.uniform(0.4, 1.1, (n, k)),
        None if model == "mixture" else factor @ np.swapaxes(factor, -1, -2),
    )


def rows_of_panel(seed=0, stores=4, weeks=(2, 7)):
    return oracles.draw_rows(np.random.default_rng(seed), stores, 2, p=3, weeks=weeks)


def by_covariance(draws, d, x, y):
    """Log-density of some weeks of a store, segment summed out, from the (week, week) covariance."""
    if not len(y):
        return 0.0
    total = []
    for k in range(draws.mu.shape[1]):
        covariance = draws.sigma[d, k] ** 2 * np.eye(len(y))
        if draws.omega is not None:
            covariance = covariance + x @ draws.omega[d, k] @ x.T
        density = multivariate_normal(x @ draws.mu[d, k], covariance).logpdf(y)
        total.append(np.log(draws.weight[d, k]) + density)
    return logsumexp(total)


@pytest.mark.parametrize("model", MODELS)
def test_a_week_left_out_is_that_of_a_refit_without_it(model):
    """Parameters held: p(y_it | y_i,-t) = p(y_i) / p(y_i,-t), both by direct normal densities; also one-week stores."""
    rows, draws = rows_of_panel(weeks=(1, 7)), draws_of(model)
    stats = build(rows.store, rows.x, rows.y, rows.n_stores)
    found = log_density_left_out(stats, draws, Weeks(rows.store, rows.x, rows.y))
    for r, store in enumerate(rows.store):
        others = (rows.store == store) & (np.arange(rows.y.size) != r)
        for d in range(3):
            whole = by_covariance(draws, d, *rows.of(store))
            expected = whole - by_covariance(draws, d, rows.x[others], rows.y[others])
            assert found[d, r] == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_a_week_left_out_is_a_week_predicted_from_the_others(model):
    rows, draws = rows_of_panel(1), draws_of(model, seed=1)
    weeks = Weeks(rows.store, rows.x, rows.y)
    found = log_density_left_out(build(rows.store, rows.x, rows.y, rows.n_stores), draws, weeks)
    for r in range(rows.y.size):
        others = np.arange(rows.y.size) != r
        stats = build(rows.store[others], rows.x[others], rows.y[others], rows.n_stores)
        one = weeks.of(np.array([r]))
        np.testing.assert_allclose(log_density(predicted(stats, draws, one), one.y)[:, 0], found[:, r], atol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_one_step_densities_add_up_to_that_of_the_block(model):
    """Chain rule: weeks one after the other, statistics merged on the way."""
    rows, draws = rows_of_panel(2, weeks=(6, 6)), draws_of(model, seed=2)
    position = np.tile(np.arange(6), rows.n_stores)
    first = rows.taken(position < 2)
    stats, total = build(first.store, first.x, first.y, rows.n_stores), np.zeros((3, rows.n_stores))
    for step in range(2, 6):
        now = rows.taken(position == step)
        total += log_density(predicted(stats, draws, Weeks(now.store, now.x, now.y)), now.y)
        stats = merge(stats, build(now.store, now.x, now.y, rows.n_stores))
    for d in range(3):
        block = [by_covariance(draws, d, *rows.of(s)) - by_covariance(draws, d, *first.of(s)) for s in range(4)]
        np.testing.assert_allclose(total[d], block, atol=1e-9)


def test_weeks_that_contradict_each_other_do_not_lose_a_segment():
    """One week is so far off that without it the store would surely be of the other segment."""
    draws = ParameterDraws(np.array([[0.5, 0.5]]), np.array([[[0.0], [60.0]]]), np.ones((1, 2)))
    x, y = np.ones((3, 1)), np.array([0.0, 0.0, 150.0])
    stats = build(np.zeros(3, dtype=int), x, y, 1)
    found = log_density_left_out(stats, draws, Weeks(np.zeros(3, dtype=int), x, y))[0, 2]
    assert found == pytest.approx(by_covariance(draws, 0, x, y) - by_covariance(draws, 0, x[:2], y[:2]), rel=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_order_of_weeks_does_not_matter(model):
    rows, draws = rows_of_panel(3), draws_of(model, seed=3)
    order = np.lexsort((np.random.default_rng(0).random(rows.y.size), rows.store))
    shuffled = rows.taken(order)
    found, other = (
        log_density_left_out(build(r.store, r.x, r.y, r.n_stores), draws, Weeks(r.store, r.x, r.y))
        for r in (rows, shuffled)
    )
    np.testing.assert_allclose(other, found[:, order], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_pieces_give_what_all_stores_together_give(model, monkeypatch):
    rows, draws = rows_of_panel(4, stores=7), draws_of(model, seed=4)
    stats, weeks = build(rows.store, rows.x, rows.y, rows.n_stores), Weeks(rows.store, rows.x, rows.y)
    whole = log_density_left_out(stats, draws, weeks)
    monkeypatch.setattr("bayesmix.week_density.MOST", 150)
    parts = list(pieces(weeks, rows.n_stores, draws))
    assert len(parts) > 2
    found = [log_density_left_out(take(stats, stores), draws, part) for stores, part in parts]
    np.testing.assert_allclose(np.concatenate(found, 1), whole, rtol=1e-12, atol=1e-12)


def test_a_store_of_its_own_with_a_wide_population_is_its_own_least_squares():
    """Omega without bounds: the week predicted is that of the store's regression, here with sigma known."""
    rows = rows_of_panel(5, stores=1, weeks=(9, 9))
    first = rows.taken(np.arange(9) < 8)
    stats = build(first.store, first.x, first.y, 1)
    draws = ParameterDraws(np.ones((1, 1)), np.zeros((1, 1, 3)), np.full((1, 1), 0.7), 1e7 * np.eye(3)[None, None])
    one = predicted(stats, draws, Weeks(rows.store[8:], rows.x[8:], rows.y[8:]))
    spread = rows.x[8] @ np.linalg.solve(stats.xtx[0], rows.x[8])
    assert float(one.mean[0, 0, 0]) == pytest.approx(float(rows.x[8] @ stats.b[0]), abs=1e-5)
    assert float(one.sd[0, 0, 0]) == pytest.approx(0.7 * np.sqrt(1.0 + spread), rel=1e-5)


def test_thinned_draws_are_evenly_taken():
    draws = draws_of("normal-mixture", n=40)
    few = thinned(draws, 4)
    np.testing.assert_array_equal(few.mu, draws.mu[[0, 13, 26, 39]])
    assert len(thinned(draws, 100).weight) == 40
