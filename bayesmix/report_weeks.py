"""What the diagnostic report says of single weeks, for which it takes the panel."""

from typing import NamedTuple

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.rounding import by_error, fixed, listed
from bayesmix.week_residuals import FEWEST, Band, Weeks, against_normal, bands, by_week, residuals
from em.panel import Panel
from em.statistics import Floats, Ints

FAR = 3.0  # standard deviations
WORST = 5  # single weeks that are named
NORMALLY = 0.0027  # share of a normal distribution beyond


class Scatter(NamedTuple):
    """The standardised residuals of a segment, or of all stores where there is none.

    Attributes
    ----------
    rows : how many.
    sd, sd_error : their standard deviation, and its standard error from their fourth moment.
    far : share beyond three standard deviations.
    """

    rows: int
    sd: float
    sd_error: float
    far: float


class Worst(NamedTuple):
    """One week of one store: what was sold, what was fitted (units), and the difference in standard deviations."""

    store: str
    week: str
    sold: float
    fitted: float
    z: float


class WeekByWeek(NamedTuple):
    """What is left of single weeks.

    Attributes
    ----------
    bands, quantiles : by segment counted from 0, of those with enough rows.
    scatter : of every segment.
    weeks : average residual of each.
    labels : of all weeks of the panel.
    told : sentences on trend and unusual weeks.
    """

    bands: dict[int, Band]
    quantiles: dict[int, tuple[Floats, Floats]]
    scatter: list[Scatter]
    worst: list[Worst]
    weeks: Weeks
    labels: tuple[str, ...]
    told: list[str]


def week_by_week(fit: Fit, panel: Panel) -> WeekByWeek:
    """Work it out from the rows that were fitted."""
    found = residuals(fit, panel)
    weeks = by_week(found, panel, fit.draws.sigma.mean(0))
    of_segment = [found.z[found.segment == s] for s in range(fit.k)]
    furthest = np.argsort(-np.abs(found.z), kind="stable")[:WORST]
    worst = [
        Worst(
            panel.stores[panel.store[row]],
            panel.weeks[panel.week[row]],
            float(np.exp(panel.y[row])),
            float(np.exp(found.fitted[row])),
            float(found.z[row]),
        )
        for row in furthest
    ]
    quantiles = {s: against_normal(z) for s, z in enumerate(of_segment) if z.size >= FEWEST}
    scatter = [_scatter(z) for z in of_segment]
    told = sentences(weeks, panel.weeks)
    return WeekByWeek(bands(found, fit.k), quantiles, scatter, worst, weeks, panel.weeks, told)


def _scatter(z: Floats) -> Scatter:
    if z.size < 2:
        return Scatter(z.size, float("nan"), float("nan"), float("nan"))
    off = z - z.mean()
    variance = float(np.mean(off**2))
    error = np.sqrt(max(float(np.mean(off**4)) - variance**2, 0.0) / z.size) / (2.0 * np.sqrt(variance))
    return Scatter(z.size, float(z.std(ddof=1)), float(error), float(np.mean(np.abs(z) > FAR)))


def sentences(weeks: Weeks, labels: tuple[str, ...]) -> list[str]:
    """What stands out in time: a trend, and weeks in which all stores sold more or less than was fitted."""
    trend, error = 100.0 * weeks.trend, 100.0 * weeks.trend_error
    number = f"{by_error(trend, error)} ± {by_error(error, error)} %"
    if abs(trend) > 3.0 * error:
        told = [f"Sales {'rise' if trend > 0.0 else 'fall'} from week to week by more than the model says: {number}."]
    elif np.isfinite(error):
        told = [f"No trend beyond what the model says: {number} from week to week."]
    else:
        told = []
    beyond: Ints = weeks.unusual
    if beyond.size:
        named = [f"{labels[weeks.week[i]]} ({fixed(100.0 * float(np.expm1(weeks.mean[i])), 0)} %)" for i in beyond[:3]]
        most = "furthest: " if beyond.size > len(named) else ""
        weeks_are = "week lies" if beyond.size == 1 else "weeks lie"
        told.append(
            f"{beyond.size} of {weeks.week.size} {weeks_are} beyond what chance makes of stores that are independent; "
            f"{most}{listed(named)}. Where stores move together like that, the model's intervals are too narrow."
        )
    else:
        told.append(f"None of {weeks.week.size} weeks lies beyond what chance makes.")
    return told
