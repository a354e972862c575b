"""Simulation-based calibration: is a truth drawn from the prior a draw like any other of its posterior?

Parameters are drawn from the very prior that the fit is told, a panel from the parameters, and the rank of each true
quantity among thinned draws of the posterior is uniform if all is right (Talts, Betancourt, Simpson, Vehtari & Gelman
2018). Quantities that see the data, such as the log-likelihood, are tested too (Modrak et al. 2023). The ranks' ECDF is
judged by simultaneous bands (Saeilynoja, Buerkner & Vehtari 2022, section 2.2).

    python tests/calibration.py --fits 300 --processes 2

writes the ranks of every setting and results.md into tests/calibration/.
"""

import argparse
import multiprocessing
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd
from scipy.stats import beta, binom, dirichlet, halfnorm, norm

from bayesmix.centre import centre
from bayesmix.posterior import ParameterDraws, store_means
from bayesmix.priors import Priors
from em.between import Between, centred_traits
from em.likelihood import component_loglik, memberships_and_loglik
from em.panel import Panel, store_statistics
from em.simulator import Truth, draw_prices, draw_stores
from em.statistics import build

FOLDER = Path(__file__).with_name("calibration")
NAMES = ("intercept", "log_price")
KEPT = 99  # thinned draws, so that a rank is one of a hundred
LEVELS = (0.50, 0.80, 0.95)
NULL = 20_000  # simulated sets of uniform ranks

DEFAULT = Priors(NAMES, (9.0, -1.0), (3.0, 1.5))  # what a panel is given, but for its mean log sales
CLOSE = Priors(NAMES, (9.0, -1.0), (0.7, 0.7), sigma_log_sd=0.5)  # segments overlap
STRONG = Priors(NAMES, (9.0, -1.0), (0.5, 0.5), concentration=2.0, sigma_log_sd=0.5)  # for few data: priors matter


@dataclass(frozen=True)
class Setting:
    """A model, its prior and the size of the panels.

    Attributes
    ----------
    k : number of segments; 0 is the hierarchical model.
    differ : whether the stores of a segment differ, a mixture of normals.
    drawn : the prior that truths come from.
    told : the prior that the fit is told; None is the same.
    noise : by what the residuals of the panels are multiplied, so that the fit's sigma is wrong unless it is 1.
    traits : whether a trait of the stores explains their coefficients.
    """

    k: int
    sigma: str
    drawn: Priors
    stores: int = 40
    weeks: int = 12
    told: Priors | None = None
    noise: float = 1.0
    differ: bool = field(default=False, repr=False)
    traits: bool = field(default=False, repr=False)


SETTINGS = {
    "K = 2, sigma fixed": Setting(2, "fixed", DEFAULT),
    "K = 2, sigma common": Setting(2, "common", DEFAULT),
    "K = 2, sigma common, few data": Setting(2, "common", STRONG, stores=10, weeks=4),
    "K = 3, sigma fixed": Setting(3, "fixed", DEFAULT),
    "K = 3, sigma common, close segments": Setting(3, "common", CLOSE),
    "K = 3, sigma segment": Setting(3, "segment", DEFAULT),
    "K = 3, sigma fixed, few data": Setting(3, "fixed", STRONG, stores=10, weeks=4),
    "hierarchical, sigma common": Setting(0, "common", DEFAULT),
    "normal-mixture K = 2, sigma common": Setting(2, "common", DEFAULT, differ=True),
    "hierarchical, sigma common, a trait": Setting(0, "common", DEFAULT, traits=True),
}
SHIFTED = replace(STRONG, mean=tuple(m + 0.3 * s for m, s in zip(STRONG.mean, STRONG.sd, strict=True)))
WRONG = {
    "prior means 0.3 sd off": replace(SETTINGS["K = 3, sigma fixed, few data"], told=SHIFTED),
    "residuals 25 % too large": replace(SETTINGS["K = 2, sigma fixed"], noise=1.25),
}


