"""Store statistics are values with laws: parts merge into the whole, and order means nothing."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from oracles import Rows, draw_rows, weighted_least_squares

from em.statistics import build, concatenate, merge, pool, sums_of_squares, take

SEEDS = st.integers(0, 2**32 - 1)


def statistics(rows):
    return build(rows.store, rows.x, rows.y, rows.n_stores)


@st.composite
def panels(draw, awkward=True):
    """Rows of up to eight stores; among them stores with one week, a constant price, or no rows at all."""
    rng = np.random.default_rng(draw(SEEDS))
    rows = draw_rows(rng, draw(st.integers(1, 8)), p=draw(st.integers(1, 3)), weeks=(1, draw(st.integers(1, 30))))
    if awkward and rows.x.shape[1] > 1 and draw(st.booleans()):
        rows.x[rows.store == 0, 1] = rng.uniform(0.2, 2.0)
    return rows._replace(n_stores=rows.n_stores + draw(st.integers(0, 2))) if awkward else rows


def assert_same(one, other, rows):
    """Equal in what they say: sums of squares at any coefficients, and fitted values at the store's own."""
    rng = np.random.default_rng(0)
    theta = rng.normal([10.0, -1.5, 0.5], 2.0, (5, 3))[:, : rows.x.shape[1]]
    assert_allclose(one.n, other.n)
    assert_allclose(one.xtx, other.xtx, rtol=1e-12, atol=1e-12)
    assert_allclose(sums_of_squares(one, theta), sums_of_squares(other, theta), rtol=1e-9)
    scale = np.square(rows.y).sum()
    assert_allclose(one.rss, other.rss, rtol=1e-9, atol=1e-13 * scale)
    fitted = [np.einsum("rp,rp->r", rows.x, stats.b[rows.store]) for stats in (one, other)]
    assert_allclose(*fitted, rtol=1e-7)


@given(panels())
def test_a_store_is_its_least_squares(rows):
    stats = statistics(rows)
    for store in range(rows.n_stores):
        x, y = rows.of(store)
        b = np.linalg.lstsq(x, y)[0] if len(y) else np.zeros(x.shape[1])
        assert stats.n[store] == len(y)
        assert_allclose(stats.xtx[store], x.T @ x, rtol=1e-12)
        assert_allclose(stats.b[store], b, rtol=1e-7, atol=1e-7)
        assert_allclose(stats.rss[store], np.square(y - x @ b).sum(), rtol=1e-9, atol=1e-18)


@given(panels(), SEEDS)
def test_sums_of_squares_are_those_of_the_rows(rows, seed):
    theta = np.random.default_rng(seed).normal(0.0, 5.0, (2, 3, rows.x.shape[1]))
    expected = np.zeros((2, rows.n_stores, 3))
    for store, x, y in zip(rows.store, rows.x, rows.y, strict=True):
        expected[:, store] += np.square(y - theta @ x)
    assert_allclose(sums_of_squares(statistics(rows), theta), expected, rtol=1e-9)


@given(panels(), SEEDS)
def test_sums_of_squares_when_each_store_has_its_own_coefficients(rows, seed):
    theta = np.random.default_rng(seed).normal(0.0, 5.0, (rows.n_stores, 3, rows.x.shape[1]))
    stats = statistics(rows)
    alone = sums_of_squares(stats, theta, paired=True)
    assert_allclose(alone, [sums_of_squares(stats, own)[store] for store, own in enumerate(theta)], rtol=1e-12)


@given(panels(), SEEDS)
def test_two_parts_of_the_weeks_merge_into_the_whole(rows, seed):
    first = np.random.default_rng(seed).random(rows.y.size) < 0.5
    merged = merge(statistics(rows.taken(first)), statistics(rows.taken(~first)))
    assert_same(merged, statistics(rows), rows)


@given(panels(), SEEDS)
def test_merging_has_no_order(rows, seed):
    part = np.random.default_rng(seed).integers(3, size=rows.y.size)
    a, b, c = (statistics(rows.taken(part == i)) for i in range(3))
    assert_same(merge(a, b), merge(b, a), rows)
    assert_same(merge(merge(a, b), c), merge(a, merge(b, c)), rows)


@given(panels())
def test_nothing_merged_changes_nothing(rows):
    nothing = statistics(rows.taken(np.zeros(rows.y.size, bool)))
    assert_same(merge(statistics(rows), nothing), statistics(rows), rows)


@given(panels(), SEEDS)
def test_the_order_of_rows_does_not_matter(rows, seed):
    shuffled = rows.taken(np.random.default_rng(seed).permutation(rows.y.size))
    assert_same(statistics(shuffled), statistics(rows), rows)


@given(panels(), SEEDS)
def test_the_order_of_stores_does_not_matter(rows, seed):
    order = np.random.default_rng(seed).permutation(rows.n_stores)
    renamed = rows._replace(store=np.argsort(order)[rows.store])
    assert_same(statistics(renamed), take(statistics(rows), order), renamed)


