"""Confusion study: of panels with a known truth, which criterion picks the model that made them?

Every panel is fitted by the same six models, by maximum likelihood and as posteriors; a panel is a line of
tests/calibration/confusion.csv, written as soon as it is done, and those that are there are not fitted again.

    python tests/confusion.py --panels 100

goes on until there are 100 panels of each truth, and writes confusion.md, and what the page's advice cites into
comparisons/templates/backing.json (with another --out, there).
"""

import argparse
import csv
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd

from em.panel import Panel
from em.simulator import Truth, draw_prices, draw_stores

FOLDER = Path(__file__).with_name("calibration")
BACKING = Path(__file__).parents[1] / "comparisons" / "templates" / "backing.json"  # of the page's advice
STORES, WEEKS = 60, 30
LOG_PRICE = 0.5 * (np.log(1.2) + np.log(7.5))  # the mean of the simulator's log prices
ERROR = (1.0 / np.sqrt(WEEKS), np.sqrt(12.0 / WEEKS) / np.log(7.5 / 1.2))  # of a store's own level and elasticity
MODELS = ("mixture K=1", "mixture K=2", "mixture K=3", "mixture K=4", "hierarchical", "normal-mixture K=2")
CLASSICAL = {"AIC": "aic", "BIC": "bic", "BIC, log(stores)": "bic_stores", "hybrid BIC": "bic_hybrid", "ICL": "icl"}
PREDICTIVE = ("WAIC", "LOO", "stacking")
SERIES = 1  # of panels: those of series 0 were seen before the verdict on stores that are all alike was written
SIMPLEST, RULE = "LOO, simplest unbeaten", "LOO, the page's rule"
CRITERIA = (*CLASSICAL, *PREDICTIVE, SIMPLEST, RULE)
UNDECIDED = "undecided"


class Setting(NamedTuple):
    """A truth.

    Attributes
    ----------
    right : the model that it is.
    weight : (segment,)
    at : (segment, 2) level (log sales at the average price) and elasticity, in standard errors of a store's own least
        squares, from 10 and -1.5.
    spread : standard deviations of both inside a segment, in the same unit.
    """

    right: str
    weight: tuple[float, ...]
    at: tuple[tuple[float, float], ...]
    spread: float = 0.0


SETTINGS = {
    "one segment": Setting("mixture K=1", (1.0,), ((0.0, 0.0),)),
    "two segments, well apart": Setting("mixture K=2", (0.6, 0.4), ((0.0, 0.0), (4.0, -3.0))),
    "two segments, close": Setting("mixture K=2", (0.6, 0.4), ((0.0, 0.0), (2.0, -1.5))),
    "three segments, well apart": Setting("mixture K=3", (0.5, 0.3, 0.2), ((0.0, 0.0), (4.0, -3.0), (-3.0, -4.0))),
    "three segments, close": Setting("mixture K=3", (0.5, 0.3, 0.2), ((0.0, 0.0), (2.0, -1.5), (-1.5, -2.0))),
    "continuum": Setting("hierarchical", (1.0,), ((0.0, 0.0),), spread=1.5),
    "two segments whose stores differ": Setting(
        "normal-mixture K=2", (0.6, 0.4), ((0.0, 0.0), (4.0, -3.0)), spread=1.0
    ),
}


