"""The command from end to end: what it writes follows from the panel, and every number from the others."""

import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from oracles import Rows, draw_rows, log_density_by_rows, mix, posterior
from scipy.stats import norm

from em.command import SAMPLE
from em.errors import InputError
from em.estimate import command
from em.mixture import MixtureParameters, Model
from em.panel import read_panel, store_statistics
from em.results import read_results
from em.score import derivatives
from em.standard_errors import standard_errors

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = json.loads((ROOT / "tests" / "reference" / "sample.json").read_text(encoding="utf-8"))
N_SIGMA = {"fixed": lambda k: 0, "common": lambda k: 1, "segment": lambda k: k}


def long_file(seed=5, stores=40, sigma=0.5):
    """Own prices, a display, gaps, and a size of each store on which its segment depends."""
    rng = np.random.default_rng(seed)
    theta = np.array([[10.0, -1.0, 0.2], [12.0, -2.5, 0.8]])
    rows = []
    for i in range(stores):
        size = rng.normal()
        second = int(rng.random() < 1.0 / (1.0 + np.exp(-2.0 * size)))
        for week in np.flatnonzero(rng.random(20) < 0.8):
            price, display = rng.uniform(1.2, 6.0), rng.uniform()
            mean = theta[second] @ [1.0, np.log(price), display]
            rows.append((f"Shop {i:02d}", week + 1, np.exp(mean + sigma * rng.normal()), price, display, size))
    return pd.DataFrame(rows, columns=["shop", "period", "units", "eur", "display", "size"])


LONG_CALL = ["--store", "shop", "--week", "period", "--sales", "units", "--price", "eur", "--covariates", "display"]


@pytest.fixture(scope="module")
def long_csv(tmp_path_factory):
    path = tmp_path_factory.mktemp("long") / "panel.csv"
    long_file().to_csv(path, index=False)
    return path


def estimate(ended, folder, *argv):
    """Run the command; how it ended and what it wrote."""
    end = ended(command, *argv, "--out", folder / "results.json")
    return end, json.loads((folder / "results.json").read_text(encoding="utf-8"))


def read_rows(path):
    """The rows of a wide or the long file by pandas alone."""
    frame = pd.read_csv(path)
    if "shop" in frame:
        frame = frame.sort_values(["shop", "period"])
        x = np.column_stack([np.ones(len(frame)), np.log(frame["eur"]), frame["display"]])
        store, names = pd.factorize(frame["shop"])
        return Rows(store, x, np.log(frame["units"].to_numpy()), len(names))
    x = np.column_stack([np.ones(len(frame)), np.log(frame["Price"])])
    sales = frame.filter(like="Sales").to_numpy()
    stores = sales.shape[1]
    return Rows(np.repeat(np.arange(stores), len(frame)), np.tile(x, (stores, 1)), np.log(sales.T).ravel(), stores)


def density_of(rows, theta, sigma):
    """As the oracle's, all rows at once; (store, segment)."""
    each = norm.logpdf(rows.y[:, None], rows.x @ np.transpose(theta), np.asarray(sigma))
    return np.stack([np.bincount(rows.store, column, rows.n_stores) for column in each.T], axis=1)


def assert_recomputable(record, path, rule):
    rows = read_rows(path)
    n, stores = rows.y.size, rows.n_stores
    assert record["data"]["sha256"] == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    assert (record["data"]["stores"], record["data"]["observations"]) == (stores, n)
    assert record["best_k"] == min(record["fits"], key=lambda fit: fit["bic"])["k"]
    assert [fit["k"] for fit in record["fits"]] == record["settings"]["k"]
    for fit in record["fits"]:
        k, p = np.shape(fit["theta"])
        theta, pi, sigma = (np.array(fit[name]) for name in ("theta", "pi", "sigma"))
        assert (k, p) == (fit["k"], len(record["data"]["coefficients"]))
        assert np.all(np.diff(pi) <= 0.0)
        assert_allclose(pi.sum(), 1.0, rtol=1e-12)
        density = density_of(rows, theta, sigma)
        loglik, share = mix(pi, density).sum(), posterior(pi, density)
        assert_allclose(fit["log_likelihood"], loglik, rtol=1e-9 / abs(loglik) + 1e-12)
        assert fit["n_parameters"] == k * p + k - 1 + N_SIGMA[rule](k)
        q = fit["n_parameters"]
        entropy = -np.sum(share * np.log(np.where(share > 0.0, share, 1.0)))
        expected = {
            "aic": 2 * q - 2 * loglik,
            "bic": q * np.log(n) - 2 * loglik,
            "bic_stores": q * np.log(stores) - 2 * loglik,
            "bic_hybrid": (k - 1) * np.log(stores) + (q - k + 1) * np.log(n) - 2 * loglik,
            "icl": q * np.log(n) - 2 * loglik + 2 * entropy,
            "smallest_segment": share.mean(0).min(),
            "relative_entropy": 1.0 - entropy / (stores * np.log(k)) if k > 1 else 1.0,
        }
        for name, value in expected.items():
            assert_allclose(fit[name], value, rtol=1e-9, err_msg=name)
        assert_allclose(fit["entropy"], entropy, rtol=1e-7, atol=1e-9)
        assert set(fit) >= {"standard_errors", "converged", "iterations", "starts", "gap_to_bound", "warnings"}
        assert set(fit["starts"]) >= {"tried", "at_best"}
        if record["bound"] is not None:
            gap = record["bound"]["log_likelihood"] - fit["log_likelihood"]
            assert_allclose(fit["gap_to_bound"], gap, atol=1e-9)
            assert gap > -1e-6, "a fit is better than what no mixture can be"


