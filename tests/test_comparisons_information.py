import math

import arviz as az
import numpy as np
import pytest
import xarray as xr
from arviz_stats.base.array import array_stats
from fits_for_comparisons import PRIOR_MEAN, PRIOR_SD, conjugate, mixture_tree, panel, segmented

from bayesmix.store_loo import loo, relative_efficiency, standard_error, total
from comparisons.information import waic
from em.likelihood import component_loglik
from em.panel import store_statistics
from em.statistics import take


def loglik_of(values: np.ndarray) -> xr.DataArray:
    names = [f"Store {i}" for i in range(values.shape[2])]
    return xr.DataArray(values, dims=("chain", "draw", "store_name"), coords={"store_name": names})


@pytest.fixture(scope="module")
def one_segment():
    """Stores of one segment with sigma = 1: posterior draws, and the exact log-density of each store left out."""
    stats = store_statistics(panel(np.tile([10.8, -1.1], (40, 1)), weeks=12, seed=3))
    everything = np.ones(stats.n_stores, dtype=bool)
    rng = np.random.default_rng(4)
    theta = rng.multivariate_normal(*conjugate(stats, everything), size=(4, 2000))
    draws = component_loglik(stats, theta[..., None, :], np.ones(1))[..., 0]
    exact = np.empty(stats.n_stores)
    for i in range(stats.n_stores):
        mean, covariance = conjugate(stats, np.arange(stats.n_stores) != i)
        exact[i] = component_loglik(take(stats, np.array([i])), mean[None, :], np.ones(1), covariance[None])[0, 0]
    return loglik_of(draws), exact


def test_the_exact_values_are_the_normal_density_of_a_store_given_the_others():
    """The oracle itself, against the full covariance of the stacked data of two stores."""
    data = panel(np.tile([10.8, -1.1], (2, 1)), weeks=5, seed=3)
    x, y = data.x, data.y - data.x @ PRIOR_MEAN
    whole = x @ np.diag(PRIOR_SD**2) @ x.T + np.eye(y.size)
    logpdf = [
        -0.5 * (v.size * math.log(2 * math.pi) + np.linalg.slogdet(c)[1] + v @ np.linalg.solve(c, v))
        for v, c in ((y, whole), (y[5:], whole[5:, 5:]))
    ]
    mean, covariance = conjugate(store_statistics(data), np.array([False, True]))
    first = component_loglik(take(store_statistics(data), np.array([0])), mean[None, :], np.ones(1), covariance[None])[
        0, 0
    ]
    assert first == pytest.approx(logpdf[0] - logpdf[1], abs=1e-9)


def test_waic_is_lppd_minus_the_variance_store_by_store():
    rng = np.random.default_rng(0)
    draws = -70.0 + rng.normal(size=(2, 60, 3)) * [0.1, 0.5, 1.0]
    found = waic(loglik_of(draws))
    for i in range(3):
        values = draws[:, :, i].ravel().tolist()
        mean = sum(values) / len(values)
        variance = sum((v - mean) ** 2 for v in values) / (len(values) - 1)
        lppd = math.log(sum(math.exp(v) for v in values) / len(values))
        assert found.elpd_i[i] == pytest.approx(lppd - variance, abs=1e-12)
        assert found.p_i[i] == pytest.approx(variance, abs=1e-12)
    assert found.n_doubtful == 1


def test_waic_and_loo_come_near_the_exact_values(one_segment):
    draws, exact = one_segment
    psis, wide = loo(draws), waic(draws)
    assert total(psis.elpd_i) == pytest.approx(exact.sum(), abs=0.05)
    assert np.abs(psis.elpd_i - exact).max() < 0.05
    assert total(wide.elpd_i) == pytest.approx(exact.sum(), abs=0.2)
    assert psis.n_doubtful == 0
    assert total(psis.p_i) == pytest.approx(2.0, abs=0.8)


def test_loo_is_that_of_arviz_with_the_same_efficiency_on_the_file_as_it_is():
    tree = mixture_tree(panel(segmented(40), seed=5), 3, draws=250)
    ours = loo(tree["log_likelihood/store"])
    theirs = az.loo(tree, var_name="store", reff=ours.reff, pointwise=True)
    assert theirs.n_data_points == 40
    np.testing.assert_array_equal(ours.elpd_i, theirs.elpd_i)
    np.testing.assert_array_equal(ours.khat_i, theirs.pareto_k)
    assert total(ours.p_i) == pytest.approx(theirs.p, abs=1e-8)


def test_a_store_unlike_all_others_has_a_high_khat(one_segment):
    draws, _ = one_segment
    values = draws.values.copy()
    values[:, :, 7] *= 40.0
    found = loo(loglik_of(values))
    assert found.khat_i[7] > found.khat_limit
    assert found.n_doubtful == 1


def test_relative_efficiency_is_one_for_independent_draws_and_small_for_sticky_ones():
    rng = np.random.default_rng(1)
    independent = -70.0 + 0.2 * rng.normal(size=(4, 500, 5))
    sticky = np.repeat(independent[:, ::10], 10, axis=1)
    assert relative_efficiency(loglik_of(independent)) == pytest.approx(1.0, abs=0.1)
    assert relative_efficiency(loglik_of(sticky)) == pytest.approx(0.1, abs=0.03)
    assert relative_efficiency(loglik_of(np.full((4, 100, 2), -70.0))) == 1.0


def test_stores_with_very_long_series_do_not_underflow(one_segment):
    draws, _ = one_segment
    far = loo(draws - 20_000.0)
    np.testing.assert_allclose(far.elpd_i + 20_000.0, loo(draws).elpd_i, atol=1e-6)
    np.testing.assert_allclose(waic(draws - 20_000.0).elpd_i + 20_000.0, waic(draws).elpd_i, atol=1e-6)


def test_standard_error_of_a_total():
    values = np.array([-3.0, -1.0, 2.0, 6.0])
    assert standard_error(values) == pytest.approx(math.sqrt(4 * np.var(values, ddof=1)))
    assert math.isnan(standard_error(np.array([1.0])))


def test_a_chain_that_stands_still_where_a_store_is_least_likely_has_no_khat(one_segment):
    draws, _ = one_segment
    values = draws.values[:, :300].copy()
    values[0, :, 7] = values[..., 7].min() - 1.0
    found, before = loo(loglik_of(values)), loo(loglik_of(draws.values[:, :300]))
    assert np.isposinf(found.khat_i[7])
    assert np.isfinite(found.elpd_i).all()
    assert np.isfinite(np.delete(found.khat_i, 7)).all()
    assert found.elpd_i[7] < before.elpd_i[7]
    weight = np.exp(-values[..., 7] + values[..., 7].min())
    assert found.elpd_i[7] == pytest.approx(np.log((np.exp(values[..., 7]) * weight).sum() / weight.sum()), abs=1e-9)


def test_a_tail_of_many_equal_draws_has_an_infinite_khat_and_none_that_is_no_number(one_segment):
    draws, _ = one_segment
    values = draws.values.copy()
    flat = values.reshape(-1, values.shape[2])
    order = np.argsort(flat[:, 7])
    tail = int(3.0 * np.sqrt(len(flat)))  # of which the lower half is one draw, as is what follows
    flat[order[tail // 2 : 2 * tail], 7] = flat[order[2 * tail], 7]
    assert np.isnan(array_stats.psislw(np.ascontiguousarray(flat[:, [7]].T), r_eff=1.0)[1]).all()
    found = loo(loglik_of(flat.reshape(values.shape)))
    assert np.isposinf(found.khat_i[7])
    assert found.n_doubtful == 1
