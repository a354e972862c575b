"""Scores against numerical integration and the textbook, and regressions against arithmetic by hand."""

import numpy as np
import oracles
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from scipy.stats import t as student

from bayesmix.week_density import NormalMixtures, Weeks
from comparisons.least_squares import one_regression, own_regressions
from comparisons.week_scores import mean_over_stores, root_mean_square, scores_of_draws, scores_of_student
from em.statistics import build


def crps_by_integration(cdf, y, low, high):
    below = quad(lambda z: cdf(z) ** 2, low, y, limit=200, epsabs=1e-11)[0]
    return below + quad(lambda z: (1.0 - cdf(z)) ** 2, y, high, limit=200, epsabs=1e-11)[0]


@pytest.mark.parametrize("y", [-2.0, 0.3, 5.0])
@pytest.mark.parametrize("k", [1, 3])
def test_crps_of_a_mixture_of_normals_is_the_integral(y, k):
    """One mixture, given as three equal draws, so that pairs of draws are pairs of the mixture."""
    rng = np.random.default_rng(k)
    weight, mean, sd = rng.dirichlet(np.ones(k)), rng.normal(0.0, 2.0, k), rng.uniform(0.3, 1.5, k)
    of = NormalMixtures(*(np.broadcast_to(value, (3, 1, k)) for value in (weight, mean, sd)))
    found, by_draw = scores_of_draws(of, np.array([y]))
    expected = crps_by_integration(lambda z: float(weight @ norm.cdf(z, mean, sd)), y, -20.0, 20.0)
    assert found.crps[0] == pytest.approx(expected, abs=1e-8)
    np.testing.assert_allclose(by_draw, expected, atol=1e-8)
    assert found.log_score[0] == pytest.approx(np.log(weight @ norm.pdf(y, mean, sd)))
    assert found.error[0] == pytest.approx(y - weight @ mean)


def test_crps_of_many_draws_is_that_of_their_average():
    """The predictive is the average over draws; the error by simulation covers what pairs of draws leave out."""
    rng = np.random.default_rng(0)
    n = 600
    mean, sd = rng.normal(1.0, 0.5, (n, 1, 1)), rng.uniform(0.5, 1.0, (n, 1, 1))
    found, by_draw = scores_of_draws(NormalMixtures(np.ones((n, 1, 1)), mean, sd), np.array([1.4]))
    whole = crps_by_integration(lambda z: float(norm.cdf(z, mean, sd).mean()), 1.4, -9.0, 11.0)
    assert abs(found.crps[0] - whole) < 3.5 * by_draw.std(ddof=1) / np.sqrt(n)
    average = scores_of_draws(NormalMixtures(np.ones((n, 1, 1)), mean, sd), np.array([1.4]))[0].log_score
    assert average[0] == pytest.approx(np.log(norm.pdf(1.4, mean, sd).mean()))


@pytest.mark.parametrize("degrees", [2.0, 5.5, 1e6])
@pytest.mark.parametrize("y", [-1.0, 2.0])
def test_crps_of_student_is_the_integral(degrees, y):
    found = scores_of_student(np.array([0.4]), np.array([0.7]), np.array([degrees]), np.array([y]))
    reach = 4000.0 if degrees < 3 else 400.0
    below = quad(lambda z: student.cdf(z, degrees, 0.4, 0.7) ** 2, -reach, y, limit=500, points=[-5.0, -20.0])[0]
    above = quad(lambda z: student.sf(z, degrees, 0.4, 0.7) ** 2, y, reach, limit=500, points=[5.0, 20.0])[0]
    assert found.crps[0] == pytest.approx(below + above, abs=1e-5)
    assert found.log_score[0] == pytest.approx(student.logpdf(y, degrees, 0.4, 0.7))


def test_a_mean_has_the_standard_error_of_its_stores():
    rng = np.random.default_rng(1)
    each = rng.normal(size=40)
    repeated, store = np.repeat(each, 25), np.repeat(np.arange(40) + 7, 25)  # weeks of a store all alike
    assert mean_over_stores(repeated, store).se == pytest.approx(each.std(ddof=1) / np.sqrt(40))
    single = rng.normal(size=500)
    assert mean_over_stores(single, np.arange(500)).se == pytest.approx(single.std(ddof=1) / np.sqrt(500))
    assert np.isnan(mean_over_stores(single, np.zeros(500, dtype=int)).se)


def test_a_root_mean_square_has_an_error_that_covers():
    rng = np.random.default_rng(2)
    store = np.repeat(np.arange(50), 6)
    draws = [root_mean_square(rng.normal(size=50)[store] + rng.normal(size=300), store) for _ in range(400)]
    roots = np.array([one.value for one in draws])
    assert np.mean([one.se for one in draws]) == pytest.approx(roots.std(), rel=0.15)