def draw_panel(setting: Setting, rng: np.random.Generator) -> Panel:
    """Stores of a truth in weeks with the same prices, sigma 1."""
    scale = np.array(ERROR)
    level, elasticity = ((10.0, -1.5) + np.array(setting.at) * scale).T
    back = np.array([[1.0, -LOG_PRICE], [0.0, 1.0]])  # from the level at the average price to that at price 1
    mu = np.column_stack([level, elasticity]) @ back.T
    omega = back @ np.diag((setting.spread * scale) ** 2) @ back.T
    k = len(mu)
    truth = Truth(np.array(setting.weight), mu, np.ones(k), np.broadcast_to(omega, (k, 2, 2)))
    x = np.column_stack([np.ones(WEEKS), np.log(draw_prices(rng, WEEKS))])
    drawn = draw_stores(rng, truth, x, STORES)
    return Panel(
        stores=tuple(f"store {i + 1}" for i in range(STORES)),
        weeks=tuple(str(t + 1) for t in range(WEEKS)),
        coefficients=("intercept", "log_price"),
        store=np.repeat(np.arange(STORES), WEEKS),
        week=np.tile(np.arange(WEEKS), STORES),
        x=np.tile(x, (STORES, 1)),
        y=drawn.y.ravel(),
        file="simulated",
        sha256="0" * 64,
    )


def picks(panel: Panel, seed: int, *, draws: int = 300) -> dict[str, str]:
    """What each criterion picks of the six models, and whether the page's rule is sure of it, doubts about draws apart.

    Under "BIC among mixtures", and so on, what it picks of the four mixtures alone.
    """
    from bayesmix.run import fit_hierarchical, fit_mixture, fit_normal_mixture
    from bayesmix.settings import Settings
    from bayesmix.start import start_of
    from bayesmix.store_loo import total
    from comparisons.comparison import compare
    from comparisons.differences import difference
    from comparisons.verdict import verdict
    from em import fit as em_fit
    from em import mixed_model, normal_mixture_fit
    from em.entries import mixture_entry
    from em.results import results_record

    settings = Settings(draws=draws, tune=draws, chains=4, seed=seed)
    mixtures = [em_fit.fit_mixture(panel, k, starts=20, seed=seed) for k in range(1, 5)]
    ml = [*mixtures, mixed_model.fit_mixed_model(panel), normal_mixture_fit.fit_normal_mixture(panel, 2, seed=seed)]
    fits = [fit_mixture(panel, one.k, start=start_of(one), settings=settings) for one in mixtures]
    fits += [fit_hierarchical(panel, settings=settings), fit_normal_mixture(panel, 2, settings=settings)]
    results = results_record(panel, [mixture_entry(one) for one in mixtures], {"sigma": "fixed"}, None, ())
    comparison = compare(results, fits)
    value = {name: [-getattr(one.criteria, key) for one in ml] for name, key in CLASSICAL.items()}
    scores = {score.name: score for score in comparison.scores}
    ordered = [scores[fit.name] for fit in fits]
    value["WAIC"] = [total(score.waic.elpd_i) for score in ordered]
    value["LOO"] = [score.elpd for score in ordered]
    value["stacking"] = [score.weight for score in ordered]
    found = {name: MODELS[int(np.argmax(of_models))] for name, of_models in value.items()}
    found |= {
        f"{name} among mixtures": MODELS[int(np.argmax(of_models[:4]))]
        for name, of_models in value.items()
        if name != "stacking"
    }
    best = comparison.best.loo.elpd_i
    unbeaten = [m for m, score in enumerate(ordered) if not difference(score.loo.elpd_i, best).decided]
    found[SIMPLEST] = MODELS[min(unbeaten, key=lambda m: (ml[m].n_parameters, -ordered[m].elpd))]
    said = verdict(replace(comparison, distrust=()))
    found[RULE] = meant_by(said.kind, said.k)
    return found | {"sure": str(int(said.sure)), "not trusted": str(sum(not fit.trusted for fit in fits))}


def meant_by(kind: str, k: int | None) -> str:
    """The model that a verdict stands for."""
    return {
        "segments": f"mixture K={k}",
        "one": "mixture K=1",
        "continuum": "hierarchical",
        "both": f"normal-mixture K={k}",
        "undecided": UNDECIDED,
    }[kind]


