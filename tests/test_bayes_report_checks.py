"""The predictive checks of the report against brute force, on stores of the model and on stores that are not."""

import numpy as np
import pytest
from fits_for_comparisons import mixture_tree, panel, segmented
from numpy.testing import assert_allclose
from scipy.stats import norm

import bayesmix.fitted
from bayesmix.pictures_of_draws import relative_ranks
from bayesmix.pictures_of_stores import clustered
from bayesmix.posterior import ParameterDraws
from bayesmix.predictive_check import check_segments
from bayesmix.store_loo import loo
from bayesmix.store_summaries import loo_pit, own_variances, predictive, store_summaries
from bayesmix.uniformity import EcdfDifference, against_other_chains, against_uniform
from em.panel import store_statistics

NAMES = ("intercept", "log_price")


def a_fit(theta, **options):
    return bayesmix.fitted.Fit(mixture_tree(panel(theta, **options), 3, draws=200), "mixture K=3")


@pytest.fixture(scope="module")
def right():
    """150 stores of three segments, with the model that they are from."""
    return a_fit(segmented(150, seed=11), seed=11)


@pytest.fixture(scope="module")
def wrong():
    """The same with stores that vary inside their segments, which the model does not allow."""
    rng = np.random.default_rng(12)
    return a_fit(segmented(150, seed=11) + rng.normal(size=(150, 2)) * [0.5, 0.5], seed=12)


def curves(fit):
    reff = loo(fit.store_loglik).reff
    return {s.name: against_uniform(loo_pit(fit, s, reff)) for s in store_summaries(fit.statistics, NAMES)}


def test_summaries_are_those_of_the_rows():
    data = panel(segmented(8), unequal=True)
    level, slope = store_summaries(store_statistics(data), NAMES)
    for i in range(8):
        x, y = data.x[data.store == i], data.y[data.store == i]
        assert level.observed[i] == pytest.approx(y.mean(), abs=1e-10)
        assert slope.observed[i] == pytest.approx(np.polyfit(x[:, 1], y, 1)[0], abs=1e-8)
        assert level.noise[i] == pytest.approx(1.0 / len(y))
        assert slope.noise[i] == pytest.approx(np.linalg.inv(x.T @ x)[1, 1], rel=1e-8)


def test_predictive_moments_are_those_of_simulated_stores():
    rng = np.random.default_rng(3)
    data = panel(segmented(2), weeks=9, unequal=True)
    stats = store_statistics(data)
    mu, sigma = np.array([[10.0, -1.0]]), np.array([0.6])
    omega = np.array([[[0.3, -0.1], [-0.1, 0.2]]])
    draws = ParameterDraws(np.ones((1, 1)), mu[None], sigma[None], omega[None])
    x = data.x[data.store == 1]
    theta = rng.multivariate_normal(mu[0], omega[0], 40_000)
    y = theta @ x.T + sigma[0] * rng.normal(size=(40_000, len(x)))
    simulated = {"mean log sales": y.mean(1), "price elasticity": np.linalg.lstsq(x, y.T, rcond=None)[0][1]}
    for summary in store_summaries(stats, NAMES):
        mean, sd = predictive(summary, draws)
        values = simulated[summary.name]
        assert mean[0, 1, 0] == pytest.approx(values.mean(), abs=5 * values.std() / 200)
        assert sd[0, 1, 0] == pytest.approx(values.std(), rel=0.02)


def test_a_constant_price_or_one_week_settles_no_slope():
    data = panel(segmented(4), unequal=True)
    x = data.x.copy()
    x[data.store == 1, 1] = 0.4
    variance = own_variances(store_statistics(type(data)(**{**data.__dict__, "x": x})))
    assert np.isinf(variance[:, 1]).tolist() == [False, True, False, False]


def test_loo_pit_is_that_of_the_posterior_without_the_store():
    """Against chains run again on the other stores; few stores and weeks, so that leaving one out matters."""
    data = panel(segmented(7, seed=4), weeks=6, unequal=True, seed=4)
    whole = bayesmix.fitted.Fit(mixture_tree(data, 1, draws=1000), "whole")
    reff = loo(whole.store_loglik).reff
    level, slope = store_summaries(whole.statistics, NAMES)
    pits = [(summary, loo_pit(whole, summary, reff)) for summary in (level, slope)]
    moved = []
    for i in range(4):
        keep = data.store != i
        store = data.store[keep] - (data.store[keep] > i)
        names = tuple(name for s, name in enumerate(data.stores) if s != i)
        others = type(data)(names, data.weeks, data.coefficients, store, data.week[keep], data.x[keep], data.y[keep],
                            data.file, data.sha256)  # fmt: skip
        draws = bayesmix.fitted.Fit(mixture_tree(others, 1, draws=1000), "others").draws
        for summary, pit in pits:
            center, sd = draws.mu[:, 0] @ summary.direction[i], np.sqrt(summary.noise[i])
            exact = norm.cdf(summary.observed[i], center, sd).mean()
            assert pit[i] == pytest.approx(exact, abs=0.015)
            inside = norm.cdf(summary.observed[i], whole.draws.mu[:, 0] @ summary.direction[i], sd).mean()
            moved.append(abs(inside - exact))
    assert max(moved) > 0.03  # so that a PIT of the store left in would not pass


