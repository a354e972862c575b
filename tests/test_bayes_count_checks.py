"""Checks of counts, choices and amounts: sums by hand, known truths, bands that hold what they say, words and pages."""

import numpy as np
import pytest
from counts_by_hand import SIGMA, covariate, panel_of, stores
from markupsafe import Markup
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from bayesmix.calibration_curve import calibration
from bayesmix.checked_rows import StoreDraws, distinct, evenly, rows_of
from bayesmix.count_checks import count_checks
from bayesmix.count_words import caveat, family_title, verdicts
from bayesmix.distribution_words import label
from bayesmix.drawings_of_counts import of_counts
from bayesmix.envelope import envelope, normal_reach, rank_envelope
from bayesmix.frequencies import Bins, bins_of, counted, expected
from bayesmix.pages import environment
from bayesmix.pit_of_rows import BINS, Pit, histogram, pit
from bayesmix.replicates import against, numbers
from bayesmix.svg import inline_svg
from em.errors import InputError
from em.panel import Panel, statistics_of

SIZES = {"binomial": (3.0, 8.0)}
KINDS = ("poisson", "negative-binomial", "binomial", "bernoulli", "gamma")


def several(theta, n=5, seed=3, by=0.1):
    """Draws around a truth, with dispersions that differ by draw and store."""
    rng = np.random.default_rng(seed)
    noise = by * rng.normal(size=(n, *theta.shape))
    return StoreDraws(theta + noise, SIGMA * np.exp(by * rng.normal(size=(n, len(theta)))))


def truth(theta, n=1):
    return np.repeat(theta[None], n, 0), np.full((n, len(theta)), SIGMA)


def found(checks):
    return {one.name: one for one in verdicts(checks)}


def frozen(rows, draws, d):
    """The distribution of every row under one draw, by scipy."""
    store = rows.store[rows.cell]
    eta = rows.offset[rows.cell] + np.einsum("rp,rp->r", rows.x[rows.cell], draws.theta[d, store])
    mean, shape = np.exp(eta), draws.sigma[d, store] ** -2.0
    return {
        "poisson": lambda: stats.poisson(mean),
        "negative-binomial": lambda: stats.nbinom(shape, shape / (shape + mean)),
        "binomial": lambda: stats.binom(rows.trials, mean / (1.0 + mean)),
        "bernoulli": lambda: stats.bernoulli(mean / (1.0 + mean)),
        "gamma": lambda: stats.gamma(shape, scale=mean / shape),
    }[rows.family.name]()


def test_rows_keep_every_week_and_share_predictors():
    panel = panel_of("poisson", stores(4), 40)
    rows = rows_of(panel)
    assert len(rows.store) < panel.y.size
    key = lambda store, x, y: sorted(map(tuple, np.column_stack([store, x, y])))  # noqa: E731
    assert key(rows.store_of_row, rows.x[rows.cell], rows.y) == key(panel.store, panel.x, panel.y)
    assert distinct(rows).count.sum() == panel.y.size
    assert distinct(rows).y.size < panel.y.size


def test_log_sales_are_refused():
    panel = panel_of("poisson", stores(2), 3)
    with pytest.raises(InputError, match="holds log sales; expected counts"):
        rows_of(Panel(**{**panel.__dict__, "response": None}))


@pytest.mark.parametrize(("name", "decimals", "constant"), [("binomial", 9, False), ("bernoulli", 0, False),
                                                             ("negative-binomial", 9, True)])  # fmt: skip
def test_statistics_stand_for_rows_where_they_tell_them_apart(name, decimals, constant):
    panel = panel_of(name, stores(5), 8, sizes=SIZES.get(name, (1.0,)))
    x = panel.x + np.random.default_rng(1).normal(size=panel.x.shape) * [0.0, 10.0**-1]
    x = np.ones_like(x) if constant else x.round(decimals)
    panel = Panel(**{**panel.__dict__, "x": x})
    by_panel, by_statistics = rows_of(panel), rows_of(statistics_of(panel))
    for one, other in zip(distinct(by_panel), distinct(by_statistics), strict=True):
        assert_allclose(one, other)
    assert_allclose(by_panel.x, by_statistics.x)