def assert_errors_recomputable(record, panel, rule):
    for fit in record["fits"]:
        params = MixtureParameters(*(np.array(fit[name]) for name in ("pi", "theta", "sigma")))
        model = Model(rule)
        for name, expected in zip(
            ("standard_errors", "robust_standard_errors"),
            standard_errors(params, store_statistics(panel), model),
            strict=True,
        ):
            for key, values in (("theta", expected.theta), ("pi", expected.weight), ("sigma", expected.sigma)):
                assert_allclose(fit[name][key], values, rtol=1e-9, atol=1e-12)
        at = derivatives(params, store_statistics(panel), model)
        assert fit["converged"]
        assert np.sqrt(at.score @ np.linalg.solve(at.information, at.score)) < 1e-6


@pytest.mark.parametrize("rule", ["fixed", "common", "segment"])
def test_every_number_follows_from_the_others_for_a_wide_file(rule, tmp_path, ended):
    end, record = estimate(ended, tmp_path, SAMPLE, "--k", "3", "1", "2", "--sigma", rule, "--starts", "10")
    assert end.code == 0, end.err
    assert (record["settings"]["k"], record["settings"]["sigma"]) == ([1, 2, 3], rule)
    assert (record["data"]["weeks"], record["data"]["coefficients"]) == (52, ["intercept", "log_price"])
    assert_recomputable(record, SAMPLE, rule)
    assert_errors_recomputable(record, read_panel(SAMPLE), rule)
    assert (record["bound"] is None) == (rule != "fixed")


@pytest.mark.parametrize("rule", ["common", "segment"])
def test_every_number_follows_from_the_others_for_a_long_file(rule, tmp_path, ended, long_csv):
    end, record = estimate(ended, tmp_path, long_csv, *LONG_CALL, "--k", "1", "2", "--sigma", rule)
    assert end.code == 0, end.err
    assert record["data"]["coefficients"] == ["intercept", "log_price", "display"]
    assert record["data"]["weeks"] == 20
    assert record["best_k"] == 2
    assert_recomputable(record, long_csv, rule)
    panel = read_panel(
        long_csv, store="shop", week="period", sales="units", price="eur", covariates=["display"]
    )  # fmt: skip
    assert_errors_recomputable(record, panel, rule)


@pytest.mark.parametrize("rule", ["fixed", "segment"])
def test_the_sample_gives_the_estimates_of_the_row_by_row_version(rule, tmp_path, ended):
    known = REFERENCE[rule]
    _, record = estimate(ended, tmp_path, SAMPLE, "--k", "3", "--starts", "10", "--sigma", rule)
    assert_allclose(record["fits"][0]["log_likelihood"], known["log_likelihood"], atol=1e-5)
    for name in ("theta", "pi", "sigma"):
        assert_allclose(record["fits"][0][name], known[name], atol=2e-6)


