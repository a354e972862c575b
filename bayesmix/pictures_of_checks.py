"""Pictures of what a model predicts beside what the stores showed."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bayesmix.drawing import WIDTH, figure, ticks_of_logarithms
from bayesmix.predictive_check import SegmentCheck, extent
from bayesmix.svg import INK, LINE, MUTED, segment_colour
from bayesmix.uniformity import EcdfDifference
from em.statistics import Floats


def pit_picture(curve: EcdfDifference) -> Figure:
    """How far the distribution of LOO-PIT values is from uniform, and the band of what chance makes."""
    picture, axes = figure(WIDTH, 3.0)
    axes.fill_between(curve.at, curve.low, curve.high, color=LINE, linewidth=0)
    axes.axhline(0.0, color=MUTED, lw=0.8)
    axes.step(curve.at, curve.difference, where="post", color=INK, lw=1.5)
    axes.set(xlim=(0, 1))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5, symmetric=True))
    axes.grid(visible=False)
    axes.set_xlabel("LOO-PIT of a store")
    axes.set_ylabel("Share below, less expected")
    return picture


def predicted_picture(
    checks: Sequence[SegmentCheck], observed: Floats, label: str, *, logarithms: bool = False
) -> Figure:
    """A row for each segment: the predicted density (filled) and a histogram of the stores observed (line).

    Parameters
    ----------
    observed : (store,) the summary of the stores.
    label : of the axis.
    logarithms : whether to mark the axis in what the summary is the logarithm of.
    """
    picture, axes = figure(WIDTH, 0.8 + 0.75 * len(checks))
    low, high = extent(checks)
    edges = np.linspace(low, high, 46)
    for row, check in enumerate(checks):
        colour = segment_colour(row) if len(checks) > 1 else MUTED
        seen = np.histogram(observed, edges, weights=check.weight)[0] / (
            max(check.stores, 1e-9) * (edges[1] - edges[0])
        )
        top = max(float(check.density.max()), float(seen.max()), 1e-12) / 0.86
        axes.fill_between(check.at, -row, check.density / top - row, color=colour, alpha=0.4, linewidth=0)
        if check.stores >= 0.5:
            axes.stairs(seen / top - row, edges, baseline=None, color=INK, linewidth=1.0)
        axes.axhline(-row, color=LINE, lw=0.8)
        if len(checks) > 1:
            axes.annotate(str(row + 1), (0, 0.35 - row), (-10, 0), xycoords=("axes fraction", "data"), color=colour,
                          textcoords="offset points", weight="bold", ha="right", va="center")  # fmt: skip
    axes.set(xlim=(low, high), ylim=(0.92 - len(checks), 1.0), yticks=[])
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    if logarithms:
        ticks_of_logarithms(axes)
    axes.set_xlabel(label)
    return picture