def test_statistics_that_lost_their_rows_are_refused():
    panel = panel_of("poisson", stores(5), 40)
    with pytest.raises(InputError, match="expected the panel"):
        rows_of(statistics_of(panel))


def test_an_empty_segment_is_no_alarm():
    theta = stores(8)
    checks = count_checks(panel_of("poisson", theta, 9), *truth(theta), np.column_stack([np.ones(8), np.zeros(8)]))
    assert np.isfinite(checks.to_dataframe().to_numpy(float)).all()
    assert not checks.departs


def test_draws_of_other_stores_are_refused():
    with pytest.raises(ValueError, match="not draws of 3 stores"):
        count_checks(panel_of("poisson", stores(3), 3), *truth(stores(2)))


@pytest.mark.parametrize("name", ["poisson", "negative-binomial", "binomial", "gamma"])
@pytest.mark.parametrize("sizes", [(8.0,), (3.0, 8.0)])
def test_expected_frequencies_are_sums_over_rows_and_draws(name, sizes):
    theta = stores(6, level=1.5)
    panel = panel_of(name, theta, 15, sizes=sizes if name == "binomial" else (1.0,), exposures=(1.0, 3.0))
    rows = rows_of(panel)
    draws, bins = several(theta), bins_of(rows)
    assert bins is not None
    upper = (
        np.floor(bins.upper * rows.trials[:, None] + 1e-9)
        if bins.of_shares
        else bins.upper + 0.0 * rows.trials[:, None]
    )
    below = np.mean([frozen(rows, draws, d).cdf(upper.T).sum(1) for d in range(5)], axis=0)
    assert_allclose(expected(rows, draws, bins), np.diff(below, prepend=0.0), atol=2e-4 * rows.y.size)
    assert expected(rows, draws, bins).sum() == pytest.approx(rows.y.size)
    assert counted(bins, rows.y, rows.trials).sum() == rows.y.size


def test_bins_are_single_counts_or_runs_of_them_and_an_open_tail():
    few = rows_of(panel_of("poisson", stores(20), 20))
    narrow = bins_of(few)
    assert narrow is not None
    seen = counted(narrow, few.y, few.trials)
    assert_array_equal(seen[:-1], np.bincount(few.y.astype(int))[: seen.size - 1])
    assert seen[-1] >= 5
    many = rows_of(panel_of("negative-binomial", stores(20, level=6.0), 20))
    wide = bins_of(many)
    assert wide is not None
    assert wide.upper.size <= 52
    assert np.unique(np.diff(wide.upper[:-1])).size == 1
    assert np.isinf(wide.upper[-1])
    assert_array_equal(np.cumsum(counted(wide, many.y, many.trials)), (many.y[:, None] <= wide.upper).sum(0))
    assert (label(wide, 0), label(wide, 1)) == ("0", f"1 to {wide.upper[1]:.0f}")


def test_a_constant_number_of_trials_ends_the_bins():
    rows = rows_of(panel_of("binomial", stores(20, level=2.0), 20, sizes=(4.0,)))
    bins = bins_of(rows)
    assert bins is not None
    assert_array_equal(bins.upper, np.arange(5.0))
    assert_array_equal(counted(bins, rows.y, rows.trials), np.bincount(rows.y.astype(int), minlength=5))


@pytest.mark.parametrize("name", ["poisson", "negative-binomial", "binomial", "gamma"])
def test_the_pit_is_that_of_its_definition(name):
    theta = stores(5)
    rows, draws = rows_of(panel_of(name, theta, 8, sizes=SIZES.get(name, (1.0,)))), several(theta)
    share = np.zeros(BINS + 1)
    for d in range(5):
        of = frozen(rows, draws, d)
        high = of.cdf(rows.y)
        low = of.cdf(rows.y - 1.0) if rows.family.discrete else high
        for a, b in zip(low, high, strict=True):
            for j in range(BINS + 1):
                u = j / BINS
                share[j] += 0.0 if u < a else 1.0 if u >= b else (u - a) / (b - a)  # Czado et al. (2009), eq. (2)
    assert_allclose(histogram(rows, draws), np.diff(share) / (5 * rows.y.size), atol=1e-9)


