"""From a store's own weeks to what is said of it: against arithmetic on rows, textbook limits, and in words."""

import re

import numpy as np
import oracles
import pytest
import xarray as xr
from fits_by_hand import fit_of
from fits_for_comparisons import continuous, hierarchical_tree, mixture_tree, panel, segmented
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.stats import norm

from bayesmix.fitted import Fit
from bayesmix.label_free import store_values
from bayesmix.pictures_of_shrinkage import corners
from bayesmix.pooling import left_open, own_weight, pooling
from bayesmix.report import report
from bayesmix.rounding import by_ratio
from bayesmix.shrinkage import explanation, furthest, shrinkage, typical_week
from bayesmix.some_stores import some_stores
from em.likelihood import component_loglik, membership
from em.statistics import build, take

NAMES = ("intercept", "log_price")
ALONG = np.array([[1.0, 0.8], [0.0, 1.0]])


def by_rows(seed=0, stores=6, draws=30):
    """A continuum's rows, its fit, and mean and variance of a store's coefficients under every draw from the rows."""
    rng = np.random.default_rng(seed)
    rows = oracles.draw_rows(rng, stores, 2, weeks=(2, 6))
    factor = rng.normal(size=(draws, 2, 2))
    q = {
        "mu": np.array([10.0, -1.4]) + 0.3 * rng.normal(size=(draws, 2)),
        "omega": 0.3 * factor @ np.swapaxes(factor, 1, 2),
        "sigma": rng.uniform(0.5, 1.5, draws),
    }
    fit = fit_of(build(rows.store, rows.x, rows.y, stores), NAMES, **q)

    def conditional(store, d):
        x, y = rows.of(store)
        gain = q["omega"][d] @ x.T @ np.linalg.inv(x @ q["omega"][d] @ x.T + q["sigma"][d] ** 2 * np.eye(len(y)))
        return q["mu"][d] + gain @ (y - x @ q["mu"][d]), q["omega"][d] - gain @ x @ q["omega"][d]

    return rows, fit, q, conditional


def test_sums_of_coefficients_are_those_of_the_rows():
    _, fit, q, conditional = by_rows()
    draws, level = len(q["mu"]), 0.055
    found = store_values(fit, ALONG[None], 0.89)
    for store in (0, 4):
        for m, a in enumerate(ALONG):
            each = [conditional(store, d) for d in range(draws)]
            center, sd = np.array([a @ mean for mean, _ in each]), np.sqrt([a @ v @ a for _, v in each])
            mean = center.mean()
            expected = [mean, np.sqrt(np.mean(sd**2 + (center - mean) ** 2))]
            for p in (level, 1.0 - level):
                expected.append(brentq(lambda t, p=p, c=center, s=sd: norm.cdf(t, c, s).mean() - p, -50, 50))
            assert_allclose(found[:, store, m], expected, rtol=1e-6)


def test_sums_in_a_mixture_have_the_values_of_segments():
    fit = Fit(mixture_tree(panel(segmented(12), unequal=True), 3, draws=41, chains=1), "mixture K=3")
    d = fit.draws
    directions = np.random.default_rng(0).normal(size=(12, 1, 2))
    found = store_values(fit, directions, 0.5)[:, :, 0]
    for s in range(12):
        share = membership(np.log(d.weight), component_loglik(take(fit.statistics, np.array([s])), d.mu, d.sigma))
        values, weight = (d.mu @ directions[s, 0]).ravel(), share[:, 0].ravel() / 41
        order = np.argsort(values)
        below = np.cumsum(weight[order])
        quantiles = [values[order][np.argmax(below >= level - 1e-12)] for level in (0.25, 0.75)]
        mean = weight @ values
        assert_allclose(found[:, s], [mean, np.sqrt(weight @ (values - mean) ** 2), *quantiles], rtol=1e-7)
    few = store_values(fit, directions, 0.5, most=10)[0, :, 0]
    assert 0.0 < np.abs(few - found[0]).max() < 0.5
    whole = store_values(fit, np.eye(2)[None], 0.5)
    assert_allclose(whole[0], fit.by_store["coefficients"], rtol=1e-9)


