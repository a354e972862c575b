"""`em.estimate --family`: counts, choices and amounts from the file to results.json, and what is refused."""

import json
from functools import partial

import numpy as np
import pandas as pd
import pytest

from em.bootstrap import draw_replicates
from em.design_counts import DesignCounts
from em.estimate import command
from em.glmm import fit_glmm
from em.panel import read_panel, statistics_of, store_statistics
from em.results import data_of, read_results
from em.split_weeks import rows_of, split_weeks


@pytest.fixture
def visits(tmp_path):
    """A long file of 40 shops over 12 weeks: visits (Poisson), sold (binomial of visits), spent (gamma), days."""
    rng = np.random.default_rng(0)
    shop, week = np.repeat(np.arange(40), 12), np.tile(np.arange(1, 13), 40)
    promotion, days = rng.integers(0, 2, shop.size), rng.choice([5, 6], shop.size)
    own = rng.normal(0.0, 0.6, 40)[shop]
    count = 1 + rng.poisson(days * np.exp(0.3 + 0.4 * promotion + own))
    sold = rng.binomial(count, 1.0 / (1.0 + np.exp(1.0 - promotion - own)))
    spent = np.round(rng.gamma(4.0, np.exp(2.0 - 0.3 * promotion + own) / 4.0) + 0.01, 2)
    frame = pd.DataFrame(
        {
            "shop": shop,
            "week": week,
            "promotion": promotion,
            "days": days,
            "visits": count,
            "sold": sold,
            "spent": spent,
        }
    )
    path = tmp_path / "visits.csv"
    frame.to_csv(path, index=False)
    return path, frame


def told(ended, path, *argv, out):
    end = ended(command, path, "--store", "shop", *argv, "--out", out)
    return end, json.loads(out.read_text()) if out.exists() else None


@pytest.mark.parametrize(
    ("family", "response", "more"),
    [
        ("poisson", "visits", ["--exposure", "days"]),
        ("negative-binomial", "visits", []),
        ("binomial", "sold", ["--trials", "visits"]),
        ("gamma", "spent", []),
    ],
)
def test_segments_and_a_continuum_of_each_family(ended, visits, tmp_path, family, response, more):
    path, _ = visits
    how = ["--family", family, "--formula", f"{response} ~ promotion", *more]
    end, record = told(ended, path, *how, "--k", "1", "2", "--starts", "5", out=tmp_path / "mixture.json")
    assert end.code == 0, end.err
    assert record["settings"]["family"] == family
    first = record["fits"][0]
    assert (first["family"], first["k"]) == (family, 1)
    if family in ("poisson", "binomial"):
        assert 0.0 <= record["fits"][1]["gap_to_bound"] < first["gap_to_bound"]
        assert "No number of segments can gain more than" in end.out
    else:
        assert record["bound"] is None
    assert record["data"]["coefficients"] == ["intercept", "promotion"]
    assert f"{response} ({family}" in end.out

    mixture_gap = first.get("gap_to_bound")
    how += ["--model", "hierarchical", "--random", "intercept", "--quadrature", "7"]
    stores = tmp_path / "stores.csv"
    end, record = told(ended, path, *how, "--stores", stores, out=tmp_path / "continuum.json")
    assert end.code == 0, end.err
    entry = record["fits"][0]
    assert entry["log_likelihood"] > first["log_likelihood"]
    panel = read_panel(
        path, store="shop", formula=f"{response} ~ promotion", family=family,
        **{option.removeprefix("--"): name for option, name in zip(more[::2], more[1::2], strict=True)},
    )  # fmt: skip
    fit = fit_glmm(panel, random=["intercept"], quadrature=7)
    assert entry["log_likelihood"] == pytest.approx(fit.log_likelihood, abs=1e-9)
    assert entry["standard_errors"]["sd"] == pytest.approx([fit.sd_errors[0]])
    assert abs(np.sqrt(entry["omega"][0][0][0]) - 0.6) < 4.0 * fit.sd_errors[0]
    assert "sd of intercept" in end.out
    if family in ("poisson", "binomial"):
        assert 0.0 < entry["gap_to_bound"] < mixture_gap
    assert entry["interval_method"] == record["settings"]["intervals"] == "wald"
    ends = {one["kind"]: (one["lower"], one["upper"]) for one in entry["intervals"] if one["of"] == ["intercept"]}
    assert ends["sd"][0] < np.sqrt(entry["omega"][0][0][0]) < ends["sd"][1]
    assert f"{ends['sd'][0]:.4f}" in end.out
    assert entry["random_effect_tests"][0]["p_value"] < 1e-6
    assert 0.0 < entry["explained"]["intraclass_correlation"] < 1.0
    assert {"theta_intercept", "theta_intercept_pooling"} <= set(pd.read_csv(stores).columns)


