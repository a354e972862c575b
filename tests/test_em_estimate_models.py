"""The command for a continuum and for mixtures of normals, from end to end: every number follows from the panel."""

import copy
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from oracles import log_density_by_covariance, mix, posterior
from test_em_estimate import LONG_CALL, ROOT, estimate, long_file, read_rows
from test_em_mixed_reference import CHEESE

from em.command import SAMPLE
from em.errors import InputError
from em.estimate import command
from em.results import read_results

NAMES = ["intercept", "log_price", "display"]
MODELS = ("mixture", "hierarchical", "normal-mixture")


def continuum_file(seed=3, stores=30, sigma=0.4):
    """As `long_file`, but every store has an intercept and a price effect of its own."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(stores):
        theta = np.array([10.0, -1.5, 0.4]) + rng.normal(size=3) * [0.8, 0.5, 0.0]
        for week in np.flatnonzero(rng.random(20) < 0.8):
            price, display = rng.uniform(1.2, 6.0), rng.uniform()
            mean = theta @ [1.0, np.log(price), display]
            rows.append((f"Shop {i:02d}", week + 1, np.exp(mean + sigma * rng.normal()), price, display))
    return pd.DataFrame(rows, columns=["shop", "period", "units", "eur", "display"])


@pytest.fixture(scope="module")
def csv(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    continuum_file().to_csv(folder / "continuum.csv", index=False)
    long_file(sigma=0.3).to_csv(folder / "segments.csv", index=False)
    return {name: folder / f"{name}.csv" for name in ("continuum", "segments")}


def density_of(rows, fit):
    return log_density_by_covariance(rows, *(np.array(fit[name]) for name in ("theta", "sigma", "omega")))


def assert_recomputable(record, path, n_sigma, q):
    rows = read_rows(path)
    n, p = rows.y.size, rows.x.shape[1]
    assert record["best_k"] == min(record["fits"], key=lambda fit: fit["bic"])["k"]
    for fit in record["fits"]:
        k = fit["k"]
        density, pi = density_of(rows, fit), np.array(fit["pi"])
        loglik, share = mix(pi, density).sum(), posterior(pi, density)
        assert fit["log_likelihood"] == pytest.approx(loglik, abs=1e-7)
        assert fit["n_parameters"] == k * (p + q * (q + 1) // 2) + k - 1 + n_sigma
        free = fit["n_parameters"]
        assert fit["aic"] == pytest.approx(2 * free - 2 * loglik)
        assert fit["bic"] == pytest.approx(free * np.log(n) - 2 * loglik)
        assert fit["bic_stores"] == pytest.approx(free * np.log(rows.n_stores) - 2 * loglik)
        assert fit["bic_hybrid"] == pytest.approx(
            (k - 1) * np.log(rows.n_stores) + (free - k + 1) * np.log(n) - 2 * loglik
        )
        assert fit["smallest_segment"] == pytest.approx(share.mean(0).min(), abs=1e-7)
        assert fit["converged"]
        if record["bound"] is not None:
            assert fit["gap_to_bound"] == pytest.approx(record["bound"]["log_likelihood"] - loglik, abs=1e-6)
            assert fit["gap_to_bound"] > -1e-6


@pytest.mark.parametrize("random", [None, ["intercept", "log_price"], []])
def test_every_number_of_a_continuum_follows_from_the_panel(random, csv, tmp_path, ended):
    call = [] if random is None else ["--random", *random]
    end, record = estimate(
        ended, tmp_path, csv["continuum"], *LONG_CALL, "--model", "hierarchical", "--sigma", "common", *call
    )
    fit, varies = record["fits"][0], NAMES if random is None else random
    assert end.code == 0, end.err
    assert_recomputable(record, csv["continuum"], 1, len(varies))
    assert (record["settings"]["model"], record["settings"]["random"]) == ("hierarchical", random)
    assert fit["random"] == varies
    assert [test["coefficient"] for test in fit["random_effect_tests"]] == varies
    at = {(one["kind"], *one["of"]): one for one in fit["intervals"]}
    assert len(at) == len(varies) * (len(varies) + 1) // 2 + 1 + 3
    for c, name in enumerate(NAMES):
        assert at["mean", name]["lower"] < fit["theta"][0][c] < at["mean", name]["upper"]
        if name in varies:
            assert at["sd", name]["lower"] <= np.sqrt(fit["omega"][0][c][c]) < at["sd", name]["upper"]
        assert f"{fit['theta'][0][c]:.4f}" in end.out
    assert "REML" not in end.out
    assert ("singular" in end.out) == bool(fit["singular"][0])
    shares = fit["explained"]
    told = (fit["log_likelihood"], fit["sigma"][0], shares["r2_conditional"], shares["intraclass_correlation"])
    assert all(f"{number:.4f}" in end.out for number in told)


def test_wald_intervals_and_reml_are_as_asked(csv, tmp_path, ended):
    call = [csv["continuum"], *LONG_CALL, "--model", "hierarchical", "--sigma", "common", "--random", "intercept"]
    _, quick = estimate(ended, tmp_path, *call, "--intervals", "wald")
    at = {(one["kind"], *one["of"]): one for one in quick["fits"][0]["intervals"]}
    mean, se = quick["fits"][0]["theta"][0][1], quick["fits"][0]["standard_errors"]["theta"][0][1]
    ends = at["mean", "log_price"]
    assert_allclose([ends["lower"], ends["upper"]], [mean - 1.959964 * se, mean + 1.959964 * se], rtol=1e-6)
    end, reml = estimate(ended, tmp_path, *call, "--reml")
    fit = reml["fits"][0]
    assert fit["restricted_log_likelihood"] is not None
    assert fit["log_likelihood"] < quick["fits"][0]["log_likelihood"]
    assert fit["omega"][0][0][0] > quick["fits"][0]["omega"][0][0][0]
    assert "Mixed model by REML (95 % intervals: profile of maximum likelihood)" in end.out
    assert f"{fit['restricted_log_likelihood']:.4f}" in end.out
    _, fixed = estimate(ended, tmp_path, SAMPLE, "--model", "hierarchical", "--reml")
    assert fixed["bound"] is None, "a restricted likelihood is not what the bound bounds"


def test_intervals_are_profiles_unless_asked_otherwise(tmp_path, ended):
    from em import fit_mixed_model, profile_intervals, read_panel

    fit = fit_mixed_model(read_panel(SAMPLE))
    _, record = estimate(ended, tmp_path, SAMPLE, "--model", "hierarchical")
    assert record["fits"][0]["interval_method"] == "profile"
    ours = [(one["lower"], one["upper"]) for one in record["fits"][0]["intervals"]]
    assert_allclose(ours, [(one.lower, one.upper) for one in profile_intervals(fit)])


def test_mixtures_of_normals_start_from_the_mixture_and_the_fit_before(tmp_path, ended, monkeypatch):
    from em import fit_mixture, normal_mixture_fit, read_panel

    calls, fit = [], normal_mixture_fit.fit_normal_mixture

    def told(*args, **options):
        calls.append(options)
        return fit(*args, **options)

    monkeypatch.setattr(normal_mixture_fit, "fit_normal_mixture", told)
    estimate(ended, tmp_path, SAMPLE, "--model", "normal-mixture", "--k", "1", "2", "--starts", "6")
    sharp = fit_mixture(read_panel(SAMPLE), 2, starts=6).parameters
    assert_allclose(calls[1]["mixtures"][0].theta, sharp.theta)
    assert [len(call["also"]) for call in calls] == [0, 1]
    assert calls[1]["also"][0].mu.shape == (1, 2)


def test_the_continuum_is_below_the_bound(tmp_path, ended):
    end, record = estimate(ended, tmp_path, SAMPLE, "--model", "hierarchical")
    assert end.code == 0, end.err
    assert_recomputable(record, SAMPLE, 0, 2)
    gap = record["fits"][0]["gap_to_bound"]
    assert gap > 100.0, "the sample has segments"
    assert f"can gain more than {gap:.3g} in log-likelihood over this normal" in end.out
    assert [one["kind"] for one in record["fits"][0]["intervals"]] == ["sd", "sd", "correlation", "mean", "mean"]


def test_every_number_of_mixtures_of_normals_follows_from_the_panel(csv, tmp_path, ended):
    call = [csv["segments"], *LONG_CALL, "--sigma", "common"]
    stores = tmp_path / "stores.csv"
    end, record = estimate(
        ended,
        tmp_path,
        *call,
        "--model",
        "normal-mixture",
        "--k",
        "1",
        "2",
        "--random",
        "intercept",
        "--stores",
        stores,
    )
    assert_recomputable(record, csv["segments"], 1, 1)
    assert [fit["k"] for fit in record["fits"]] == [1, 2]
    assert record["best_k"] == 2
    fit = record["fits"][1]
    assert np.all(np.diff(fit["pi"]) <= 0.0)
    assert f"{fit['theta'][1][1]:.3f}" in end.out
    assert f"{np.sqrt(fit['omega'][0][0][0]):.3f}" in end.out
    for k, singular in enumerate(fit["singular"]):
        assert all(f"segment {k + 1}, singular: {told}" in end.out for told in singular)
    _, one = estimate(ended, tmp_path, *call, "--model", "hierarchical", "--random", "intercept")
    assert record["fits"][0]["log_likelihood"] == pytest.approx(one["fits"][0]["log_likelihood"], abs=1e-9)
    _, sharp = estimate(ended, tmp_path, *call, "--k", "2")
    assert fit["log_likelihood"] >= sharp["fits"][0]["log_likelihood"] - 1e-6
    table = pd.read_csv(stores)
    share = posterior(np.array(fit["pi"]), density_of(read_rows(csv["segments"]), fit))
    assert_allclose(table[["k2_membership_1", "k2_membership_2"]], share, atol=1e-7)
    assert list(table["k2_segment"]) == list(share.argmax(1) + 1)
    assert_allclose(table["k2_theta_log_price"], share @ np.array(fit["theta"])[:, 1], rtol=1e-7)


def test_the_stores_file_has_coefficients_and_pooling(csv, tmp_path, ended):
    stores = tmp_path / "stores.csv"
    call = ["--model", "hierarchical", "--sigma", "common", "--random", "intercept", "log_price", "--stores", stores]
    _, record = estimate(ended, tmp_path, csv["continuum"], *LONG_CALL, *call)
    fit, table, rows = record["fits"][0], pd.read_csv(stores), read_rows(csv["continuum"])
    mu, omega, sigma = np.array(fit["theta"][0]), np.array(fit["omega"][0]), fit["sigma"][0]
    assert list(table["weeks"]) == list(np.bincount(rows.store))
    for store in range(rows.n_stores):
        x, y = rows.of(store)
        gain = omega @ x.T @ np.linalg.inv(x @ omega @ x.T + sigma**2 * np.eye(len(y)))
        theta, left = mu + gain @ (y - x @ mu), np.diagonal(omega - gain @ x @ omega)
        row = table.iloc[store]
        assert_allclose(row[[f"theta_{name}" for name in NAMES]].astype(float), theta, rtol=1e-6)
        assert_allclose(row[[f"theta_{name}_sd" for name in NAMES]].astype(float), np.sqrt(left), atol=1e-6)
        pooling = row[[f"theta_{name}_pooling" for name in NAMES]].astype(float)
        assert_allclose(pooling, [*(left[:2] / np.diagonal(omega)[:2]), 1.0], atol=1e-5)


def test_pooling_in_a_mixture_counts_what_lies_between_segments():
    from em import fit_normal_mixture, read_panel

    fit = fit_normal_mixture(read_panel(SAMPLE), 2, starts=4)
    p = fit.parameters
    mean = p.weight @ p.mu
    whole = np.einsum("k,ka->a", p.weight, np.diagonal(p.omega, axis1=1, axis2=2) + np.square(p.mu - mean))
    left = np.diagonal(fit.store_coefficients.covariance, axis1=1, axis2=2)
    assert_allclose(fit.store_coefficients.pooling, np.clip(left / whole, 0.0, 1.0), rtol=1e-10)


def test_a_singular_fit_is_named_and_no_reason_for_distrust(tmp_path, ended, csv):
    frame = pd.read_csv(csv["continuum"])
    frame = frame[frame["shop"] == "Shop 03"]
    frame.to_csv(tmp_path / "one.csv", index=False)
    end = ended(command, tmp_path / "one.csv", *LONG_CALL, "--model", "hierarchical")
    assert end.code == 2
    assert "one.csv: one store; expected at least two" in end.err
    alike = pd.concat([frame.assign(shop=name) for name in ("A", "B", "C")])
    alike.to_csv(tmp_path / "alike.csv", index=False)
    end, record = estimate(
        ended, tmp_path, tmp_path / "alike.csv", *LONG_CALL, "--model", "hierarchical", "--sigma", "common",
        "--random", "intercept",
    )  # fmt: skip
    assert end.code == 0, end.err
    assert record["fits"][0]["singular"] == [["the variance of intercept between stores is zero"]]
    assert "singular: the variance of intercept between stores is zero" in end.out
    assert record["fits"][0]["warnings"] == []


@pytest.mark.parametrize("model", MODELS[1:])
def test_a_wrong_fixed_sigma_ends_in_3_with_a_remedy_that_this_model_has(model, tmp_path, ended, csv):
    k = ["--k", "1"] if model == "normal-mixture" else []
    end, record = estimate(ended, tmp_path, csv["continuum"], *LONG_CALL, "--model", model, *k)
    assert end.code == 3
    assert "use --sigma common\n" in end.err
    assert record["warnings"] == record["fits"][0]["warnings"] != []


@pytest.mark.parametrize("model", MODELS)
def test_the_screen_fits_80_columns(model, tmp_path, ended, monkeypatch, csv):
    monkeypatch.setenv("COLUMNS", "80")
    k = [] if model == "hierarchical" else ["--k", "1", "2"]
    end, _ = estimate(ended, tmp_path, csv["continuum"], *LONG_CALL, "--model", model, "--sigma", "common", *k)
    tables = [line for line in end.out.splitlines() if line.startswith((" ", "K ")) or "─" in line]
    assert len(tables) > 15
    assert max(map(len, tables)) <= 80


@pytest.mark.parametrize("model", MODELS[1:])
def test_the_same_call_writes_the_same_bytes(model, tmp_path, ended):
    k = ["--k", "2"] if model == "normal-mixture" else []
    written = []
    for _ in range(2):
        estimate(ended, tmp_path, SAMPLE, "--model", model, *k)
        written.append((tmp_path / "results.json").read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("model", "argv", "words"),
    [
        ("hierarchical", ["--k", "2"], ["--k", "hierarchical", "normal-mixture"]),
        ("hierarchical", ["--starts", "5"], ["--starts"]),
        ("hierarchical", ["--sigma", "segment"], ["--sigma segment", "fixed or common"]),
        ("hierarchical", ["--common", "log_price"], ["--common", "expected --model mixture"]),
        ("hierarchical", ["--membership", "size"], ["--membership", "expected --model mixture"]),
        ("hierarchical", ["--bootstrap", "9"], ["--bootstrap", "expected --model mixture"]),
        ("hierarchical", ["--random", "slope"], ["'slope'", "intercept, log_price"]),
        ("hierarchical", ["--random", "log_price", "log_price"], ["twice"]),
        ("hierarchical", ["--seed", "-1"], ["seed", "-1"]),
        ("normal-mixture", ["--reml"], ["--reml", "expected --model hierarchical"]),
        ("normal-mixture", ["--intervals", "wald"], ["--intervals", "expected --model hierarchical"]),
        ("normal-mixture", ["--sigma", "segment"], ["--sigma segment", "fixed or common"]),
        ("normal-mixture", ["--bootstrap", "9"], ["--bootstrap"]),
        ("normal-mixture", ["--starts", "0"], ["starts is 0", "expected"]),
        ("normal-mixture", ["--k", "1..400"], ["K is 301", "stores, 300"]),
        ("mixture", ["--random", "log_price"], ["--random", "hierarchical or normal-mixture"]),
        ("mixture", ["--reml"], ["--reml", "expected --model hierarchical"]),
        ("mixture", ["--intervals", "profile"], ["--intervals"]),
        ("continuous", [], ["'continuous'", *MODELS]),
    ],
)
def test_options_of_another_model_are_refused(model, argv, words, tmp_path, ended):
    end = ended(command, SAMPLE, "--model", model, *argv, "--out", tmp_path / "results.json")
    assert (end.code, end.out, end.err.count("\n")) == (2, "", 1)
    assert all(word in end.err for word in words), end.err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def written(tmp_path_factory, csv):
    """Results of a mixture of normals with a covariate, to be spoilt."""
    out = tmp_path_factory.mktemp("written") / "results.json"
    call = ["--model", "normal-mixture", "--k", "2", "--random", "intercept", "log_price", "--sigma", "common"]
    command([str(csv["segments"]), *LONG_CALL, *call, "--out", str(out)])
    return json.loads(out.read_text(encoding="utf-8"))


SPOILT = {
    "no omega": (lambda fit: fit.pop("omega"), "omega is not 2 x 3 x 3 numbers"),
    "omega too small": (lambda fit: fit["omega"].pop(), "omega is not 2 x 3 x 3 numbers"),
    "omega with a gap": (lambda fit: fit["omega"][0][0].__setitem__(0, None), "omega is not 2 x 3 x 3 numbers"),
    "omega not symmetric": (lambda fit: fit["omega"][0][0].__setitem__(1, 9.0), "omega is not symmetric"),
    "omega negative": (lambda fit: fit["omega"][1][0].__setitem__(0, -1.0), "negative eigenvalue"),
    "display varies": (lambda fit: fit["omega"][1][2].__setitem__(2, 0.1), "omega lets display vary"),
    "random of no coefficient": (lambda fit: fit["random"].append("slope"), "random is"),
    "no random": (lambda fit: fit.pop("random"), "random is None"),
    "an unknown model": (lambda fit: fit.update(model="spline"), "model is 'spline'"),
    "a continuum with two segments": (lambda fit: fit.update(model="hierarchical"), "has one segment"),
    "intervals that are none": (lambda fit: fit.update(intervals=[{"kind": "sd"}]), "intervals are not"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_damaged_results_are_refused(case, written, tmp_path):
    spoil, words = SPOILT[case]
    path, record = tmp_path / "results.json", copy.deepcopy(written)
    path.write_text(json.dumps(record), encoding="utf-8")
    assert read_results(path, MODELS)["fits"] == record["fits"]
    spoil(record["fits"][0])
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_results(path, MODELS)


def test_a_reader_of_mixtures_refuses_other_models(written, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(written), encoding="utf-8")
    with pytest.raises(InputError, match=r"holds --model normal-mixture; expected .* --model mixture") as refused:
        read_results(path)
    assert str(path) in str(refused.value)
    with pytest.raises(InputError, match="--model mixture or hierarchical"):
        read_results(path, ("mixture", "hierarchical"))


def test_fits_print_and_have_names():
    from em import fit_mixed_model, fit_normal_mixture, read_panel

    panel = read_panel(SAMPLE)
    mixed, normals = fit_mixed_model(panel, sigma="common"), fit_normal_mixture(panel, 2, starts=4)
    for fit in (mixed, normals):
        page, data = repr(fit), fit.to_xarray()
        assert f"{fit.log_likelihood:.4f}" in page
        assert all(f"{value:.4f}" in page for value in fit.parameters.mu.ravel())
        assert_allclose(data["coefficients"].sel(store="Sales7"), fit.store_coefficients.mean[6])
        assert_allclose(data["pooling"].sel(store="Sales7"), fit.store_coefficients.pooling[6])
        assert_allclose(data["omega"], fit.parameters.omega)
        assert data.attrs["bic"] == fit.criteria.bic
    assert int(normals.to_xarray()["map_segment"].sel(store="Sales7")) == normals.segment[6]


@pytest.mark.parametrize(("name", "reml"), [("609948", False), ("609948", True), ("cheese", False), ("cheese", True)])
def test_the_developers_panels_give_what_lme4_gives(name, reml, shared, tmp_path, ended):
    known = json.loads(shared("reference/reference.json").read_text(encoding="utf-8"))["lmm_lme4"]
    known = known[f"{name}|{'REML' if reml else 'ML'}"]
    data = shared(f"data/{name}.csv")
    columns = [] if name == "609948" else [
        word for key, value in CHEESE.items() for word in (f"--{key}", *([value] if isinstance(value, str) else value))
    ]  # fmt: skip
    call = ["--model", "hierarchical", "--sigma", "common", "--intervals", "wald", *(["--reml"] if reml else [])]
    end, record = estimate(ended, tmp_path, data, *columns, *call)
    fit = record["fits"][0]
    assert end.code == 0, end.err
    assert fit["restricted_log_likelihood" if reml else "log_likelihood"] == pytest.approx(known["ll"], abs=1e-4)
    assert_allclose(fit["theta"][0], known["fixef"], atol=1e-5)
    assert fit["sigma"][0] == pytest.approx(known["sigma"], rel=1e-5)
    if "cov" in known:
        assert_allclose(fit["omega"][0], known["cov"], rtol=1e-3)
    if "var" in known:
        assert_allclose(np.diagonal(fit["omega"][0]), known["var"], rtol=1e-3)


def test_no_model_waits_for_all_of_scipys_distributions():
    """`scipy.stats` takes longer to load than a mixed model to fit; `scipy.special` has what is needed."""
    program = "import sys, em.entries, em.profile, em.show_mixed, em.stores_file; print('scipy.stats' in sys.modules)"
    end = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert end.stdout.strip() == "False"
