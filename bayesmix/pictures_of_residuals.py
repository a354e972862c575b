"""Pictures of what is left of single weeks: against what was fitted, against a normal distribution, and in time."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from scipy.special import ndtri

from bayesmix.drawing import WIDTH, apart, figure, ticks_of_logarithms
from bayesmix.rounding import MINUS
from bayesmix.svg import INK, LINE, MUTED, OWN, segment_colour
from bayesmix.week_residuals import LEVELS, Band, Weeks
from em.statistics import Floats

NAMED = 4  # unusual weeks that are named
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # changes of sales between marks


def fitted_picture(band: Band, colour: str = INK) -> Figure:
    """Median, middle half and 89 % of standardised residuals by what was fitted, with what a normal has (dashed)."""
    picture, axes = figure(WIDTH, 3.0)
    for level in ndtri(LEVELS):
        axes.axhline(level, color=MUTED, lw=0.9, ls="--", zorder=3)
    axes.fill_between(band.at, band.quantiles[0], band.quantiles[4], color=colour, alpha=0.18, linewidth=0)
    axes.fill_between(band.at, band.quantiles[1], band.quantiles[3], color=colour, alpha=0.3, linewidth=0)
    axes.plot(band.at, band.quantiles[2], color=colour, lw=1.6)
    furthest = max(2.2, 1.1 * float(np.abs(band.quantiles).max()))
    axes.set(xlim=(band.at[0], band.at[-1]), ylim=(-furthest, furthest))
    axes.yaxis.set_major_locator(MaxNLocator(5, symmetric=True, integer=True))
    ticks_of_logarithms(axes)
    axes.set_xlabel("Fitted sales of a week (units, log scale)")
    axes.set_ylabel("Residual (standard deviations)")
    return picture


def quantiles_picture(lines: Mapping[int, tuple[Floats, Floats]]) -> Figure:
    """Quantiles of standardised residuals against those of a normal, a line for each segment.

    Parameters
    ----------
    lines : expected and found quantiles, by segment counted from 0.
    """
    picture, axes = figure(WIDTH, 3.4)
    ends = np.array([[min(at[0], z[0]), max(at[-1], z[-1])] for at, z in lines.values()])
    low, high = float(ends[:, 0].min()) - 0.3, float(ends[:, 1].max()) + 0.3
    axes.plot([low, high], [low, high], color=MUTED, lw=1.0, ls="--")
    for s, (at, z) in lines.items():
        colour = segment_colour(s) if len(lines) > 1 else INK
        axes.plot(at, z, "-", color=colour, lw=1.2)
        axes.plot(at, z, "o", ms=2.4, color=colour, mew=0)
    if len(lines) > 1:
        heights = apart([float(z[-1]) for _, z in lines.values()], 0.06 * (high - low))
        for (s, (at, _)), height in zip(lines.items(), heights, strict=True):
            axes.annotate(str(s + 1), (float(at[-1]), height), (5, 0), textcoords="offset points", weight="bold",
                          color=segment_colour(s), va="center", annotation_clip=False)  # fmt: skip
    widest = max(float(np.abs(at).max()) for at, _ in lines.values())
    axes.set(xlim=(-widest - 0.3, widest + 0.3), ylim=(low, high))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlabel("Expected of a normal distribution (standard deviations)")
    axes.set_ylabel("Residuals (standard deviations)")
    return picture


def weeks_picture(weeks: Weeks, labels: Sequence[str]) -> Figure:
    """Average residual of each week, as a change of sales, with the limits of chance and the names of unusual weeks.

    Parameters
    ----------
    labels : names of all the panel's weeks.
    """
    picture, axes = figure(WIDTH, 3.0)
    reach = weeks.limit * weeks.error
    axes.fill_between(weeks.week, -reach, reach, color=LINE, linewidth=0, step="mid")
    axes.axhline(0.0, color=MUTED, lw=0.8)
    axes.plot(weeks.week, weeks.mean, "-", color=OWN, lw=0.9)
    beyond = np.isin(np.arange(weeks.week.size), weeks.unusual)
    axes.plot(weeks.week[~beyond], weeks.mean[~beyond], "o", ms=3.0, color=OWN, mew=0)
    axes.plot(weeks.week[beyond], weeks.mean[beyond], "o", ms=4.4, color=INK, mew=0)
    top = 1.2 * max(float(np.abs(weeks.mean).max()), float(reach.max()))
    for i in weeks.unusual[:NAMED]:
        above = weeks.mean[i] > 0.0
        axes.annotate(labels[int(weeks.week[i])], (float(weeks.week[i]), float(weeks.mean[i])), (0, 5 if above else -5),
                      textcoords="offset points", size=9, color=INK, va="bottom" if above else "top", ha="center",
                      parse_math=False)  # fmt: skip
    axes.set(xlim=(weeks.week[0] - 0.5, weeks.week[-1] + 0.5), ylim=(-top, top))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda at, _: labels[int(at)] if 0 <= at < len(labels) and at == int(at) else "")
    )
    step = next((one for one in STEPS if np.log1p(one) > top / 4.0), STEPS[-1])
    changes = [step * i for i in range(-9, 10) if step * i > -1.0 and abs(np.log1p(step * i)) < top]
    axes.set_yticks(
        [float(np.log1p(one)) for one in changes],
        [f"{MINUS if one < 0.0 else '+' if one > 0.0 else ''}{100.0 * abs(one):g} %" for one in changes],
    )
    axes.grid(visible=False, axis="x")
    axes.set_xlabel("Week")
    axes.set_ylabel("Sales against fitted, all stores")
    return picture
