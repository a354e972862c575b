"""Finished chains survive an interruption, a kill and a crash, and only the same run takes them up."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

import bayesmix
import bayesmix.sample
from bayesmix.kept import forget, read_chain
from bayesmix.settings import Settings
from bayesmix.start import em_solution
from em.panel import read_panel

SETTINGS = Settings(100, 100, 3, 1)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    rng = np.random.default_rng(0)
    price = np.round(rng.uniform(1.2, 6.0, 12), 2)
    theta = np.array([[10.0, -1.0], [12.0, -2.0]])[np.arange(20) % 2]
    y = theta[:, :1] + theta[:, 1:] * np.log(price) + rng.standard_normal((20, 12))
    frame = pd.DataFrame(np.exp(y.T).round(2), columns=[f"Sales{i + 1}" for i in range(20)])
    frame.insert(0, "Price", price)
    path = tmp_path_factory.mktemp("kept") / "panel.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def case(file):
    panel = read_panel(file)
    start = em_solution(panel, 2, "fixed")
    return panel, start, bayesmix.fit_mixture(panel, 2, start=start, settings=SETTINGS)


def fit(case, keep, settings=SETTINGS, **options):
    return bayesmix.fit_mixture(case[0], 2, start=case[1], settings=settings, keep=keep, **options)


def same(one, other):
    return all(np.array_equal(one.posterior[name], other.posterior[name]) for name in one.posterior)


def test_keeping_chains_changes_no_draw(case, tmp_path):
    assert same(fit(case, tmp_path / "chains"), case[2])


def test_a_chain_that_is_kept_is_read_and_not_drawn_again(case, tmp_path, monkeypatch):
    keep = tmp_path / "chains"
    fit(case, keep)
    whole = bayesmix.sample.draw_chain
    drawn = []

    def run(density, settings, number, stop, report):
        drawn.append(number)
        return whole(density, settings, number, stop, report)

    monkeypatch.setattr(bayesmix.sample, "draw_chain", run)
    next(keep.glob("chain-1-*.npz")).unlink()
    again = fit(case, keep)
    assert drawn == [1]
    assert same(again, case[2])
    assert again.sampler["chains_resumed"] == 2


def test_more_chains_take_up_the_fewer(case, tmp_path):
    keep = tmp_path / "chains"
    fit(case, keep)
    more = fit(case, keep, dataclasses.replace(SETTINGS, chains=4))
    assert more.sampler["chains_resumed"] == 3


@pytest.mark.parametrize("change", [{"seed": 2}, {"draws": 101}, {"tune": 101}])
def test_other_settings_do_not_take_them_up(case, tmp_path, change):
    keep = tmp_path / "chains"
    fit(case, keep)
    assert fit(case, keep, dataclasses.replace(SETTINGS, **change)).sampler["chains_resumed"] == 0


def test_other_data_or_priors_do_not_take_them_up(case, tmp_path):
    keep = tmp_path / "chains"
    fit(case, keep)
    assert fit(case, keep, priors=["log_price=normal(-1, 1.4)"]).sampler["chains_resumed"] == 0
    y = case[0].y.copy()
    y[7] += 1e-6
    other = (dataclasses.replace(case[0], y=y), case[1])
    assert fit(other, keep).sampler["chains_resumed"] == 0


def test_a_damaged_file_is_drawn_again(case, tmp_path):
    keep = tmp_path / "chains"
    fit(case, keep)
    for number, damage in ((0, b"nothing"), (1, None)):
        path = next(keep.glob(f"chain-{number}-*.npz"))
        path.write_bytes(damage if damage else path.read_bytes()[:-200])
    again = fit(case, keep)
    assert again.sampler["chains_resumed"] == 1
    assert same(again, case[2])


def test_one_chain_that_fails_does_not_lose_the_others(case, tmp_path, monkeypatch):
    keep = tmp_path / "chains"
    whole = bayesmix.sample.draw_chain

    def run(density, settings, number, stop, report):
        if number == 2:
            time.sleep(1.0)
            raise KeyboardInterrupt
        return whole(density, settings, number, stop, report)

    monkeypatch.setattr(bayesmix.sample, "draw_chain", run)
    with pytest.raises(KeyboardInterrupt):
        fit(case, keep)
    assert sorted(path.name[:7] for path in keep.glob("*.npz")) == ["chain-0", "chain-1"]


def test_what_is_forgotten_is_gone_and_nothing_else(case, tmp_path):
    keep = tmp_path / "chains"
    fit(case, keep)
    (keep / "mine.txt").write_text("mine")
    forget(keep, fit(case, None).sampler["chain_keys"])
    assert [path.name for path in keep.iterdir()] == ["mine.txt"]
    assert read_chain(keep, 0, "0" * 16, (1, 1), ()) is None
    forget(tmp_path / "none", ["0" * 16])


def test_a_killed_command_goes_on_with_the_rest(file, tmp_path):
    call = [sys.executable, "-m", "bayesmix.fit", str(file), "--k", "2", "--draws", "30000", "--tune", "200"]
    call += ["--chains", "6", "--out", "fit.nc"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(call, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 90.0
    while not list(tmp_path.glob("fit.nc.chains/chain-*.npz")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    message = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130, message
    assert "kept in fit.nc.chains; the same command goes on with the rest" in message
    assert not (tmp_path / "fit.nc").exists()
    kept = len(list(tmp_path.glob("fit.nc.chains/chain-*.npz")))
    again = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert f"{kept} of them finished before" in again.stdout
    assert (tmp_path / "fit.nc").is_file()
    assert not (tmp_path / "fit.nc.chains").exists()


@pytest.mark.parametrize("changed", ["jitter", "adaptation", "code"])
def test_a_chain_drawn_in_another_way_or_of_another_density_is_not_taken_up(changed, case, tmp_path, monkeypatch):
    fit(case, tmp_path / "chains")
    if changed == "jitter":
        monkeypatch.setattr(bayesmix.sample, "JITTER", 0.1)
    elif changed == "adaptation":
        monkeypatch.setattr(bayesmix.sample, "ADAPTATION", "draw_diag")
    else:
        compiled = bayesmix.sample.compile_density
        monkeypatch.setattr(
            bayesmix.sample,
            "compile_density",
            lambda *given: dataclasses.replace(compiled(*given), code="another prior"),
        )
    assert fit(case, tmp_path / "chains").sampler["chains_resumed"] == 0


def test_what_a_density_computes_is_part_of_its_key(case):
    """The graphs of two models are told apart, and one model's is the same when it is made again."""
    from bayesmix.centre import centre
    from bayesmix.density import compile_density
    from bayesmix.mixture import mixture_model, mixture_start
    from bayesmix.normal_mixture import normal_mixture_model, normal_mixture_start
    from bayesmix.priors import default_priors
    from em.normal_mixture import NormalMixtureParameters
    from em.panel import store_statistics

    stats = centre(store_statistics(case[0]), case[0].coefficients).statistics
    priors, best = default_priors(stats, case[0].coefficients), case[1].parameters
    differing = NormalMixtureParameters(best.weight, best.theta, np.tile(np.eye(2), (2, 1, 1)), best.sigma)
    one, again = (compile_density(mixture_model(stats, 2, priors), [mixture_start(best, "fixed")]) for _ in range(2))
    start = normal_mixture_start(differing, priors, "fixed")
    other = compile_density(normal_mixture_model(stats, 2, priors), [start])
    assert one.code == again.code != other.code
    assert one.code