def test_segments_are_tested_by_drawn_panels(ended, visits, tmp_path, monkeypatch):
    path, _ = visits
    monkeypatch.setattr("em.bootstrap.draw_replicates", partial(draw_replicates, jobs=1))
    how = ["--family", "poisson", "--formula", "visits ~ promotion", "--exposure", "days", "--bootstrap", "4"]
    end, record = told(ended, path, *how, "--k", "1", "2", "--starts", "5", out=tmp_path / "r.json")
    assert end.code == 0, end.err
    test = record["likelihood_ratio_tests"][0]
    assert (test["k"], test["p_value"], len(test["replicates"])) == (1, 0.2, 4)
    assert "K = 1 against 2: likelihood ratio" in end.out


def test_exposures_and_trials_reach_the_statistics(visits):
    path, frame = visits
    formula, how = "visits ~ promotion", {"store": "shop", "week": "week"}
    counts = statistics_of(read_panel(path, formula=formula, family="poisson", exposure="days", **how))
    assert isinstance(counts, DesignCounts)
    assert np.allclose(np.unique(counts.offset), np.log([5.0, 6.0]))
    choices = statistics_of(read_panel(path, formula="sold ~ promotion", family="binomial", trials="visits", **how))
    assert isinstance(choices, DesignCounts)
    assert np.array_equal(np.bincount(choices.store, choices.n), frame.groupby("shop").visits.sum())


def test_a_bernoulli_needs_no_formula(ended, visits, tmp_path):
    path, frame = visits
    frame.assign(sold=(frame.sold > 2).astype(int)).to_csv(path, index=False)
    how = ["--family", "bernoulli", "--sales", "sold", "--covariates", "promotion", "--k", "1"]
    end, record = told(ended, path, *how, out=tmp_path / "r.json")
    assert end.code == 0, end.err
    assert record["data"]["coefficients"] == ["intercept", "promotion"]


def test_a_wide_file_of_counts_takes_its_price(tmp_path):
    rng = np.random.default_rng(1)
    price = rng.uniform(1.0, 3.0, 20).round(2)
    frame = pd.DataFrame({"Price": price, **{f"Sales{i}": rng.poisson(5.0 / price) for i in range(1, 7)}})
    frame.to_csv(tmp_path / "wide.csv", index=False)
    panel = read_panel(tmp_path / "wide.csv", family="poisson")
    assert panel.coefficients == ("intercept", "log_price")
    assert panel.response is not None
    assert np.array_equal(panel.y, frame.iloc[:, 1:].to_numpy().T.ravel())


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            ["--family", "poisson", "--formula", "spent ~ promotion"],
            "column spent, line 2, shop 0, week 1: the res",
        ),
        (["--family", "bernoulli", "--formula", "visits ~ promotion"], "expected 0 (no) or 1 (yes)"),
        (["--family", "binomial", "--formula", "visits ~ promotion", "--trials", "sold"], "the number of trials is 0"),
        (["--family", "binomial", "--formula", "visits ~ promotion", "--trials", "days"], "from 0 to the trials, of c"),
        (["--family", "binomial", "--formula", "sold ~ promotion"], "needs the column of trials"),
        (["--family", "gamma", "--formula", "sold ~ promotion"], "the response is 0; expected a number above zero"),
        (
            ["--family", "poisson", "--formula", "log(visits) ~ promotion"],
            "the response is log(visits); exp",
        ),
        (["--family", "poisson", "--formula", "visits ~ promotion", "--trials", "days"], "--trials does not go with"),
        (["--family", "poison", "--formula", "visits ~ promotion"], "no family 'poison'; expected one of gaussian"),
        (
            ["--exposure", "days", "--formula", "log(visits) ~ promotion"],
            "--exposure does not go with --family gaussian",
        ),
        (["--family", "poisson", "--formula", "visits ~ promotion", "--sigma", "common"], "which has no dispersion"),
        (
            ["--family", "poisson", "--formula", "visits ~ promotion", "--between", "days"],
            "--between does not go with --model mixture",
        ),
        (
            ["--family", "poisson", "--formula", "visits ~ promotion", "--model", "hierarchical", "--between", "days"],
            "differs between weeks of the store; expected one value for each store in a trait of --between",
        ),
        (["--family", "poisson", "--formula", "visits ~ promotion", "--quadrature", "5"], "--quadrature does not go"),
        (
            ["--family", "poisson", "--model", "hierarchical", "--intervals", "profile"],
            "--intervals profile does not go with --family poisson; expected wald",
        ),
        (
            ["--family", "poisson", "--formula", "visits ~ promotion", "--model", "normal-mixture"],
            "expected --model mix",
        ),
    ],
)
def test_what_does_not_fit_is_refused(ended, visits, tmp_path, how, message):
    path, _ = visits
    end, record = told(ended, path, *how, out=tmp_path / "r.json")
    assert end.code == 2
    assert message in end.err
    assert record is None


def test_a_missing_exposure_is_named(ended, visits, tmp_path):
    path, frame = visits
    frame.assign(days=frame.days.where(frame.index != 30)).to_csv(path, index=False)
    how = ["--family", "poisson", "--formula", "visits ~ promotion", "--exposure", "days"]
    end, _ = told(ended, path, *how, out=tmp_path / "r.json")
    assert end.code == 2
    assert "column days, line 32, shop 2, week 7: the exposure is missing; expected a number where there" in end.err