class Ranked(NamedTuple):
    """One fit.

    Attributes
    ----------
    rank : of the truth among `KEPT` draws, by quantity, 0 .. KEPT.
    share : of all draws that are below the truth.
    modes : how many the chains were in.
    largest : share of the posterior in the heaviest.
    reasons : why the fit does not trust itself; empty when it does.
    seconds : that it took.
    """

    rank: dict[str, int]
    share: dict[str, float]
    modes: int
    largest: float
    reasons: tuple[str, ...]
    seconds: float


def draw_truth(rng: np.random.Generator, setting: Setting, between: Between | None = None) -> ParameterDraws:
    """One draw from the prior, on centred columns."""
    priors, k, p = setting.drawn, max(setting.k, 1), len(setting.drawn.mean)
    mu = rng.normal(priors.mean, priors.sd, (k, p))
    n_free = {"fixed": 0, "common": 1, "segment": k}[setting.sigma]
    sigma = np.ones(k)
    if n_free:
        sigma = sigma * np.exp(rng.normal(np.log(priors.sigma_median), priors.sigma_log_sd, n_free))
    weight = rng.dirichlet(np.full(k, priors.concentration))
    omega = None
    if setting.k == 0 or setting.differ:
        sd, r = np.abs(rng.normal(0.0, priors.spread, (k, 2))), 2.0 * rng.beta(priors.lkj, priors.lkj, k) - 1.0
        omega = (sd[:, :, None] * sd[:, None] * np.where(np.eye(2), 1.0, r[:, None, None]))[None]
    gamma = None if between is None else rng.normal(0.0, priors.sd / between.sd[:, None])[None]
    return ParameterDraws(weight[None], mu[None], sigma[None], omega, gamma)


def draw_panel(rng: np.random.Generator, setting: Setting) -> tuple[ParameterDraws, Panel]:
    """A truth on centred columns, and a panel from it in which every store has prices of its own."""
    n, t = setting.stores, setting.weeks
    x = np.stack([np.column_stack([np.ones(t), np.log(draw_prices(rng, t))]) for _ in range(n)])
    store, rows = np.repeat(np.arange(n), t), x.reshape(n * t, 2)
    back = centre(build(store, rows, np.zeros(n * t), n), NAMES).back
    between = centred_traits(("income",), rng.normal(size=(n, 1))) if setting.traits else None
    truth = draw_truth(rng, setting, between)
    mu = truth.mu[0] @ back.T
    omega = np.zeros((len(mu), 2, 2)) if truth.omega is None else back @ truth.omega[0] @ back.T
    there = Truth(truth.weight[0], mu, setting.noise * truth.sigma[0], omega)
    y = np.concatenate([draw_stores(rng, there, design, 1).y[0] for design in x])
    if between is not None and truth.gamma is not None:
        y = y + np.einsum("rp,rp->r", rows, (between.values @ truth.gamma[0] @ back.T)[store])
    names = tuple(f"store {i + 1}" for i in range(n))
    return truth, Panel(
        names, ("1",), NAMES, store, 0 * store, rows, y, "simulated", "0" * 64, between=between
    )  # fmt: skip


