"""The diagnostic page of families: its numbers are the fit's, its words the response's, and every family has one."""

import re
from dataclasses import replace

import numpy as np
import pytest
from counts_by_hand import panel_of
from families_by_hand import MU, OMEGA, SEGMENTS, family_fit, panel_with
from fits_for_comparisons import mixture_tree, panel, segmented
from markupsafe import Markup
from numpy.testing import assert_allclose
from scipy import stats
from test_comparisons_report import Page, table_rows

from bayesmix import report_pictures
from bayesmix.drawing import figure, mark
from bayesmix.drawn_stores import drawn_stores
from bayesmix.fitted import Fit
from bayesmix.in_words import Z, sentences
from bayesmix.label_free import store_coefficients
from bayesmix.own_rates import expected_rates, information, own_rates
from bayesmix.pooling import own_weight, pooling
from bayesmix.rate_checks import rate_pit
from bayesmix.ratios import levels, over_stores, ratios, step
from bayesmix.report import report
from bayesmix.report_checks import checks_of
from bayesmix.report_rates import rates_of
from bayesmix.response_words import words_of
from bayesmix.rounding import by_error, percent
from bayesmix.some_stores import some_stores
from bayesmix.svg import inline_svg
from em.errors import InputError
from em.families import family_named
from em.panel import statistics_of

FAMILIES = ("poisson", "negative-binomial", "binomial", "bernoulli", "gamma")
MODELS = ("mixture", "hierarchical")


@pytest.fixture(scope="module")
def fits():
    """Fits that tests share, with their panels: counts by segment and along a continuum, and shares along one."""
    return {
        (name, model): (family_fit(data, model), data)
        for name, model in (("poisson", "mixture"), ("binomial", "hierarchical"), ("poisson", "hierarchical"))
        for data in [panel_with(name, model)]
    }


OURS = ("response-", "moved", "rates", "caterpillar-0", "pit-rate", "predicted-rate", "pooling")


def gallery(c, drawn=()):
    """Pictures by name and text, drawn only where their name begins with one of those given."""
    return {
        one.name: Markup(inline_svg(one.draw(), one.name, one.alt))
        if one.name.startswith(tuple(drawn))
        else Markup('<svg class="{}" aria-label="{}"></svg>').format(one.name, one.alt)
        for kind in report_pictures.KINDS
        for one in kind(c)
    }


@pytest.fixture
def undrawn(monkeypatch):
    """Pages whose pictures have names and texts."""
    monkeypatch.setattr(report_pictures, "gallery", gallery)


@pytest.fixture
def ours_drawn(monkeypatch):
    """Pages of which only the pictures of rates are drawn."""
    monkeypatch.setattr(report_pictures, "gallery", lambda c: gallery(c, OURS))


@pytest.mark.parametrize(
    ("name", "model"),
    [("poisson", "hierarchical"), ("negative-binomial", "mixture"), ("binomial", "mixture"),
     ("bernoulli", "hierarchical"), ("gamma", "mixture"), ("gamma", "hierarchical")],
)  # fmt: skip
def test_every_family_has_a_page_in_its_own_words(name, model, undrawn):
    data = panel_with(name, model, stores=10, weeks=6)
    fit = family_fit(data, model, draws=60)
    html = report(fit, data)
    text, words = Page(html).text, words_of(fit)
    assert Page(html).unclosed == []
    assert not re.search(r"\b(nan|inf|None)\b", text)
    for foreign in ("sales", "elasticity", " price", "(units", "least squares"):
        assert foreign not in text, (foreign, text[text.index(foreign) - 80 : text.index(foreign) + 40])
    odds = data.response.family.link == "logit"
    assert words.ratio == {"poisson": "rate ratio", "negative-binomial": "rate ratio", "gamma": "ratio of means"}.get(
        name, "odds ratio"
    )
    assert f"the log {words.rate} of visits" in text
    assert ("odds of visits" in text) == odds
    assert ("The dispersion is on the scale" in text) == data.response.family.dispersed
    assert ("integrals by quadrature with 5 nodes" in text) == (model == "hierarchical")
    per = {"binomial": "visits as a share of asked", "bernoulli": "the share of rows with visits"}
    assert f"{per.get(name, 'visits per unit of days')}, over the store" in text.replace("The share", "the share")
    assert "No residuals of single weeks" in text
    assert ("the variance on the scale of the linear predictor" in text) == (model == "hierarchical")
    ids = re.findall(r'<h2 id="([^"]+)"', html)
    assert ids == ["segments", "stores", "pooling", *(["differ"] if "differ" in ids else []), "chains", "leaving-out",
                   "calibration", "counts", "missing", "settings", "reading"]  # fmt: skip