def test_own_weight_is_the_share_of_precision_that_the_own_estimate_carries():
    rows, fit, q, conditional = by_rows(stores=4, draws=3)
    found = own_weight(fit, ALONG)
    for store in range(4):
        x, _ = rows.of(store)
        for m, a in enumerate(ALONG):
            alone = a @ np.linalg.inv(x.T @ x) @ a
            expected = np.mean([a @ conditional(store, d)[1] @ a / (q["sigma"][d] ** 2 * alone) for d in range(3)])
            assert found[store, m] == pytest.approx(expected, rel=1e-6)


def test_own_weight_of_an_intercept_alone_is_the_textbook_one_and_the_rest_is_pooling():
    n = np.array([1.0, 4.0, 25.0, 400.0])
    stats = build(np.repeat(np.arange(4), n.astype(int)), np.ones((430, 1)), np.linspace(9, 11, 430), 4)
    fit = fit_of(stats, ("intercept",), mu=np.full((5, 1), 10.0), omega=np.full((5, 1, 1), 0.3), sigma=np.full(5, 0.7))
    found = own_weight(fit, np.eye(1))[:, 0]
    assert_allclose(found, 0.3 / (0.3 + 0.49 / n), rtol=1e-9)
    assert_allclose(found, 1.0 - pooling(fit)[:, 0], rtol=1e-9)
    mean = store_values(fit, np.eye(1)[None], 0.89)[0, :, 0]
    assert_allclose(mean, found * stats.b[:, 0] + (1.0 - found) * 10.0, rtol=1e-12)


@pytest.fixture(scope="module")
def continuum():
    return Fit(hierarchical_tree(panel(continuous(40), unequal=True, seed=5), draws=100), "hierarchical")


def test_stores_that_move_most_are_told_in_their_order(continuum):
    data = panel(continuous(40), unequal=True, seed=5)
    at = data.x.mean(0)
    assert_allclose(typical_week(continuum), at)
    own = np.array([np.linalg.lstsq(data.x[data.store == i], data.y[data.store == i])[0] @ at for i in range(40)])
    error = np.array([
        np.sqrt(at @ np.linalg.inv(data.x[data.store == i].T @ data.x[data.store == i]) @ at) for i in range(40)
    ])  # fmt: skip
    after = continuum.by_store["coefficients"].values @ at
    moved = np.where(error < 0.9, np.abs(after - own), 0.0)
    index = furthest(continuum, 5)
    assert index.tolist() == np.argsort(-moved)[:5].tolist()
    found = shrinkage(continuum, index)
    assert_allclose(found.sales.own, own[index], rtol=1e-9)
    assert_allclose(found.sales.mean, after[index], atol=0.01)
    assert_allclose(found.sales.alike, continuum.draws.mu.mean(0)[0] @ at, rtol=1e-9)
    assert np.all(found.sales.sd < found.sales.own_se)
    backwards = shrinkage(continuum, index[::-1])
    assert_allclose(backwards.sales.own, found.sales.own[::-1])
    every = shrinkage(continuum, np.arange(40)[::-1])
    assert_allclose(every.sales.own, own[::-1], rtol=1e-9)


def test_stores_far_apart_keep_what_they_say_and_stores_alike_say_the_same(continuum):
    index = np.arange(10)

    def with_omega(scale):
        parts = {f"/{name}": node.to_dataset() for name, node in continuum.tree.children.items()}
        parts["/posterior"] = continuum.posterior.assign(omega=continuum.posterior["omega"] * scale)
        tree = xr.DataTree.from_dict(parts)
        tree.attrs = dict(continuum.tree.attrs)
        return shrinkage(Fit(tree, "hierarchical"), index)

    wide, narrow = with_omega(1e8), with_omega(1e-8)
    assert_allclose(wide.sales.mean, wide.sales.own, atol=1e-3)
    assert_allclose(wide.sales.weight, 1.0, atol=1e-3)
    assert_allclose(narrow.sales.mean, narrow.sales.alike, atol=1e-2)
    assert_allclose(narrow.sales.weight, 0.0, atol=1e-3)