def quantities(draws: ParameterDraws, panel: Panel, setting: Setting) -> dict[str, np.ndarray]:
    """What is ranked, each (draw,), from parameters on centred columns: nothing depends on labels.

    Segments are ordered by their intercept, truth and draws alike.
    """
    stats = centre(store_statistics(panel), NAMES).statistics
    traits = None if panel.between is None else panel.between.values
    component = component_loglik(stats, store_means(draws, traits), draws.sigma, draws.omega)
    member, loglik = memberships_and_loglik(np.log(draws.weight), component)
    found = {"log-likelihood": loglik.sum(1), "log-likelihood of store 1": loglik[:, 0]}
    found["log prior"] = log_prior(draws, setting)
    if draws.gamma is not None and panel.between is not None:
        sd = setting.drawn.sd / panel.between.sd[:, None]
        found["log prior"] = found["log prior"] + norm.logpdf(draws.gamma, 0.0, sd).sum((1, 2))
        found |= {f"effect on {name}": draws.gamma[:, 0, c] for c, name in enumerate(NAMES)}
    standard = (draws.mu - setting.drawn.mean) / setting.drawn.sd
    found["sum of coefficients"] = standard.sum((1, 2))
    order = np.argsort(draws.mu[:, :, 0], axis=1)
    for j in range(order.shape[1]):
        at, one = (np.arange(len(order)), order[:, j]), f" {j + 1}" if setting.k else ""
        found |= {f"{name}{one}": draws.mu[at][:, c] for c, name in enumerate(NAMES)}
        if setting.k:
            found[f"weight{one}"] = draws.weight[at]
        if setting.sigma == "segment":
            found[f"sigma{one}"] = draws.sigma[at]
    if setting.sigma == "common":
        found["sigma"] = draws.sigma[:, 0]
    if setting.k:
        found["elasticity of the average store"] = (draws.weight * draws.mu[:, :, 1]).sum(1)
        found["stores 1 and 2 together"] = (member[:, 0] * member[:, 1]).sum(1)
    if draws.omega is not None:
        omega = np.take_along_axis(draws.omega, order[:, :, None, None], 1)
        sd = np.sqrt(np.diagonal(omega, axis1=2, axis2=3))
        for j in range(order.shape[1]):
            one = f" {j + 1}" if setting.k else ""
            found |= {f"sd of intercepts{one}": sd[:, j, 0], f"sd of elasticities{one}": sd[:, j, 1]}
            found[f"correlation{one}"] = omega[:, j, 0, 1] / sd[:, j].prod(1)
    return found


def log_prior(draws: ParameterDraws, setting: Setting) -> np.ndarray:
    """Log-density of the prior that truths come from, (draw,)."""
    priors = setting.drawn
    total = norm.logpdf(draws.mu, priors.mean, priors.sd).sum((1, 2))
    if setting.sigma != "fixed":
        free = draws.sigma[:, :1] if setting.sigma == "common" else draws.sigma
        total += norm.logpdf(np.log(free), np.log(priors.sigma_median), priors.sigma_log_sd).sum(1)
    if setting.k > 1:
        alpha = np.full(setting.k, priors.concentration)
        inside = np.maximum(draws.weight, 1e-300)
        total += dirichlet.logpdf((inside / inside.sum(1, keepdims=True)).T, alpha)
    if draws.omega is not None:
        sd = np.sqrt(np.diagonal(draws.omega, axis1=2, axis2=3))
        total += halfnorm.logpdf(sd, scale=priors.spread).sum((1, 2))
        partial = 0.5 * (1.0 + draws.omega[:, :, 0, 1] / sd.prod(2))
        total += beta.logpdf(partial, priors.lkj, priors.lkj).sum(1)
    return total


def rank_one(setting: Setting, seed: tuple[int, ...]) -> Ranked:
    """Draw a truth and a panel, fit, and rank."""
    from bayesmix.run import fit_hierarchical, fit_mixture, fit_normal_mixture
    from bayesmix.settings import Settings

    rng = np.random.default_rng(seed)
    truth, panel = draw_panel(rng, setting)
    options = {
        "sigma": setting.sigma,
        "priors": setting.told or setting.drawn,
        "settings": Settings(draws=500, tune=500, chains=4, seed=int(rng.integers(2**31))),
    }
    began = perf_counter()
    of_segments = partial(fit_normal_mixture if setting.differ else fit_mixture, k=setting.k)
    fit = (of_segments if setting.k else fit_hierarchical)(panel, **options)
    seconds = perf_counter() - began
    modes = fit.group("modes")
    weight = np.ones(1) if modes is None else modes["weight"].to_numpy()
    forward = np.linalg.inv(fit.tree["constant_data"]["back"].to_numpy())
    parts = [quantities(centred(fit.mode(m + 1).draws, forward), panel, setting) for m in range(len(weight))]
    of_draw = np.concatenate(
        [np.full(len(p["log prior"]), w / len(p["log prior"])) for p, w in zip(parts, weight, strict=True)]
    )
    at = (rng.uniform() + np.arange(KEPT)) / KEPT  # evenly through the draws, by the weights of their modes
    chosen = np.minimum(np.searchsorted(np.cumsum(of_draw), at), len(of_draw) - 1)
    rank, share = {}, {}
    for name, value in quantities(truth, panel, setting).items():
        drawn = np.concatenate([part[name] for part in parts])
        below, equal = drawn < value[0], drawn == value[0]  # a membership can be one for every draw
        rank[name] = int(below[chosen].sum() + rng.integers(1 + equal[chosen].sum()))
        share[name] = float(of_draw @ below + rng.uniform() * (of_draw @ equal))
    return Ranked(rank, share, len(weight), float(weight.max()), fit.reasons, seconds)