def test_a_page_of_a_fit_by_mcmc_says_so(undrawn):
    data = panel_with("poisson", "hierarchical", stores=10, weeks=6)
    fit = family_fit(data, "hierarchical", draws=60)
    fit.tree.attrs["integral"] = "mcmc"
    text = Page(report(fit, data)).text
    assert "drawn with the parameters (MCMC), log-likelihoods of stores by quadrature with 5 nodes" in text
    assert "integrals by quadrature" not in text


def test_a_page_is_drawn_and_its_tables_are_the_fit(fits, ours_drawn):
    fit, data = fits["poisson", "mixture"]
    html = report(fit, data)
    rows = table_rows(html, "Table of rate ratios")
    for k, row in enumerate(rows):
        draws = fit.draws.mu[:, k, 1]
        low, middle, high = np.exp(np.quantile(draws, [0.055, 0.5, 0.945]))
        error = (high - low) / 3.2
        assert row[0] == f"{k + 1} display higher by 1"
        assert row[3:5] == [by_error(middle, error), f"{by_error(low, error)} to {by_error(high, error)}"]
    moved = table_rows(html, "Table of the stores that move most")
    for row in moved:
        of = data.store == data.stores.index(row[0])
        assert [int(row[1]), float(row[2]), int(row[3])] == [
            of.sum(), pytest.approx(np.exp(data.response.offset[of]).sum()), data.y[of].sum()
        ]  # fmt: skip
    mean = table_rows(html, "Table of predictive checks")[0][2]
    share = fit.by_store["membership"].values[:, 0]
    rate = np.bincount(data.store, data.y) / np.bincount(data.store, np.exp(data.response.offset))
    assert float(mean) == pytest.approx(share @ rate / share.sum(), rel=0.01)
    names = {picture["class"] for picture in Page(html).all("svg") if "viewbox" in picture}
    assert names == {"response-1", "moved", "rates", "caterpillar-0", "pit-rate", "predicted-rate"}


def test_what_stores_borrow_is_drawn(fits, ours_drawn):
    html = report(*fits["binomial", "hierarchical"])
    names = {picture["class"] for picture in Page(html).all("svg") if "viewbox" in picture}
    assert {"pooling", "rates", "moved", "predicted-rate"} <= names
    rows = table_rows(html, "Table of the stores that move most")
    found = rates_of(fits["binomial", "hierarchical"][0])
    assert [row[-1] for row in rows] == [percent(found.weight[s]) for s in found.moved]
    assert "own rows settle" in Page(html).text


def test_the_file_need_not_be_there_where_statistics_tell_rows_apart(undrawn):
    data = panel_with("bernoulli", "mixture", stores=12, weeks=8)
    assert 'id="counts"' in report(family_fit(data, "mixture", draws=60))
    data = panel_with("poisson", "mixture", stores=12, weeks=40)
    html = report(family_fit(data, "mixture", draws=60))
    assert 'id="counts"' not in html
    assert "No check whether the distribution fits: it takes the data file. made.csv" in html


def test_sentences_are_typical_rows_and_ratios(fits):
    fit, _ = fits["poisson", "mixture"]
    said = sentences(fit)
    x, n = fit.statistics.counts.x, np.bincount(fit.statistics.counts.design, fit.statistics.counts.n)
    at = n @ x / n.sum()
    for k, sentence in enumerate(said):
        rate = np.exp(np.median(fit.draws.mu[:, k] @ at))
        ratio = np.exp(np.median(fit.draws.mu[:, k, 1]))
        found = re.search(r"a typical row has ([\d.]+) .*visits per unit of days; .* rate by ([\d.]+) \(", sentence)
        assert [float(found[1]), float(found[2])] == pytest.approx([rate, ratio], abs=0.006)


