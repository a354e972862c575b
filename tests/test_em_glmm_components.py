"""How stores of families differ: errors of spreads, intervals, tests of variances, and shares of variance explained."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import norm

from em.design_counts import DesignCounts
from em.errors import InputError
from em.explained import explained, observation_variance
from em.families import FAMILIES
from em.glmm import fit_glmm, store_log_likelihoods
from em.mixed_model import MixedParameters, fit_mixed_model
from em.panel import statistics_of
from em.random_effect_test import boundary_p_values, random_effect_test
from em.response import Response
from em.simulator import Truth, simulate_panel
from em.variance_components import variance_components, wald_intervals

X = np.column_stack([np.ones(10), np.linspace(-1.0, 1.0, 10)])
OMEGA = np.array([[0.5, 0.15], [0.15, 0.3]])


def panel(name, omega=OMEGA, mu=(0.5, -0.4), stores=60, seed=0, sigma=0.5):
    truth = Truth(np.ones(1), np.array([mu]), np.array([sigma]), np.array([omega], dtype=float))
    trials = 8.0 if name == "binomial" else 1.0
    return simulate_panel(np.random.default_rng(seed), FAMILIES[name], truth, X, stores, trials=trials).panel


@pytest.fixture(scope="module")
def counts():
    return fit_glmm(panel("poisson"), quadrature=5)


def test_errors_of_spreads_are_those_of_a_differenced_likelihood(counts):
    at = variance_components(counts)
    best = np.concatenate([counts.parameters.mu, at.sd, [at.correlation[0, 1]]])

    def value(free):
        omega = np.outer(free[2:4], free[2:4]) * [[1.0, free[4]], [free[4], 1.0]]
        return store_log_likelihoods(counts.statistics, MixedParameters(free[:2], omega, 1.0), 5).sum()

    h = 1e-3
    steps = h * np.eye(5)
    bend = np.array([
        [(value(best + a + b) - value(best + a - b) - value(best - a + b) + value(best - a - b)) / (4 * h * h)
         for b in steps] for a in steps
    ])  # fmt: skip
    errors = np.sqrt(np.diagonal(np.linalg.inv(-bend)))
    assert_allclose(at.sd_error, errors[2:4], rtol=1e-3)
    assert at.correlation_error[0, 1] == pytest.approx(errors[4], rel=1e-3)
    assert f"correlation of intercept and x1: {best[4]:.4f} ({errors[4]:.4f})" in repr(counts)


def test_intervals_are_on_scales_without_edges(counts):
    at, z = variance_components(counts), norm.ppf(0.975)
    found = {(one.kind, *one.of): (one.estimate, one.lower, one.upper) for one in wald_intervals(counts)}
    sd, error = at.sd[1], at.sd_error[1]
    assert_allclose(found["sd", "x1"], [sd, sd * np.exp(-z * error / sd), sd * np.exp(z * error / sd)])
    value, reach = at.correlation[0, 1], z * at.correlation_error[0, 1] / (1.0 - at.correlation[0, 1] ** 2)
    ends = np.tanh(np.arctanh(value) + np.array([-reach, reach]))
    assert_allclose(found["correlation", "intercept", "x1"], [value, *ends])
    assert found["mean", "x1"][1] == pytest.approx(counts.parameters.mu[1] - z * counts.standard_errors[1])
    assert ("sigma",) not in found
    lower, upper = found["correlation", "intercept", "x1"][1:]
    assert lower < 0.15 / np.sqrt(0.15) < upper


def test_a_dispersion_has_an_interval():
    fit = fit_glmm(panel("gamma", omega=[[0.5, 0.0], [0.0, 0.0]]), random=["intercept"])
    sigma = next(one for one in wald_intervals(fit) if one.kind == "sigma")
    assert sigma.lower < 0.5 < sigma.upper
    assert np.sqrt(sigma.lower * sigma.upper) == pytest.approx(fit.parameters.sigma)


def test_of_a_gaussian_all_are_those_of_the_linear_mixed_model():
    log_sales = panel("gaussian")
    response = Response(FAMILIES["gaussian"], "y", np.zeros(log_sales.y.size), np.ones(log_sales.y.size))
    ours, exact = fit_glmm(replace(log_sales, response=response)), fit_mixed_model(log_sales, sigma="common")
    for one, other in zip(variance_components(ours), variance_components(exact), strict=True):
        assert_allclose(one, other, rtol=1e-4, atol=1e-7)
    for name in ours.random:
        one, other = random_effect_test(ours, name), random_effect_test(exact, name)
        assert one.degrees == other.degrees
        assert_allclose([one.statistic, one.p_value], [other.statistic, other.p_value], rtol=1e-6)
    assert_allclose(explained(ours), explained(exact), rtol=1e-5)


def test_a_variance_is_tested_at_its_boundary(counts):
    test = random_effect_test(counts, "x1")
    smaller = fit_glmm(counts.statistics, random=["intercept"], quadrature=5)
    assert test.statistic == pytest.approx(2.0 * (counts.log_likelihood - smaller.log_likelihood), abs=1e-9)
    assert test.p_value == pytest.approx(boundary_p_values(test.statistic, 2)[0])
    assert test.p_value < 1e-4
    none = fit_glmm(panel("binomial", omega=[[0.5, 0.0], [0.0, 0.0]]))
    assert random_effect_test(none, "x1").p_value > 0.05
    with pytest.raises(InputError, match="'x1' does not vary"):
        random_effect_test(smaller, "x1")


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("poisson", np.log1p(1.0 / 3.0)),
        ("negative-binomial", np.log1p(1.0 / 3.0 + 0.25)),
        ("gamma", np.log1p(0.25)),
        ("bernoulli", np.pi**2 / 3.0),
        ("binomial", np.pi**2 / 3.0),
        ("gaussian", 0.25),
    ],
)
def test_the_variance_of_a_response_is_that_of_nakagawa(name, variance):
    assert_allclose(observation_variance(FAMILIES[name], 3.0, np.array([0.5, 0.5])), variance)


def test_shares_of_variance_are_those_of_the_rows(counts):
    shares = explained(counts)
    rows = panel("poisson")
    mu, omega, _ = counts.parameters
    fixed = (rows.x @ mu).var(ddof=1)
    between = np.einsum("rp,pq,rq->r", rows.x, omega, rows.x).mean()
    residual = np.log1p(1.0 / rows.y.mean())
    assert_allclose(shares[:3], [fixed, between, residual])
    assert shares.r2_conditional == pytest.approx((fixed + between) / (fixed + between + residual))
    trials = statistics_of(panel("binomial"))
    assert isinstance(trials, DesignCounts)
    assert explained(fit_glmm(trials, random=["intercept"])).residual == pytest.approx(np.pi**2 / 3.0)