@pytest.mark.parametrize("name", ["poisson", "binomial"])
def test_the_band_of_the_pit_holds_right_models_as_often_as_it_says(name):
    theta, inside = stores(25), []
    draws, sizes = StoreDraws(*truth(theta)), SIZES.get(name, (1.0,))
    band = pit(rows_of(panel_of(name, theta, 6, sizes=sizes)), draws, band=0.8)
    for seed in range(250):
        found = histogram(rows_of(panel_of(name, theta, 6, sizes=sizes, seed=seed)), draws)
        inside.append(not Pit(found, band.low, band.high).departs)
    assert 0.72 < np.mean(inside) < 0.88  # 0.8 within three standard errors


def test_a_right_model_of_few_weeks_has_a_flat_pit_although_it_has_seen_them():
    """Rates from a gamma distribution: the posterior of every store is known exactly."""
    rng = np.random.default_rng(5)
    count, weeks, draws = 150, 2, 60
    store, x = covariate(count, weeks)
    x = x[:, :1]
    histograms, averaged = [], []
    for _ in range(12):
        y = rng.poisson(rng.gamma(2.0, 1.0, count)[store]).astype(float)
        total = np.bincount(store, y)
        theta = np.log(rng.gamma(2.0 + total, 1.0 / (1.0 + weeks), (draws, count)))[..., None]
        panel = panel_of("poisson", np.zeros((count, 2)), weeks, y=y)
        rows = rows_of(Panel(**{**panel.__dict__, "x": x, "coefficients": ("intercept",)}))
        histograms.append(histogram(rows, StoreDraws(theta, np.ones((draws, count)))))
        averaged.append(histogram(rows, StoreDraws(theta.mean(0, keepdims=True), np.ones((1, count)))))
    error = np.std(histograms, axis=0, ddof=1) / np.sqrt(12)
    assert np.all(np.abs(np.mean(histograms, axis=0) - 0.1) < 4.5 * error)
    assert np.mean(averaged, axis=0)[[0, -1]].sum() < 0.17  # one estimate that has seen the rows: a hump


@pytest.mark.slow
def test_right_models_are_seldom_accused_by_draws_that_have_seen_the_rows():
    """Rates from a gamma distribution again: of 100 panels each check may accuse one, and being conservative less."""
    rng = np.random.default_rng(11)
    count, weeks, draws = 60, 4, 200
    store, x = covariate(count, weeks)
    accused = {}
    for seed in range(100):
        y = rng.poisson(rng.gamma(2.0, 1.5, count)[store]).astype(float)
        theta = np.log(rng.gamma(2.0 + np.bincount(store, y), 1.0 / (1.0 / 1.5 + weeks), (draws, count)))[..., None]
        panel = panel_of("poisson", np.zeros((count, 2)), weeks, y=y)
        panel = Panel(**{**panel.__dict__, "x": x[:, :1], "coefficients": ("intercept",)})
        for one in verdicts(count_checks(panel, theta, seed=seed)):
            accused[one.name] = accused.get(one.name, 0) + one.departs
    assert max(accused.values()) <= 4
    assert sum(accused.values()) <= 8


def test_numbers_are_those_of_loops_over_rows():
    theta = stores(4)
    rows = rows_of(panel_of("binomial", theta, 7, sizes=(1.0, 5.0)))
    of = frozen(rows, StoreDraws(*truth(theta)), 0)
    mean, variance = of.mean(), of.var()
    share = np.column_stack([np.ones(4), [1.0, 0.7, 0.1, 0.0], [0.0, 0.3, 0.9, 1.0]])
    result = numbers(rows, rows.y, mean, variance, share)
    store = rows.store_of_row
    for g in range(3):
        weight = share[store, g]
        assert result["rows"][g] == pytest.approx((weight * (rows.y - mean) ** 2 / variance).sum() / weight.sum())
        assert result["zeros"][g] == pytest.approx(weight[rows.y == 0.0].sum())
        assert result["full"][g] == pytest.approx(weight[rows.y == rows.trials].sum())
        of_stores = [(rows.y - mean)[store == s].sum() ** 2 / variance[store == s].sum() for s in range(4)]
        assert result["stores"][g] == pytest.approx(share[:, g] @ of_stores / share[:, g].sum())
    counts = rows_of(panel_of("poisson", theta, 7))
    y = 10.0 - counts.store_of_row
    assert_array_equal(numbers(counts, y, 0.0 * y, 1.0 + 0.0 * y, share)["largest"], [10.0, 10.0, 8.0])


