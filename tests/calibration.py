"""Simulation-based calibration: is a truth drawn from the prior a draw like any other of its posterior?

Parameters are drawn from the very prior that the fit is told, a panel from the parameters, and the rank of each true
quantity among thinned draws of the posterior is uniform if all is right (Talts, Betancourt, Simpson, Vehtari & Gelman
2018). Quantities that see the data, such as the log-likelihood, are tested too (Modrak et al. 2023). The ranks' ECDF is
judged by simultaneous bands (Saeilynoja, Buerkner & Vehtari 2022, section 2.2).

    python tests/calibration.py --fits 300 --processes 2
    python tests/calibration.py --families --processes 1 --keep out/calibration

writes the ranks of every setting and results.md into tests/calibration/; with --families those of counts, choices and
amounts, and families.md. What is in --keep is not fitted again. The settings stand in calibration_settings.py.
"""

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import pandas as pd
from calibration_settings import FAMILIES, SETTINGS, WRONG, WRONG_FAMILIES, Setting, draw_panel, log_prior
from scipy.stats import binom, norm

from bayesmix.centre import centre
from bayesmix.posterior import ParameterDraws, store_means
from bayesmix.stores import segment_loglik, stores_of
from em.likelihood import memberships_and_loglik
from em.panel import Panel
from em.response import LOG_SALES

FOLDER = Path(__file__).with_name("calibration")
KEPT = 99  # thinned draws, so that a rank is one of a hundred
LEVELS = (0.50, 0.80, 0.95)
NULL = 20_000  # simulated sets of uniform ranks


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


def quantities(draws: ParameterDraws, panel: Panel, setting: Setting) -> dict[str, np.ndarray]:
    """What is ranked, each (draw,), from parameters on centred columns: nothing depends on labels.

    Segments are ordered by their intercept, truth and draws alike.
    """
    names, slope = panel.coefficients, "elasticity" if setting.family == LOG_SALES else "slope"
    slopes = "elasticities" if setting.family == LOG_SALES else "slopes"
    stats = centre(stores_of(panel, 0 if draws.omega is None else 2, setting.nodes), names).statistics
    traits = None if panel.between is None else panel.between.values
    component = segment_loglik(stats, store_means(draws, traits), draws.sigma, draws.omega)
    member, loglik = memberships_and_loglik(np.log(draws.weight), component)
    found = {"log-likelihood": loglik.sum(1), "log-likelihood of store 1": loglik[:, 0]}
    found["log prior"] = log_prior(draws, setting)
    if draws.gamma is not None and panel.between is not None:
        sd = setting.drawn.sd / panel.between.sd[:, None]
        found["log prior"] = found["log prior"] + norm.logpdf(draws.gamma, 0.0, sd).sum((1, 2))
        found |= {f"effect on {name}": draws.gamma[:, 0, c] for c, name in enumerate(names)}
    standard = (draws.mu - setting.drawn.mean) / setting.drawn.sd
    found["sum of coefficients"] = standard.sum((1, 2))
    order = np.argsort(draws.mu[:, :, 0], axis=1)
    for j in range(order.shape[1]):
        at, one = (np.arange(len(order)), order[:, j]), f" {j + 1}" if setting.k else ""
        found |= {f"{name}{one}": draws.mu[at][:, c] for c, name in enumerate(names)}
        if setting.k:
            found[f"weight{one}"] = draws.weight[at]
        if setting.sigma == "segment":
            found[f"sigma{one}"] = draws.sigma[at]
    if setting.sigma == "common":
        found["sigma"] = draws.sigma[:, 0]
    if setting.k:
        found[f"{slope} of the average store"] = (draws.weight * draws.mu[:, :, 1]).sum(1)
        found["stores 1 and 2 together"] = (member[:, 0] * member[:, 1]).sum(1)
    if draws.omega is not None:
        omega = np.take_along_axis(draws.omega, order[:, :, None, None], 1)
        sd = np.sqrt(np.diagonal(omega, axis1=2, axis2=3))
        for j in range(order.shape[1]):
            one = f" {j + 1}" if setting.k else ""
            found |= {f"sd of intercepts{one}": sd[:, j, 0], f"sd of {slopes}{one}": sd[:, j, 1]}
            found[f"correlation{one}"] = omega[:, j, 0, 1] / sd[:, j].prod(1)
    return found


def rank_one(setting: Setting, seed: tuple[int, ...]) -> Ranked:
    """Draw a truth and a panel, fit, and rank."""
    from bayesmix.run import fit_hierarchical, fit_mixture, fit_normal_mixture
    from bayesmix.settings import Settings

    rng = np.random.default_rng(seed)
    truth, panel = draw_panel(rng, setting)
    options = {
        "sigma": setting.sigma,
        "priors": setting.told or setting.drawn,
        "settings": Settings(setting.draws, setting.draws, setting.chains, int(rng.integers(2**31))),
    }
    began = perf_counter()
    of_segments = partial(fit_normal_mixture if setting.differ else fit_mixture, k=setting.k)
    fit = (of_segments if setting.k else partial(fit_hierarchical, quadrature=setting.nodes))(panel, **options)
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


