"""What the example of logarithms draws: what they cost in log-density by volume, and what they do to elasticities."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayesmix.drawing import WIDTH, figure, ticks_of_logarithms
from bayesmix.svg import INK, MUTED, PAPER, segment_colour
from comparisons.examples.intervals import Z
from comparisons.examples.logs_limits import ONE_MORE, WITHOUT_ZEROS, limit_elasticity
from comparisons.examples.logs_models import COUNTS, LOG_NORMAL, PanelOfVolume
from comparisons.examples.logs_panels import Truth

TONES = {COUNTS: INK, WITHOUT_ZEROS: segment_colour(1), ONE_MORE: segment_colour(0)}
MARKS = {COUNTS: "o", WITHOUT_ZEROS: "s", ONE_MORE: "^"}


def cost_picture(panels: Sequence[PanelOfVolume]) -> Figure:
    """Log-density that the log-normal loses against counts in a row of a store left out, by volume."""
    picture, axes = figure(WIDTH, 3.0)
    axes.axhline(0.0, color=MUTED, lw=0.9, zorder=1)
    for one in panels:
        if one.scored is not None:
            lost = one.scored.behind[LOG_NORMAL]
            at, middle, error = np.log(one.volume), -lost.elpd_diff / one.rows, lost.dse / one.rows
            axes.vlines(at, middle - Z * error, middle + Z * error, colors=segment_colour(1), linewidth=2.0, zorder=2)
            axes.plot(at, middle, "s", ms=6.0, mfc=segment_colour(1), mec=PAPER, mew=0.8, zorder=3)
    none = [one.volume for one in panels if one.scored is None]
    if none:
        axes.axvspan(np.log(min(none)) - 0.5, np.log(max(none)) + 0.5, color=MUTED, alpha=0.15, lw=0)
        middle = 0.5 * (np.log(min(none)) + np.log(max(none)))
        axes.annotate("zeros:\nno logarithm", (middle, 0.5), xycoords=("data", "axes fraction"), ha="center", color=INK,
                      fontsize=9)  # fmt: skip
    _volumes(axes, panels)
    axes.set_ylabel("Log-density lost per row")
    return picture


def elasticity_picture(panels: Sequence[PanelOfVolume], truth: Truth) -> Figure:
    """Estimates of the steeper elasticity by volume with 95 % intervals; lines: what logarithms find without noise."""
    picture, axes = figure(WIDTH, 3.8)
    steep = truth.elasticities[0]
    volumes = np.geomspace(min(truth.volumes), max(truth.volumes), 40)
    axes.axhline(steep, color=INK, lw=1.2, zorder=2)
    for w, way in enumerate((COUNTS, WITHOUT_ZEROS, ONE_MORE)):
        if way != COUNTS:
            line = [limit_elasticity(way, volume, steep, truth.sigma) for volume in volumes]
            axes.plot(np.log(volumes), line, color=TONES[way], lw=1.3, ls=(0, (5, 2)), zorder=2)
        for p, one in enumerate(panels):
            value, error = (each[0] for each in one.elasticities[way])
            at = np.log(one.volume) + 0.16 * (w - 1)
            axes.vlines(at, value - Z * error, value + Z * error, colors=TONES[way], linewidth=1.8, zorder=3)
            axes.plot(
                at, value, MARKS[way], ms=5.5, mfc=TONES[way], mec=PAPER, mew=0.8, zorder=4, label=None if p else way
            )
    _volumes(axes, panels)
    axes.set_ylabel("Price elasticity")
    picture.legend(loc="outside upper center", ncols=1, frameon=False, fontsize=9, labelcolor=MUTED)
    return picture


def _volumes(axes: Axes, panels: Sequence[PanelOfVolume]) -> None:
    """Volumes on an axis of their logarithms."""
    at = [float(np.log(one.volume)) for one in panels]
    axes.set_xlim(min(at) - 0.5, max(at) + 0.5)
    ticks_of_logarithms(axes)
    axes.set_xlabel("Units of an average row at the middle price")
