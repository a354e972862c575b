"""Stores left out exactly: closed forms, folds against single stores, what is kept, and the sampler's own twin."""

import numpy as np
import oracles
import pytest
from fits_for_comparisons import panel, segmented
from scipy.stats import multivariate_normal

from bayesmix.density import log_density
from bayesmix.left_out import folds_of, leave_out
from bayesmix.priors import from_record
from bayesmix.run import fit_hierarchical, fit_mixture, fit_normal_mixture
from bayesmix.settings import Settings
from bayesmix.store_loo import LeftOut, loo, with_left_out
from bayesmix.target import loglik, parameters, target_of, tempered, without

FEW = Settings(draws=200, tune=200, chains=2, seed=1)


@pytest.fixture(scope="module")
def one():
    """One segment, sigma fixed: everything about it is known."""
    return fit_mixture(panel(segmented(12), weeks=10, unequal=True), 1, settings=FEW)


@pytest.fixture(scope="module")
def two():
    return fit_mixture(panel(segmented(20), weeks=12, unequal=True), 2, sigma="common", settings=FEW)


def closed_form(fit, left):
    """Log predictive density of each store of a fold given the stores outside, by row-wise normal densities."""
    priors, stats = from_record(fit.priors), fit.statistics
    back = fit.tree["constant_data"]["back"].to_numpy()
    keep = np.setdiff1d(np.arange(stats.n_stores), left)
    prior_cov = back @ np.diag(np.square(priors.sd)) @ back.T
    precision = np.linalg.inv(prior_cov) + stats.xtx[keep].sum(0)
    pull = np.linalg.solve(prior_cov, back @ np.array(priors.mean)) + np.einsum(
        "spq,sq->p", stats.xtx[keep], stats.b[keep]
    )
    mean, cov = np.linalg.solve(precision, pull), np.linalg.inv(precision)
    data = panel(segmented(12), weeks=10, unequal=True)
    rows = oracles.Rows(data.store, data.x, data.y, 12)
    found = []
    for store in left:
        x, y = rows.of(store)
        found.append(multivariate_normal.logpdf(y, x @ mean, np.eye(len(y)) + x @ cov @ x.T))
    return np.array(found)


@pytest.mark.parametrize("left", [[[0], [5]], [[1, 4, 7, 9]]])
def test_one_segment_with_sigma_fixed_has_a_closed_form(one, left):
    found = leave_out(target_of(one), [np.array(stores) for stores in left], Settings(1000, 300, 4, 2))
    exact = np.concatenate([closed_form(one, np.array(stores)) for stores in left])
    assert found.settled_i.all()
    assert np.all(np.abs(found.elpd_i - exact) < 4.0 * found.error_i + 1e-3)
    assert found.error_i.max() < 0.03


def test_as_many_folds_as_stores_is_each_store_alone(two):
    target, n = target_of(two), len(two.stores)
    folds = folds_of(n, n, seed=3)
    assert sorted(int(stores) for fold in folds for stores in fold) == list(range(n))
    assert {fold.size for fold in folds} == {1}
    some = folds[:4]
    in_folds = leave_out(target, some, FEW)
    alone = leave_out(target, [np.array([int(fold[0])]) for fold in some], FEW)
    np.testing.assert_array_equal(in_folds.stores, np.concatenate(some))
    np.testing.assert_array_equal(in_folds.elpd_i, alone.elpd_i)
    psis = loo(two.store_loglik).elpd_i[in_folds.stores]
    assert np.all(np.abs(in_folds.elpd_i - psis) < 5.0 * np.hypot(in_folds.error_i, 0.03))


def test_folds_hold_every_store_once_and_are_of_one_size():
    folds = folds_of(23, 5)
    assert sorted(np.concatenate(folds)) == list(range(23))
    assert {fold.size for fold in folds} == {4, 5}


@pytest.mark.parametrize("fit_of", [fit_hierarchical, lambda data, **how: fit_normal_mixture(data, 2, **how)])
def test_the_density_of_a_file_is_the_one_that_was_drawn_from(fit_of):
    fit = fit_of(panel(segmented(15), weeks=10, unequal=True), sigma="common", settings=FEW)
    target = target_of(fit)
    q = target.draws.reshape(-1, target.draws.shape[-1])
    np.testing.assert_allclose(log_density(target.density, q), fit.sample_stats["lp"].to_numpy().ravel(), rtol=1e-9)
    by_store = loglik(target, parameters(target, q))
    np.testing.assert_allclose(by_store, fit.store_loglik.to_numpy().reshape(by_store.shape), rtol=1e-9)


def test_without_stores_and_tempered_only_the_likelihood_changes(two):
    target, left = target_of(two), np.array([0, 3])
    q = target.draws[0, :5]
    of_left = loglik(target, parameters(target, q), left).sum(1)
    whole = loglik(target, parameters(target, q)).sum(1)
    at = log_density(target.density, q)
    np.testing.assert_allclose(log_density(without(target, left).density, q), at - of_left, rtol=1e-9)
    np.testing.assert_allclose(log_density(tempered(target, 0.25).density, q), at - 0.75 * whole, rtol=1e-9)


def test_finished_folds_are_read_and_others_drawn(two, tmp_path):
    target, file = target_of(two), tmp_path / "folds"
    folds = [np.array([0]), np.array([1])]
    first = leave_out(target, folds[:1], FEW, file)
    line = file.read_text()
    changed = line.replace(repr(float(first.elpd_i[0])), "-77.0")
    assert changed != line
    file.write_text("damaged\n" + changed)
    both = leave_out(target, folds, FEW, file)
    assert both.elpd_i[0] == -77.0
    assert both.elpd_i[1] == leave_out(target, folds, FEW).elpd_i[1]
    other = leave_out(target, folds[:1], Settings(210, 200, 2, 1), file)
    assert other.elpd_i[0] != -77.0


def test_exact_values_take_the_place_of_weighted_ones(two):
    psis = loo(two.store_loglik)
    doubtful = psis._replace(khat_i=np.full(len(two.stores), 0.9))
    left = LeftOut(np.array([2, 5]), np.array([-1.0, -2.0]), np.zeros(2), np.array([True, False]), 2)
    found = with_left_out(doubtful, left)
    assert found.n_doubtful == len(two.stores) - 1
    np.testing.assert_array_equal(found.elpd_i[[2, 5]], left.elpd_i)
    np.testing.assert_allclose(found.elpd_i + found.p_i, psis.elpd_i + psis.p_i)
    np.testing.assert_array_equal(np.delete(found.elpd_i, [2, 5]), np.delete(psis.elpd_i, [2, 5]))
    assert with_left_out(psis, None) is psis