def calibrate(setting: Setting, fits: int, processes: int = 2, keep: Path | None = None) -> list[Ranked]:
    """Ranks of many fits, the same whatever the number of processes.

    Parameters
    ----------
    processes : 1 is this one, which compiles once.
    keep : a file of finished fits, a line for each, which grows by those that were missing.
    """
    first, last = setting.seed
    seeds = [(first, i, last) for i in range(fits)]
    done = {} if keep is None else read_kept(keep)
    missing = [seed for seed in seeds if seed not in done]
    for seed, one in zip(missing, _ranked(setting, missing, processes), strict=True):
        done[seed] = one
        if keep is not None:
            with keep.open("a") as file:
                file.write(json.dumps({"seed": seed, **one._asdict()}) + "\n")
    return [done[seed] for seed in seeds]


def _ranked(setting: Setting, seeds: Sequence[tuple[int, ...]], processes: int) -> Iterator[Ranked]:
    """The fits of these seeds, in their order."""
    if processes == 1 or not seeds:
        yield from map(partial(rank_one, setting), seeds)
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(partial(rank_one, setting), seeds, chunksize=5)


def read_kept(path: Path) -> dict[tuple[int, ...], Ranked]:
    """Finished fits by their seeds; none where there is no file."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        record = json.loads(line)
        seed = tuple(record.pop("seed"))
        found[seed] = Ranked(**record | {"reasons": tuple(record["reasons"])})
    return found


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


HEADING = """# Simulation-based calibration{of}

`python tests/calibration.py {call}` on {day}; {packages}; {cores} cores, shared with other work.

Parameters from the prior that the fit is told, a panel from the parameters ({panels}. Ranks among 99 thinned draws.
Segments are ordered by their intercept, truth and draws alike. p: of sets of ranks that are uniform, the share whose
ECDF needs as wide a band; **outside** is below {outside:.2g}, which is 5 % shared by all quantities of all settings.
The columns to its right: how many of the central intervals of that probability, from all draws, hold the truth. Every
fit counts, trusted or not; draws of several modes are joined by the weights that the fit gives them.
"""
LOGGED_PANELS = "own prices, 40 stores x 12 weeks; 10 x 4 where data are few), four chains of 500 + 500"
FAMILY_PANELS = (
    "25 stores x 10 rows with 0, 1 or 2 displays, drawn by the family; Poisson with exposures 0.5, 1 and 2, binomial "
    "with 1 to 5 trials), two chains of 400 + 400; hierarchical: intercepts and slopes vary, 5 x 5 nodes"
)


def heading(call: str, families: bool, outside: float) -> str:
    """What stands above the results."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pymc", "pytensor", "nutpie", "numba"))
    return HEADING.format(
        of=" of counts, choices and amounts" if families else "",
        call=call,
        day=date.today(),
        packages=packages,
        cores=os.cpu_count(),
        panels=FAMILY_PANELS if families else LOGGED_PANELS,
        outside=outside,
    )


def main() -> None:
    """Run all settings and write what they gave."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fits", type=int, help="of each setting; else 300, of families as many as each asks for")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--families", action="store_true", help="counts, choices and amounts in place of log sales")
    parser.add_argument("--only", nargs="*", default=[""], help="settings, by parts of their names")
    parser.add_argument("--keep", type=Path, help="a folder of finished fits, which are not made again")
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args()
    for folder in (given.out, *([given.keep] if given.keep else [])):
        folder.mkdir(exist_ok=True, parents=True)
    right, wrong = (FAMILIES, WRONG_FAMILIES) if given.families else (SETTINGS, WRONG)
    results = {}
    for name, setting in (right | wrong).items():
        if any(part in name for part in given.only):
            fits = given.fits or (setting.fits if given.families else 300)
            kept = file_of(name, given.keep).with_suffix(".jsonl") if given.keep else None
            results[name] = calibrate(setting, fits, given.processes, kept)
            print(section(name, results[name], 1e-3), flush=True)
            write_ranks(results[name], file_of(name, given.out))
    judged = {name: ranked for name, ranked in results.items() if name in right}
    outside = limit(ranks_of(ranked) for ranked in (judged or results).values())
    parts = [heading(" ".join(sys.argv[1:]), given.families, outside)]
    parts += [section(name, ranked, outside) for name, ranked in judged.items()]
    parts += ["# The same check on models that are wrong on purpose\n"]
    parts += [section(name, ranked, outside) for name, ranked in results.items() if name in wrong]
    (given.out / ("families.md" if given.families else "results.md")).write_text("\n".join(parts))


if __name__ == "__main__":
    main()
