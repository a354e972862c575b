"""The worked examples of counts: their arithmetic against other software and brute force, and what their pages say."""

import math
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("statsmodels", reason="the extra `examples` is not installed")

import statsmodels.api as sm
from test_comparisons_report import Page, table_rows

from bayesmix.settings import Settings
from bayesmix.store_loo import Loo
from comparisons.differences import Difference
from comparisons.examples import dispersion, dispersion_study, logs_or_counts
from comparisons.examples.dispersion_models import (
    BOTH,
    LEVELS,
    NEGATIVE_BINOMIAL,
    POISSON,
    SEGMENTS,
    answers,
    fit_models,
)
from comparisons.examples.dispersion_panels import BREAK_EVEN, Rows, Truth, draw, panel, table
from comparisons.examples.dispersion_pictures import expected_frequencies, moments, unpromoted
from comparisons.examples.dispersion_posteriors import Judged, PanelJudged, judged
from comparisons.examples.logs_limits import ONE_MORE, WITHOUT_ZEROS, limit_elasticity
from comparisons.examples.logs_models import (
    COUNTS,
    LOG_NORMAL,
    Elasticities,
    PanelOfVolume,
    Scored,
    panel_of_volume,
)
from comparisons.examples.logs_models import POISSON as POISSON_OF_PRICES
from comparisons.examples.logs_panels import MIDDLE
from comparisons.examples.logs_panels import Truth as VolumeTruth
from comparisons.examples.logs_panels import draw as draw_volume
from comparisons.examples.pearson import expected_dispersions, pearson
from em.panel import read_panel

SMALL = {name: truth._replace(stores=24, weeks=12) for name, truth in dispersion.TRUTHS.items()}


@pytest.mark.parametrize("differ", ["stores", "rows"])
def test_single_rows_of_both_panels_have_one_distribution(differ):
    rows = draw(np.random.default_rng(0), Truth(differ, stores=6000, weeks=4))
    first = rows.y[::4][rows.x[::4, 1] == 0.0]
    share = np.bincount(first.astype(int), minlength=41)[:41] / first.size
    expected = expected_frequencies(6.0, 0.5, 40)
    assert expected.sum() == pytest.approx(1.0, abs=1e-4)
    assert np.abs(np.cumsum(share) - np.cumsum(expected)).max() < 1.63 / math.sqrt(first.size)  # Kolmogorov, 1 %
    a, b = (draw(np.random.default_rng(1), Truth(differ, "stores", stores=6000, weeks=4)).y[t::4] for t in (0, 1))
    together = np.corrcoef(a, b)[0, 1]
    assert (together > 0.5) if differ == "stores" else (abs(together) < 0.06)


def test_promotions_are_given_as_said():
    weeks = draw(np.random.default_rng(0), Truth("rows"))
    assert set(np.bincount(weeks.store, weeks.x[:, 1])) == {5.0}
    stores = draw(np.random.default_rng(0), Truth("rows", "stores"))
    assert sorted(np.bincount(stores.store, stores.x[:, 1])) == [0.0] * 40 + [20.0] * 40
    rows = table(stores)
    assert not rows.duplicated(["store", "week"]).any()
    assert (rows["promotion"].to_numpy() == stores.x[:, 1]).all()


def test_the_first_dispersion_is_that_of_other_software():
    rows = draw(np.random.default_rng(2), Truth("stores", stores=30, weeks=10))
    glm = sm.GLM(rows.y, rows.x, family=sm.families.Poisson()).fit()
    ours = pearson(rows.store, rows.y, glm.mu, 2)
    assert ours.rows.value == pytest.approx(glm.pearson_chi2 / glm.df_resid)
    inside = Rows(rows.store, np.column_stack([np.eye(30)[rows.store], rows.x[:, 1]]), rows.y)
    own = sm.GLM(inside.y, inside.x, family=sm.families.Poisson()).fit()
    assert ours.within.value == pytest.approx(own.pearson_chi2 / own.df_resid, rel=0.01)


