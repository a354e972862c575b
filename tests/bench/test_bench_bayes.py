"""Speed of the posterior beside Stan, a textbook PyMC model and the import of PyMC: `make bench`.

Ratios, taken in one run, the competitors in turn. Seconds of sampling are from the first tuning draw to the last draw
of four chains of 1000 + 1000 on two cores; compiling is left out for all. Peers start where EM ends, as ours do. On
a machine with other work, seconds of processor are the fairer ratio.
"""

import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from arviz_stats.base.array import array_stats

import bayesmix.sample
from bayesmix.mixture import QUANTITIES, mixture_model, mixture_start
from bayesmix.priors import default_priors
from bayesmix.run import fit_mixture
from bayesmix.sample import sample
from bayesmix.settings import Settings
from em.fit import fit_mixture as maximise
from em.panel import Panel, read_panel
from em.simulator import draw_prices, draw_stores, finite_mixture
from em.statistics import build

pytestmark = pytest.mark.bench
HERE = Path(__file__).resolve().parent
PANEL = HERE.parents[2] / "shared" / "data" / "609948.csv"
SAMPLE = HERE.parents[1] / "data" / "sample.csv"
K = 3


@pytest.fixture(scope="module")
def panel():
    return read_panel(PANEL if PANEL.is_file() else SAMPLE)


def wide(panel):
    """Log sales (store, week) and log prices (week,) of a wide panel."""
    n, t = len(panel.stores), len(panel.weeks)
    return panel.y.reshape(n, t), panel.x[:t, 1]


def smallest_ess(weight, alpha, beta):
    """Smallest bulk ESS of (chain, draw, segment), segments ordered by their intercept in every draw."""
    order = np.argsort(alpha, axis=2)
    values = np.concatenate([np.take_along_axis(one, order, 2) for one in (weight, alpha, beta)], axis=2)
    return min(array_stats.ess(values[:, :, j], chain_axis=0, draw_axis=1) for j in range(values.shape[2]))


@pytest.fixture
def timed(monkeypatch):
    """Seconds of every sampling, on the clock and of processor, as it happens."""
    chains, taken = bayesmix.sample._chains, []

    def call(*given):
        began = time.perf_counter(), time.process_time()
        result = chains(*given)
        taken.append((time.perf_counter() - began[0], time.process_time() - began[1]))
        return result

    monkeypatch.setattr(bayesmix.sample, "_chains", call)
    return taken


def ours(panel, seed, timed):
    """Smallest bulk ESS, seconds of sampling on the clock and of processor."""
    fit = fit_mixture(panel, K, settings=Settings(seed=seed))
    theta = fit.posterior["theta"].to_numpy()
    ess = smallest_ess(fit.posterior["weight"].to_numpy(), theta[..., 0], theta[..., 1])
    return ess, *timed[-1]


def textbook(panel, folder, centred, env=None):
    """Smallest bulk ESS, seconds of sampling on the clock and of processor."""
    y, x = wide(panel)
    start, mean = maximise(panel, K).parameters, x.mean() if centred else 0.0
    alpha = start.theta[:, 0] + start.theta[:, 1] * mean
    np.savez(folder / "panel.npz", y=y, x=x - mean, weight=start.weight, alpha=alpha, beta=start.theta[:, 1])
    run([sys.executable, HERE / "textbook_mixture.py", folder / "panel.npz", folder / "draws.npz"], env)
    draws = np.load(folder / "draws.npz")
    ess = smallest_ess(draws["weight"], draws["alpha"] - mean * draws["beta"], draws["beta"])
    return ess, *(float(seconds) for seconds in draws["seconds"])


def stan(panel, folder, centred):
    """Smallest bulk ESS, seconds of sampling on the clock and of processor, Stan's version."""
    y, x = wide(panel)
    start, mean = maximise(panel, K).parameters, x.mean() if centred else 0.0
    alpha = start.theta[:, 0] + start.theta[:, 1] * mean
    files = [folder / name for name in ("sales.csv", "prices.csv", "start.csv", "draws.csv")]
    np.savetxt(files[0], y, delimiter=",", fmt="%.17g")
    np.savetxt(files[1], x - mean, fmt="%.17g")
    columns = np.column_stack([start.weight, alpha, start.theta[:, 1]])
    np.savetxt(files[2], columns, delimiter=",", header="weight,alpha,beta", comments="")
    out = run(["Rscript", HERE / "stan_mixture.R", HERE / "stan_mixture.stan", *files])
    seconds, processor, version = out.split()[-3:]
    weight, alpha, beta = np.loadtxt(files[3], delimiter=",").reshape(4, 1000, 3, K).transpose(2, 0, 1, 3)
    return smallest_ess(weight, alpha - mean * beta, beta), float(seconds), float(processor), version


