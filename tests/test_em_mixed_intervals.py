"""Intervals, tests and shares of variance of the mixed model, against lme4 and against plain arithmetic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from oracles import slope
from scipy.optimize import minimize
from scipy.stats import chi2
from test_em_mixed_laws import panel, statistics
from test_em_mixed_reference import CHEESE, sines

from em.errors import InputError
from em.explained import explained
from em.likelihood import component_loglik
from em.mixed_model import fit_mixed_model
from em.panel import read_panel
from em.profile import profile_intervals
from em.random_effect_test import boundary_p_values, random_effect_test
from em.simulator import Truth, draw_prices, draw_stores
from em.statistics import build
from em.variance_components import variance_components, wald_intervals

# confint(profile(f)) of lme4 1.1-31, f by ML as in test_em_mixed_reference.py; its profile is a spline through points.
PROFILES = {
    "609948": {
        ("sd", "intercept"): (0.307685760451, 0.404704605264),
        ("correlation", "intercept", "log_price"): (-0.751208053470, -0.459650187251),
        ("sd", "log_price"): (0.143192974609, 0.247526348591),
        ("sigma",): (0.982503726055, 1.004993319557),
        ("mean", "intercept"): (10.752862157362, 10.857792401814),
        ("mean", "log_price"): (-1.184152460533, -1.103507232097),
    },
    "cheese": {
        ("sd", "intercept"): (0.9452562435, 1.3226583066),
        ("correlation", "intercept", "log_price"): (-0.8396047825, -0.6364222285),
        ("correlation", "intercept", "DISP"): (-0.1238174566, 0.3435728415),
        ("sd", "log_price"): (0.6944084325, 1.0010948932),
        ("correlation", "log_price", "DISP"): (-0.3174244030, 0.1797581833),
        ("sd", "DISP"): (0.9351467782, 1.5070882831),
        ("sigma",): (0.2405530864, 0.2499397871),
        ("mean", "intercept"): (10.0761599720, 10.5816618271),
        ("mean", "log_price"): (-2.3935652501, -1.9949262072),
        ("mean", "DISP"): (0.8905575330, 1.4676119072),
    },
    "sines": {
        ("sd", "intercept"): (0.403025108935, 0.961884068713),
        ("correlation", "intercept", "log_price"): (-0.545208269570, 0.679398561990),
        ("sd", "log_price"): (0.155697026934, 0.597224942980),
        ("sigma",): (0.299544692908, 0.453977678242),
        ("mean", "intercept"): (1.671365425583, 2.426775079171),
        ("mean", "log_price"): (-1.424433632773, -0.930880241982),
    },
    "sines, slope only": {
        ("sd", "log_price"): (0.0, 0.452773962584),
        ("sigma",): (0.633745940562, 0.885690972290),
        ("mean", "intercept"): (1.917002374100, 2.272213866711),
        ("mean", "log_price"): (-1.436595963088, -0.928236245222),
    },
}


def data_of(name, shared):
    if name.startswith("sines"):
        return sines("full")
    return read_panel(shared(f"data/{name}.csv"), **(CHEESE if name == "cheese" else {}))


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_profile_intervals_are_those_of_lme4(name, shared):
    random = ["log_price"] if name.endswith("only") else None
    fit = fit_mixed_model(data_of(name, shared), random=random, sigma="common", reml=name == "cheese")
    found = {(i.kind, *i.of): i for i in profile_intervals(fit)}
    assert set(found) == set(PROFILES[name])
    for key, (lower, upper) in PROFILES[name].items():
        width = upper - lower
        assert found[key].lower == pytest.approx(lower, abs=0.005 * width), key
        assert found[key].upper == pytest.approx(upper, abs=0.005 * width), key


@pytest.mark.parametrize("kind", ["sd", "correlation", "sigma", "mean"])
def test_at_its_ends_the_best_of_all_else_is_lower_by_half_the_quantile(kind):
    """By an optimiser that knows nothing of ours, on the likelihood of `em.likelihood`."""
    stats = sines("full")
    fit = fit_mixed_model(stats, sigma="common")
    mu, omega, sigma = fit.parameters
    sd = np.sqrt(np.diagonal(omega))
    start = np.array([*mu, *np.log(sd), np.arctanh(omega[0, 1] / sd[0] / sd[1]), np.log(sigma)])
    held = {"mean": 1, "sd": 3, "correlation": 4, "sigma": 5}[kind]
    scale = {"mean": float, "correlation": np.arctanh, "sd": np.log, "sigma": np.log}[kind]
    interval = next(i for i in profile_intervals(fit, level=0.9, kinds=(kind,)) if i.of != ("intercept",))
    for end in (interval.lower, interval.upper):
        value = scale(end)

        def minus(free, value=value):
            at = np.insert(free, held, value)
            s = np.exp(at[2:4])
            across = np.tanh(at[4]) * s[0] * s[1]
            covariance = np.array([[[s[0] ** 2, across], [across, s[1] ** 2]]])
            return -component_loglik(stats, at[None, :2], np.exp(at[5:]), covariance).sum()

        best = minimize(minus, np.delete(start, held), method="BFGS", options={"gtol": 1e-4})
        assert 2.0 * (fit.log_likelihood + best.fun) == pytest.approx(chi2.ppf(0.9, 1), abs=2e-4)


@settings(max_examples=8)
@given(st.integers(0, 1000), st.sampled_from([("intercept",), ("log_price",), ("intercept", "log_price")]))
def test_intervals_hold_their_estimate_and_grow_with_the_level(seed, random):
    fit = fit_mixed_model(statistics(panel(seed, stores=9, spread=0.3)), random=random, sigma="common")
    narrow, wide = (profile_intervals(fit, level=level) for level in (0.5, 0.9))
    for inner, outer in zip(narrow, wide, strict=True):
        assert outer.lower - 1e-6 <= inner.lower
        assert inner.upper <= outer.upper + 1e-6
        if np.isfinite(inner.estimate):
            assert inner.lower - 1e-6 <= inner.estimate <= inner.upper + 1e-6
        if inner.kind == "sd":
            assert inner.lower >= 0.0
        if inner.kind == "correlation":
            assert -1.0 <= outer.lower <= outer.upper <= 1.0


def test_a_level_is_a_probability():
    with pytest.raises(InputError, match="between 0 and 1"):
        profile_intervals(fit_mixed_model(sines("full"), sigma="common"), level=95)


def test_standard_errors_of_components_are_those_of_the_information():
    """The inverse of the numeric Hessian in (mu, log sd, atanh correlation, log sigma), by the delta method."""
    stats = statistics(panel(3, stores=60, weeks=(8, 12)))
    fit = fit_mixed_model(stats, sigma="common")
    mu, omega, sigma = fit.parameters
    sd = np.sqrt(np.diagonal(omega))
    r = omega[0, 1] / sd[0] / sd[1]

    def loglik(at):
        s = np.exp(at[2:4])
        across = np.tanh(at[4]) * s[0] * s[1]
        covariance = np.array([[[s[0] ** 2, across], [across, s[1] ** 2]]])
        return component_loglik(stats, at[None, :2], np.exp(at[5:]), covariance).sum()

    at = np.array([*mu, *np.log(sd), np.arctanh(r), np.log(sigma)])
    hessian = slope(lambda place: slope(loglik, place, 1e-4), at, 1e-4)
    errors = np.sqrt(np.diagonal(np.linalg.inv(-hessian)))
    ours = variance_components(fit)
    assert_allclose(ours.sd_error, sd * errors[2:4], rtol=1e-3)
    assert ours.correlation_error[0, 1] == pytest.approx((1 - r**2) * errors[4], rel=1e-3)
    assert ours.sigma_error == pytest.approx(sigma * errors[5], rel=1e-3)
    wald = {(i.kind, *i.of): i for i in wald_intervals(fit)}
    assert wald["sigma",].upper == pytest.approx(sigma * np.exp(1.959964 * errors[5]), rel=1e-4)
    for interval in profile_intervals(fit):
        quick = wald[(interval.kind, *interval.of)]
        assert quick.lower == pytest.approx(interval.lower, abs=0.15 * (interval.upper - interval.lower))
        assert quick.upper == pytest.approx(interval.upper, abs=0.15 * (interval.upper - interval.lower))


def test_at_the_edge_there_are_no_standard_errors():
    ours = variance_components(fit_mixed_model(sines("one"), sigma="common"))
    assert np.isnan(ours.sd_error).all()
    assert np.isfinite(ours.sigma_error)
    lower = [i.lower for i in wald_intervals(fit_mixed_model(sines("one"), sigma="common")) if i.kind != "mean"]
    assert np.isnan(lower[:-1]).all()
    fixed = fit_mixed_model(sines("one"))
    assert variance_components(fixed).sigma_error == 0.0
    assert not any(i.kind == "sigma" for i in [*wald_intervals(fixed), *profile_intervals(fixed)])


def test_likelihood_ratio_of_a_random_slope(shared):
    """Twice the difference of lme4's log-likelihoods, (x | store) against (1 | store)."""
    panel = read_panel(shared("data/609948.csv"))
    for reml, known in ((False, 2 * (22346.43536246 - 22334.04833276)), (True, 2 * (22352.68348828 - 22340.11991276))):
        test = random_effect_test(fit_mixed_model(panel, sigma="common", reml=reml), "log_price")
        assert test.statistic == pytest.approx(known, abs=1e-5)
        assert test.degrees == (1, 2)
        assert test.p_value == pytest.approx(0.5 * (chi2.sf(known, 1) + chi2.sf(known, 2)), rel=1e-4)


