"""The example of log sales against counts: the same panels on one scale, from two units a week to two thousand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bayesmix.rounding import by_error, fixed
from bayesmix.settings import Settings
from comparisons.differences import Difference
from comparisons.examples.example import Findings, rendered
from comparisons.examples.intervals import interval
from comparisons.examples.logs_limits import LOGARITHMS as WAYS
from comparisons.examples.logs_limits import ONE_MORE, WITHOUT_ZEROS, limit_elasticity
from comparisons.examples.logs_models import COUNTS, LOG_NORMAL, POISSON, PanelOfVolume, panel_of_volume
from comparisons.examples.logs_panels import FORMULA, LOGARITHMS, PRICES, Truth
from comparisons.examples.logs_pictures import cost_picture, elasticity_picture
from em.command import watched

SEED = 3
TRUTH = Truth()
SETTINGS = Settings(draws=750, tune=500)


def worked(folder: Path, truth: Truth = TRUTH, settings: Settings = SETTINGS) -> Findings:
    """Draw a panel of each volume, write and read its file, fit, and tell."""
    panels = [
        panel_of_volume(
            folder / file_of(volume), np.random.default_rng([SEED, number]), truth, volume,
            replace(settings, seed=number),
        )
        for number, volume in enumerate(watched(truth.volumes, "volumes", len(truth.volumes)))
    ]  # fmt: skip
    return findings(panels, truth)


def file_of(volume: float) -> str:
    """Name of the file of a panel."""
    return f"volume-{volume:g}.csv"


def findings(panels: list[PanelOfVolume], truth: Truth) -> Findings:
    """In words, as a page and as numbers."""
    scored = [one for one in panels if one.scored is not None]
    zeros = [one for one in panels if one.zeros]
    least, most = scored[0], scored[-1]
    limits = {
        (one.volume, way): [limit_elasticity(way, one.volume, each, truth.sigma) for each in truth.elasticities]
        for one in panels
        for way in WAYS
    }
    headline = (
        "Logarithms of sales cost next to nothing where counts are large, and cannot be taken where there are zeros"
    )
    lead = (
        f"Both on the scale of units, a log-normal regression with two segments predicts a store left out worse than "
        f"counts by {behind(least, LOG_NORMAL)} in log-density (± standard error) where an average row sells "
        f"{least.volume:g} units, and by {behind(most, LOG_NORMAL)} where it sells {most.volume:,.0f}, of "
        f"{most.rows:,} rows. {_of_zeros(zeros[0], limits, truth) if zeros else ''}"
    ).rstrip()
    page = rendered(
        "logs-or-counts.html",
        _pictures(panels, truth),
        headline=headline, lead=lead, panels=panels, scored=scored, zeros=zeros, least=least, most=most, truth=truth,
        limits=limits, behind=behind, apart=apart, elasticity=elasticity, interval=interval, counts=COUNTS,
        poisson=POISSON, log_normal=LOG_NORMAL, without_zeros=WITHOUT_ZEROS, one_more=ONE_MORE, seed=SEED,
        formula=FORMULA, logarithms=LOGARITHMS, file_of=file_of, prices=PRICES,
    )  # fmt: skip
    return Findings(headline, lead, page, _numbers(panels, limits, truth))


def _of_zeros(one: PanelOfVolume, limits: dict[tuple[float, str], list[float]], truth: Truth) -> str:
    """What zeros do to the steeper elasticity."""
    without, more = one.elasticities[WITHOUT_ZEROS], one.elasticities[ONE_MORE]
    tends = [fixed(limits[one.volume, way][0], 2) for way in (WITHOUT_ZEROS, ONE_MORE)]
    return (
        f"Where it sells {one.volume:g}, {one.zeros} rows are zero and have no logarithm. Leaving them out, the "
        f"steeper of two elasticities is {elasticity(without.value[0], without.error[0])}, adding one to all "
        f"{elasticity(more.value[0], more.error[0])}, by counts "
        f"{elasticity(one.elasticities[COUNTS].value[0], one.elasticities[COUNTS].error[0])} (95\N{NO-BREAK SPACE}% "
        f"intervals); the truth is {fixed(truth.elasticities[0], 1)}, and with endless data the first two would find "
        f"{tends[0]} and {tends[1]}."
    )


def apart(one: Difference) -> str:
    """How far behind, with its standard error; minus is ahead."""
    return f"{by_error(-one.elpd_diff, one.dse)} ± {by_error(one.dse, one.dse)}"


def behind(one: PanelOfVolume, model: str) -> str:
    """How far a model is behind counts on a panel."""
    return apart(one.scored.behind[model]) if one.scored else "–"


def elasticity(value: float, error: float) -> str:
    """An elasticity with its 95 % interval."""
    return f"{by_error(value, error)} ({interval(value, error)})"


def _pictures(panels: list[PanelOfVolume], truth: Truth) -> dict[str, Any]:
    lost = "; ".join(
        f"{one.volume:g} units: {-one.scored.behind[LOG_NORMAL].elpd_diff / one.rows:.4f}"
        for one in panels
        if one.scored is not None
    )
    found = "; ".join(
        f"{one.volume:g} units: " + ", ".join(
            f"{way} {elasticity(one.elasticities[way].value[0], one.elasticities[way].error[0])}"
            for way in (COUNTS, WITHOUT_ZEROS, ONE_MORE)
        )
        for one in panels
    )  # fmt: skip
    return {
        "cost": (cost_picture(panels), f"Log-density per row that the log-normal loses against counts. {lost}."),
        "elasticity": (elasticity_picture(panels, truth), f"The steeper price elasticity by volume. {found}."),
    }


def _numbers(panels: list[PanelOfVolume], limits: dict[tuple[float, str], list[float]], truth: Truth) -> dict[str, Any]:
    return {
        "seed": SEED,
        "truth": truth._asdict(),
        "panels": [
            {
                "volume": one.volume, "rows": one.rows, "zeros": one.zeros, "below_ten": one.below_ten,
                "refused": one.refused,
                "elasticities": {
                    way: {"value": found.value.tolist(), "error": found.error.tolist(),
                          "limit": limits.get((one.volume, way))}
                    for way, found in one.elasticities.items()
                },
                "elpd": None if one.scored is None else one.scored.elpd,
                "behind": None if one.scored is None else {
                    name: each._asdict() for name, each in one.scored.behind.items()
                },
            }
            for one in panels
        ],
    }  # fmt: skip