def test_replicates_place_a_number_among_themselves():
    one = against(np.full(100, 7.0), np.arange(100.0))
    assert one.above == pytest.approx(0.925)
    assert (one.low, one.high) == pytest.approx((5.445, 93.555))
    assert not one.departs
    assert against(np.full(400, 500.0), np.arange(400.0)).departs
    assert against(np.full(400, -1.0), np.arange(400.0)).departs


def test_what_cannot_vary_is_no_alarm_unless_it_did():
    far = np.full((4, 2), [-400.0, 0.0])
    nothing, something = (panel_of("poisson", far, 6, y=np.full(24, value)) for value in (0.0, 2.0))
    assert not count_checks(nothing, *truth(far)).departs
    assert count_checks(nothing, *truth(far)).statistics["rows"][0].ratio == 1.0
    told = found(count_checks(something, *truth(far)))
    assert all(told[name].departs for name in ("rows", "stores", "zeros", "largest", "frequencies", "pit"))


def test_draws_are_thinned_evenly_or_taken_again():
    draws = StoreDraws(*truth(stores(2), 10))
    assert_array_equal(evenly(draws, 4), [0, 3, 6, 9])
    assert_array_equal(evenly(StoreDraws(*truth(stores(2), 2)), 5), [0, 1, 0, 1, 0])


@pytest.mark.parametrize("name", KINDS)
def test_a_right_model_passes(name):
    theta = stores(40, level=0.8 if name != "bernoulli" else -0.3)
    checks = count_checks(panel_of(name, theta, 15, sizes=SIZES.get(name, (1.0,)), seed=7), *truth(theta))
    assert not checks.departs
    assert "speak" not in repr(checks)
    assert (checks.pit is None) == (name == "bernoulli")
    assert (checks.calibration is None) == (name not in ("binomial", "bernoulli"))


def test_negative_binomial_counts_under_poisson_scatter_as_they_should():
    theta = stores(60, level=1.2, spread=0.3)
    panel = panel_of("negative-binomial", theta, 25, seed=2)
    as_poisson = panel_of("poisson", theta, 25, y=panel.y, seed=2)
    checks = count_checks(as_poisson, *truth(theta))
    one, mean = checks.statistics["rows"][0], np.exp(np.einsum("rp,rp->r", panel.x, theta[panel.store]))
    assert one.observed == pytest.approx(1.0 + SIGMA**2 * mean.mean(), rel=0.12)
    assert one.low < 1.0 < one.high < 1.2
    told = found(checks)
    assert (
        told["rows"].title
        == f"Counts scatter {one.observed / one.predicted:.1f} times as much as the Poisson model allows"
    )
    assert told["pit"].title.startswith("Too many rows at both ends")
    assert told["rows"].departs
    assert told["zeros"].departs
    assert told["frequencies"].departs
    narrow = checks.pit
    assert narrow is not None
    assert narrow.observed[0] > narrow.high[0]
    right = count_checks(panel, *truth(theta))
    assert not right.statistics["rows"][0].departs
    assert right.statistics["rows"][0].observed == pytest.approx(1.0, abs=0.12)


def test_counts_alike_under_a_wide_model_are_told_to_scatter_less():
    theta = stores(60, level=1.2, spread=0.3)
    panel = panel_of("negative-binomial", theta, 25, y=panel_of("poisson", theta, 25).y)
    told = found(count_checks(panel, *truth(theta)))
    assert told["rows"].title.startswith("Counts scatter only 0.")
    assert told["pit"].title.startswith("Too many rows in the middle")


