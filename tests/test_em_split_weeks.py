"""Where a panel is parted in time, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from em.errors import InputError
from em.panel import Panel, read_panel, store_statistics
from em.split_weeks import split_weeks
from em.statistics import merge


def panel(lengths, *, weeks=None, traits=None):
    """Stores with so many weeks each, or with the given ones; weeks are counted from 1."""
    weeks = [np.arange(n) for n in lengths] if weeks is None else weeks
    store = np.repeat(np.arange(len(weeks)), [len(one) for one in weeks])
    week = np.concatenate(weeks)
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(store.size), rng.normal(size=store.size)])
    names = tuple(str(t + 1) for t in range(int(week.max()) + 1))
    stores = tuple(f"S{i + 1}" for i in range(len(weeks)))
    y = rng.normal(size=store.size)
    return Panel(stores, names, ("intercept", "log_price"), store, week, x, y, "weeks.csv", "0" * 64, traits)


@given(st.lists(st.integers(2, 40), min_size=2, max_size=6), st.floats(0.05, 0.95))
def test_parts_are_disjoint_whole_and_in_order(lengths, share):
    lengths = [*lengths, 8]
    split = split_weeks(panel(lengths), share)
    first, whole = split.until(1), split.until(split.n_steps + 1)
    assert first.y.size + split.later.sum() == split.panel.y.size == whole.y.size == sum(lengths)
    for s, n in enumerate(lengths):
        own = split.step[split.panel.store == s]
        assert np.all(np.diff(own) >= 0)
        assert own[0] == 0
        assert own[-1] > 0
        if not split.aligned:
            assert (own == 0).sum() == min(max(round(share * n), 1), n - 1)
    rest = split.panel
    later = Panel(
        rest.stores, rest.weeks, rest.coefficients, rest.store[split.later], rest.week[split.later],
        rest.x[split.later], rest.y[split.later], "", "",
    )  # fmt: skip
    merged = merge(store_statistics(first), store_statistics(later))
    for got, expected in zip(merged, store_statistics(rest), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8)


def test_weeks_of_the_calendar_are_cut_at_one_week():
    split = split_weeks(panel([], weeks=[np.arange(10), np.array([0, 1, 9]), np.arange(4, 10)]))
    assert split.aligned
    assert split.n_steps == 2
    np.testing.assert_array_equal(split.step, np.maximum(split.panel.week - 7, 0))


def test_stores_that_only_have_an_order_are_cut_each_at_its_own_week():
    split = split_weeks(panel([10, 20]))
    assert not split.aligned
    assert [int((split.step[split.panel.store == s] == 0).sum()) for s in (0, 1)] == [8, 16]


def test_a_store_that_comes_late_is_left_out_and_named():
    late = panel([], weeks=[np.arange(10), np.array([8, 9]), np.arange(10)], traits=np.array([[1.0], [2.0], [3.0]]))
    split = split_weeks(late)
    assert split.panel.stores == ("S1", "S3")
    assert split.notes == ("1 stores without a week among the first are left out (S2 is one)",)
    np.testing.assert_array_equal(split.panel.traits, [[1.0], [3.0]])
    np.testing.assert_array_equal(np.bincount(split.panel.store), [10, 10])
    np.testing.assert_array_equal(split.panel.y, late.y[late.store != 1])


@pytest.mark.parametrize(
    ("data", "share", "told"),
    [
        (panel([5, 6]), 1.0, "the share of weeks to fit is 1; expected a number between 0 and 1"),
        (panel([1, 1]), 0.5, "weeks.csv: has one week; expected at least two"),
        (
            panel([], weeks=[np.arange(3), np.arange(5, 9)]),
            0.5,
            "weeks.csv: no store has both a first week and a later",
        ),
        (panel([], weeks=[np.arange(9)]), 0.1, "weeks.csv, first 10% of weeks: 1 observations are too few"),
    ],
)
def test_what_cannot_be_parted_is_refused(data, share, told):
    with pytest.raises(InputError) as wrong:
        split_weeks(data, share)
    assert told in str(wrong.value)


def test_the_cheese_panel_is_cut_store_by_store(shared):
    data = read_panel(shared("data/cheese.csv"), store="RETAILER", sales="VOLUME", price="PRICE", covariates=["DISP"])
    split = split_weeks(data)
    assert not split.aligned
    assert (split.until(1).y.size, int(split.later.sum())) == (4445, 1110)