def test_p_values_at_the_boundary():
    assert boundary_p_values(0.0, 1) == (1.0, 1.0)
    assert boundary_p_values(2.705543, 1)[0] == pytest.approx(0.05, abs=1e-6)  # the quantile of 90 %, halved
    # Stram & Lee's 5 % point for a second random effect, 1/2 chi-squared(1) + 1/2 chi-squared(2), is 5.14.
    assert boundary_p_values(5.138, 2)[0] == pytest.approx(0.05, abs=1e-4)
    with pytest.raises(InputError, match="does not vary"):
        random_effect_test(fit_mixed_model(sines("full"), random=["intercept"]), "log_price")


def test_shares_of_variance_are_those_of_the_rows():
    rows = panel(5, p=3, stores=20, weeks=(4, 9))
    fit = fit_mixed_model(statistics(rows), random=["intercept", "x2"], sigma="common")
    mu, omega, sigma = fit.parameters
    at = explained(fit)
    fixed = np.var(rows.x @ mu, ddof=1)
    between = np.mean(np.einsum("ra,ab,rb->r", rows.x, omega, rows.x))
    assert at.fixed == pytest.approx(fixed, rel=1e-9)
    assert at.between == pytest.approx(between, rel=1e-9)
    assert at.r2_marginal == pytest.approx(fixed / (fixed + between + sigma**2), rel=1e-9)
    assert at.r2_conditional == pytest.approx((fixed + between) / (fixed + between + sigma**2), rel=1e-9)
    only = fit_mixed_model(statistics(rows), random=["intercept"], sigma="common")
    variance = only.parameters.omega[0, 0]
    expected = variance / (variance + only.parameters.sigma**2)
    assert explained(only).intraclass_correlation == pytest.approx(expected, rel=1e-9)