def test_separation_ends_with_three(ended, visits, tmp_path):
    path, frame = visits
    frame.assign(visits=frame.visits.where(frame.promotion == 1, 0)).to_csv(path, index=False)
    how = ["--family", "poisson", "--formula", "visits ~ promotion", "--k", "1"]
    end, record = told(ended, path, *how, out=tmp_path / "r.json")
    assert end.code == 3
    assert "separation: intercept (-), promotion (+)" in record["warnings"][0]


def test_results_of_a_family_are_read_and_least_squares_asks_for_log_sales(ended, visits, tmp_path):
    path, _ = visits
    out = tmp_path / "r.json"
    told(ended, path, "--family", "poisson", "--formula", "visits ~ promotion", "--k", "1", out=out)
    assert [one["family"] for one in read_results(out)["fits"]] == ["poisson"]
    wrong = json.loads(out.read_text(encoding="utf-8"))
    wrong["settings"]["family"] = "gaussian"
    out.write_text(json.dumps(wrong), encoding="utf-8")
    with pytest.raises(ValueError, match="family is 'poisson' where the settings say gaussian"):
        read_results(out)
    with pytest.raises(ValueError, match="holds poisson responses; expected log sales"):
        store_statistics(read_panel(path, store="shop", formula="visits ~ promotion", family="poisson"))


def test_traits_explain_coefficients(ended, visits, tmp_path):
    path, frame = visits
    frame = frame.assign(size=frame.shop % 7)
    frame["visits"] += np.random.default_rng(0).poisson(frame.visits * np.expm1(0.3 * frame["size"]))
    frame.to_csv(path, index=False)
    how = ["--family", "poisson", "--formula", "visits ~ promotion", "--model", "hierarchical", "--between", "size"]
    stores = tmp_path / "stores.csv"
    end, record = told(ended, path, *how, "--stores", stores, out=tmp_path / "r.json")
    assert end.code == 0, end.err
    entry = record["fits"][0]
    assert (entry["traits"], entry["trait_means"], np.shape(entry["theta"])) == (["size"], [2.875], (1, 2))
    assert abs(entry["gamma"][0][0] - 0.3) < 4.0 * entry["standard_errors"]["gamma"][0][0]
    explained, gain = entry["explained_by_traits"][0], entry["gain_of_traits"]
    assert explained["share"] > 0.2
    assert explained["sd_left"] == pytest.approx(np.sqrt(entry["omega"][0][0][0]))
    assert "visits (poisson, log link) on intercept, promotion, which size explain" in end.out
    assert "size:promotion" in end.out
    assert f"The traits gain {0.5 * gain['statistic']:.2f}" in end.out
    found = pd.read_csv(stores)
    assert list(found.columns[2:]) == [
        f"theta_{name}{end}" for name in ("intercept", "promotion") for end in ("", "_sd", "_pooling")
    ]
    # A store is drawn to the stores with traits like its own.
    left = found.theta_intercept - entry["theta"][0][0] - (np.arange(40) % 7 - 2.875) * entry["gamma"][0][0]
    assert left.std() < np.sqrt(entry["omega"][0][0][0])


@pytest.mark.parametrize(
    ("family", "response", "more"),
    [("poisson", "visits", {"exposure": "days"}), ("binomial", "sold", {"trials": "visits"}), ("gaussian", None, {})],
)
def test_a_panel_is_read_again_by_what_results_json_says(visits, family, response, more):
    path, _ = visits
    formula = "log(visits) ~ promotion" if response is None else f"{response} ~ promotion"
    panel = read_panel(path, store="shop", formula=formula, family=family, **more)
    columns = json.loads(json.dumps(data_of(panel)["columns"]))
    assert ("family" in columns) == (family != "gaussian")
    again = read_panel(path, **columns)
    assert again.columns == panel.columns
    assert np.array_equal(again.y, panel.y)
    if panel.response is not None and again.response is not None:
        assert again.response.family == panel.response.family
        assert np.array_equal(again.response.offset, panel.response.offset)
        assert np.array_equal(again.response.trials, panel.response.trials)


def test_weeks_are_cut_with_their_exposures_and_trials(visits):
    path, frame = visits
    how = {"store": "shop", "week": "week", "family": "poisson", "exposure": "days"}
    whole = read_panel(path, formula="visits ~ promotion", **how)
    frame[frame.week < 10].to_csv(path, index=False)
    got = statistics_of(split_weeks(whole, 0.75).until(1))
    expected = statistics_of(read_panel(path, formula="visits ~ promotion", **how))
    for one, other in zip(got, expected, strict=True):
        assert np.array_equal(one, other) if isinstance(one, np.ndarray) else one == other
    binomial = read_panel(path, store="shop", formula="sold ~ promotion", family="binomial", trials="visits")
    kept = np.random.default_rng(0).random(binomial.y.size) < 0.5
    part = rows_of(binomial, kept).response
    assert part is not None
    assert np.array_equal(part.trials, frame[frame.week < 10].visits.to_numpy()[kept])
