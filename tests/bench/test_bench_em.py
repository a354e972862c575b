"""Speed of maximum likelihood beside flexmix and beside imports: `make bench`. Ratios, taken in one run."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from em import fit_mixture, read_panel, store_statistics
from em.mixture import Model
from em.regressions import anchors
from em.simulator import draw_prices, draw_stores, finite_mixture
from em.starts import em_steps, random_starts
from em.statistics import build

pytestmark = pytest.mark.bench
PANEL = Path(__file__).resolve().parents[3] / "shared" / "data" / "609948.csv"
SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample.csv"


def seconds(call, repeats):
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def panel_file():
    return PANEL if PANEL.is_file() else SAMPLE


@pytest.mark.parametrize("k", [3, 4])
def test_per_start_beside_flexmix(k, tmp_path, capsys):
    if shutil.which("Rscript") is None:
        pytest.skip("Rscript is not installed; the peer is flexmix (Debian: r-cran-flexmix)")
    panel = read_panel(panel_file())
    stats = store_statistics(panel)
    long = pd.DataFrame({"store": panel.store, "x": panel.x[:, 1], "y": panel.y})
    long.to_csv(tmp_path / "long.csv", index=False)
    script = Path(__file__).with_name("flexmix.R")
    out = subprocess.run(
        ["Rscript", script, tmp_path / "long.csv", str(k), "10"], capture_output=True, text=True, check=True
    )
    peer, peer_loglik = (float(word) for word in out.stdout.split()[-2:])
    ours = {}
    for sigma in ("fixed", "common"):
        ours[sigma] = seconds(lambda sigma=sigma: fit_mixture(stats, k, sigma=sigma), 5) / 50
    best = fit_mixture(stats, k, sigma="common")
    with capsys.disabled():
        print(f"\n{panel_file().name}, K = {k}: seconds a start, flexmix (10 starts) against 50 starts of fit_mixture")
        for sigma, own in ours.items():
            print(f"  sigma {sigma}: {peer:.4f} / {own:.5f} = {peer / own:.0f} times")
        print(f"  log-likelihood, sigma common: flexmix {peer_loglik:.4f}, here {best.log_likelihood:.4f}")
    assert best.log_likelihood >= peer_loglik - 1e-6


def test_command_beside_imports(tmp_path, capsys):
    run = [sys.executable, "-m", "em.estimate", str(panel_file()), "--out", str(tmp_path / "results.json")]
    imports = [sys.executable, "-c", "import numpy, scipy, pandas"]
    for command in (run, imports):
        subprocess.run(command, capture_output=True, check=True)
    pairs = [
        [seconds(lambda c=c: subprocess.run(c, capture_output=True, check=True), 1) for c in (run, imports)]
        for _ in range(7)
    ]
    whole, alone = np.median(pairs, axis=0)
    with capsys.disabled():
        print(f"\npython -m em.estimate, K = 2, 3, 4 with the bound: {whole:.2f} s; imports alone {alone:.2f} s;")
        print(f"  ratio {whole / alone:.2f} (median of {len(pairs)} pairs)")


def test_iterations_are_flat_in_weeks(capsys):
    rng = np.random.default_rng(0)
    truth = finite_mixture(np.array([0.6, 0.4]), np.array([[10.0, -1.0], [11.0, -2.0]]), np.ones(2))
    taken = {}
    for weeks in (52, 5200):
        x = np.column_stack([np.ones(weeks), np.log(draw_prices(rng, weeks))])
        y = draw_stores(rng, truth, x, 300).y
        stats = build(np.repeat(np.arange(300), weeks), np.tile(x, (300, 1)), y.ravel(), 300)
        start = random_starts(rng, stats, 3, Model(), 50, anchors(stats))
        taken[weeks] = seconds(lambda start=start, stats=stats: em_steps(start, stats, Model(), 50), 7)
    with capsys.disabled():
        print(f"\n50 EM steps of 50 starts: 52 weeks {taken[52]:.3f} s, 5,200 weeks {taken[5200]:.3f} s,")
        print(f"  ratio {taken[5200] / taken[52]:.2f}")


def test_a_million_stores(capsys):
    import resource

    rng = np.random.default_rng(3)
    theta = np.array([[10.6, -0.9], [11.3, -2.1], [9.7, -1.5], [10.0, -2.8]])
    truth = finite_mixture(np.array([0.5, 0.3, 0.16, 0.04]), theta, np.ones(4))
    x = np.column_stack([np.ones(52), np.log(draw_prices(rng, 52))])
    rows, size = np.repeat(np.arange(20_000), 52), 20_000
    from em.statistics import concatenate

    stats = concatenate(
        [build(rows, np.tile(x, (size, 1)), draw_stores(rng, truth, x, size).y.ravel(), size) for _ in range(50)]
    )
    start = time.perf_counter()
    fit = fit_mixture(stats, 4)
    took = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    with capsys.disabled():
        print(
            f"\n1,000,000 stores, 52 weeks, K = 4: fit {took:.1f} s from the statistics, peak memory {memory:.2f} GiB"
        )
    assert np.abs(fit.parameters.theta - theta).max() < 0.02