@pytest.mark.parametrize("differ", ["stores", "rows"])
def test_dispersions_are_as_expected_on_average(differ):
    truth, found = Truth(differ, stores=60, weeks=10), []
    for number in range(80):
        rows = draw(np.random.default_rng([4, number]), truth)
        mean = 6.0 * np.exp(BREAK_EVEN * rows.x[:, 1])
        one = pearson(rows.store, rows.y, mean, 0)
        found.append([each.value for each in one])
    expected = expected_dispersions(rows.store, mean, 0.5, of_stores=differ == "stores")
    errors = np.std(found, axis=0, ddof=1) / math.sqrt(80)
    assert (np.abs(np.mean(found, axis=0) - [each.value for each in expected]) < 4.0 * errors + 0.02).all()


def test_a_store_of_zeros_is_not_off_its_own_level():
    store, y = np.repeat(np.arange(3), 4), np.array([0.0] * 4 + [1.0, 2.0, 3.0, 2.0] * 2)
    assert np.isfinite(pearson(store, y, np.full(12, y.mean()), 1).within.value)


def test_answers_are_those_of_other_software():
    rows = draw(np.random.default_rng(5), Truth("stores", stores=40, weeks=12))
    fits = fit_models(panel(rows, "poisson"), panel(rows, "negative-binomial"), 2, 5)
    found = {one.name: one for one in answers(fits)}
    glm = sm.GLM(rows.y, rows.x, family=sm.families.Poisson())
    plain = glm.fit()
    assert found[POISSON].log_ratio == pytest.approx(plain.params[1], rel=1e-6)
    assert found[POISSON].error == pytest.approx(plain.bse[1], rel=1e-6)
    by_store = glm.fit(cov_type="cluster", cov_kwds={"groups": rows.store, "use_correction": False})
    correction = math.sqrt(40 / 39)
    robust = found["Poisson, standard errors by store"]
    assert robust.error == pytest.approx(correction * by_store.bse[1], rel=1e-5)
    dispersed = sm.NegativeBinomial(rows.y, rows.x).fit(disp=0, maxiter=200)
    assert found[NEGATIVE_BINOMIAL].log_ratio == pytest.approx(dispersed.params[1], abs=1e-4)
    assert found[NEGATIVE_BINOMIAL].error == pytest.approx(dispersed.bse[1], rel=1e-3)
    assert fits.segments.parameters.theta[0, 1] == fits.segments.parameters.theta[1, 1]
    assert fits.levels.random == fits.both.random == ("intercept",)


def test_the_kept_study_is_drawn_again():
    kept = dispersion_study.kept()
    last = kept[kept["truth"] == "rows scatter, half of stores promoted"].iloc[-1]
    again = dispersion_study.row(str(last["truth"]), int(last["panel"]))
    assert set(again) == set(kept.columns)
    assert_allclose([float(again[name]) for name in kept.columns[2:]], last.iloc[2:].astype(float), atol=1.5e-4)


def test_the_wrong_model_is_too_sure_and_the_larger_one_is_not():
    covered = dispersion_study.coverage(dispersion_study.kept())
    found = {(row.truth, row.model): row for row in covered}
    assert len(found) == len(covered) == 24
    assert found["stores differ, half of stores promoted", NEGATIVE_BINOMIAL].interval[1] < 0.7
    assert found["stores differ, half of stores promoted", SEGMENTS].interval[1] < 0.5
    assert found["rows scatter, weeks promoted", LEVELS].interval[1] < 0.85
    for truth in dispersion_study.TRUTHS:
        both = found[truth, BOTH]
        assert both.interval[1] > 0.95 > both.interval[0] - 0.03
        assert both.told == pytest.approx(both.spread, rel=0.3)
    wide = found["stores differ, weeks promoted", NEGATIVE_BINOMIAL]
    assert wide.told > 1.4 * wide.spread


