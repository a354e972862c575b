"""The command: files, figures, exit codes; nothing is written when something is wrong."""

import json
import os
import signal
import subprocess
import sys
import time

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import bayesmix.fit
import em.estimate
from bayesmix.fit import command

QUICK = ("--draws", "400", "--tune", "1000", "--seed", "1")


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    """A wide file of 24 stores in two segments far apart."""
    folder = tmp_path_factory.mktemp("panel")
    rng = np.random.default_rng(0)
    price = np.round(rng.uniform(1.2, 6.0, 20), 2)
    theta = np.array([[10.0, -1.0], [12.0, -2.0]])[np.arange(24) % 3 % 2]
    y = theta[:, :1] + theta[:, 1:] * np.log(price) + rng.standard_normal((24, 20))
    frame = pd.DataFrame(np.exp(y.T).round(2), columns=[f"Sales{i + 1}" for i in range(24)])
    frame.insert(0, "Price", price)
    frame.to_csv(folder / "panel.csv", index=False)
    return folder / "panel.csv"


@pytest.fixture(scope="module")
def results(panel):
    """What em.estimate wrote of it."""
    path = panel.parent / "results.json"
    em.estimate.command([str(panel), "--k", "1", "2", "--starts", "10", "--out", str(path)])
    return path


def tree(path):
    with xr.open_datatree(path, engine="netcdf4") as opened:
        return opened.load()


def test_a_mixture_from_the_panel_to_a_file_that_names_everything(panel, results, tmp_path, ended):
    out = tmp_path / "fit.nc"
    end = ended(command, panel, "--k", 2, "--start", results, "--out", out, *QUICK)
    assert (end.code, end.err) == (0, f"written: {out}\n")
    for text in ("2 segments", "24 stores", "normal(-1, 1.5)", "Dirichlet(1)", "renumbered", "to be trusted", "89%"):
        assert text in end.out
    file = tree(out)
    groups = "posterior log_likelihood log_prior sample_stats unconstrained_posterior constant_data stores em"
    groups += " prior prior_predictive observed_stores"
    assert set(file.children) == set(groups.split())
    assert file.posterior.theta.dims == ("chain", "draw", "segment", "coefficient")
    assert list(file.posterior.coefficient.values) == ["intercept", "log_price"]
    assert list(file.posterior.segment.values) == [1, 2]
    assert file.log_likelihood.store.dims == ("chain", "draw", "store_name")
    assert list(file.constant_data.store.values[:2]) == ["Sales1", "Sales2"]
    np.testing.assert_allclose(file.stores.membership.sum("segment"), 1.0)
    assert (file.attrs["schema"], file.attrs["name"], int(file.attrs["trusted"])) == (
        "bayesmix-fit/1",
        "mixture K=2",
        1,
    )
    assert json.loads(file.attrs["data"]) == json.loads(results.read_text())["data"]
    sampler = json.loads(file.attrs["sampler"])
    assert (sampler["draws"], sampler["chains"], sampler["seed"]) == (400, 4, 1)
    estimate = json.loads(results.read_text())["fits"][1]["theta"]
    np.testing.assert_allclose(file.posterior.theta.mean(("chain", "draw")), estimate, atol=0.1)
    assert az.loo(file, var_name="store", reff=1.0).n_data_points == 24


def test_the_hierarchical_model_from_the_panel_to_a_file(panel, tmp_path, ended, monkeypatch):
    monkeypatch.chdir(tmp_path)
    end = ended(command, panel, "--model", "hierarchical", *QUICK)
    assert end.code == 0, end.err
    file = tree(tmp_path / "hierarchical.nc")
    assert file.posterior.omega.dims == ("chain", "draw", "coefficient", "coefficient_2")
    assert file.posterior.sigma.dims == ("chain", "draw")
    assert (file.posterior.sigma == 1.0).all()
    assert (file.attrs["model"], int(file.attrs["k"])) == ("hierarchical", 1)
    assert "LKJ(2)" in end.out
    assert np.abs(file.em.mu - file.posterior.mu.mean(("chain", "draw"))).max() < 0.1
    assert {"mu", "mu_se", "omega", "sd", "sd_se", "sigma", "sigma_se", "log_likelihood"} == set(file.em)