def test_the_average_of_stores_is_not_the_average_store(fits):
    fit, _ = fits["poisson", "hierarchical"]
    words, (level,) = words_of(fit), levels(fit)
    eta, variance = np.array([0.3, -1.0]), np.array([0.4, 2.0])
    assert_allclose(over_stores(words, eta, variance), np.exp(eta + 0.5 * variance), rtol=1e-6)
    assert level.average.middle > 1.05 * level.typical.middle
    assert level.at_zero.middle == pytest.approx(np.exp(np.median(fit.draws.mu[:, 0, 0])))
    shares, (odds,) = words_of(fits["binomial", "hierarchical"][0]), levels(fits["binomial", "hierarchical"][0])
    assert 0.5 < odds.average.middle < odds.typical.middle
    assert over_stores(shares, np.zeros(1), np.ones(1)) == pytest.approx(0.5)


def test_ratios_of_stores_are_wider_than_those_of_the_average_one(fits):
    (one,) = ratios(fits["poisson", "hierarchical"][0])
    assert one.stores.low < one.ratio.low < one.ratio.high < one.stores.high
    assert one.stores.high == pytest.approx(np.exp(MU[1] + 1.598 * np.sqrt(OMEGA[1, 1])), rel=0.1)


@pytest.mark.parametrize(
    ("column", "said", "by"),
    [("log_price", "price higher by 10 %", np.log(1.1)), ("log(size)", "size higher by 10 %", np.log(1.1)),
     ("C(period)[T.2.0]", "period 2 against the first", 1.0),
     ("region[T.north]", "region north against the first", 1.0), ("display", "display higher by 1", 1.0)],
)  # fmt: skip
def test_changes_of_columns_in_words(column, said, by):
    assert step(column) == (said, pytest.approx(by))


@pytest.mark.parametrize("name", FAMILIES)
def test_own_intervals_are_where_the_total_is_z_away(name):
    data = panel_of(name, np.tile(SEGMENTS[0], (5, 1)), 6, sizes=(3.0, 8.0) if name == "binomial" else (1.0,))
    counts, sigma = statistics_of(data), np.full(5, 0.5)
    found = own_rates(counts, sigma)
    family, n = counts.family, np.bincount(counts.store, counts.n)
    assert_allclose(found.total, np.bincount(data.store, data.y))
    for end, side in ((found.low, 1.0), (found.high, -1.0)):
        inside = np.isfinite(end) & (end > 0.0) & ~((end > 1.0 - 1e-9) & (family.link == "logit"))
        eta = np.log(end) if family.link == "log" else np.log(end) - np.log1p(-end)
        sd = np.sqrt(n * family.variance(eta, np.ones(5), np.log(sigma)))
        assert inside.any()
        assert_allclose((n * end + side * Z * sd)[inside], found.total[inside], rtol=1e-9)


def test_own_intervals_of_nothing_and_of_all():
    data = panel_of("binomial", np.zeros((2, 2)), 4, sizes=(5.0,), y=np.repeat([0.0, 5.0], 4))
    found = own_rates(statistics_of(data), np.ones(2))
    assert_allclose(found.low, [0.0, 20.0 / (20.0 + Z**2)], atol=1e-12)
    assert_allclose(found.high, [Z**2 / (20.0 + Z**2), 1.0], atol=1e-12)
    counted = panel_of("poisson", np.zeros((1, 2)), 4, y=np.zeros(4))
    assert_allclose(own_rates(statistics_of(counted), np.ones(1)).high, Z**2 / 4)


def test_information_is_that_of_the_regression():
    data = panel_of("binomial", np.zeros((3, 2)), 5, sizes=(4.0,))
    theta, share = np.tile([0.4, 0.0], (3, 1)), 1.0 / (1.0 + np.exp(-0.4))
    assert_allclose(information(statistics_of(data), theta, np.ones(3)), 20.0 * share * (1.0 - share))


@pytest.mark.parametrize("case", [("poisson", "mixture"), ("binomial", "hierarchical")])
def test_draws_of_stores_have_their_moments(fits, case):
    fit, _ = fits[case]
    theta = drawn_stores(fit, 200).theta
    found = store_coefficients(fit)
    sd = found["sd"].to_numpy()
    assert_allclose(theta.mean(0), found["mean"].to_numpy(), atol=4.5 * sd.max() / np.sqrt(200))
    assert_allclose(theta.std(0).mean(0), sd.mean(0), rtol=0.12)