def test_zeros_of_another_kind_are_found_and_counted():
    theta = stores(60, level=1.5, spread=0.2)
    y = panel_of("poisson", theta, 25).y
    y = y * (np.random.default_rng(8).random(y.size) > 0.1)
    checks = count_checks(panel_of("poisson", theta, 25, y=y), *truth(theta))
    zeros = checks.statistics["zeros"][0]
    assert zeros.departs
    assert zeros.observed == (y == 0.0).sum()
    told = found(checks)
    assert told["zeros"].title.startswith(f"{zeros.observed:.0f} of 1,500 rows are zero, where the model expects")
    assert told["frequencies"].title == "The count 0 occurs more often than the model has it"
    assert not told["largest"].departs


def test_stores_that_differ_under_one_segment_are_told_apart_from_scatter():
    theta = stores(60, level=1.0, spread=0.6)
    panel = panel_of("poisson", theta, 25)
    same = np.tile(theta.mean(0) + np.array([0.15, 0.0]), (60, 1))
    told = found(count_checks(panel, *truth(same)))
    assert told["stores"].departs
    assert "more segments, or --model hierarchical" in told["stores"].text
    assert "first let stores differ" in told["rows"].text
    yes_or_no = panel_of("bernoulli", theta, 25)
    assert found(count_checks(yes_or_no, *truth(same)))["stores"].departs


def test_segments_are_told_apart():
    theta = stores(60, level=1.2, spread=0.2)
    y, wide = (panel_of(name, theta, 20).y for name in ("poisson", "negative-binomial"))
    second = np.arange(60) >= 30
    panel = panel_of("poisson", theta, 20, y=np.where(np.repeat(second, 20), wide, y))
    share = np.column_stack([~second, second]).astype(float)
    checks = count_checks(panel, *truth(theta), share)
    whole, first, other = checks.statistics["rows"]
    assert (whole.departs, first.departs, other.departs) == (True, False, True)
    assert whole.observed == pytest.approx(0.5 * (first.observed + other.observed))
    assert "It departs in segment 2 (" in found(checks)["rows"].text
    assert checks.groups == ("all stores", "segment 1", "segment 2")


def test_a_negative_binomial_without_dispersion_is_checked_as_poisson():
    theta = stores(10)
    panel = panel_of("poisson", theta, 10)
    poisson, other = rows_of(panel), rows_of(panel_of("negative-binomial", theta, 10, y=panel.y))
    draws = several(theta)._replace(sigma=np.full((5, 10), 1e-5))
    bins = bins_of(poisson)
    assert bins is not None
    assert_allclose(expected(poisson, draws, bins), expected(other, draws, bins), atol=1e-6)
    assert_allclose(histogram(poisson, draws), histogram(other, draws), atol=1e-6)


def test_exaggerated_probabilities_are_found_and_the_brier_score_adds_up():
    theta = stores(60, level=-0.2, spread=1.0)
    panel = panel_of("bernoulli", theta, 30)
    right, wrong = (count_checks(panel, *truth(by * theta)) for by in (1.0, 2.0))
    assert not right.departs
    told = found(wrong)["calibration"]
    assert told.departs
    assert told.title.startswith("Where ")
    for checks, by in ((right, 1.0), (wrong, 2.0)):
        of = checks.calibration
        assert of is not None
        eta = by * np.einsum("rp,rp->r", panel.x, theta[panel.store])
        score = np.mean((panel.y - 1.0 / (1.0 + np.exp(-eta))) ** 2)
        parts = of.miscalibration.observed - of.discrimination.observed + of.uncertainty
        assert parts == pytest.approx(score, abs=1e-12)
    assert wrong.calibration.miscalibration.observed > 3.0 * right.calibration.miscalibration.observed