def test_the_reference_of_the_sample_is_what_the_rows_say():
    rows = read_rows(SAMPLE)
    part = rows.taken(rows.store < 3)._replace(n_stores=3)
    known = REFERENCE["segment"]
    assert_allclose(
        log_density_by_rows(part, np.array(known["theta"]), known["sigma"]),
        density_of(rows, known["theta"], known["sigma"])[:3],
    )
    for rule in ("fixed", "segment"):
        density = density_of(rows, REFERENCE[rule]["theta"], REFERENCE[rule]["sigma"])
        pi = np.array(REFERENCE[rule]["pi"])
        assert_allclose(mix(pi / pi.sum(), density).sum(), REFERENCE[rule]["log_likelihood"], atol=1e-5)


def test_the_sample_gives_back_its_truth(tmp_path, ended):
    truth = json.loads(SAMPLE.with_name("sample_truth.json").read_text(encoding="utf-8"))
    stores = tmp_path / "stores.csv"
    _, record = estimate(ended, tmp_path, SAMPLE, "--stores", stores)
    assert record["best_k"] == 3
    fit = record["fits"][1]
    for name, errors in (("theta", "theta"), ("pi", "pi")):
        assert np.all(np.abs(np.subtract(fit[name], truth[name])) < 4.0 * np.array(fit["standard_errors"][errors]))
    segments = pd.read_csv(stores).set_index("store")["k3_segment"]
    assert np.mean([segments[store] == segment for store, segment in truth["segment"].items()]) > 0.99


def test_the_bound_is_that_of_its_support(tmp_path, ended):
    _, record = estimate(ended, tmp_path, SAMPLE, "--k", "2", "3")
    rows, bound = read_rows(SAMPLE), record["bound"]
    pi = np.array([point["pi"] for point in bound["support"]])
    theta = np.array([point["theta"] for point in bound["support"]])
    assert_allclose(pi.sum(), 1.0)
    density = density_of(rows, theta, np.ones(len(pi)))
    reached = mix(pi, density)
    assert_allclose(bound["log_likelihood"], reached.sum() + bound["slack"], atol=1e-6)
    assert 0.0 <= bound["slack"] < 1e-3
    # Lindsay's condition: nowhere does one more point raise the likelihood, at support points it is level.
    level = np.exp(density - reached[:, None]).sum(0) - rows.n_stores
    assert_allclose(level, 0.0, atol=0.02)
    grid = np.stack(np.meshgrid(np.linspace(9.0, 12.0, 31), np.linspace(-3.0, 0.0, 31)), -1).reshape(-1, 2)
    beyond = np.exp(density_of(rows, grid, np.ones(len(grid))) - reached[:, None]).sum(0) - rows.n_stores
    assert beyond.max() < bound["slack"] + 1e-6


def test_the_stores_file_is_the_posterior(tmp_path, ended, long_csv):
    stores = tmp_path / "stores.csv"
    _, record = estimate(
        ended, tmp_path, long_csv, *LONG_CALL, "--k", "2", "3", "--sigma", "segment", "--stores", stores
    )
    table, rows, frame = pd.read_csv(stores), read_rows(long_csv), pd.read_csv(long_csv)
    assert list(table["store"]) == list(frame["shop"].drop_duplicates())
    assert list(table["weeks"]) == list(np.bincount(rows.store))
    for fit in record["fits"]:
        share = posterior(np.array(fit["pi"]), density_of(rows, fit["theta"], fit["sigma"]))
        columns = [f"k{fit['k']}_membership_{j + 1}" for j in range(fit["k"])]
        assert_allclose(table[columns], share, rtol=1e-7, atol=1e-10)
        assert list(table[f"k{fit['k']}_segment"]) == list(share.argmax(1) + 1)


def test_covariates_of_membership_are_written(tmp_path, ended, long_csv):
    call = [*LONG_CALL, "--k", "2", "--sigma", "common", "--membership", "size"]
    end, record = estimate(ended, tmp_path, long_csv, *call)
    assert end.code == 0, end.err
    fit, rows = record["fits"][0], read_rows(long_csv)
    assert fit["traits"] == ["intercept", "size"]
    size = pd.read_csv(long_csv).groupby("shop")["size"].first().to_numpy()
    scores = np.column_stack([np.ones(40), size]) @ np.transpose(fit["gamma"])
    log_prior = scores - np.logaddexp.reduce(scores, 1)[:, None]
    loglik = np.logaddexp.reduce(log_prior + density_of(rows, fit["theta"], fit["sigma"]), 1).sum()
    assert_allclose(fit["log_likelihood"], loglik, rtol=1e-11)
    assert_allclose(fit["pi"], np.exp(log_prior).mean(0), rtol=1e-9)
    assert fit["n_parameters"] == 6 + 1 + 2
    assert fit["standard_errors"]["gamma"][0] == [0.0, 0.0]
    assert fit["gap_to_bound"] is None