def test_segments_whose_stores_differ_from_the_panel_to_a_file(panel, tmp_path, ended, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [
        "--model",
        "normal-mixture",
        "--k",
        2,
        "--random",
        "intercept",
        "--report",
        "page.html",
        "--stores",
        "stores.csv",
    ]
    end = ended(command, panel, *words, *QUICK)
    assert end.code == 0, end.err
    for text in ("2 segments whose stores differ", "sd of intercept", "half-normal(1)", "verdict: to be trusted"):
        assert text in end.out
    page = (tmp_path / "page.html").read_text()
    assert "Two segments of stores that differ" in page
    assert 'class="weeks"' in page
    stores = pd.read_csv(tmp_path / "stores.csv")
    assert stores.shape == (24, 2 + 3 + 2 * 5)
    assert (stores["k2_segment"].value_counts().to_dict()) == {1: 16, 2: 8}
    file = tree(tmp_path / "normal-mixture-2.nc")
    assert file.posterior.omega.dims == ("chain", "draw", "segment", "coefficient", "coefficient_2")
    assert file.posterior.sigma.dims == ("chain", "draw", "segment")
    assert file.attrs["name"] == "normal-mixture K=2"
    omega = file.posterior.omega.transpose(..., "coefficient", "coefficient_2").values
    assert (omega[..., 0, 0] > 0.0).all()
    assert not omega[..., 1].any()
    np.testing.assert_allclose(file.posterior.mu.mean(("chain", "draw")), file.em.mu, atol=0.15)
    np.testing.assert_allclose(file.stores.membership.sum("segment"), 1.0)
    assert {"weight_se", "mu_se", "sd", "sd_se", "sigma_se"} <= set(file.em)


def test_without_a_start_em_is_run_and_finds_the_same(panel, results, tmp_path, ended, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ended(command, panel, "--k", 2, *QUICK).code == 0
    assert ended(command, panel, "--k", 2, "--start", results, "--out", "started.nc", *QUICK).code == 0
    found, started = (
        tree(tmp_path / name).posterior.theta.mean(("chain", "draw")) for name in ("mixture-2.nc", "started.nc")
    )
    np.testing.assert_allclose(found, started, atol=0.1)


def test_too_few_draws_are_written_but_not_trusted(panel, results, tmp_path, ended):
    out = tmp_path / "short.nc"
    end = ended(command, panel, "--k", 2, "--start", results, "--out", out, "--draws", 20, "--tune", 300)
    assert end.code == 3
    assert "not to be trusted: only" in end.err
    assert "verdict: to be trusted" not in end.out
    assert int(tree(out).attrs["trusted"]) == 0
    assert "effective draws" in json.loads(tree(out).attrs["warnings"])[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "how many segments? give --k"),
        (["--k", "0"], "K is 0; expected a number of segments from 1"),
        (["--k", "25"], "K is 25; expected a number of segments from 1 to the number of stores, 24"),
        (["--k", "two"], "--k 'two': expected a number of segments, such as 3, or a range"),
        (["--k", "3", "--start", "{results}"], "has no K = 3, only 1, 2"),
        (
            ["--k", "2", "--start", "{results}", "--sigma", "common"],
            "with --sigma fixed; expected common",
        ),
        (["--k", "2", "--start", "{panel}"], "is not JSON"),
        (["--k", "2", "--start", "missing.json"], "missing.json: cannot be read"),
        (["--k", "2", "--draws", "0"], "--draws is 0; expected at least 4"),
        (["--k", "2", "--seed", "-1"], "--seed is -1"),
        (["--model", "hierarchical", "--k", "2"], "--k is for the mixture"),
        (["--model", "hierarchical", "--sigma", "segment"], "--sigma segment is for the mixture"),
        (["--k", "2", "--model", "continuum"], "invalid choice"),
        (["--model", "normal-mixture"], "how many segments? give --k"),
        (["--k", "2", "--model", "normal-mixture", "--sparse"], "--sparse is for the mixture"),
        (["--k", "2", "--model", "normal-mixture", "--sigma", "segment"], "normal-mixture model has fixed or common"),
        (["--k", "2", "--random", "log_price"], "--random is for models in which the stores of a segment differ"),
        (["--model", "hierarchical", "--random", "prize"], "no coefficient 'prize' to vary between stores"),
        (
            ["--model", "hierarchical", "--random", "intercept", "--prior", "spread[log_price]=halfnormal(1)"],
            "log_price does not vary; expected one of intercept",
        ),
        (["--k", "1..3"], "one file for 3 numbers of segments; expected a name with {k} in it"),
        (["--k", "2", "2"], "names a number of segments twice"),
        (["--k", "3..1"], "names no number of segments"),
        (["--k", "6", "--sparse", "--start", "{results}"], "--start is not for --sparse"),
        (["--model", "hierarchical", "--sparse"], "--sparse is for the mixture"),
        (["--k", "2", "--prior", "elasticity=normal(0, 1)"], "elasticity"),
        (["--k", "2", "--prior", "log_price=normal(0)"], "normal(mean, sd)"),
    ],
)
def test_a_wrong_call_ends_in_two_and_touches_nothing(arguments, message, panel, results, tmp_path, ended, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "kept.nc"
    out.write_text("kept")
    end = ended(command, panel, *(a.format(results=results, panel=panel) for a in arguments), "--out", out)
    assert end.code == 2
    assert end.err.startswith("error: ")
    assert message in end.err
    assert end.err.count("\n") == 1
    assert os.listdir(tmp_path) == ["kept.nc"]
    assert out.read_text() == "kept"


def test_several_numbers_of_segments_give_a_file_each_and_one_table(panel, results, tmp_path, ended):
    out = tmp_path / "mixture-{k}.nc"
    end = ended(command, panel, "--k", "1..2", "--start", results, "--out", out, *QUICK)
    assert end.code == 0, end.err
    assert end.err == "".join(f"written: {tmp_path}/mixture-{k}.nc\n" for k in (1, 2))
    assert "All numbers of segments" in end.out
    alone = tmp_path / "alone.nc"
    assert ended(command, panel, "--k", 2, "--start", results, "--out", alone, *QUICK).code == 0
    np.testing.assert_array_equal(tree(tmp_path / "mixture-2.nc").posterior.theta, tree(alone).posterior.theta)
    assert tree(tmp_path / "mixture-1.nc").posterior.sizes["segment"] == 1


def test_other_priors_are_used_stated_and_kept(panel, results, tmp_path, ended):
    out = tmp_path / "fit.nc"
    prior = ["--prior", "log_price=normal(-3, 0.01)", "weight=dirichlet(4)"]
    end = ended(command, panel, "--k", 2, "--start", results, "--out", out, *prior, *QUICK)
    assert "normal(-3, 0.01)" in end.out
    assert "Dirichlet(4)" in end.out
    theta = tree(out).posterior.theta.sel(coefficient="log_price")
    np.testing.assert_allclose(theta.mean(("chain", "draw")), -3.0, atol=0.05)
    assert json.loads(tree(out).attrs["priors"])["numbers"]["concentration"] == 4.0
    prior = tree(out).prior.theta.sel(coefficient="log_price")
    assert float(prior.std()) == pytest.approx(0.01, rel=0.1)


def test_the_number_of_segments_in_use_is_told(panel, tmp_path, ended):
    out = tmp_path / "sparse.nc"
    end = ended(command, panel, "--k", 6, "--sparse", "--out", out, "--draws", 400, "--tune", 300)
    assert end.code == 0, end.err
    assert "How many segments are in use" in end.out
    assert "at most 6 segments" in end.out
    assert float(tree(out).segments_in_use.probability.sel(number=2)) > 0.9
    assert tree(out).attrs["name"] == "mixture K<=6"


def test_a_start_from_other_data_is_refused(panel, results, tmp_path, ended):
    other = tmp_path / "other.csv"
    frame = pd.read_csv(panel)
    frame.iloc[0, 1] += 1.0
    frame.to_csv(other, index=False)
    end = ended(command, other, "--k", 2, "--start", results, "--out", tmp_path / "fit.nc")
    assert end.code == 2
    assert "its sha256 differs" in end.err


@pytest.mark.parametrize("damage", [{"theta": [[1.0, 2.0]]}, {"pi": [0.5, None]}])
def test_a_damaged_start_is_refused(damage, panel, results, tmp_path, ended):
    record = json.loads(results.read_text())
    record["fits"][1] |= damage
    path = tmp_path / "damaged.json"
    path.write_text(json.dumps(record))
    end = ended(command, panel, "--k", 2, "--start", path, "--out", tmp_path / "fit.nc")
    assert end.code == 2
    assert "damaged" in end.err


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_read(tmp_path, ended):
    end = ended(command, "missing.csv", "--k", 2, "--out", tmp_path / "nowhere" / "fit.nc")
    assert end.code == 2
    assert "there is no folder" in end.err


def test_an_interruption_ends_in_130_and_writes_nothing(panel, results, tmp_path):
    arguments = [panel, "--k", 2, "--start", results, "--out", tmp_path / "fit.nc", "--draws", 5_000_000]
    process = subprocess.Popen(
        [sys.executable, "-m", "bayesmix.fit", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    process.stdout.readline()  # what is fitted to what: everything is loaded
    time.sleep(3.0)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert complaint == "error: interrupted; no output was touched\n"
    assert os.listdir(tmp_path) == []


def test_help_teaches_with_an_example_and_loads_no_pymc(capsys):
    with pytest.raises(SystemExit) as end:
        bayesmix.fit.parser().parse_args(["--help"])
    assert end.value.code == 0
    assert "python -m bayesmix.fit --k 3" in capsys.readouterr().out
    loaded = "import sys, bayesmix.fit; print('pymc' in sys.modules, 'numba' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", loaded], text=True).split() == ["False", "False"]


@pytest.mark.slow
def test_cold_and_warm_caches_draw_alike(panel, results, tmp_path):
    environment = os.environ | {"PYTENSOR_FLAGS": f"base_compiledir={tmp_path / 'cache'}"}
    found = []
    for name in ("cold.nc", "warm.nc"):
        words = [panel, "--k", 2, "--start", results, "--out", tmp_path / name, *QUICK]
        subprocess.run([sys.executable, "-m", "bayesmix.fit", *map(str, words)], env=environment, check=True)
        found.append(tree(tmp_path / name))
    assert json.loads(found[1].attrs["sampler"])["seconds"]["compiling"] < 3.0
    np.testing.assert_array_equal(found[0].posterior.theta, found[1].posterior.theta)