@pytest.mark.slow
def test_the_null_distribution_and_the_coverage_of_profiles():
    """Stores without a random slope: p-values below 5 % in 5 % of panels; sds covered as often as they should be."""
    truth = Truth(np.ones(1), np.array([[10.6, -1.4]]), np.array([0.8]), np.array([[[0.5, 0.0], [0.0, 0.0]]]))
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(12), np.log(draw_prices(rng, 12))])
    small, naive, covered = 0, 0, 0
    panels = 600
    for number in range(panels):
        drawn = draw_stores(rng, truth, x, 60)
        stats = build(np.repeat(np.arange(60), 12), np.tile(x, (60, 1)), drawn.y.ravel(), 60)
        fit = fit_mixed_model(stats, sigma="common")
        test = random_effect_test(fit, "log_price")
        small, naive = small + (test.p_value < 0.05), naive + (test.p_value_naive < 0.05)
        if number % 3 == 0:
            one = fit_mixed_model(stats, random=["intercept"], sigma="common")
            interval = profile_intervals(one, kinds=("sd",))[0]
            covered += interval.lower <= np.sqrt(0.5) <= interval.upper
    assert abs(small / panels - 0.05) < 0.025
    assert naive < small
    assert abs(covered / (panels / 3) - 0.95) < 0.05