def run(words, env=None):
    """What a process printed."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def spent(call, *given):
    """Seconds of a call that starts processes, on the clock and of their processor."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    call(*given)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return np.array([seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime])


def has_rstan():
    if shutil.which("Rscript") is None:
        return False
    return subprocess.run(["Rscript", "-e", "library(rstan)"], capture_output=True, check=False).returncode == 0


PEERS = {
    "textbook PyMC": (textbook, False),
    "textbook PyMC, log price centred": (textbook, True),
    "Stan": (stan, False),
    "Stan, log price centred": (stan, True),
}


@pytest.mark.parametrize("name", PEERS)
def test_draws_per_second_beside(name, panel, timed, tmp_path, capsys):
    peer, centred = PEERS[name]
    if peer is stan and not has_rstan():
        pytest.skip("R has no rstan (Debian: r-cran-rstan)")
    ours(panel, 0, timed)
    before = [ours(panel, seed, timed) for seed in range(5)]
    ess, seconds, processor, *_ = peer(panel, tmp_path, centred)
    mine = np.array(before + [ours(panel, seed, timed) for seed in range(5, 10)])
    rates = mine[:, :1] / mine[:, 1:]  # a second on the clock, and of processor
    theirs = ess / np.array([seconds, processor])
    ratio = np.median(rates, axis=0) / theirs
    with capsys.disabled():
        print(f"\n{name}: bulk ESS {ess:.0f} in {seconds:.1f} s, {processor:.1f} s of processor")
        own = np.median(mine, axis=0)
        print(f"  here (medians of ten seeds): {own[0]:.0f} in {own[1]:.2f} s, {own[2]:.2f} s of processor")
        print(f"  times as many a second: {ratio[0]:.0f} ({rates[:, 0].min() / theirs[0]:.0f} to", end=" ")
        print(f"{rates[:, 0].max() / theirs[0]:.0f}); a second of processor: {ratio[1]:.0f}")
    assert min(ratio) > 1.0


def fresh(folder):
    """An environment of a machine on which nothing was compiled yet."""
    kept = {
        name: value for name, value in os.environ.items() if "CACHE" not in name and not name.startswith("PYTENSOR")
    }
    folder.mkdir()
    return {**kept, "HOME": str(folder), "PYTENSOR_FLAGS": f"base_compiledir={folder / 'pytensor'}"}


def test_the_first_command_beside_a_textbook_model(panel, tmp_path, capsys):
    here, again, other = [], [], []
    for i in range(2):
        env = fresh(tmp_path / f"home-{i}-here")
        here.append(spent(whole_command, panel, tmp_path, env))
        again.append(spent(whole_command, panel, tmp_path, env))
        other.append(spent(textbook, panel, tmp_path, False, fresh(tmp_path / f"home-{i}-textbook")))
    with capsys.disabled():
        print("\nfirst command, nothing compiled: seconds on the clock, of processor (two runs in turn)")
        for name, times in (("here", here), ("here, again", again), ("textbook PyMC", other)):
            print(f"  {name}: " + "; ".join(f"{clock:.1f}, {processor:.1f}" for clock, processor in times))
        ratio = np.mean(here, axis=0) / np.mean(other, axis=0)
        print(f"  ratio {ratio[0]:.2f}, of processor {ratio[1]:.2f}")
    assert ratio[1] < 1.0


def whole_command(panel, folder, env=None):
    run([sys.executable, "-m", "bayesmix.fit", panel.file, "--k", str(K), "--out", folder / "fit.nc"], env)


def test_the_next_command_beside_importing_pymc(panel, tmp_path, capsys):
    pairs = []
    for _ in range(6):
        command = spent(whole_command, panel, tmp_path)
        pairs.append((command, spent(run, [sys.executable, "-c", "import pymc"])))
    whole, imports = np.median(pairs[1:], axis=0)
    over = np.median([one - other for one, other in pairs[1:]], axis=0)
    with capsys.disabled():
        print(f"\nwhole command, again: {whole[0]:.2f} s, {whole[1]:.2f} s of processor; importing PyMC", end=" ")
        print(f"{imports[0]:.2f} s, {imports[1]:.2f} s; {over[0]:.2f} s and {over[1]:.2f} s more (medians of 5 pairs)")
    assert over[1] < 10.0