def judged_by_hand(differ):
    """A small panel, and elpds and draws that need no sampling."""
    truth = SMALL[dispersion.DIFFER if differ == "stores" else dispersion.SCATTER]
    rows = draw(np.random.default_rng(8), truth)
    rng, ahead = np.random.default_rng(9), {"stores": LEVELS, "rows": NEGATIVE_BINOMIAL}[differ]
    glm = sm.GLM(rows.y, rows.x, family=sm.families.Poisson()).fit()

    def one(name):
        elpd_i = -50.0 + rng.normal(size=24) + (3.0 if name == ahead else 0.0)
        loo = Loo(elpd_i, np.full(24, 0.1), np.zeros(24), 0.7, 1.0)
        return Judged(name, -1200.0, 3, 2420.0, loo, rng.normal(0.3, 0.05, 400), True)

    names = (POISSON, NEGATIVE_BINOMIAL, LEVELS, SEGMENTS, BOTH)
    found = pearson(rows.store, rows.y, glm.mu, 2)
    return PanelJudged(rows, found, 2, np.array([0.2, 0.4]), {name: one(name) for name in names})


def test_the_page_of_overdispersion_says_what_was_found():
    found = {dispersion.DIFFER: judged_by_hand("stores"), dispersion.SCATTER: judged_by_hand("rows")}
    covered = dispersion_study.coverage(dispersion_study.kept())
    told = dispersion.findings(found, SMALL, covered)
    whole(told)
    of, best = found[dispersion.SCATTER], found[dispersion.SCATTER].best
    assert best.name == NEGATIVE_BINOMIAL
    rows = {
        row[0].split("2 segments")[0].strip(): row
        for row in table_rows(told.html, "Table of models where rows scatter")
    }
    assert next(iter(rows)) == NEGATIVE_BINOMIAL
    expected = of.models[POISSON].loo.elpd_i - best.loo.elpd_i
    assert rows[POISSON][5] == dispersion.apart(Difference(expected.sum(), math.sqrt(24 * expected.var(ddof=1))))
    said = {row[0]: row[1:] for row in table_rows(told.html, "Table of dispersions")}
    assert said["totals of stores"][0].startswith(dispersion.told(found[dispersion.DIFFER].pearson.totals))
    earns = {row[0]: row[3] for row in table_rows(told.html, "Table of the promotion where rows scatter")}
    assert earns[BOTH] == f"{(of.models[BOTH].log_ratio > math.log(30 / 22)).mean():.0%}".replace("%", " %")
    share = {row[0]: row[1] for row in table_rows(told.html, "Table of coverage")}
    for row in covered:
        assert share[f"{row.model} {row.truth}"].startswith(f"{100.0 * row.share:.1f}")
    missed = next(r for r in covered if (r.truth, r.model) == ("rows scatter, weeks promoted", LEVELS))
    assert f"{100.0 * (1.0 - missed.share):.0f}\N{NO-BREAK SPACE}% (" in told.lead


def test_stores_lie_on_the_line_of_their_truth():
    for truth in dispersion.TRUTHS.values():
        mean, variance = moments(unpromoted(draw(np.random.default_rng(1), truth._replace(stores=400))))
        over = variance.mean() / (mean.mean() + 0.25 * (mean**2).mean() * (truth.differ == "rows"))
        assert over == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize("way", [WITHOUT_ZEROS, ONE_MORE])
@pytest.mark.parametrize("volume", [1.5, 8.0])
def test_elasticities_of_logarithms_tend_to_their_limits(way, volume):
    rows = draw_volume(np.random.default_rng(0), VolumeTruth(elasticities=(-2.0, -2.0), stores=400, weeks=500), volume)
    rows = rows[rows["units"] > 0] if way == WITHOUT_ZEROS else rows
    y = np.log(rows["units"] if way == WITHOUT_ZEROS else rows["one_more"])
    slope, error = np.polyfit(np.log(rows["price"] / MIDDLE), y, 1)[0], 2.0 / math.sqrt(len(rows))
    assert limit_elasticity(way, volume, -2.0, 0.2) == pytest.approx(slope, abs=4.0 * error)


def test_large_counts_keep_their_elasticity_and_smaller_ones_bend_it():
    for way in (WITHOUT_ZEROS, ONE_MORE):
        assert limit_elasticity(way, 20_000.0, -2.0, 0.2) == pytest.approx(-2.0, abs=1e-3)
    assert limit_elasticity(WITHOUT_ZEROS, 100.0, -2.0, 0.2) == pytest.approx(-2.0 * (1.0 + 0.5 / 100.0), abs=3e-3)
    assert limit_elasticity(WITHOUT_ZEROS, 2.0, -2.0, 0.2) > -1.6
    assert limit_elasticity(ONE_MORE, 2.0, -2.0, 0.2) > -1.6


