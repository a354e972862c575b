"""Speed of the mixed model beside lme4, bayesm and textbook PyMC models, and what its cost grows with: `make bench`.

Ratios, taken in one run, the competitors in turn; process start and compiling left out for all. On a machine with
other work, seconds of processor are the fairer ratio.
"""

import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from arviz_stats.base.array import array_stats
from test_bench_bayes import run, timed

from bayesmix.density import compile_density, log_density
from bayesmix.normal_mixture import QUANTITIES, normal_mixture_model, normal_mixture_start
from bayesmix.priors import default_priors
from bayesmix.run import fit_hierarchical
from bayesmix.sample import sample
from bayesmix.settings import Settings
from em.mixed_model import fit_mixed_model
from em.normal_mixture import NormalMixtureParameters
from em.panel import read_panel
from em.simulator import draw_prices
from em.statistics import GaussianStatistics

__all__ = ["timed"]
pytestmark = pytest.mark.bench
HERE = Path(__file__).resolve().parent
DATA = HERE.parents[2] / "shared" / "data"
CHEESE = {"store": "RETAILER", "sales": "VOLUME", "price": "PRICE"}


@pytest.fixture(params=["cheese", "609948"])
def panel(request):
    return panel_of(request.param)


def panel_of(name):
    """Log price is its only covariate."""
    if not (DATA / f"{name}.csv").is_file():
        pytest.skip(f"{name}.csv is not here")
    return read_panel(DATA / f"{name}.csv", **(CHEESE if name == "cheese" else {}))


def smallest_ess(mu):
    """Smallest bulk ESS of (chain, draw, coefficient)."""
    return min(float(np.asarray(array_stats.ess(mu[:, :, j], chain_axis=0, draw_axis=1))) for j in range(mu.shape[2]))


def ours(panel, seed, timed):
    """Smallest bulk ESS of mu, seconds of sampling on the clock and of processor."""
    fit = fit_hierarchical(panel, sigma="common", settings=Settings(seed=seed))
    assert not fit.sampler["hopped"]
    return smallest_ess(fit.posterior["mu"].to_numpy()), *timed[-1]


def bayesm(panel, folder):
    """The same of 20,000 draws of bayesm, and its version."""
    if shutil.which("Rscript") is None:
        pytest.skip("Rscript is not installed; the peer is bayesm (Debian: r-cran-bayesm)")
    columns = {f"x{j}": panel.x[:, j] for j in range(panel.x.shape[1])}
    pd.DataFrame({"store": panel.store, "y": panel.y, **columns}).to_csv(folder / "long.csv", index=False)
    out = run(["Rscript", HERE / "bayesm.R", folder / "long.csv", folder / "mu.csv", 20_000])
    seconds, processor, version = out.split()[-3:]
    mu = np.loadtxt(folder / "mu.csv", delimiter=",")[None]
    return smallest_ess(mu), float(seconds), float(processor), version


def textbook(panel, folder, form, centre):
    """The same of a textbook model."""
    mean = panel.x[:, 1].mean() if centre else 0.0
    np.savez(folder / "panel.npz", y=panel.y, x=panel.x[:, 1] - mean, store=panel.store)
    run([sys.executable, HERE / "textbook_hierarchical.py", folder / "panel.npz", folder / "draws.npz", form])
    draws = np.load(folder / "draws.npz")
    mu = draws["mu"] @ np.array([[1.0, 0.0], [-mean, 1.0]])
    return smallest_ess(mu), *(float(seconds) for seconds in draws["seconds"])


def beside(name, panel, timed, capsys, peer):
    """Print our effective draws per second over a peer's; that ratio, of a second on the clock and of processor."""
    ours(panel, 0, timed)
    before = [ours(panel, seed, timed) for seed in range(1, 6)]
    ess, seconds, processor, *version = peer()
    mine = np.array(before + [ours(panel, seed, timed) for seed in range(6, 11)])
    rates = mine[:, :1] / mine[:, 1:]
    ratio = rates / (ess / np.array([seconds, processor]))
    middle, own = np.median(ratio, axis=0), np.median(mine, axis=0)
    with capsys.disabled():
        print(
            f"\n{Path(panel.file).name}, {name} {' '.join(version)}: bulk ESS of mu {ess:.0f} in {seconds:.1f} s,",
            end=" ",
        )
        print(
            f"{processor:.1f} s of processor; here (medians of 10 seeds) {own[0]:.0f} in {own[1]:.2f} s, {own[2]:.2f} s"
        )
        print(
            f"  times as many a second {middle[0]:.1f} ({ratio[:, 0].min():.1f} to {ratio[:, 0].max():.1f});", end=" "
        )
        print(f"a second of processor {middle[1]:.1f} ({ratio[:, 1].min():.1f} to {ratio[:, 1].max():.1f})")
    return middle


def test_draws_per_second_beside_bayesm(panel, timed, tmp_path, capsys):
    ratio = beside("bayesm", panel, timed, capsys, lambda: bayesm(panel, tmp_path))
    assert ratio[1] > 1.0


