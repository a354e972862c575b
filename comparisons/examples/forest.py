"""Estimates under each other with their intervals, on an axis of odds ratios, and the truth beside each."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayesmix.drawing import WIDTH, figure
from bayesmix.svg import INK, MUTED, PAPER

LINE = 0.3  # inches for a line of a picture
ROUND = (
    (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
    (0.25, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0),
    (0.6, 0.8, 1.0, 1.2, 1.5, 1.8, 2.2),
    (0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2, 1.3),
)  # odds ratios as ticks, from coarse to fine


class Line(NamedTuple):
    """One estimate: log odds ratio, the ends of its interval, the truth, and a stand-in colour of the page."""

    name: str
    estimate: float
    low: float
    high: float
    truth: float
    tone: str = INK


def forest(lines: Sequence[Line], label: str) -> Figure:
    """Filled: the estimate with its interval. Hollow diamond: the truth."""
    picture, axes = figure(WIDTH, 0.95 + LINE * len(lines))
    for height, one in enumerate(lines):
        axes.hlines(height, one.low, one.high, colors=one.tone, linewidth=2.0, zorder=2)
        axes.plot(one.estimate, height, "o", ms=6.5, mfc=one.tone, mec=PAPER, mew=1.0, zorder=3)
        axes.plot(one.truth, height, "D", ms=5.0, mfc="none", mec=INK, mew=1.2, zorder=4)
    axes.axvline(0.0, color=MUTED, lw=0.9, zorder=1)
    axes.set_yticks(range(len(lines)), [one.name for one in lines])
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    odds_ratios(axes)
    axes.set_xlabel(label)
    return picture


def odds_ratios(axes: Axes) -> None:
    """Round odds ratios as ticks on an axis of their logarithms, the coarsest of which four or more are inside."""
    low, high = np.exp(axes.get_xlim())
    for ratios in ROUND:
        inside = [ratio for ratio in ratios if low <= ratio <= high]
        if len(inside) >= 4:
            break
    axes.set_xticks([float(np.log(ratio)) for ratio in inside], [f"{ratio:g}" for ratio in inside])
