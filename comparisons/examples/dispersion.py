"""The example of overdispersion: unequal stores and scattering rows give one distribution of counts."""

from pathlib import Path
from typing import Any

import numpy as np

from bayesmix.rounding import by_error, fixed, listed, spelt
from bayesmix.settings import Settings
from comparisons.differences import Difference
from comparisons.examples import dispersion_study
from comparisons.examples.ab_coverage import Coverage, share
from comparisons.examples.ab_pictures import coverage_picture
from comparisons.examples.dispersion_models import (
    BOTH,
    BY_STORE,
    LEVELS,
    NEGATIVE_BINOMIAL,
    POISSON,
    SEGMENTS,
    Answer,
    answers,
    fit_models,
)
from comparisons.examples.dispersion_panels import BREAK_EVEN, CUT, MARGIN, Truth, draw, panel, table
from comparisons.examples.dispersion_pictures import counts_picture, moments, stores_picture, unpromoted
from comparisons.examples.dispersion_posteriors import FORMULA, NODES, Judged, PanelJudged, judged
from comparisons.examples.example import Findings, rendered
from comparisons.examples.intervals import interval
from comparisons.examples.pearson import Dispersion, Pearson, expected_dispersions
from em.command import replacing

SEED = 7
SETTINGS = Settings(draws=750, tune=500)
DIFFER, SCATTER = "stores differ", "rows scatter"
TRUTHS = {DIFFER: Truth("stores"), SCATTER: Truth("rows")}
FILES = {DIFFER: "stores-differ.csv", SCATTER: "rows-scatter.csv"}
WEEKS, STORES = "{}, weeks promoted", "{}, half of stores promoted"


def worked(folder: Path, truths: dict[str, Truth] = TRUTHS, settings: Settings = SETTINGS) -> Findings:
    """Draw the panels, write and read their files, fit, and tell."""
    found = {}
    for number, (name, truth) in enumerate(truths.items()):
        with replacing(folder / FILES[name]) as temporary:
            table(draw(np.random.default_rng([SEED, number]), truth)).to_csv(temporary, index=False)
        found[name] = judged(folder / FILES[name], settings)
    return findings(found, truths, dispersion_study.coverage(dispersion_study.kept()))


def findings(found: dict[str, PanelJudged], truths: dict[str, Truth], covered: list[Coverage]) -> Findings:
    """What the fits of two panels and the study of many say, in words, as a page and as numbers."""
    first, second = found[DIFFER], found[SCATTER]
    study = {(row.truth, row.model): row for row in covered}
    headline = "The same counts twice: only the stores tell whether stores differ or rows scatter"
    lead = (
        f"Two simulated panels of {first.rows.stores} stores were drawn from one distribution of single counts, and "
        f"Pearson’s dispersion is alike in them: {told(first.pearson.rows)} and {told(second.pearson.rows)} times what "
        f"Poisson allows. Where stores differ, a level for each store predicts a store left out better than a "
        f"negative binomial by {apart(first.behind(LEVELS, NEGATIVE_BINOMIAL))} in log-density; where rows scatter, "
        f"the negative binomial is ahead by {apart(second.behind(NEGATIVE_BINOMIAL, LEVELS))} (± standard errors). "
        "The wrong one misjudges a promotion that just breaks even: it is sure of a gain or a loss in "
        f"{wrong(study[WEEKS.format(SCATTER), LEVELS])} of panels (levels of stores where rows scatter), or, where "
        f"half of the stores are promoted, in {wrong(study[STORES.format(DIFFER), NEGATIVE_BINOMIAL])} (negative "
        "binomial where stores differ), and 5\N{NO-BREAK SPACE}% are promised."
    )
    truth = truths[DIFFER]
    told_twice = {name: {one.name: one for one in by_likelihood(of)} for name, of in found.items()}
    expected = {
        name: expected_dispersions(
            of.rows.store, truths[name].mean * np.exp(truths[name].effect * of.rows.x[:, 1]), truths[name].sigma,
            of_stores=truths[name].differ == "stores",
        )
        for name, of in found.items()
    }  # fmt: skip
    page = rendered(
        "dispersion.html", _pictures(found, truth, covered), headline=headline, lead=lead, found=found, truth=truth,
        first=first, second=second, study=study, covered=covered, told_twice=told_twice, expected=expected,
        dispersions={"rows": "all rows, stores taken for alike", "totals": "totals of stores",
                     "within": "rows about their own store’s level"},
        told=told, apart=apart, wrong=wrong, share=share, ratio=ratio, interval=interval, by_weeks=WEEKS.format,
        by_stores=STORES.format, break_even=BREAK_EVEN, margin=MARGIN, cut=CUT, seed=SEED, nodes=NODES, files=FILES,
        formula=FORMULA, differ=DIFFER, scatter=SCATTER, poisson=POISSON, negative_binomial=NEGATIVE_BINOMIAL,
        levels=LEVELS, segments=SEGMENTS, both=BOTH, by_store=BY_STORE, study_k=spelt(dispersion_study.K),
        spelt=spelt, listed=listed, ratios=[fixed(float(np.exp(one)), 2) for one in second.promotions],
    )  # fmt: skip
    return Findings(headline, lead, page, _numbers(found, expected, covered))