@pytest.mark.parametrize(("form", "centre"), [("centred", False), ("centred", True), ("non-centred", True)])
def test_draws_per_second_beside_a_textbook_model(form, centre, timed, tmp_path, capsys):
    panel = panel_of("609948")
    name = f"PyMC, {form}{', log price centred by hand' if centre else ''}"
    ratio = beside(name, panel, timed, capsys, lambda: textbook(panel, tmp_path, form, centre))
    assert ratio[1] > 1.0


def test_maximum_likelihood_beside_lme4(panel, tmp_path, capsys):
    if shutil.which("Rscript") is None:
        pytest.skip("Rscript is not installed; the peer is lme4 (Debian: r-cran-lme4)")
    pd.DataFrame({"store": panel.store, "x": panel.x[:, 1], "y": panel.y}).to_csv(tmp_path / "long.csv", index=False)
    fit_mixed_model(panel, sigma="common")
    before = [seconds_of_a_fit(panel) for _ in range(10)]
    out = run(["Rscript", HERE / "lme4.R", tmp_path / "long.csv", 10, "y ~ x + (1 + x | store)"])
    theirs, loglik, version = out.split()[-3:]
    mine = float(np.median([*before, *(seconds_of_a_fit(panel) for _ in range(10))]))
    found = fit_mixed_model(panel, sigma="common").log_likelihood
    with capsys.disabled():
        print(
            f"\n{Path(panel.file).name}: lme4 {version} {float(theirs):.3f} s, here {mine:.4f} s, of lme4's time",
            end=" ",
        )
        print(f"{mine / float(theirs):.2f}; log-likelihoods {loglik} and {found:.6f}")
    assert found == pytest.approx(float(loglik), abs=1e-3)
    assert mine < float(theirs)


def seconds_of_a_fit(panel):
    """From the rows to the estimates."""
    began = time.perf_counter()
    fit_mixed_model(panel, sigma="common")
    return time.perf_counter() - began


def simulated(stores, weeks, seed=0):
    """Statistics of stores of one design (log price centred), drawn as such: no week is ever made."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(weeks), np.log(draw_prices(rng, weeks))])
    x[:, 1] -= x[:, 1].mean()
    xtx = x.T @ x
    theta = rng.multivariate_normal([10.0, -1.5], [[0.5, 0.1], [0.1, 0.3]], stores)
    error = rng.standard_normal((stores, 2)) @ np.linalg.inv(np.linalg.cholesky(xtx))
    rss = rng.chisquare(weeks - 2, stores)
    return GaussianStatistics(np.full(stores, float(weeks)), np.tile(xtx, (stores, 1, 1)), theta + error, rss)


@pytest.mark.parametrize("what", ["weeks", "stores"])
def test_cost_on_a_common_design(what, timed, capsys):
    sizes = {"weeks": [(300, 52), (300, 5200)], "stores": [(300, 52), (30_000, 52)]}[what]
    truth = NormalMixtureParameters(
        np.ones(1), np.array([[10.0, -1.5]]), np.array([[[0.5, 0.1], [0.1, 0.3]]]), np.ones(1)
    )
    gradient, taken, steps, ess = [], [[], []], [[], []], [[], []]
    models = []
    for stores, weeks in sizes:
        stats = simulated(stores, weeks)
        priors = default_priors(stats, ("intercept", "log_price"))
        start = normal_mixture_start(truth, priors, "common")
        models.append((normal_mixture_model(stats, 1, priors, "common"), start))
        density = compile_density(*(models[-1][0], [start]))
        q = np.repeat(density.starts, 200, axis=0)
        times = []
        for _ in range(11):
            began = time.process_time()
            log_density(density, q)
            times.append((time.process_time() - began) / 200)
        gradient.append(np.median(times[1:]))
    for seed in range(8):
        for i, (model, start) in enumerate(models):
            draws = sample(model, QUANTITIES, [start] * 4, Settings(1000, 1000, 4, seed))
            taken[i].append(timed[-1])
            steps[i].append(int(draws.sampler["n_steps"].sum()))
            ess[i].append(smallest_ess(draws.quantities["mu"][:, :, 0]))
    few, many = (np.array(one[1:]) for one in taken)
    clock, processor = np.median(many / few, axis=0)
    with capsys.disabled():
        print(f"\n{sizes[0]} against {sizes[1]} (stores, weeks): a gradient {1e6 * gradient[0]:.1f} and", end=" ")
        print(f"{1e6 * gradient[1]:.1f} us of processor, ratio {gradient[1] / gradient[0]:.2f};")
        print(
            f"  sampling 4 x (1000 + 1000), 7 pairs: {np.median(few[:, 0]):.3f} and {np.median(many[:, 0]):.3f} s,",
            end=" ",
        )
        print(f"median ratio {clock:.2f}, of processor {processor:.2f}; gradients while drawing", end=" ")
        print(
            f"{np.median(steps[0]):.0f} and {np.median(steps[1]):.0f}; "
            f"ESS {np.median(ess[0]):.0f} and {np.median(ess[1]):.0f}"
        )
    if what == "weeks":
        assert processor < 1.1
