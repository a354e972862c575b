"""The five classical functions are a thin face: each is what the core says, and what the rows say."""

import inspect

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import Rows, log_density_by_rows, mix, posterior, weighted_least_squares

from em import EM, EStep, Estimate, LogL, MStep, fit_mixture
from em.mixture import MixtureParameters, e_step
from em.simulator import draw_prices, draw_stores, finite_mixture
from em.statistics import build

THETA, PI = np.array([[10.6, -0.9], [11.3, -2.1], [9.7, -1.5]]), np.array([0.55, 0.30, 0.15])


def draw(seed=0, stores=60, weeks=26):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(weeks), np.log(draw_prices(rng, weeks))])
    drawn = draw_stores(rng, finite_mixture(PI, THETA, np.ones(3)), X, stores)
    return drawn, drawn.y, X


def as_rows(y, X):
    stores, weeks = y.shape
    return Rows(np.repeat(np.arange(stores), weeks), np.tile(X, (stores, 1)), y.ravel(), stores)


_, Y, X = draw()
ROWS = as_rows(Y, X)
DENSITY = log_density_by_rows(ROWS, THETA, np.ones(3))


def test_logl_is_that_of_the_rows_and_of_the_core():
    assert_allclose(LogL(THETA, PI, Y, X), mix(PI, DENSITY).sum(), rtol=1e-12)
    stats = build(ROWS.store, ROWS.x, ROWS.y, ROWS.n_stores)
    assert LogL(THETA, PI, Y, X) == float(e_step(MixtureParameters(PI, THETA, np.ones(3)), stats)[1])


def test_estep_is_bayes_rule():
    W = EStep(THETA, PI, Y, X)
    assert W.shape == (60, 3)
    assert_allclose(W, posterior(PI, DENSITY), rtol=1e-8, atol=1e-12)


def test_mstep_is_weighted_least_squares():
    W = np.random.default_rng(1).dirichlet(np.ones(3), 60)
    theta, pi = MStep(Y, X, W)
    assert_allclose(theta, [weighted_least_squares(ROWS, W[:, k]) for k in range(3)], rtol=1e-8)
    assert_allclose(pi, W.mean(0), rtol=1e-12)


def test_one_estep_and_one_mstep_go_up():
    theta, pi = THETA + np.array([0.5, 0.3]), np.full(3, 1 / 3)
    before = LogL(theta, pi, Y, X)
    for _ in range(20):
        theta, pi = MStep(Y, X, EStep(theta, pi, Y, X))
        after = LogL(theta, pi, Y, X)
        assert after >= before - 1e-9 * abs(before)
        before = after


@pytest.mark.parametrize("run", [EM, Estimate])
def test_the_log_likelihood_returned_belongs_to_the_parameters_returned(run):
    theta, pi, log_likelihood = run(3, Y, X)
    assert (theta.shape, pi.shape) == ((3, 2), (3,))
    assert_allclose(pi.sum(), 1.0)
    assert_allclose(LogL(theta, pi, Y, X), log_likelihood, rtol=1e-12)
    again = MStep(Y, X, EStep(theta, pi, Y, X))
    assert_allclose(again[0], theta, rtol=1e-6)
    assert_allclose(again[1], pi, rtol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_more_steps_of_em_never_end_lower(seed):
    """One run is one path, however far it is followed; and it ends where a further step gains less than it is told."""
    path = [EM(3, Y, X, 1e-10, steps, seed=seed)[2] for steps in (1, 2, 5, 10, 30, 100, 1000)]
    assert np.all(np.diff(path) >= -1e-9 * np.abs(path[0]))
    assert path[0] < path[-1] - 1.0
    loose = EM(3, Y, X, 1.0, 1000, seed=seed)
    assert path[0] <= loose[2] < path[-1]
    further = MStep(Y, X, EStep(*loose[:2], Y, X))
    assert LogL(*further, Y, X) - loose[2] < 1.0


def test_estimate_is_fit_mixture():
    theta, pi, log_likelihood = Estimate(3, Y, X, 5, seed=2)
    fit = fit_mixture(build(ROWS.store, ROWS.x, ROWS.y, ROWS.n_stores), 3, starts=5, seed=2)
    assert_array_equal(theta, fit.parameters.theta)
    assert_array_equal(pi, fit.parameters.weight)
    assert log_likelihood == fit.log_likelihood
    assert log_likelihood >= EM(3, Y, X)[2] - 1e-8


@pytest.mark.parametrize("seed", range(3))
def test_estimate_recovers_the_truth(seed):
    drawn, y, x = draw(seed, stores=300, weeks=52)
    theta, pi, log_likelihood = Estimate(3, y, x, 5)
    order = [int(np.argmin(np.abs(theta - truth).sum(1))) for truth in THETA]
    assert sorted(order) == [0, 1, 2]
    assert_allclose(theta[order], THETA, atol=0.25)
    assert_allclose(pi[order], PI, atol=0.1)
    assert log_likelihood >= LogL(THETA, PI, y, x), "the truth fits better than the estimate"
    assert np.mean(EStep(theta, pi, y, x)[:, order].argmax(1) == drawn.segment) > 0.98


def test_one_segment_is_least_squares():
    theta, pi, _ = Estimate(1, Y, X, 1)
    assert_allclose(theta[0], np.linalg.lstsq(ROWS.x, ROWS.y)[0], rtol=1e-10)
    assert_array_equal(pi, [1.0])


def test_the_functions_have_the_classical_arguments():
    expected = {
        LogL: ["theta", "pi", "y", "X"],
        EStep: ["theta", "pi", "y", "X"],
        MStep: ["y", "X", "W"],
        EM: ["K", "y", "X", "tol", "max_iter"],
        Estimate: ["K", "y", "X", "n_init"],
    }
    for function, names in expected.items():
        assert list(inspect.signature(function).parameters)[: len(names)] == names
