"""Drawn statistics have the distribution of statistics of drawn weeks; the test of K against K + 1 is calibrated."""

import numpy as np
import pytest
from scipy import stats as distributions

from em import InputError
from em.bootstrap import draw_replicates, draw_statistics, likelihood_ratio_test
from em.fit import fit_mixture
from em.mixture import MixtureParameters
from em.simulator import draw_prices, draw_stores, finite_mixture
from em.statistics import build

THETA = np.array([[10.0, -1.0], [11.5, -2.0]])


def design(weeks=8, seed=0):
    return np.column_stack([np.ones(weeks), np.log(draw_prices(np.random.default_rng(seed), weeks))])


def statistics_of(y, x):
    stores, weeks = y.shape
    return build(np.repeat(np.arange(stores), weeks), np.tile(x, (stores, 1)), y.ravel(), stores)


def test_drawn_statistics_are_distributed_like_those_of_drawn_weeks():
    x, rng = design(), np.random.default_rng(1)
    params = MixtureParameters(np.array([0.7, 0.3]), THETA, np.array([1.0, 0.5]))
    weeks = statistics_of(draw_stores(rng, finite_mixture(*params[:3]), x, 4000).y, x)
    drawn = draw_statistics(rng, params, weeks)
    for column in range(2):
        assert distributions.ks_2samp(drawn.b[:, column], weeks.b[:, column]).pvalue > 1e-3
    assert distributions.ks_2samp(drawn.rss, weeks.rss).pvalue > 1e-3
    contrast = np.array([1.0, 0.7])  # a combination sees the correlation of the two coefficients
    assert distributions.ks_2samp(drawn.b @ contrast, weeks.b @ contrast).pvalue > 1e-3
    assert np.array_equal(drawn.xtx, weeks.xtx)


def test_a_store_with_a_constant_price_draws_only_what_it_can_show():
    x = design()
    x[:, 1] = 0.5
    rng = np.random.default_rng(2)
    params = MixtureParameters(np.ones(1), THETA[:1], np.ones(1))
    stats = statistics_of(draw_stores(rng, finite_mixture(*params[:3]), x, 2000).y, x)
    drawn = draw_statistics(rng, params, stats)
    fitted = drawn.b @ x[0]
    assert fitted.mean() == pytest.approx(THETA[0] @ x[0], abs=4 / np.sqrt(8 * 2000))
    assert fitted.std() == pytest.approx(1 / np.sqrt(8), rel=0.06)
    assert drawn.rss.mean() == pytest.approx(7.0, rel=0.05)  # 8 weeks less the one direction seen


def test_replicates_do_not_depend_on_the_number_of_jobs():
    x = design()
    y = draw_stores(np.random.default_rng(3), finite_mixture(np.ones(1), THETA[:1], np.ones(1)), x, 25).y
    stats = statistics_of(y, x)
    one = fit_mixture(stats, 1)
    assert list(draw_replicates(one, stats, 6, seed=5, jobs=1)) == list(draw_replicates(one, stats, 6, seed=5, jobs=2))


def test_two_clear_segments_are_found_and_a_third_is_not():
    x = design(weeks=20)
    truth = finite_mixture(np.array([0.6, 0.4]), THETA, np.ones(2))
    stats = statistics_of(draw_stores(np.random.default_rng(4), truth, x, 60).y, x)
    fits = [fit_mixture(stats, k) for k in (1, 2, 3)]
    first = likelihood_ratio_test(fits[0], fits[1], list(draw_replicates(fits[0], stats, 19, jobs=1)))
    second = likelihood_ratio_test(fits[1], fits[2], list(draw_replicates(fits[1], stats, 19, jobs=1)))
    assert first.p_value == pytest.approx(1 / 20)
    assert second.p_value > 0.1
    with pytest.raises(InputError, match="K and K \\+ 1"):
        likelihood_ratio_test(fits[0], fits[2], [1.0])


@pytest.mark.slow
def test_p_values_are_uniform_when_the_smaller_model_is_true():
    x = design(weeks=10)
    truth = finite_mixture(np.array([0.6, 0.4]), THETA, np.ones(2))
    p_values = []
    for seed in range(60):
        stats = statistics_of(draw_stores(np.random.default_rng(100 + seed), truth, x, 50).y, x)
        two, three = fit_mixture(stats, 2), fit_mixture(stats, 3)
        test = likelihood_ratio_test(two, three, list(draw_replicates(two, stats, 39, seed=seed)))
        p_values.append(test.p_value)
    assert distributions.kstest(p_values, "uniform").pvalue > 0.01
