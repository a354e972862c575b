"""What the example of conversions draws: calibration, the ROC curve, and cost by threshold."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from bayesmix.drawing import WIDTH, figure
from bayesmix.svg import INK, MUTED, OWN, PAPER, segment_colour
from comparisons.examples.calibration import Calibration
from comparisons.examples.decisions import Cost, Decisions
from comparisons.examples.roc import Roc
from em.statistics import Floats


def calibration_picture(ours: Calibration, middle: Calibration) -> Figure:
    """Tenths of new sessions: probability told and share found, averaged over users and for the user in the middle."""
    picture, axes = figure(WIDTH, 4.2)
    top = 1.12 * max(max(tenth.found.high, tenth.told) for tenth in (*ours.tenths, *middle.tenths))
    axes.plot([0.0, top], [0.0, top], color=MUTED, lw=1.0, zorder=1)
    both = ((middle, segment_colour(1), PAPER, "the user in the middle"), (ours, INK, INK, "averaged over users"))
    for one, tone, fill, name in both:
        told = [tenth.told for tenth in one.tenths]
        axes.vlines(
            told, [t.found.low for t in one.tenths], [t.found.high for t in one.tenths], colors=tone, lw=1.4, zorder=2
        )
        axes.plot(
            told, [t.found.value for t in one.tenths], "o", ms=6, mfc=fill, mec=tone, mew=1.3, zorder=3, label=name
        )
    axes.set_xlim(0.0, top)
    axes.set_ylim(0.0, top)
    _percent(axes)
    axes.set_xlabel("Probability told")
    axes.set_ylabel("Sessions with a purchase")
    axes.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=MUTED)
    return picture


def roc_picture(one: Roc, does: Decisions) -> Figure:
    """The curve with its band, and the threshold with the intervals of what it does."""
    picture, axes = figure(WIDTH, 4.2)
    axes.plot([0.0, 1.0], [0.0, 1.0], color=MUTED, lw=1.0, zorder=1)
    axes.fill_between(one.band_at, one.band_low, one.band_high, color=OWN, alpha=0.3, linewidth=0, zorder=2)
    axes.plot(one.false_positive, one.true_positive, color=INK, lw=1.8, zorder=3)
    tone, at = segment_colour(0), (1.0 - does.specificity.value, does.sensitivity.value)
    axes.hlines(at[1], 1.0 - does.specificity.high, 1.0 - does.specificity.low, colors=tone, lw=2.0, zorder=4)
    axes.vlines(at[0], does.sensitivity.low, does.sensitivity.high, colors=tone, lw=2.0, zorder=4)
    axes.plot(*at, "o", ms=7, mfc=tone, mec=PAPER, mew=1.0, zorder=5)
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.0)
    _percent(axes)
    axes.set_xlabel("Acted on, of sessions without a purchase")
    axes.set_ylabel("Acted on, of sessions with one")
    return picture


def cost_picture(
    thresholds: Floats, by_threshold: Sequence[Cost], everybody: float, nobody: float, chosen: float
) -> Figure:
    """Cost of a thousand new sessions by threshold, beside acting on everybody and on nobody."""
    picture, axes = figure(WIDTH, 3.2)
    low, value, high = (np.array([getattr(one, name) for one in by_threshold]) for name in ("low", "value", "high"))
    axes.fill_between(thresholds, low, high, color=OWN, alpha=0.3, linewidth=0, zorder=2)
    axes.plot(thresholds, value, color=INK, lw=1.8, zorder=3)
    for height, name in ((everybody, "act on everybody"), (nobody, "act on nobody")):
        axes.axhline(height, color=MUTED, lw=0.9, ls=(0, (4, 3)), zorder=1)
        axes.annotate(
            name, (1.0, height), xycoords=("axes fraction", "data"), xytext=(0, 3), textcoords="offset points",
            ha="right", va="bottom", color=MUTED, fontsize=9,
        )  # fmt: skip
    axes.axvline(chosen, color=segment_colour(0), lw=1.6, zorder=4)
    axes.set_xlim(0.0, float(thresholds[-1]))
    axes.set_ylim(0.0, 1.1 * max(everybody, nobody, float(high.max())))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set_xlabel("Act above this probability")
    axes.set_ylabel("Cost of 1,000 sessions")
    return picture


def _percent(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