def test_common_coefficients_are_written(tmp_path, ended, long_csv):
    call = [*LONG_CALL, "--k", "2", "--sigma", "segment", "--common", "display"]
    end, record = estimate(ended, tmp_path, long_csv, *call)
    assert end.code == 0, end.err
    theta = np.array(record["fits"][0]["theta"])
    assert theta[0, 2] == theta[1, 2]
    assert theta[0, 1] != theta[1, 1]
    assert record["fits"][0]["n_parameters"] == 6 - 1 + 1 + 2


def test_a_wrong_fixed_sigma_is_told_everywhere(tmp_path, ended):
    """Sales that scatter by 0.25, as those of cheese do, with sigma held at 1."""
    long_file(sigma=0.25).to_csv(tmp_path / "panel.csv", index=False)
    end, record = estimate(ended, tmp_path, tmp_path / "panel.csv", *LONG_CALL, "--k", "2", "3")
    assert end.code == 3
    told = [line for line in end.err.splitlines() if line.startswith("not to be trusted: sigma is fixed at 1")]
    assert len(told) == 1, "the same reason once, however many fits have it"
    assert "0.25" in told[0] or "0.24" in told[0]
    for fit in record["fits"]:
        assert any("sigma is fixed at 1" in reason for reason in fit["warnings"])
    end, record = estimate(ended, tmp_path, tmp_path / "panel.csv", *LONG_CALL, "--k", "2", "--sigma", "common")
    assert (end.code, record["fits"][0]["warnings"]) == (0, [])
    assert_allclose(record["fits"][0]["sigma"], 0.25, atol=0.02)


def test_segments_that_the_data_do_not_tell_apart_are_told(tmp_path, ended):
    """One segment, five asked for: the extra ones are empty or coincide."""
    rng = np.random.default_rng(2)
    prices = rng.uniform(1.2, 6.0, 10)
    sales = np.exp(10.0 - np.log(prices)[:, None] + 0.01 * rng.normal(size=(10, 30)))
    frame = pd.DataFrame(sales, columns=[f"Sales{i}" for i in range(30)])
    frame.insert(0, "Price", prices)
    frame.to_csv(tmp_path / "panel.csv", index=False)
    end, record = estimate(ended, tmp_path, tmp_path / "panel.csv", "--k", "5", "--starts", "5")
    assert end.code == 3
    assert any("coincide or are empty" in reason for reason in record["fits"][0]["warnings"])
    assert record["fits"][0]["standard_errors"] is None


def test_the_same_call_writes_the_same_bytes(tmp_path, ended):
    written = []
    for _ in range(2):
        end = ended(command, SAMPLE, "--starts", "8", "--seed", "4", "--out", tmp_path / "results.json")
        assert end.code == 0
        written.append((tmp_path / "results.json").read_bytes())
    assert written[0] == written[1]
    assert json.loads(written[0])["settings"]["seed"] == 4


def test_results_are_renamed_into_their_place(tmp_path, ended):
    """Another name of the old file keeps the old content: it was replaced as a whole, never written into."""
    (tmp_path / "results.json").write_text("before")
    (tmp_path / "kept.json").hardlink_to(tmp_path / "results.json")
    _, record = estimate(ended, tmp_path, SAMPLE, "--k", "1")
    assert record["fits"][0]["k"] == 1
    assert (tmp_path / "kept.json").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.json", "results.json"]


def test_without_arguments_it_reads_the_sample_and_writes_here(tmp_path):
    end = subprocess.run(
        [sys.executable, "-m", "em.estimate"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert end.returncode == 0, end.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    record = read_results(tmp_path / "results.json")
    assert [fit["k"] for fit in record["fits"]] == [2, 3, 4]
    assert "300 stores, 52 weeks, 15600 observations" in end.stdout
    assert f"{record['fits'][1]['log_likelihood']:.4f}" in end.stdout
    assert "written: results.json" in end.stderr


def test_help_is_printed(ended):
    with pytest.raises(SystemExit) as end:
        command(["--help"])
    assert end.value.code == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is not JSON"),
        ("[1, 2]", "list"),
        ("{}", "schema is None"),
        ('{"schema": "other/1"}', "'other/1'"),
        ('{"schema": "em-results/1"}', "has no data"),
        ('{"schema": "em-results/1", "data": {}, "settings": {}, "best_k": 2, "fits": []}', "has no fits"),
        (
            '{"schema": "em-results/1", "data": {}, "settings": {}, "best_k": 2, "fits": [{"k": 2}]}',
            "data has no file",
        ),
        (b"\xff\xfe\x00", "is not JSON"),
        ('{"schema": "em-results/1", "data": {}, "settings": {}, "best_k": 2, "fits": [2]}', "expected a whole"),
    ],
)
def test_what_is_not_a_results_file_is_refused(content, words, tmp_path):
    path = tmp_path / "results.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=words) as refused:
        read_results(path)
    assert str(path) in str(refused.value)