def by_volume(volume, zeros, behind):
    """What was found at a volume, by hand."""
    ways = (COUNTS, POISSON_OF_PRICES, WITHOUT_ZEROS, ONE_MORE)
    found = {way: Elasticities(np.array([-3.1, -1.4]), np.array([0.1, 0.2])) for way in ways}
    scored = None
    if not zeros:
        names = (COUNTS, POISSON_OF_PRICES, LOG_NORMAL)
        apart = {name: Difference(0.0 if name == COUNTS else -behind, 2.5) for name in names}
        scored = Scored(dict.fromkeys(names, -500.0), apart, dict.fromkeys(names, 0), None)
    return PanelOfVolume(volume, 1600, zeros, zeros, "volume-2.csv: no" if zeros else "", found, scored)


def test_the_page_of_logarithms_says_what_was_found():
    panels = [by_volume(2.0, 31, 0.0), by_volume(20.0, 0, 77.0), by_volume(2000.0, 0, 1.0)]
    told = logs_or_counts.findings(panels, VolumeTruth(volumes=(2.0, 20.0, 2000.0)))
    whole(told)
    rows = table_rows(told.html, "Table of log-densities")
    assert [row[:2] for row in rows] == [["2", "31"], ["20", "0"], ["2,000", "0"]]
    assert [row[4] for row in rows] == ["no logarithm", "77.0 ± 2.5", "1.0 ± 2.5"]
    assert "31 rows are zero" in told.lead
    assert "which decides nothing" in told.html
    said = table_rows(told.html, "Table of elasticities")
    assert said[0][2].split(" | ")[1] == f"{limit_elasticity(WITHOUT_ZEROS, 2.0, -3.0, 0.2):.2f}".replace(
        "-", "\N{MINUS SIGN}"
    )


def whole(told):
    """A page is complete, asks for nothing, and says its lead."""
    seen = Page(told.html)
    assert seen.unclosed == []
    assert len(seen.all("h1")) == 1
    assert all(picture["role"] == "img" and len(picture["aria-label"]) > 40 for picture in seen.all("svg"))
    assert not re.search(r"fetch\(|https?://(?!www\.w3\.org)|import\(", told.html)
    assert re.search(r"#0[0-9]0[0-9][0-9f]{2}", told.html) is None
    text = " ".join(seen.text.split())
    assert not re.search(r"\bnan\b|\binf\b", text)
    assert " ".join(told.lead.split()) in text


@pytest.mark.slow
@pytest.mark.parametrize("name", [dispersion.DIFFER, dispersion.SCATTER])
def test_the_model_that_made_a_panel_predicts_it_best(tmp_path, name):
    path = tmp_path / dispersion.FILES[name]
    table(draw(np.random.default_rng(3), SMALL[name])).to_csv(path, index=False)
    found = judged(path, Settings(draws=250, tune=250), most=3)
    right, wrong = (LEVELS, NEGATIVE_BINOMIAL) if name == dispersion.DIFFER else (NEGATIVE_BINOMIAL, LEVELS)
    assert found.behind(wrong, right).decided
    assert found.behind(wrong, right).elpd_diff < 0.0
    assert not found.behind(BOTH, right).decided


@pytest.mark.slow
def test_a_panel_of_small_counts_is_lost_on_logarithms(tmp_path):
    truth = VolumeTruth(sigma=0.1, stores=24, weeks=40)
    settings = Settings(draws=250, tune=250)
    found = panel_of_volume(tmp_path / "volume-20.csv", np.random.default_rng(0), truth, 20.0, settings)
    assert found.scored is not None
    assert found.scored.behind[LOG_NORMAL].elpd_diff < -2.0 * found.scored.behind[LOG_NORMAL].dse
    small = panel_of_volume(tmp_path / "volume-2.csv", np.random.default_rng(1), truth, 2.0, settings)
    assert small.scored is None
    assert "store S" in small.refused
    above = read_panel(tmp_path / "volume-2-above-zero.csv", formula="log(units) ~ log(price)")
    assert above.y.size == small.rows - small.zeros
