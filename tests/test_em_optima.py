"""Distinct optima near the best: against climbing from every start by hand, and what does not count."""

import numpy as np
import pytest

from em.accelerate import newton
from em.fit import fit_mixture
from em.mixture import MixtureParameters, Model, e_step
from em.optima import distinct_optima
from em.panel import read_panel, store_statistics
from em.statistics import build


def three_clumps(stores=18, weeks=3, last=12.004):
    """Stores in three clumps on a line, with the same errors in each, fitted with two segments: either pair joins."""
    center = np.array([0.0, 6.0, last])[np.arange(stores) // 6]
    error = np.random.default_rng(0).standard_normal((6, weeks))
    y = center[:, None] + np.tile(error, (3, 1))
    return build(np.repeat(np.arange(stores), weeks), np.ones((y.size, 1)), y.ravel(), stores)


def test_both_ways_of_joining_three_clumps_are_found():
    stats = three_clumps()
    best = fit_mixture(stats, 2)
    optima = distinct_optima(stats, best.parameters, best.model, within=10.0)
    levels = [float(e_step(one, stats)[1]) for one in optima]
    assert len(optima) == 2
    assert levels == sorted(levels, reverse=True)
    assert levels[0] == pytest.approx(best.log_likelihood, abs=1e-9)
    for one in optima:
        again = newton(one, stats, best.model)
        assert again.log_likelihood == pytest.approx(float(e_step(one, stats)[1]), abs=1e-6)
        assert np.all(np.diff(one.weight) <= 0.0)
    means = sorted(sorted(one.theta[:, 0].round(1)) for one in optima)
    np.testing.assert_allclose(means, [[0.0, 9.0], [3.0, 12.0]], atol=0.4)


def test_optima_of_one_height_in_different_places_are_two():
    stats = three_clumps(last=12.0)
    best = fit_mixture(stats, 2)
    levels = [float(e_step(one, stats)[1]) for one in distinct_optima(stats, best.parameters, best.model, within=10.0)]
    assert len(levels) == 2
    assert levels[0] == pytest.approx(levels[1], abs=1e-3)


def test_what_is_too_far_below_is_left_out():
    stats = three_clumps()
    best = fit_mixture(stats, 2)
    assert len(distinct_optima(stats, best.parameters, best.model, within=1e-6)) == 1


def test_one_segment_has_one_optimum():
    stats = three_clumps()
    best = fit_mixture(stats, 1)
    assert distinct_optima(stats, best.parameters, best.model) == [best.parameters]


def test_the_best_comes_first_even_where_the_search_finds_a_better_one():
    stats = three_clumps()
    optima = distinct_optima(stats, fit_mixture(stats, 2).parameters, Model())
    from_second = distinct_optima(stats, optima[1], Model())
    np.testing.assert_array_equal(from_second[0].theta, optima[1].theta)
    np.testing.assert_allclose(from_second[1].theta, optima[0].theta, atol=1e-6)


def test_the_same_seed_finds_the_same():
    stats = three_clumps()
    best = fit_mixture(stats, 2, sigma="common")
    first, second = (distinct_optima(stats, best.parameters, best.model, seed=5) for _ in range(2))
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.theta, other.theta)
    assert isinstance(first[0], MixtureParameters)


def test_a_real_panel_with_many_optima(shared):
    columns = {"store": "RETAILER", "sales": "VOLUME", "price": "PRICE", "covariates": ["DISP"]}
    cheese = read_panel(shared("data/cheese.csv"), **columns)
    stats = store_statistics(cheese)
    best = fit_mixture(cheese, 5, sigma="common")
    levels = [float(e_step(one, stats)[1]) for one in distinct_optima(stats, best.parameters, best.model)]
    assert levels[0] == pytest.approx(-1883.04, abs=0.01)
    assert len(levels) >= 4
    assert min(np.diff(sorted(levels))) > 1e-3
    assert levels[0] - levels[-1] < 20.0