def test_the_explanation_has_the_numbers_of_the_store(continuum):
    index = furthest(continuum)
    found = shrinkage(continuum, index)
    told = explanation(continuum, found, 2)
    own, mean = np.exp(found.sales.own[2]), np.exp(found.sales.mean[2])
    ends = np.exp(found.sales.low[2]), np.exp(found.sales.high[2])
    assert f"By its own {int(continuum.statistics.n[index[2]])} weeks {continuum.stores[index[2]]} would sell" in told
    assert f"Pooled it would sell {by_ratio(mean, *ends)} (" in told
    assert f"its own least squares carry {found.sales.weight[2]:.0%}".replace("%", " %") in told
    shown = float(re.search(r"would sell ([\d,]+) \(", told)[1].replace(",", ""))
    assert shown == pytest.approx(own, rel=0.06)


def test_in_a_mixture_a_store_has_the_values_of_its_segment():
    fit = Fit(mixture_tree(panel(segmented(30)), 3, draws=60), "mixture K=3")
    found = shrinkage(fit, furthest(fit))
    sure = found.surely > 0.99
    assert sure.sum() >= 5
    assert_allclose(found.sales.mean[sure], found.sales.alike[sure], atol=0.05)
    assert not found.sales.weight.any()
    assert "stores of a segment are alike" in explanation(fit, found, 0)
    assert f"Segment {found.belongs[0] + 1}, to which it belongs" in explanation(fit, found, 0)


def test_what_is_left_open_is_pooling_in_a_continuum_and_the_segment_in_a_mixture(continuum):
    assert_allclose(left_open(continuum), pooling(continuum), rtol=1e-9)
    fit = Fit(mixture_tree(panel(segmented(12)), 2, draws=1, chains=1), "mixture K=2")
    weight, theta, share = fit.draws.weight[0], fit.draws.mu[0], fit.by_store["membership"].values
    before = weight @ theta**2 - (weight @ theta) ** 2
    after = share @ theta**2 - (share @ theta) ** 2
    assert_allclose(left_open(fit), np.minimum(after / before, 1.0), atol=1e-9)


def test_a_selection_in_another_order_is_in_that_order(continuum):
    backwards = some_stores(continuum, np.arange(40)[::-1])
    assert backwards.stores == continuum.stores[::-1]
    assert_allclose(backwards.statistics.b, continuum.statistics.b[::-1])


def test_corners_leave_out_what_is_far_and_hold_the_rest():
    after = np.random.default_rng(0).normal(size=(60, 2))
    own = after * 1.5
    own[3] = [0.0, 300.0]
    own[4] = np.nan
    frame = corners(own, [after])
    assert frame[1, 1] < 20.0
    inside = np.delete(own, [3, 4], 0)
    assert np.all((inside > frame[0]) & (inside < frame[1]))


def test_the_page_says_and_draws_who_moves(continuum):
    html = report(continuum)
    first = shrinkage(continuum, furthest(continuum))
    table = html[html.index("Table of the stores that move most") :]
    names = re.findall(r'<th scope="row" class="named">([^<]+)</th>', table[: table.index("</table>")])
    assert names == [continuum.stores[i] for i in first.store]
    assert explanation(continuum, first, 0) in html
    assert {"moved", "plane", "pooling", "caterpillar-0", "caterpillar-1"} <= set(
        re.findall(r'class="([\w-]+)" ', html)
    )


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [(20_041.0, 7_500.0, 53_000.0, "20,000"), (19_071.0, 18_600.0, 19_400.0, "19,100"), (3.456, 3.0, 4.0, "3.5"),
     (123_456.0, 123_400.0, 123_500.0, "123,460"), (5.0, 5.0, 5.0, "5.0")],
)  # fmt: skip
def test_sales_have_the_digits_of_their_interval(value, low, high, said):
    assert by_ratio(value, low, high) == said