def study(names: Sequence[str], panels: int, out: Path, *, draws: int = 300) -> None:
    """Fit what is missing until there are so many panels of each truth; a line of `out` for each, in turns."""
    done = set()
    if out.exists():
        done = {(str(truth), int(number)) for truth, number in pd.read_csv(out)[["truth", "panel"]].to_numpy()}
    for number in range(panels):
        for name in names:
            if (name, number) in done:
                continue
            began = perf_counter()
            rng = np.random.default_rng((crc32(name.encode()), number, SERIES))
            found = picks(draw_panel(SETTINGS[name], rng), int(rng.integers(2**31)), draws=draws)
            row = {"truth": name, "panel": number, **found, "seconds": f"{perf_counter() - began:.1f}"}
            new = not out.exists()
            with out.open("a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(row), lineterminator="\n")
                if new:
                    writer.writeheader()
                writer.writerow(row)


def shares(found: pd.DataFrame, criterion: str, truth: str) -> dict[str, float]:
    """How often a criterion picks each model, by panels of a truth."""
    picked = found.loc[found["truth"] == truth, criterion]
    return {str(model): float((picked == model).mean()) for model in set(picked)}


def right(found: pd.DataFrame, criterion: str, truth: str) -> tuple[float, float]:
    """Share of panels of a truth where a criterion picks the model that made them, and its binomial standard error."""
    picked = found.loc[found["truth"] == truth, criterion]
    return share_and_error(int((picked == SETTINGS[truth].right).sum()), len(picked))


def share_and_error(hits: int, n: int) -> tuple[float, float]:
    """A share and its binomial standard error, of (hits + 1) / (n + 2), so that none or all leave it above zero."""
    p = (hits + 1) / (n + 2)
    return hits / n, float(np.sqrt(p * (1.0 - p) / (n + 2)))


def backing(found: pd.DataFrame) -> dict[str, Any]:
    """What the page's advice rests on; see `comparisons.backing`."""
    truths = [name for name in SETTINGS if (found["truth"] == name).any()]
    rule = {}
    for name in truths:
        picked = found.loc[found["truth"] == name, RULE]
        hit, still_open = picked == SETTINGS[name].right, picked == UNDECIDED
        wrong = share_and_error(int((~hit & ~still_open).sum()), len(picked))
        rule[name] = {"right": float(hit.mean()), "undecided": float(still_open.mean()), "wrong": wrong}
    return {
        "stores": STORES,
        "weeks": WEEKS,
        "panels": {name: int((found["truth"] == name).sum()) for name in truths},
        "right": {criterion: {name: right(found, criterion, name) for name in truths} for criterion in CRITERIA},
        "rule": rule,
    }


def summary(found: pd.DataFrame) -> str:
    """confusion.md: how it was made, the truths, who is right how often, and all that was picked instead."""
    truths = [name for name in SETTINGS if (found["truth"] == name).any()]
    counts = [int((found["truth"] == name).sum()) for name in truths]
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pymc", "nutpie", "arviz"))
    number = str(min(counts)) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"
    lines = [
        "# Which criterion picks the model that made the panel?\n",
        f"`python tests/confusion.py --panels {max(counts)}` on {date.today()}; {packages}; {os.cpu_count()} cores, "
        f"shared with other work; {found['seconds'].median():.1f} s a panel (median).\n",
        f"{number} panels of each truth, {STORES} stores over {WEEKS} weeks, one price for all, sigma fixed at 1 and "
        "told. Each is fitted by mixtures with K = 1 to 4, the hierarchical model and the mixture of two normals, by "
        "maximum likelihood (20 starts) and as posteriors (four chains of 300 + 300). Few draws: "
        f"{found['not trusted'].mean():.1f} of the six fits of a panel were, on average, not trusted by their own "
        "gate, and they count all the same.\n",
        "These panels were drawn after the verdict took its present form. Thirty others of each truth had been looked "
        "at before: there it called stores that are all alike undecided, since a continuum without spread predicts as "
        "well. Those are not counted.\n",
        "Distances are in standard errors of a store's own least squares, "
        f"{ERROR[0]:.2f} for the level (log sales at the average price) and {ERROR[1]:.2f} for the elasticity.\n",
        "| truth | the right model | shares | segments at (level, elasticity) | sd inside |",
        "|---|---|---|---|---|",
    ]
    for name in truths:
        s = SETTINGS[name]
        where = ", ".join(f"({a:g}, {b:g})" for a, b in s.at)
        lines.append(f"| {name} | {s.right} | {', '.join(map(str, s.weight))} | {where} | {s.spread:g} |")
    lines += [
        "\n## Per cent of panels for which the right one of six models is picked\n",
        "With binomial standard errors. LOO, simplest unbeaten: fewest parameters among the models that the best does "
        "not beat beyond doubt (by an elpd of at least 4 and of two standard errors). The page's rule asks the same "
        "doubt of segments against a continuum, and may answer that the data do not decide between them.\n",
        _table(found, truths, CRITERIA),
        "\n## Per cent of panels for which the right number of segments is picked, among mixtures only\n",
        "For those who know that stores of a segment do not differ.\n",
        _table(
            found,
            [name for name in truths if SETTINGS[name].spread == 0.0],
            [f"{name} among mixtures" for name in CRITERIA[:7]],
        ),
        "\n## The page's rule: right, undecided, or wrong\n",
        "| truth | right | undecided | wrong | of those called sure, right |",
        "|---|---|---|---|---|",
    ]
    for name in truths:
        part = found[found["truth"] == name]
        hit, open_ = (part[RULE] == SETTINGS[name].right), (part[RULE] == UNDECIDED)
        sure = part["sure"] == 1
        of_sure = f"{100 * hit[sure].mean():.0f} % of {int(sure.sum())}" if sure.any() else "none sure"
        cells = [f"{100 * share:.0f}" for share in (hit.mean(), open_.mean(), (~hit & ~open_).mean())]
        lines.append(f"| {name} | {' | '.join(cells)} | {of_sure} |")
    lines.append("\n## What each criterion picks, per cent of panels\n")
    for criterion in CRITERIA:
        others = sorted(set(found[criterion]) - {*MODELS, UNDECIDED})
        columns = [*MODELS, *others, *([UNDECIDED] if criterion == RULE else [])]
        lines += [f"### {criterion}\n", f"| truth | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
        for name in truths:
            share = shares(found, criterion, name)
            cells = [f"{100 * share.get(model, 0.0):.0f}" for model in columns]
            marked = [f"**{c}**" if m == SETTINGS[name].right else c for m, c in zip(columns, cells, strict=True)]
            lines.append(f"| {name} | {' | '.join(marked)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _table(found: pd.DataFrame, truths: Sequence[str], criteria: Sequence[str]) -> str:
    """Criterion by truth: per cent right, with standard errors."""
    lines = [f"| criterion | {' | '.join(truths)} |", "|---|" + "---|" * len(truths)]
    for criterion in criteria:
        cells = [right(found, criterion, name) for name in truths]
        told = " | ".join(f"{100 * share:.0f} ± {100 * error:.0f}" for share, error in cells)
        lines.append(f"| {criterion.removesuffix(' among mixtures')} | {told} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing and write what all of it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--panels", type=int, default=100)
    parser.add_argument("--only", nargs="*", default=[""], help="truths, by parts of their names")
    parser.add_argument("--out", type=Path, default=FOLDER)
    given = parser.parse_args()
    given.out.mkdir(exist_ok=True, parents=True)
    names = [name for name in SETTINGS if any(part in name for part in given.only)]
    study(names, given.panels, given.out / "confusion.csv")
    found = pd.read_csv(given.out / "confusion.csv")
    (given.out / "confusion.md").write_text(summary(found), encoding="utf-8")
    (BACKING if given.out == FOLDER else given.out / BACKING.name).write_text(
        json.dumps(backing(found), indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