def centred(draws: ParameterDraws, forward: np.ndarray) -> ParameterDraws:
    """Draws on centred columns."""
    omega = None if draws.omega is None else forward @ draws.omega @ forward.T
    gamma = None if draws.gamma is None else draws.gamma @ forward.T
    return draws._replace(mu=draws.mu @ forward.T, omega=omega, gamma=gamma)


def calibrate(setting: Setting, fits: int, processes: int = 2) -> list[Ranked]:
    """Ranks of many fits, the same whatever the number of processes."""
    seeds = [(crc32(repr(setting).encode()), i, int(setting.differ) + 2 * int(setting.traits)) for i in range(fits)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        return list(pool.map(partial(rank_one, setting), seeds, chunksize=5))


def ranks_of(ranked: list[Ranked]) -> dict[str, np.ndarray]:
    """Ranks by quantity, (fit,)."""
    return {name: np.array([one.rank[name] for one in ranked]) for name in ranked[0].rank}


def p_values(ranks: Mapping[str, np.ndarray], seed: int = 0) -> dict[str, float]:
    """For each quantity the probability that ranks of a calibrated posterior leave so narrow a band, or a wider one.

    A rank is spread evenly over its hundredth, so that it is uniform on (0, 1) when all is right.
    """
    rng, found = np.random.default_rng(seed), {}
    for name, rank in ranks.items():
        null = null_widths(len(rank))
        width = band_widths((rank + rng.uniform(size=len(rank)))[None] / (KEPT + 1))[0]
        found[name] = (1.0 + (null <= width).sum()) / (1.0 + len(null))
    return found


def band_widths(uniform: np.ndarray) -> np.ndarray:
    """The smallest pointwise tail probability of the ECDF of (set, number) at i / n: the band that it just touches."""
    n = uniform.shape[1]
    at = np.arange(1, n) / n
    count = np.array([np.searchsorted(row, at, side="right") for row in np.sort(uniform, axis=1)])
    return 2.0 * np.minimum(binom.cdf(count, n, at), binom.sf(count - 1, n, at)).min(1)


@cache
def null_widths(n: int) -> np.ndarray:
    """`band_widths` of ranks that are uniform."""
    rng = np.random.default_rng(1)
    return np.concatenate([band_widths(rng.uniform(size=(1000, n))) for _ in range(NULL // 1000)])


def coverage(ranked: list[Ranked], level: float) -> dict[str, float]:
    """Share of fits whose central interval of probability `level` holds the truth."""
    return {
        name: float(np.mean([abs(one.share[name] - 0.5) <= 0.5 * level for one in ranked])) for name in ranked[0].share
    }


def limit(everything: Iterable[Mapping[str, np.ndarray]]) -> float:
    """The p-value that marks a quantity as outside: 5 % shared by all quantities of all settings (Bonferroni)."""
    return 0.05 / sum(len(ranks) for ranks in everything)


def section(name: str, ranked: list[Ranked], outside: float) -> str:
    """One setting in results.md."""
    several = [one for one in ranked if one.modes > 1]
    spread = sum(one.largest < 0.99 for one in several)
    covered = {level: coverage(ranked, level) for level in LEVELS}
    lines = [
        f"## {name}\n",
        f"{len(ranked)} fits, {np.median([one.seconds for one in ranked]):.2f} s each (median). Not trusted by their "
        f"own gate: {sum(bool(one.reasons) for one in ranked)}. Chains in several modes: {len(several)}, of which "
        f"{spread} with more than 1 % of the posterior outside the heaviest.\n",
        "| quantity | p of its ECDF band | " + " | ".join(f"{100 * level:.0f} %" for level in LEVELS) + " |",
        "|---|---|" + "---|" * len(LEVELS),
    ]
    for quantity, p in p_values(ranks_of(ranked)).items():
        cells = [f"{100 * covered[level][quantity]:.1f}" for level in LEVELS]
        lines.append(f"| {quantity} | {p:.2g}{' **outside**' if p < outside else ''} | {' | '.join(cells)} |")
    means = [f"{100 * np.mean(list(covered[level].values())):.1f}" for level in LEVELS]
    errors = [f"{100 * np.sqrt(level * (1.0 - level) / len(ranked)):.1f}" for level in LEVELS]
    lines.append(f"| *mean of all* | | {' | '.join(means)} |")
    lines.append(f"| *binomial standard error of one* | | {' | '.join(errors)} |")
    return "\n".join(lines) + "\n"


def file_of(name: str, folder: Path = FOLDER) -> Path:
    """Where the ranks of a setting are kept."""
    words = "".join(letter if letter.isalnum() else " " for letter in name.lower()).split()
    return folder / f"{'-'.join(words)}.csv"


def write_ranks(ranked: list[Ranked], path: Path) -> None:
    """A row for each fit, a column for each quantity."""
    pd.DataFrame(ranks_of(ranked)).to_csv(path, index=False)


def read_ranks(path: Path) -> dict[str, np.ndarray]:
    """What `write_ranks` wrote."""
    return {str(name): column.to_numpy() for name, column in pd.read_csv(path).items()}


def heading(fits: int, outside: float) -> str:
    """What stands above the results."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pymc", "pytensor", "nutpie", "numba"))
    return (
        "# Simulation-based calibration\n\n"
        f"`python tests/calibration.py --fits {fits}` on {date.today()}; {packages}; {os.cpu_count()} cores, shared "
        "with other work.\n\n"
        "Parameters from the prior that the fit is told, a panel from the parameters (own prices, 40 stores x 12 "
        "weeks; 10 x 4 where data are few), four chains of 500 + 500. Ranks among 99 thinned draws. Segments are "
        "ordered by their intercept, truth and draws alike. p: of sets of ranks that are uniform, the share whose ECDF "
        f"needs as wide a band; **outside** is below {outside:.2g}, which is 5 % shared by all quantities of all "
        "settings. The columns to its right: how many of the central intervals of that probability, from all draws, "
        "hold the truth. Every fit counts, trusted or not; draws of several modes are joined by the weights that the "
        "fit gives them.\n"
    )


def main() -> None:
    """Run all settings and write what they gave."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fits", type=int, default=300)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[""], help="settings, by parts of their names")
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args()
    given.out.mkdir(exist_ok=True, parents=True)
    results = {}
    for name, setting in (SETTINGS | WRONG).items():
        if any(part in name for part in given.only):
            results[name] = calibrate(setting, given.fits, given.processes)
            print(section(name, results[name], 1e-3), flush=True)
            write_ranks(results[name], file_of(name, given.out))
    right = {name: ranked for name, ranked in results.items() if name in SETTINGS}
    outside = limit(ranks_of(ranked) for ranked in (right or results).values())
    parts = [heading(given.fits, outside)]
    parts += [section(name, ranked, outside) for name, ranked in results.items() if name in SETTINGS]
    parts += ["# The same check on models that are wrong on purpose\n"]
    parts += [section(name, ranked, outside) for name, ranked in results.items() if name in WRONG]
    (given.out / "results.md").write_text("\n".join(parts))


if __name__ == "__main__":
    main()