@given(panels(), st.integers(0, 8))
def test_sets_of_stores_concatenate_into_the_whole(rows, cut):
    cut = min(cut, rows.n_stores)
    early = rows.store < cut
    first = Rows(rows.store[early], rows.x[early], rows.y[early], cut)
    second = Rows(rows.store[~early] - cut, rows.x[~early], rows.y[~early], rows.n_stores - cut)
    assert_same(concatenate([statistics(first), statistics(second)]), statistics(rows), rows)


@given(panels(), SEEDS)
def test_take_repeats_and_reorders(rows, seed):
    stats = statistics(rows)
    index = np.random.default_rng(seed).integers(rows.n_stores, size=7)
    for field, taken in zip(stats, take(stats, index), strict=True):
        assert_array_equal(taken, field[index])


@given(panels(awkward=False), SEEDS)
def test_pooled_statistics_are_weighted_least_squares(rows, seed):
    weights = np.random.default_rng(seed).uniform(0.1, 1.0, (rows.n_stores, 2))
    n, xtx, xty = pool(statistics(rows), weights)
    for k in range(2):
        weight = weights[rows.store, k]
        assert_allclose(n[k], weight.sum())
        assert_allclose(xtx[k], (rows.x * weight[:, None]).T @ rows.x, rtol=1e-10)
        assert_allclose(xty[k], (rows.x * weight[:, None]).T @ rows.y, rtol=1e-8)
        if np.linalg.cond(xtx[k]) < 1e6:
            assert_allclose(np.linalg.solve(xtx[k], xty[k]), weighted_least_squares(rows, weights[:, k]), rtol=1e-6)


def test_pool_has_leading_axes():
    stats = statistics(draw_rows(np.random.default_rng(0), 6, p=3))
    weights = np.random.default_rng(1).random((4, 2, 6, 3))
    for together, alone in zip(pool(stats, weights), pool(stats, weights[3, 1]), strict=True):
        assert together.shape[:3] == (4, 2, 3)
        assert_allclose(together[3, 1], alone, rtol=1e-13)


@pytest.mark.parametrize("shared", [True, False], ids=["one design", "own designs"])
def test_a_store_with_one_week_or_one_price_is_uninformative_not_an_error(shared):
    one_week = Rows(np.zeros(1, int), np.array([[1.0, 0.7]]), np.array([9.0]), 1)
    one_price = Rows(np.zeros(5, int), np.column_stack([np.ones(5), np.full(5, 0.7)]), np.arange(5.0), 1)
    for rows in (one_week, one_price):
        if shared:
            rows = Rows(np.concatenate([rows.store, rows.store + 1]), np.tile(rows.x, (2, 1)), np.tile(rows.y, 2), 2)
        stats = statistics(rows)
        # Along the direction that no week tells of, every value fits as well as another.
        along = stats.b[0] + np.linspace(-3.0, 3.0, 4)[:, None] * np.array([-0.7, 1.0])
        assert_allclose(sums_of_squares(stats, along)[0], stats.rss[0], atol=1e-12)
        assert_allclose(rows.x[0] @ stats.b[0], rows.of(0)[1].mean(), rtol=1e-12)


def test_a_store_without_rows_says_nothing():
    rows = draw_rows(np.random.default_rng(0), 2)
    stats = statistics(rows._replace(store=np.where(rows.store == 1, 3, 0), n_stores=5))
    for store in (1, 2, 4):
        assert stats.n[store] == stats.rss[store] == 0.0
        assert not stats.xtx[store].any()
        assert_array_equal(sums_of_squares(stats, np.array([[10.0, -2.0]]))[store], 0.0)
    assert stats.n_observations == rows.y.size


def test_nothing_cancels_where_responses_are_large_and_residuals_tiny():
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(40), rng.uniform(0.2, 2.0, 40)])
    theta = np.array([[1e6, -2.0]])
    rows = Rows(np.zeros(40, int), x, x @ theta[0] + 1e-3 * rng.standard_normal(40), 1)
    exact = np.square(rows.y.astype(np.longdouble) - x.astype(np.longdouble) @ theta[0]).sum()
    stats = statistics(rows)
    naive = rows.y @ rows.y - 2.0 * theta[0] @ (x.T @ rows.y) + theta[0] @ (x.T @ x) @ theta[0]
    assert abs(naive / exact - 1.0) > 1.0, "the case would not tell a careless formula from a careful one"
    assert_allclose(sums_of_squares(stats, theta)[0, 0], float(exact), rtol=1e-6)
    assert stats.rss[0] <= exact


def test_many_rows_are_built_in_pieces(monkeypatch):
    rows = draw_rows(np.random.default_rng(5), 30, p=3, weeks=(4, 7))
    whole = statistics(rows)
    monkeypatch.setattr(sys.modules["em.statistics"], "CHUNK", 50)
    assert_same(statistics(rows), whole, rows)