def test_a_stores_own_regression_is_the_textbook_one():
    rows = oracles.draw_rows(np.random.default_rng(3), 5, 2, weeks=(6, 12))
    later = np.concatenate([np.flatnonzero(rows.store == s)[-2:] for s in range(5)])
    first = rows.taken(np.setdiff1d(np.arange(rows.y.size), later))
    stats, weeks = build(first.store, first.x, first.y, 5), Weeks(rows.store[later], rows.x[later], rows.y[later])
    own = own_regressions(stats, weeks, common=False)
    pooled = own_regressions(stats, weeks, common=True)
    fixed = own_regressions(stats, weeks, common=True, fixed=True)
    assert not own.borrowed.any()
    rss, left = 0.0, 0
    for s in range(5):
        x, y = first.of(s)
        b = np.linalg.lstsq(x, y)[0]
        rss, left = rss + float(np.square(y - x @ b).sum()), left + len(y) - 2
    for r in range(10):
        x, y = first.of(weeks.store[r])
        b, spread = np.linalg.lstsq(x, y)[0], 1.0 + weeks.x[r] @ np.linalg.solve(x.T @ x, weeks.x[r])
        variance = np.square(y - x @ b).sum() / (len(y) - 2)
        at = weeks.x[r] @ b
        expected = student.logpdf(weeks.y[r], len(y) - 2, at, np.sqrt(variance * spread))
        assert own.scores.log_score[r] == pytest.approx(expected)
        expected = student.logpdf(weeks.y[r], left, at, np.sqrt(rss / left * spread))
        assert pooled.scores.log_score[r] == pytest.approx(expected)
        assert fixed.scores.log_score[r] == pytest.approx(norm.logpdf(weeks.y[r], at, np.sqrt(spread)))
        assert own.scores.error[r] == pytest.approx(weeks.y[r] - at)


def test_one_regression_is_that_of_all_rows():
    rows = oracles.draw_rows(np.random.default_rng(4), 4, 2, weeks=(4, 9))
    x, y = rows.x, rows.y
    b = np.linalg.lstsq(x, y)[0]
    variance = np.square(y - x @ b).sum() / (y.size - 2)
    new = np.array([[1.0, 0.7], [1.0, 1.9]])
    found = one_regression(build(rows.store, x, y, 4), Weeks(np.array([0, 3]), new, np.array([9.0, 8.0])), fixed=False)
    scale = np.sqrt(variance * (1.0 + np.einsum("rp,pq,rq->r", new, np.linalg.inv(x.T @ x), new)))
    np.testing.assert_allclose(found.scores.log_score, student.logpdf([9.0, 8.0], y.size - 2, new @ b, scale))


def test_weeks_that_a_store_does_not_settle_are_predicted_by_one_regression():
    """A: enough weeks. B: one price only, and the same again later. C: two weeks, so no variance of its own."""
    x = np.column_stack([np.ones(12), [0.1, 0.9, 0.4, 1.3, 0.2, 0.5, 0.5, 0.5, 0.5, 0.5, 0.3, 0.8]])
    store = np.repeat([0, 1, 2], [5, 5, 2])
    y = 10.0 - 1.5 * x[:, 1] + 0.3 * np.random.default_rng(5).normal(size=12)
    stats = build(store, x, y, 3)
    new = np.array([[1.0, 0.6], [1.0, 0.5], [1.0, 0.7], [1.0, 0.6]])
    weeks = Weeks(np.array([0, 1, 1, 2]), new, np.full(4, 9.0))
    own = own_regressions(stats, weeks, common=False)
    np.testing.assert_array_equal(own.borrowed, [False, False, True, True])
    np.testing.assert_array_equal(own_regressions(stats, weeks, common=True).borrowed, [False, False, True, False])
    whole = one_regression(stats, weeks, fixed=False).scores
    np.testing.assert_array_equal(own.scores.crps[2:], whole.crps[2:])
    assert own.scores.crps[0] != whole.crps[0]
    mean = y[5:10].mean()
    expected = student.logpdf(9.0, 4, mean, y[5:10].std(ddof=1) * np.sqrt(1.2))
    assert own.scores.log_score[1] == pytest.approx(expected)


@pytest.mark.parametrize("rule", [{"common": False}, {"common": True}, {"common": True, "fixed": True}, None])
def test_a_week_left_out_of_a_regression_is_that_of_the_other_weeks(rule):
    rows = oracles.draw_rows(np.random.default_rng(6), 4, 2, weeks=(3, 8))
    weeks = Weeks(rows.store, rows.x, rows.y)

    def judged(stats, some, **options):
        if rule is None:
            return one_regression(stats, some, fixed=False, **options)
        return own_regressions(stats, some, **rule, **options)

    found = judged(build(rows.store, rows.x, rows.y, 4), weeks, left_out=True)
    for r in range(rows.y.size):
        others = np.arange(rows.y.size) != r
        stats = build(rows.store[others], rows.x[others], rows.y[others], 4)
        one = judged(stats, weeks.of(np.array([r])))
        for got, expected in zip(found.scores, one.scores, strict=True):
            assert got[r] == pytest.approx(expected[0], rel=1e-8, abs=1e-9)
        assert found.borrowed[r] == one.borrowed[0]