def test_the_calibration_curve_is_the_isotonic_regression():
    """Against its minimax formula (Robertson, Wright & Dykstra 1988, theorem 1.4.4)."""
    theta = stores(3, level=0.0)
    rows = rows_of(panel_of("binomial", theta, 6, sizes=(2.0, 9.0)))
    of = calibration(rows, StoreDraws(*truth(theta)))
    n, total = (np.bincount(rows.cell, amount) for amount in (rows.trials, rows.y))
    share = 1.0 / (1.0 + np.exp(-np.einsum("cp,cp->c", rows.x, theta[rows.store])))
    order = np.argsort(share)
    n, total, share = n[order], total[order], share[order]
    mean = lambda a, b: total[a : b + 1].sum() / n[a : b + 1].sum()  # noqa: E731
    last = n.size - 1
    risen = [max(min(mean(a, b) for b in range(i, last + 1)) for a in range(i + 1)) for i in range(n.size)]
    assert_allclose(of.observed, np.interp(of.predicted, share, risen), atol=1e-9)


def test_bands_hold_as_many_curves_as_they_say():
    rng = np.random.default_rng(4)
    root = np.tril(rng.normal(size=(6, 6)))
    fresh = rng.normal(size=(4000, 6)) @ root.T
    low, high = envelope(rng.normal(size=(4000, 6)) @ root.T, 0.9)
    assert np.mean(((fresh >= low) & (fresh <= high)).all(1)) == pytest.approx(0.9, abs=0.02)
    assert_allclose(normal_reach(root @ root.T, 0.9), high, rtol=0.06, atol=0.05)


def test_one_estimate_is_told_to_understate():
    theta = stores(5)
    assert "one estimate is taken for the truth" in caveat(count_checks(panel_of("poisson", theta, 9), *truth(theta)))
    checks = count_checks(panel_of("poisson", theta, 9), *truth(theta, 3))
    assert "one estimate" not in caveat(checks)
    assert "not cross-validated" in caveat(checks)


@pytest.mark.parametrize("name", KINDS)
def test_numbers_have_names_and_pictures_a_page(name):
    theta = stores(12)
    share = np.tile([0.5, 0.5], (12, 1))
    checks = count_checks(panel_of(name, theta, 9, sizes=SIZES.get(name, (1.0,))), *truth(theta, 2), share)
    table, whole = checks.to_dataframe(), checks.to_xarray()
    for (statistic, group), row in table.iterrows():
        assert float(whole["observed"].sel(statistic=statistic, group=group)) == row["observed"]
    assert whole.attrs["family"] == name
    if checks.frequencies is not None:
        assert float(whole["frequency_expected"].sum()) == pytest.approx(checks.rows)
    drawings = list(of_counts(checks))
    pictures = {one.name: Markup(inline_svg(one.draw(), one.name, one.alt)) for one in drawings}
    said = verdicts(checks)
    page = environment("bayesmix").get_template("counts.html").render(
        counts=checks, count_verdicts=said, count_caveat=caveat(checks), count_family=family_title(name),
        pictures=pictures,
    )  # fmt: skip
    assert all(str(picture) in page for picture in pictures.values())
    assert page.count("<tr") == 1 + table.shape[0]
    assert len(drawings) == (1 if name == "bernoulli" else 3 if name == "binomial" else 2)
    assert all(one.title in drawing.alt for drawing in drawings for one in said if one.name == drawing.name[6:])


def test_bins_have_names():
    shares, amounts = Bins(np.array([0.0, 0.5, 1.0]), True, False), Bins(np.array([1.5, np.inf]), False, False)
    counts = Bins(np.array([0.0, 1.0, np.inf]), False, True)
    assert [label(counts, i) for i in range(3)] == ["0", "1", "2 or more"]
    assert [label(shares, i) for i in range(3)] == ["0 %", "0 % to 50 %", "50 % to 100 %"]
    assert [label(amounts, i) for i in range(2)] == ["up to 1.50", "above 1.50"]


def test_a_band_of_ranks_holds_its_share_and_nothing_that_no_replicate_has():
    rng = np.random.default_rng(5)
    rates = np.array([0.05, 0.3, 4.0, 40.0])  # rare classes scatter askew
    curves = rng.poisson(rates, (4000, rates.size)).astype(float)
    low, high = rank_envelope(curves)
    again = rng.poisson(rates, (4000, rates.size))
    inside = ((again >= low) & (again <= high)).all(1).mean()
    assert 0.985 < inside < 0.998
    assert (low >= curves.min(0)).all()
    assert (high <= curves.max(0)).all()
    assert (high < 8.0 * rates + 3.0).all()
