"""Statistics of stores of any family are values with laws, and say what the rows say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from em.design_counts import concatenate_stores, count_designs, distinct_rows, merge_weeks, take_stores
from em.families import FAMILIES
from em.families.family import log_density
from em.family_segments import family_loglik

SEEDS = st.integers(0, 2**32 - 1)


def draw(seed, name=None, stores=5):
    """Rows with repeated designs, exposures and trials: family, store, x, y, offset, trials."""
    rng = np.random.default_rng(seed)
    family = FAMILIES[name or rng.choice(list(FAMILIES))]
    rows = int(rng.integers(1, 60))
    store = rng.integers(stores, size=rows)
    x = np.column_stack([np.ones(rows), rng.integers(0, 3, rows) / 2.0])
    offset = np.log(rng.choice([1.0, 2.0], rows)) if family.size == "exposure" else np.zeros(rows)
    trials = rng.integers(1, 5, rows).astype(float) if family.size == "trials" else np.ones(rows)
    y = family.draw(rng, x @ np.array([0.4, -0.7]) + offset, trials, -0.5)
    return family, store, x, y, offset, trials


def counted(rows, keep=slice(None), n_stores=5):
    family, store, x, y, offset, trials = rows
    return count_designs(family, store[keep], x[keep], y[keep], n_stores, offset=offset[keep], trials=trials[keep])


def loglik(stats, seed=0):
    rng = np.random.default_rng(seed)
    theta, sigma = rng.normal(0.0, 0.7, (2, 3, 2)), rng.uniform(0.3, 2.0, (2, 3))
    return family_loglik(stats, theta, sigma), theta, sigma


def assert_same(one, other):
    assert one.n_observations == other.n_observations
    assert_allclose(loglik(one)[0], loglik(other)[0], rtol=1e-9, atol=1e-9)


@given(SEEDS)
def test_stores_have_the_density_of_their_rows(seed):
    rows = draw(seed)
    family, store, x, y, offset, trials = rows
    found, theta, sigma = loglik(counted(rows))
    eta = np.einsum("rp,...kp->...kr", x, theta) + offset
    by_row = log_density(family, y, eta, trials, np.log(sigma)[..., None])
    expected = np.stack([by_row[..., store == i].sum(-1) for i in range(5)], axis=1)
    assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@given(SEEDS)
def test_rows_of_one_design_are_counted_once(seed):
    rows = draw(seed)
    stats = counted(rows)
    keys = np.column_stack([rows[1], rows[2], rows[4]])
    assert stats.store.size == len(np.unique(keys, axis=0))
    assert stats.n.sum() == rows[5].sum()
    assert_allclose(stats.total.sum(), rows[3].sum())


@given(SEEDS)
def test_order_means_nothing(seed):
    rows = draw(seed)
    order = np.random.default_rng(seed).permutation(rows[1].size)
    for one, other in zip(counted(rows), counted(rows, order), strict=True):
        if isinstance(one, np.ndarray):
            assert_allclose(one, other, rtol=1e-12)


@given(SEEDS)
def test_weeks_merge_and_stores_concatenate(seed):
    rows = draw(seed)
    half = np.random.default_rng(seed).random(rows[1].size) < 0.5
    if half.all() or not half.any():
        return
    assert_same(merge_weeks(counted(rows, half), counted(rows, ~half)), counted(rows))
    whole = counted(rows)
    parts = [take_stores(whole, np.array(some, dtype=int)) for some in ([0, 1], [2, 3, 4])]
    assert_same(concatenate_stores(parts), whole)


@given(SEEDS)
def test_stores_can_be_taken_in_any_order_and_twice(seed):
    whole = counted(draw(seed))
    index = np.array([3, 0, 3, 4])
    assert_allclose(loglik(take_stores(whole, index))[0], loglik(whole)[0][:, index], rtol=1e-12)


def test_two_zeros_are_one_design():
    rows, index = distinct_rows(np.array([[0.0, 1.0], [-0.0, 1.0], [2.0, 0.0]]))
    assert_array_equal(index, [0, 0, 1])
    assert len(rows) == 2


@pytest.mark.parametrize("name", FAMILIES)
def test_a_store_without_rows_says_nothing(name):
    family, store, x, y, offset, trials = draw(1, name)
    stats = count_designs(family, np.where(store == 2, 0, store), x, y, 6, offset=offset, trials=trials)
    assert_array_equal(loglik(stats)[0][:, [2, 5]], 0.0)