def by_likelihood(of: PanelJudged) -> tuple[Answer, ...]:
    """What maximum likelihood says of the promotion; segments have one effect of it."""
    return answers(fit_models(panel(of.rows, "poisson"), panel(of.rows, "negative-binomial"), of.k, 20, NODES))


def told(one: Dispersion) -> str:
    """A dispersion with its standard error."""
    return f"{by_error(one.value, one.error)} ± {by_error(one.error, one.error)}"


def apart(one: Difference) -> str:
    """A difference of elpd with its standard error."""
    return f"{by_error(one.elpd_diff, one.dse)} ± {by_error(one.dse, one.dse)}"


def wrong(row: Coverage) -> str:
    """How many intervals miss the truth, with the 95 % interval of that share."""
    low, high = row.interval
    return (
        f"{100.0 * (1.0 - row.share):.0f}\N{NO-BREAK SPACE}% ({100.0 * (1.0 - high):.0f} to {100.0 * (1.0 - low):.0f})"
    )


def ratio(one: Judged) -> str:
    """Rate ratio of the promotion with its 95 % interval."""
    low, high = one.interval
    return f"{np.exp(one.log_ratio.mean()):.2f} ({np.exp(low):.2f} to {np.exp(high):.2f})"


def _pictures(found: dict[str, PanelJudged], truth: Truth, covered: list[Coverage]) -> dict[str, Any]:
    rows = {name: of.rows for name, of in found.items()}
    spread = "; ".join(
        f"{name}: means of stores from {mean.min():.1f} to {mean.max():.1f}, variance inside them {by:.1f} "
        "times the mean"
        for name, of in rows.items()
        for mean, variance in [moments(unpromoted(of))]
        for by in [variance.mean() / mean.mean()]
    )
    return {
        "counts": (
            counts_picture(rows, truth.mean, truth.sigma),
            "Shares of rows by their count, of two panels that are alike and both near one negative binomial "
            f"distribution of mean {truth.mean:g} and variance {truth.mean + (truth.sigma * truth.mean) ** 2:g}.",
        ),
        "stores": (stores_picture(rows, truth.sigma), f"Variance between the weeks of stores. {spread}."),
        "coverage": (
            coverage_picture(covered),
            "Coverage by model: " + "; ".join(f"{row.model}, {row.truth}: {share(row)}" for row in covered) + ".",
        ),
    }


def _numbers(found: dict[str, PanelJudged], expected: dict[str, Pearson], covered: list[Coverage]) -> dict[str, Any]:
    return {
        "seed": SEED,
        "panels": {
            name: {
                "pearson": {key: one._asdict() for key, one in of.pearson._asdict().items()},
                "expected": {key: one.value for key, one in expected[name]._asdict().items()},
                "k": of.k,
                "models": {
                    one.name: {
                        "log_likelihood": one.log_likelihood,
                        "n_parameters": one.n_parameters,
                        "bic": one.bic,
                        "elpd": one.total,
                        "behind": of.behind(one.name)._asdict(),
                        "p_loo": float(one.loo.p_i.sum()),
                        "log_ratio": float(one.log_ratio.mean()),
                        "log_ratio_sd": float(one.log_ratio.std()),
                        "earns": one.earns,
                        "trusted": one.trusted,
                    }
                    for one in of.models.values()
                },
            }
            for name, of in found.items()
        },
        "coverage": [{"truth": row.truth, "model": row.model, "covered": row.covered, "panels": row.experiments,
                      "sd": row.spread, "told": row.told} for row in covered],
    }  # fmt: skip