def test_loo_pit_is_uniform_on_stores_of_the_model_and_not_on_others(right, wrong):
    for name, curve in curves(right).items():
        assert not curve.departs, name
    found = curves(wrong)
    assert found["price elasticity"].departs
    assert found["price elasticity"].sides == (1, -1)


def test_the_check_by_segment_agrees_with_the_model_and_sees_what_does_not(right, wrong):
    for fit, agrees in ((right, True), (wrong, False)):
        share = fit.by_store["membership"].values
        slope = store_summaries(fit.statistics, NAMES)[1]
        checks = check_segments(slope, fit.draws, share)
        assert sum(check.stores for check in checks) == pytest.approx(150)
        largest = max(checks, key=lambda check: check.stores)
        assert largest.sd.outside is not agrees
        if agrees:
            assert not largest.mean.outside
        area = np.trapezoid(largest.density, largest.at)
        assert area == pytest.approx(1.0, abs=0.03)


def test_the_band_of_uniform_values_holds_as_often_as_it_says():
    rng = np.random.default_rng(5)
    band = against_uniform(rng.uniform(size=80))
    samples = np.sort(rng.uniform(size=(1000, 80)), axis=1)
    curves = np.stack([np.searchsorted(one, band.at, side="right") / 80 - band.at for one in samples])
    left = [band._replace(difference=curve).departs for curve in curves]
    assert 0.001 <= np.mean(left) <= 0.025
    assert against_uniform(rng.uniform(size=9)) is None


@pytest.mark.parametrize(
    ("values", "sides"),
    [(lambda u: u**2, (1, 1)), (lambda u: 1 - u**2, (-1, -1)), (lambda u: np.round(u) * 0.8 + 0.1, (1, -1)),
     (lambda u: 0.5 + 0.3 * (u - 0.5), (-1, 1))],
    ids=["low", "high", "wide", "narrow"],
)  # fmt: skip
def test_the_curve_says_how_values_depart(values, sides):
    u = (np.arange(200) + 0.5) / 200
    curve = against_uniform(values(u))
    assert curve.departs
    left, right = curve.sides
    # Of low values either half may be the one to leave; never the other way.
    assert left in (0, sides[0])
    assert right in (0, sides[1])
    assert (left, right) != (0, 0)


def test_a_flat_curve_departs_nowhere():
    zero = np.zeros(9)
    flat = EcdfDifference(np.arange(1, 10) / 10, zero, zero - 0.1, zero + 0.1)
    assert not flat.departs
    assert flat.sides == (0, 0)


@pytest.mark.parametrize("chains", [2, 3, 4])
def test_the_band_of_ranks_holds_chains_that_agree_and_shows_one_that_does_not(chains):
    rng = np.random.default_rng(6)
    at, low, high = against_other_chains(chains, 100)
    assert high.max() < 0.25  # not the whole picture

    def leaves(draws):
        ranks = relative_ranks(draws)
        difference = [np.searchsorted(np.sort(one), at) / one.size - at for one in ranks]
        return any(((d < low) | (d > high)).any() for d in difference)

    assert np.mean([leaves(rng.normal(size=(chains, 100))) for _ in range(200)]) <= 0.04
    away = rng.normal(size=(chains, 100))
    away[0] += 1.0
    assert leaves(away)


def test_ranks_are_even_and_keep_their_order():
    draws = np.random.default_rng(0).normal(size=(3, 20))
    ranks = relative_ranks(draws)
    assert_allclose(np.sort(ranks.ravel()), (np.arange(60) + 0.5) / 60)
    assert np.array_equal(ranks.ravel().argsort(), draws.ravel().argsort())


def test_clustering_puts_stores_of_a_segment_side_by_side():
    group = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    together = np.where(group[:, None] == group, 0.95, 0.02)
    ordered = group[clustered(together)]
    assert (np.diff(ordered) != 0).sum() == 2
    assert sorted(clustered(together)) == list(range(10))