def test_sampling_is_flat_in_weeks(timed, capsys):
    theta = np.array([[10.8, -1.1], [11.6, -1.8], [9.9, -1.2]])
    truth = finite_mixture(np.array([0.6, 0.25, 0.15]), theta, np.ones(3))
    models = {}
    for weeks in (52, 5200):
        rng = np.random.default_rng(0)
        x = np.column_stack([np.ones(weeks), np.log(draw_prices(rng, weeks))])
        x[:, 1] -= x[:, 1].mean()
        y = draw_stores(rng, truth, x, 300).y
        stats = build(np.repeat(np.arange(300), weeks), np.tile(x, (300, 1)), y.ravel(), 300)
        start = mixture_start(maximise(stats, 3).parameters, "fixed")
        models[weeks] = mixture_model(stats, 3, default_priors(stats, ("intercept", "log_price"))), start
    taken, steps = {weeks: [] for weeks in models}, {weeks: [] for weeks in models}
    for seed in range(12):
        for weeks, (model, start) in models.items():
            draws = sample(model, QUANTITIES, [start] * 4, Settings(1000, 1000, 4, seed))
            taken[weeks].append(timed[-1])
            steps[weeks].append(int(draws.sampler["n_steps"].sum()))
    few, many = (np.array(taken[weeks][1:]) for weeks in models)
    clock, processor = np.median(many / few, axis=0)
    with capsys.disabled():
        print(f"\nsampling 4 x (1000 + 1000), 11 pairs: 52 weeks {np.median(few[:, 0]):.3f} s,", end=" ")
        print(f"5,200 weeks {np.median(many[:, 0]):.3f} s; median ratio {clock:.3f}, of processor {processor:.3f};")
        print(f"  gradients while drawing {np.median(steps[52]):.0f} and {np.median(steps[5200]):.0f}")
    assert processor < 1.1


@pytest.mark.parametrize("own_prices", [False, True], ids=["one price", "own prices"])
def test_a_hundred_thousand_stores(own_prices, capsys):
    n, weeks = 100_000, 52 if not own_prices else 8
    rng = np.random.default_rng(3)
    theta = np.array([[10.6, -0.9], [11.3, -2.1], [9.7, -1.5], [10.0, -2.8]])
    truth = finite_mixture(np.array([0.5, 0.3, 0.16, 0.04]), theta, np.ones(4))
    if own_prices:
        x = np.stack([np.ones((n, weeks)), np.log(draw_prices(rng, n * weeks)).reshape(n, weeks)], axis=2)
        segment = rng.choice(4, size=n, p=truth.weight)
        y = np.einsum("swp,sp->sw", x, theta[segment]) + rng.standard_normal((n, weeks))
        x = x.reshape(-1, 2)
    else:
        x = np.column_stack([np.ones(weeks), np.log(draw_prices(rng, weeks))])
        y = draw_stores(rng, truth, x, n).y
        x = np.tile(x, (n, 1))
    names = tuple(f"store {i + 1}" for i in range(n))
    store, week = np.repeat(np.arange(n), weeks), np.tile(np.arange(weeks), n)
    labels = tuple(str(t + 1) for t in range(weeks))
    panel = Panel(names, labels, ("intercept", "log_price"), store, week, x, y.ravel(), "simulated", "0" * 64)
    draws = int(os.environ.get("BENCH_DRAWS", "1000"))
    began = time.perf_counter()
    fit = fit_mixture(panel, 4, settings=Settings(draws, draws))
    took = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    with capsys.disabled():
        print(f"\n100,000 stores, {weeks} weeks, {'own prices' if own_prices else 'one price'}, K = 4, four chains of")
        print(
            f"  {draws} + {draws}: {took:.0f} s, sampling {fit.sampler['seconds']['sampling']:.0f} s, peak memory",
            end="",
        )
        print(f" {memory:.1f} GiB; reasons {fit.reasons}")
    assert np.abs(fit.posterior["theta"].mean(("chain", "draw")).to_numpy() - theta).max() < 0.1
