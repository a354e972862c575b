from dataclasses import replace

import numpy as np
import pytest
from fits_for_comparisons import altered, continuous, hierarchical_tree, mixture_tree, panel, segmented, write_fit

from bayesmix.axis import axis_of, place
from bayesmix.read import load
from bayesmix.segments_of_stores import membership, most_probable
from bayesmix.store_summaries import own_standard_errors
from comparisons.pictures import frame
from comparisons.shrinkage import pooling, shrinkage
from em.panel import store_statistics
from em.statistics import build


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shrinkage")
    data = panel(continuous(50), unequal=True, seed=8)
    return [
        load(write_fit(hierarchical_tree(data, draws=100), folder / "hierarchical.nc")),
        load(write_fit(mixture_tree(data, 3, draws=100), folder / "mixture.nc")),
    ]


def with_omega(fit, scale):
    """The same fit with another covariance of store coefficients in every draw."""
    posterior = fit.posterior.copy(deep=True)
    posterior["omega"] = posterior["omega"] * scale
    return altered(fit, posterior=posterior)


def test_pooling_is_between_none_and_all_and_less_where_a_store_says_more(fits):
    hierarchical, _ = fits
    share = pooling(hierarchical)
    assert np.all((share > 0.0) & (share < 1.0))
    weeks = hierarchical.statistics.n
    assert np.corrcoef(weeks, share[:, 1])[0, 1] < -0.5
    np.testing.assert_allclose(pooling(with_omega(hierarchical, 1e-9)), 1.0, atol=1e-4)
    np.testing.assert_allclose(pooling(with_omega(hierarchical, 1e9)), 0.0, atol=1e-4)


def test_pooling_is_what_a_store_leaves_open_of_what_was_open_before(fits):
    """Against the covariance of store coefficients and sales written out in full, for one store and one draw."""
    hierarchical, _ = fits
    one = hierarchical.posterior.isel(chain=[0], draw=[0])
    one["sigma"] = one["sigma"] * 1.7
    share = pooling(altered(hierarchical, posterior=one))
    data = panel(continuous(50), unequal=True, seed=8)
    x, omega = data.x[data.store == 4], one["omega"].values[0, 0]
    sales = x @ omega @ x.T + 1.7**2 * np.eye(len(x))
    left = omega - omega @ x.T @ np.linalg.solve(sales, x @ omega)
    np.testing.assert_allclose(share[4], np.diagonal(left) / np.diagonal(omega))


def test_pooling_with_an_intercept_alone_is_the_textbook_weight(fits):
    hierarchical, _ = fits
    n = hierarchical.statistics.n
    stats = hierarchical.statistics._replace(xtx=n[:, None, None], b=hierarchical.statistics.b[:, :1])
    posterior = hierarchical.posterior.isel(coefficient=[0], coefficient_2=[0], chain=[0], draw=[0])
    share = pooling(altered(hierarchical, statistics=stats, posterior=posterior))
    variance = float(posterior["omega"].squeeze())
    np.testing.assert_allclose(share[:, 0], (1.0 / n) / (1.0 / n + variance))


def test_pooled_values_lie_closer_together_than_the_stores_own(fits):
    moved = shrinkage(fits)
    np.testing.assert_array_equal(moved.own, fits[0].statistics.b)
    assert set(moved.after) == {"hierarchical", "mixture K=3"}
    assert set(moved.pooling) == {"hierarchical"}
    assert not moved.same_information
    for after in moved.after.values():
        assert np.all(after.std(0) < moved.own.std(0))


def test_stores_with_one_design_have_the_same_information(tmp_path):
    data = panel(segmented(20), seed=8)
    moved = shrinkage([load(write_fit(hierarchical_tree(data, draws=50), tmp_path / "h.nc"))])
    assert moved.same_information
    assert np.ptp(moved.pooling["hierarchical"], axis=0).max() < 1e-9


def test_own_standard_errors_are_those_of_ordinary_least_squares():
    data = panel(continuous(3), unequal=True, seed=9)
    stats = store_statistics(data)
    variance = stats.rss.sum() / (stats.n.sum() - 6)
    x = data.x[data.store == 1]
    expected = np.sqrt(variance * np.diagonal(np.linalg.inv(x.T @ x)))
    np.testing.assert_allclose(own_standard_errors(stats)[1], expected)


def test_what_a_store_alone_does_not_determine_has_no_standard_error():
    """One price only: neither intercept nor elasticity. A display that never was: all but its own coefficient."""
    one_price = np.array([[1.0, 0.5, 0.0], [1.0, 0.5, 1.0], [1.0, 0.5, 0.3]])
    no_display = np.array([[1.0, 0.1, 0.0], [1.0, 0.9, 0.0], [1.0, 0.2, 0.0]])
    whole = np.array([[1.0, 0.1, 0.2], [1.0, 0.9, 0.1], [1.0, 0.2, 0.7], [1.0, 0.3, 0.3]])
    store = np.repeat([0, 1, 2], [3, 3, 4])
    stats = build(store, np.vstack([one_price, no_display, whole]), np.random.default_rng(0).normal(size=10), 3)
    errors = own_standard_errors(stats)
    np.testing.assert_array_equal(np.isfinite(errors), [[False, False, True], [True, True, False], [True, True, True]])


def test_membership_sums_to_one_and_names_the_most_probable(fits):
    share = membership(fits[1])
    np.testing.assert_allclose(share.sum(1), 1.0)
    np.testing.assert_array_equal(most_probable(fits[1]), share.argmax(1))


def test_the_picture_of_stores_holds_all_but_what_is_far_off(fits):
    moved = shrinkage(fits)
    axis = axis_of(moved.coefficients, fits[0].statistics)
    far = moved.own.copy()
    far[3] = far[3] + [0.0, 80.0]
    (left, bottom), (right, top) = frame(replace(moved, own=far), axis)
    assert top < 40.0
    for theta in moved.after.values():
        at = place(theta, axis)
        assert np.all((at > [left, bottom]) & (at < [right, top]))
    own = place(moved.own, axis)
    assert np.mean((own > [left, bottom]) & (own < [right, top])) > 0.9
    nothing = replace(moved, own_se=np.full_like(moved.own_se, np.inf))
    assert np.isfinite(frame(nothing, axis)).all()
