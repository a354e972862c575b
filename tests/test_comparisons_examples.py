"""The worked examples: their arithmetic by itself, and what their pages say against the models."""

import html
import json
import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.special import expit, logit
from scipy.stats import norm

pytest.importorskip("statsmodels", reason="the extra `examples` is not installed")

import statsmodels.api as sm
import statsmodels.formula.api as smf
from test_comparisons_report import Page, table_rows

from comparisons.examples import ab_coverage, conversion
from comparisons.examples.__main__ import command
from comparisons.examples.ab_experiment import Truth, draw, table
from comparisons.examples.ab_models import MODELS, contrasts, fit_models
from comparisons.examples.averages import (
    C2,
    attenuated,
    average_probability,
    integrated_contrast,
    joint_covariance,
    marginal_contrast,
    true_average,
)
from comparisons.examples.calibration import calibration
from comparisons.examples.conversion_sessions import TRUTH, largest_effect
from comparisons.examples.decisions import Costs, cost, decided, per_thousand
from comparisons.examples.intervals import Z, wilson
from comparisons.examples.marginal_models import clustered, independent
from comparisons.examples.roc import curve, resampled_users, roc
from comparisons.examples.shares_by_user import share_by_user
from em.estimate import command as estimate


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Both examples, worked by the command."""
    out = tmp_path_factory.mktemp("examples")
    assert command(["--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def experiment():
    """A small experiment and its fits."""
    sessions = draw(np.random.default_rng(3), Truth(users=150))
    return sessions, fit_models(sessions)


def numbers(folder, name):
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def page(folder, name):
    return (folder / f"{name}.html").read_text(encoding="utf-8")


def words(text):
    return " ".join(text.split())


@pytest.mark.parametrize("sd", [0.0, 0.3, 1.5, 4.0])
@pytest.mark.parametrize("eta", [-7.0, -1.8, 0.4])
def test_the_average_over_users_is_the_integral(eta, sd):
    exact = quad(lambda z: expit(eta + sd * z) * norm.pdf(z), -12.0, 12.0, epsabs=1e-13, limit=200)[0]
    assert average_probability(eta, sd) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("sd", [0.5, 1.0, 1.5, 2.0])
def test_the_formula_of_attenuation_is_near_the_integral(sd):
    assert pytest.approx(0.346, abs=5e-4) == C2
    exact = true_average(-0.5, 0.4, sd).log_odds_ratio
    assert attenuated(0.4, sd) == pytest.approx(exact, rel=0.07)
    assert 0.4 - exact > 2.0 * abs(attenuated(0.4, sd) - exact)


def test_an_effect_is_the_same_for_each_and_on_average_where_users_are_alike():
    assert true_average(-1.0, 0.7, 0.0).log_odds_ratio == pytest.approx(0.7, abs=1e-12)


def test_the_joint_covariance_has_the_standard_errors_of_the_fit(experiment):
    fit = experiment[1].quadrature
    joint = joint_covariance(fit)
    assert_allclose(joint[:2, :2], fit.mu_covariance, rtol=1e-3)
    assert np.sqrt(joint[2, 2]) == pytest.approx(fit.sd_errors[0], rel=1e-3)


def test_errors_of_contrasts_are_those_of_drawn_estimates(experiment):
    _, models = experiment
    rng = np.random.default_rng(0)
    at = np.append(models.quadrature.parameters.mu, np.sqrt(models.quadrature.parameters.omega[0, 0]))
    near = at + 0.2 * rng.multivariate_normal(np.zeros(3), joint_covariance(models.quadrature), 4000)
    drawn = [true_average(*one) for one in near]
    ours = integrated_contrast(models.quadrature)
    assert 5.0 * np.std([one.difference for one in drawn]) == pytest.approx(ours.difference_error, rel=0.05)
    assert 5.0 * np.std([one.log_odds_ratio for one in drawn]) == pytest.approx(ours.log_odds_ratio_error, rel=0.05)
    assert_allclose(5.0 * np.std([one.rates for one in drawn], axis=0), ours.rate_errors, rtol=0.05)
    gee = marginal_contrast(models.gee.estimate, models.gee.covariance)
    assert gee.log_odds_ratio == pytest.approx(models.gee.estimate[1])
    assert gee.log_odds_ratio_error == pytest.approx(models.gee.standard_errors[1])
    near = expit(models.gee.estimate + 0.2 * rng.multivariate_normal(np.zeros(2), models.gee.covariance, 4000))
    rates = expit(logit(near[:, 0]) + logit(near[:, 1]))
    assert 5.0 * np.std(rates - near[:, 0]) == pytest.approx(gee.difference_error, rel=0.05)


def test_errors_by_user_are_the_sandwich_written_out(experiment):
    sessions, models = experiment
    x, n, users = sessions.x, sessions.user.size, sessions.users
    p = expit(x @ models.glm.estimate)
    bread = np.linalg.inv((x * (p * (1.0 - p))[:, None]).T @ x)
    assert_allclose(models.glm.covariance, bread, rtol=1e-5)
    scores = x * (sessions.bought - p)[:, None]
    by_user = np.stack([np.bincount(sessions.user, column) for column in scores.T], axis=1)
    few = users / (users - 1) * (n - 1) / (n - 2)
    assert_allclose(models.clustered.covariance, few * bread @ by_user.T @ by_user @ bread, rtol=1e-5)


def test_the_page_has_the_estimates_of_statsmodels(folder):
    data = pd.read_csv(folder / "ab-test.csv")
    formula, logistic = "bought ~ variant", sm.families.Binomial()
    glm = smf.glm(formula, data, family=logistic).fit()
    gee = smf.gee(formula, "user", data, family=logistic, cov_struct=sm.cov_struct.Exchangeable()).fit()
    found = {one["name"]: one for one in numbers(folder, "ab-test")["answers"]}
    for name, fit in (("GLM, users ignored", glm), ("GEE, exchangeable", gee)):
        assert found[name]["log_odds_ratio"] == pytest.approx(fit.params["variant[T.B]"], rel=1e-6)
        assert found[name]["error"] == pytest.approx(fit.bse["variant[T.B]"], rel=1e-6)
        rates = [float(fit.predict(pd.DataFrame({"variant": [one]})).iloc[0]) for one in "AB"]
        told = next(row for row in table_rows(page(folder, "ab-test"), "Table of models") if row[0] == name)
        assert told[5:7] == [f"{100.0 * rate:.1f} %" for rate in rates]


def test_the_truth_of_the_experiment_is_within_its_errors(folder):
    found = numbers(folder, "ab-test")
    assert list(MODELS) == [one["name"] for one in found["answers"]]
    for one in found["answers"]:
        truth = found["truth"]["effect" if one["whose"] == "user" else "average"]
        truth = truth if one["whose"] == "user" else truth["log_odds_ratio"]
        assert abs(one["log_odds_ratio"] - truth) < 3.0 * one["error"], one["name"]
    assert found["truth"]["average"]["log_odds_ratio"] < found["truth"]["effect"]


def test_the_widening_by_users_is_that_of_their_correlation(folder):
    effect = numbers(folder, "ab-test")["design_effect"]
    assert effect["measured"] == pytest.approx(effect["expected"], rel=0.05)
    assert effect["worth"] == pytest.approx(effect["sessions"] / effect["measured"] ** 2)
    found = {one["name"]: one for one in numbers(folder, "ab-test")["answers"]}
    ratio = found["GLM, standard errors by user"]["error"] / found["GLM, users ignored"]["error"]
    assert effect["measured"] == pytest.approx(ratio)
    assert f"{ratio:.1f} times as sure" in numbers(folder, "ab-test")["headline"]


def test_where_sessions_are_given_a_variant_users_have_both():
    sessions = draw(np.random.default_rng(0), Truth(randomised="sessions", users=50))
    per_user = [np.unique(sessions.x[sessions.user == u, 1]).size for u in range(50)]
    assert max(per_user) == 2
    sessions = draw(np.random.default_rng(0), Truth(users=50))
    assert max(np.unique(sessions.x[sessions.user == u, 1]).size for u in range(50)) == 1
    rows = table(sessions)
    assert not rows.duplicated(["user", "session"]).any()
    assert (rows["variant"] == "B").to_numpy().tolist() == (sessions.x[:, 1] == 1.0).tolist()


def test_the_kept_study_is_drawn_again():
    kept = ab_coverage.kept()
    kept = kept[(kept["truth"] == "sessions randomised") & (kept["experiment"] == 199)].iloc[0]
    again = ab_coverage.row("sessions randomised", 199)
    assert set(again) == set(kept.index)
    assert_allclose([again[name] for name in kept.index[2:]], kept.iloc[2:].astype(float), atol=1.5e-4)


def test_coverage_counts_intervals_that_hold_the_truth():
    table = ab_coverage.kept()
    found = {(one.truth, one.model): one for one in ab_coverage.coverage(table)}
    assert len(found) == 18
    rows = table[table["truth"] == "users randomised"]
    gee = [abs(row["GEE, exchangeable"] - true_average(-1.8, 0.4, 1.5).log_odds_ratio) for _, row in rows.iterrows()]
    inside = sum(
        gap < Z * row["error of GEE, exchangeable"] for gap, (_, row) in zip(gee, rows.iterrows(), strict=True)
    )
    assert found["users randomised", "GEE, exchangeable"].covered == inside
    assert found["users randomised", "GEE, exchangeable"].experiments == len(rows) == 200
    for (truth, model), one in found.items():
        assert abs(one.mean - one.effect) < 3.0 * one.mean_error, (truth, model)
        if model == "GLM, users ignored" and truth != "sessions randomised":
            assert one.interval[1] < 0.85
        else:
            assert one.interval[0] < 0.95 < one.interval[1], (truth, model)
            assert one.told == pytest.approx(one.spread, rel=0.15)


def test_the_page_says_the_coverage(folder):
    said = {row[0]: row[1] for row in table_rows(page(folder, "ab-test"), "Table of coverage")}
    for one in ab_coverage.coverage(ab_coverage.kept()):
        assert said[f"{one.model} {one.truth}"].startswith(f"{100.0 * one.share:.1f}")


def test_wilson_holds_the_share_and_narrows():
    low, high = wilson(3.0, 40.0)
    for end in (low, high):  # the score test does not refuse the ends, just
        assert abs(3 / 40 - end) / np.sqrt(end * (1 - end) / 40) == pytest.approx(Z)
    assert wilson(0.0, 10.0)[0] == pytest.approx(0.0, abs=1e-12)


def test_a_share_of_single_sessions_is_that_of_wilson_and_repeats_tell_nothing_new():
    rng = np.random.default_rng(1)
    y, user = (rng.random(400) < 0.3).astype(float), np.arange(400)
    everyone = np.ones(400, dtype=bool)
    single = share_by_user(y, user, everyone)
    assert_allclose(single[:3], [y.mean(), *wilson(y.sum(), 400)], rtol=2e-3)
    twice = share_by_user(np.repeat(y, 2), np.repeat(user, 2), np.ones(800, dtype=bool))
    assert_allclose(twice[:3], single[:3], rtol=2e-3)
    assert share_by_user(y, user, ~everyone).sessions == 0
    assert share_by_user(0.0 * y, user, everyone).high == pytest.approx(wilson(0.0, 400.0)[1])


def test_the_area_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(2)
    y = (rng.random(120) < 0.4).astype(float)
    score = np.round(rng.random(120) + 0.3 * y, 1)
    pairs = score[y == 1.0][:, None] - score[y == 0.0]
    found = roc(score, y, np.arange(120), np.ones((1, 120), dtype=int))
    assert found.area == pytest.approx(((pairs > 0.0) + 0.5 * (pairs == 0.0)).mean())
    assert (found.low, found.high) == pytest.approx((found.area, found.area))
    assert (found.false_positive[-1], found.true_positive[-1]) == (1.0, 1.0)
    doubled = np.repeat(np.arange(120), 1 + (np.arange(120) % 2))
    assert_allclose(
        np.trapezoid(*curve(score, y, 1.0 + np.arange(120) % 2)[::-1]),
        np.trapezoid(*curve(score[doubled], y[doubled], np.ones(180))[::-1]),
    )


def test_the_interval_of_the_area_is_that_of_delong_where_sessions_are_single():
    rng = np.random.default_rng(4)
    y = (rng.random(500) < 0.3).astype(float)
    score = rng.normal(size=500) + 0.8 * y
    found = roc(score, y, np.arange(500), resampled_users(rng, 500, 2000))
    above = score[y == 1.0][:, None] > score[y == 0.0]
    error = np.sqrt(above.mean(1).var(ddof=1) / above.shape[0] + above.mean(0).var(ddof=1) / above.shape[1])
    assert found.high - found.low == pytest.approx(2.0 * Z * error, rel=0.08)


def test_probabilities_that_are_right_are_calibrated_and_extreme_ones_are_told():
    rng = np.random.default_rng(5)
    eta = rng.normal(-1.0, 1.2, 6000)
    y = (rng.random(6000) < expit(eta)).astype(float)
    right, extreme = (calibration(expit(by * eta), y, np.arange(6000)) for by in (1.0, 2.0))
    assert abs(right.slope - 1.0) < 3.0 * right.slope_error
    assert right.right >= 8
    assert extreme.slope == pytest.approx(0.5 * right.slope, rel=1e-6)
    assert extreme.right < right.right
    assert [tenth.found.sessions for tenth in right.tenths] == [600] * 10
    assert np.mean([tenth.told for tenth in right.tenths]) == pytest.approx(right.told)


def test_the_threshold_is_the_cheapest_for_probabilities_that_are_right():
    costs, p = Costs(1.0, 6.0), np.linspace(0.001, 0.999, 2001)
    expected = {at: (p * cost(costs, p > at, np.ones(p.size)) + (1 - p) * cost(costs, p > at, np.zeros(p.size))).sum()
                for at in np.linspace(0.02, 0.9, 89)}  # fmt: skip
    assert min(expected, key=lambda at: expected[at]) == pytest.approx(costs.threshold, abs=0.011)


def test_decisions_are_counted():
    y = np.array([0, 0, 0, 0, 0, 1, 1, 1.0])
    p = np.array([0.1, 0.2, 0.6, 0.1, 0.1, 0.7, 0.3, 0.9])
    does = decided(p, y, np.arange(8), 0.5)
    assert does.table.tolist() == [[4, 1], [1, 2]]
    assert [does.sensitivity.value, does.specificity.value, does.precision.value] == pytest.approx(
        [2 / 3, 4 / 5, 2 / 3]
    )
    assert does.acted.value == pytest.approx(3 / 8)
    each = cost(Costs(1.0, 6.0), p > 0.5, y)
    assert each.sum() == 7.0
    drawn = np.array([[2, 0, 0, 0, 0, 0, 6, 0]])
    assert per_thousand(each, np.arange(8), drawn)[:2] == pytest.approx((875.0, 4500.0))


def test_no_purchase_in_some_sessions_leaves_a_limit():
    assert expit(-2.0 + largest_effect(np.full(12, -2.0), 0.0)) == pytest.approx(1.0 - 0.05 ** (1 / 12))
    assert largest_effect(np.full(12, -2.0), 1.0) > largest_effect(np.full(40, -2.0), 1.0)


def test_odds_ratios_hold_their_truth_and_are_the_page(folder):
    found = numbers(folder, "conversion")
    rows = table_rows(page(folder, "conversion"), "Table of odds ratios")
    for one, row in zip(found["odds_ratios"], rows, strict=True):
        assert abs(one["value"] - one["truth"]) < 3.0 * one["error"]
        low, high = (np.exp(one["value"] + side * Z * one["error"]) for side in (-1, 1))
        assert row[:2] == [one["change"], f"{np.exp(one['value']):.2f} ({low:.2f} to {high:.2f})"]
        assert abs(one["average"]) < abs(one["value"])
    assert found["odds_ratios"][0]["truth"] == pytest.approx(TRUTH.by_log_minutes * np.log(2.0))
    data = pd.read_csv(folder / "conversion.csv")
    logistic = smf.glm("bought ~ np.log(minutes) + pages + referral", data, family=sm.families.Binomial()).fit()
    told = {one["change"]: one["average"] for one in found["odds_ratios"]}
    assert told["twice the minutes"] == pytest.approx(np.log(2.0) * logistic.params["np.log(minutes)"], rel=1e-6)
    assert told["social, not direct"] == pytest.approx(logistic.params["referral[T.social]"], rel=1e-6)


def test_what_is_judged_was_not_fitted_and_is_told(folder):
    fitted, new = (pd.read_csv(folder / name) for name in (conversion.FITTED, conversion.NEW))
    assert not set(fitted["user"]) & set(new["user"])
    found = numbers(folder, "conversion")
    assert np.sum(found["table"]) == len(new)
    (_, false_alarm), (missed, reached) = found["table"]
    assert found["sensitivity"]["value"] == pytest.approx(reached / (reached + missed))
    assert found["precision"]["value"] == pytest.approx(reached / (reached + false_alarm))
    ours = found["held_out"]["mixed model, averaged over users"]
    assert ours["cost"]["value"] == pytest.approx(1000.0 * (false_alarm + 6.0 * missed) / len(new))
    assert ours["found"] == pytest.approx(new["bought"].mean())
    middle, known = (
        found["held_out"][f"{name}"] for name in ("mixed model, the user in the middle", "the truth, each user known")
    )
    assert abs(ours["told"] - ours["found"]) < 0.01 < abs(middle["told"] - ours["found"])
    assert middle["area"] == pytest.approx(ours["area"])
    assert ours["area"] < found["held_out"]["the truth"]["area"] < known["area"]
    said = words(Page(page(folder, "conversion")).text)
    for number in (ours["area"], found["sensitivity"]["value"], found["precision"]["value"]):
        assert f"{100.0 * number:.1f} %" in said


def test_separation_is_told(folder):
    found = numbers(folder, "conversion")["separated"]
    assert found["told"].startswith("separation: referral[T.partner] (-)")
    assert found["told"] in html.unescape(page(folder, "conversion"))
    assert found["error"] > 1000.0 > 1.0 > found["robust_error"]
    rare = pd.read_csv(folder / conversion.RARE)
    rare = rare[rare["referral"] == "partner"]
    assert len(rare) == rare["user"].nunique() == 12
    assert rare["bought"].sum() == 0


def blocks(folder, name):
    """The command and the program that a page tells to run."""
    found = re.findall(r"<pre><code>(.*?)</code></pre>", page(folder, name), re.DOTALL)
    return [html.unescape(code) for code in found]


def test_the_command_and_the_program_of_the_test_give_its_numbers(folder, monkeypatch, ended):
    monkeypatch.chdir(folder)
    call, program = blocks(folder, "ab-test")
    argv = re.findall(r'"[^"]*"|\S+', call.replace("\\\n", " "))
    assert argv[:3] == ["python", "-m", "em.estimate"]
    assert ended(estimate, *(word.strip('"') for word in argv[3:])).code == 0
    theta = json.loads((folder / "fit.json").read_text())["fits"][0]["theta"]
    (folder / "fit.json").unlink()
    found = numbers(folder, "ab-test")["answers"]
    assert theta[0][1] == pytest.approx(found[-1]["log_odds_ratio"], rel=1e-9)
    space = {}
    exec(program, space)
    assert space["gee"].fit().params[1] == pytest.approx(found[2]["log_odds_ratio"], rel=1e-9)


def test_the_program_of_conversions_gives_their_numbers(folder, monkeypatch):
    monkeypatch.chdir(folder)
    call, program = blocks(folder, "conversion")
    assert f'--formula "{conversion.FORMULA}"' in call
    space = {}
    exec(program, space)
    found = numbers(folder, "conversion")
    assert np.log(2.0) * space["mu"][1] == pytest.approx(found["odds_ratios"][0]["value"], rel=1e-9)
    ours = found["held_out"]["mixed model, averaged over users"]
    assert space["p"].mean() == pytest.approx(ours["told"])
    assert space["calibration"](space["p"], space["new"].y, space["new"].store).slope == pytest.approx(ours["slope"])


@pytest.mark.parametrize("name", ["ab-test", "conversion", "index"])
def test_pages_are_whole_and_ask_for_nothing(folder, name):
    text = page(folder, name)
    seen = Page(text)
    assert seen.unclosed == []
    for tag, attributes in seen.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img")
        for key in ("src", "href", "xlink:href", "srcset", "action", "data"):
            known = ("#", "index.html", "ab-test.html", "conversion.html")
            assert attributes.get(key, "#").startswith(known), (tag, attributes)
    assert not re.search(r"fetch\(|XMLHttpRequest|https?://(?!www\.w3\.org)|import\(", text)
    assert not re.search(r"&amp;\w+;", text)
    assert len(seen.all("h1")) == 1
    assert all("scope" in header for header in seen.all("th"))
    assert all(picture["role"] == "img" and len(picture["aria-label"]) > 40 for picture in seen.all("svg"))
    assert re.search(r"#0[0-9]0[0-9][0-9f]{2}", text) is None
    assert not re.search(r"\bnan\b|\binf\b", words(seen.text))
    if name == "index":
        assert {link["href"] for link in seen.all("a")} == {"ab-test.html", "conversion.html"}
    else:
        assert words(numbers(folder, name)["lead"]) in words(seen.text)
        assert numbers(folder, name)["headline"] == words(re.search(r"<h1>(.*?)</h1>", text).group(1))


def test_what_cannot_be_is_refused(ended, tmp_path):
    assert ended(command, "nope", "--out", tmp_path).err.startswith(
        "error: no example 'nope'; expected one of ab-test, "
    )
    (tmp_path / "file").write_text("")
    assert ended(command, "ab-test", "--out", tmp_path / "file").code == 2
    assert ended(ab_coverage.command, "--experiments", "1").code == 2


def test_a_regression_without_users_is_that_of_sessions():
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(900), np.arange(900) % 2])
    y = (rng.random(900) < 0.3 + 0.1 * x[:, 1]).astype(float)
    assert_allclose(clustered(x, y, np.arange(900)).standard_errors, independent(x, y).standard_errors, rtol=0.01)
    rate = [y[x[:, 1] == arm].mean() for arm in (0.0, 1.0)]
    assert contrasts_of(x, y).rates == pytest.approx(rate)


def contrasts_of(x, y):
    one = independent(x, y)
    return marginal_contrast(one.estimate, one.covariance)


def test_models_that_average_are_the_ones_with_contrasts(experiment):
    assert list(contrasts(experiment[1])) == [name for name, whose in MODELS.items() if whose == "average"]