def test_a_missing_results_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_results(tmp_path / "results.json")


def test_a_fit_prints_and_has_names():
    from em import fit_mixture

    fit = fit_mixture(read_panel(SAMPLE), 3, starts=5)
    page = repr(fit)
    assert f"{fit.log_likelihood:.4f}" in page
    assert all(f"{value:.4f}" in page for value in fit.parameters.theta.ravel())
    data = fit.to_xarray()
    assert_allclose(data["theta"].sel(segment=1, coefficient="log_price"), fit.parameters.theta[0, 1])
    assert_allclose(data["membership"].sel(store="Sales7"), fit.memberships[6])
    assert int(data["map_segment"].sel(store="Sales7")) == fit.segment[6]
    assert_allclose(data["theta_se"], fit.standard_errors.theta)
    assert data.attrs["bic"] == fit.criteria.bic


def test_a_parquet_file_gives_what_its_csv_gives(tmp_path, ended):
    frame = pd.read_csv(io.BytesIO(SAMPLE.read_bytes()))
    frame.to_parquet(tmp_path / "sample.parquet")
    call = ["--k", "2", "--starts", "5"]
    _, plain = estimate(ended, tmp_path, SAMPLE, *call)
    _, other = estimate(ended, tmp_path, tmp_path / "sample.parquet", *call)
    assert_allclose(other["fits"][0]["theta"], plain["fits"][0]["theta"], rtol=1e-9)


def test_one_segment_more_never_fits_worse(tmp_path, ended):
    """A panel without clear segments, on which 48 of 50 searches for K = 4 end below the best with K = 3."""
    rng = np.random.default_rng(102)
    rows = draw_rows(rng, int(rng.integers(20, 80)), int(rng.integers(1, 5)), weeks=(5, 30), spread=rng.uniform(0.3, 2))
    week = np.concatenate([np.arange(n) for n in np.bincount(rows.store)])
    columns = {"store": rows.store, "week": week, "sales": np.exp(rows.y), "price": np.exp(rows.x[:, 1])}
    pd.DataFrame(columns).to_csv(tmp_path / "panel.csv", index=False)
    k = ["--k", "1", "2", "3", "4", "6", "--sigma", "segment"]
    _, record = estimate(ended, tmp_path, tmp_path / "panel.csv", *k)
    path = [fit["log_likelihood"] for fit in record["fits"]]
    assert np.all(np.diff(path) > -1e-6), path


def test_the_best_number_is_that_of_bic_and_a_disagreement_is_told(tmp_path, ended):
    rows = draw_rows(np.random.default_rng(17), 25, 2, weeks=(6, 10), spread=0.45)
    columns = {"store": rows.store, "sales": np.exp(rows.y), "price": np.exp(rows.x[:, 1])}
    pd.DataFrame(columns).to_csv(tmp_path / "panel.csv", index=False)
    end, record = estimate(ended, tmp_path, tmp_path / "panel.csv", "--k", "1", "2", "3", "--starts", "8")
    best = {name: min(record["fits"], key=lambda fit: fit[name])["k"] for name in ("aic", "bic", "bic_stores")}
    assert best == {"aic": 2, "bic": 1, "bic_stores": 2}
    assert record["best_k"] == 1
    assert "The criteria disagree on K: bic 1, bic_stores 2" in end.out
    assert "is the most that was tried" not in end.out


def test_a_best_number_at_the_end_of_those_tried_is_told(tmp_path, ended):
    end, record = estimate(ended, tmp_path, "--k", "1", "2", "--starts", "8")
    assert record["best_k"] == 2
    assert "K = 2 is the most that was tried" in end.out
    end, _ = estimate(ended, tmp_path, "--k", "2", "--starts", "8")
    assert "is the most that was tried" not in end.out