def test_rates_are_between_a_store_and_the_others(fits):
    found = rates_of(fits["poisson", "hierarchical"][0])
    moved = found.moved
    low, high = np.minimum(found.own.rate, found.alike), np.maximum(found.own.rate, found.alike)
    inside = (found.mean > 0.95 * low) & (found.mean < 1.05 * high)
    assert inside.mean() > 0.9
    assert abs(found.mean - found.own.rate)[moved[0]] > 0.0
    assert ((found.weight > 0.3) & (found.weight < 1.0)).all()
    assert np.corrcoef(found.weight, np.log(found.told_by))[0, 1] > 0.8  # the more its rows say, the more it is itself


def test_own_weight_is_what_pooling_leaves(fits):
    fit, _ = fits["poisson", "hierarchical"]
    assert_allclose(own_weight(fit, np.eye(2)), 1.0 - pooling(fit), atol=1e-12)


def test_expected_rates_are_sums_over_rows(fits):
    fit, data = fits["poisson", "mixture"]
    theta = drawn_stores(fit, 3).theta
    mean = np.exp(data.response.offset + np.einsum("rp,drp->dr", data.x, theta[:, data.store]))
    size = np.bincount(data.store, np.exp(data.response.offset))
    for d in range(3):
        assert_allclose(expected_rates(fit.statistics.counts, theta)[d], np.bincount(data.store, mean[d]) / size)


def test_places_of_totals_are_those_of_their_distribution():
    """One segment and no spread: the total of a store is Poisson, and its place lies between P(<) and P(<=)."""
    data = panel_of("poisson", np.tile(SEGMENTS[0], (30, 1)), 6)
    fit = family_fit(data, "mixture", by=1e-9)
    fit.tree["posterior"]["theta"].to_numpy()[:] = SEGMENTS[0]
    fit = Fit(fit.tree, fit.name)
    pit = rate_pit(fit, fit.statistics.counts, np.arange(30), 1.0)
    mean = np.bincount(data.store, np.exp(data.x @ SEGMENTS[0]))
    total = np.bincount(data.store, data.y)
    error = 4.0 * 0.5 / np.sqrt(400)
    assert (pit > stats.poisson.cdf(total - 1, mean) - error).all()
    assert (pit < stats.poisson.cdf(total, mean) + error).all()


@pytest.mark.parametrize("model", MODELS)
def test_places_are_even_under_the_truth_and_not_under_another(model):
    data = panel_with("negative-binomial", model, stores=60, weeks=8, seed=5)
    (check,) = checks_of(family_fit(data, model, draws=60), 1.0)
    assert not check.curve.departs
    wide = panel_of("negative-binomial", np.tile(2.0 * MU, (60, 1)), 8, seed=5)
    (wrong,) = checks_of(family_fit(wide, model, draws=60), 1.0)
    assert wrong.curve.departs


def test_some_stores_keep_their_own_statistics(fits):
    fit, data = fits["binomial", "hierarchical"]
    some = some_stores(fit, np.array([5, 2]))
    total = np.bincount(data.store, data.y)
    counts = some.statistics.counts
    assert_allclose(np.bincount(counts.store, counts.total), total[[5, 2]])
    assert some.stores == (data.stores[5], data.stores[2])


def test_checks_of_counts_are_of_the_fit(fits):
    fit, data = fits["poisson", "mixture"]
    checks = fit.count_checks(data)
    assert not checks.departs
    assert "observed" in checks.to_xarray()
    with pytest.raises(InputError, match="other stores or columns"):
        fit.count_checks(panel_with("poisson", "mixture", stores=6))
    other = replace(data, response=data.response._replace(family=family_named("negative-binomial")))
    with pytest.raises(InputError, match="holds negative-binomial responses; expected poisson responses"):
        fit.count_checks(other)
    with pytest.raises(InputError, match="is of log sales; expected counts"):
        Fit(mixture_tree(panel(segmented(12)), 2, draws=20), "mixture K=2").count_checks()


@pytest.mark.parametrize("span", [(-6.0, 2.0), (-0.5, 0.5), (-9.0, 9.0)])
def test_ticks_of_log_odds_are_probabilities(span):
    _, axes = figure(4.0, 3.0)
    axes.set_xlim(*span)
    mark(axes, "log odds")
    ticks, labels = axes.get_xticks(), [label.get_text() for label in axes.get_xticklabels()]
    assert len(ticks) >= 2
    assert np.all(np.diff(ticks) > 0.09 * (span[1] - span[0]))
    assert_allclose(100.0 / (1.0 + np.exp(-ticks)), [float(label.rstrip(" %")) for label in labels], rtol=1e-9)
