"""Pictures of how a distribution fits counts, choices and amounts: rootogram, classes, tenths, calibration."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bayesmix.calibration_curve import Calibration
from bayesmix.drawing import WIDTH, figure, units
from bayesmix.frequencies import Bins, Frequencies
from bayesmix.pit_of_rows import BINS, Pit
from bayesmix.svg import INK, LINE, MUTED, OWN

MOST_LABELS = 9
BAR = 0.86


def rootogram_picture(of: Frequencies) -> Figure:
    """Bars of observed frequencies hung from the line of expected ones, all as square roots (Kleiber & Zeileis 2016).

    A bar that ends above the axis is a count too rare, one that ends below it a count too frequent; dark bars leave the
    band around the axis.
    """
    picture, axes = figure(WIDTH, 3.2)
    at, top = np.arange(of.observed.size), np.sqrt(of.expected)
    low, high = (top - np.sqrt(end) for end in (of.high, of.low))
    edges = np.append(at - 0.5, at[-1] + 0.5)
    axes.stairs(high, edges, baseline=low, fill=True, color=LINE, linewidth=0)
    ends = top - np.sqrt(of.observed)
    beyond = np.isin(at, of.outside)
    for chosen, colour in ((~beyond, OWN), (beyond, INK)):
        axes.bar(at[chosen], (top - ends)[chosen], bottom=ends[chosen], width=BAR, color=colour, linewidth=0)
    axes.plot(at, top, "-o", color=INK, lw=1.3, ms=2.6, mew=0)
    axes.axhline(0.0, color=MUTED, lw=0.9)
    bottom, above = min(float(ends.min()), float(low.min())), 1.06 * max(float(top.max()), 1.0)
    axes.set(xlim=(-0.7, at[-1] + 0.7), ylim=(bottom - 0.04 * (above - bottom), above))
    _roots(axes, float(top.max()))
    _bins(axes, of.bins)
    axes.grid(visible=False)
    axes.set_ylabel("Rows (square-root scale)")
    return picture


def classes_picture(of: Frequencies) -> Figure:
    """Observed frequencies of classes of shares or amounts (line) over the band of replicated panels."""
    picture, axes = figure(WIDTH, 3.0)
    at = np.arange(of.observed.size)
    edges = np.append(at - 0.5, at[-1] + 0.5)
    axes.stairs(of.high, edges, baseline=of.low, fill=True, color=LINE, linewidth=0)
    axes.stairs(of.expected, edges, baseline=None, color=MUTED, linewidth=1.0, linestyle="--")
    axes.stairs(of.observed, edges, baseline=None, color=INK, linewidth=1.3)
    axes.set(xlim=(edges[0], edges[-1]))
    axes.set_ylim(0.0, 1.06 * max(float(of.observed.max()), float(of.high.max())))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    _bins(axes, of.bins)
    axes.grid(visible=False, axis="x")
    axes.set_ylabel("Rows")
    return picture


def _roots(axes: Axes, highest: float) -> None:
    """Round frequencies as ticks on an axis of their roots."""
    wanted = np.maximum(np.square(np.linspace(0.0, highest, 6)), 1e-9)
    digit = 10.0 ** np.floor(np.log10(np.maximum(wanted, 1.0)))
    whole = np.unique(np.floor(wanted / digit) * digit)
    axes.set_yticks(list(np.sqrt(whole)), [units(one) for one in whole])


def _bins(axes: Axes, bins: Bins) -> None:
    """Names of some bins, evenly taken."""
    last = bins.upper.size - 1
    step = -(-bins.upper.size // MOST_LABELS)
    shown = [i for i in range(0, last, step) if last - i >= step] + [last]
    axes.set_xticks(shown, [_short(bins, i) for i in shown])
    what = "Count" if bins.whole else "Share of trials (upper end of the class)" if bins.of_shares else "Amount"
    axes.set_xlabel(what if bins.whole or bins.of_shares else "Amount (upper end of the class, logarithmic)")


def _short(bins: Bins, i: int) -> str:
    if bins.whole:
        return units(float(bins.upper[i - 1]) + 1.0 if i else 0.0) + "+" * bool(np.isinf(bins.upper[i]))
    if bins.of_shares:
        return _percent(float(bins.upper[i]))
    return "more" if np.isinf(bins.upper[i]) else f"{bins.upper[i]:.2g}"


def _percent(share: float, _: int | None = None) -> str:
    return f"{100.0 * share:.3g} %"


def tenths_picture(of: Pit) -> Figure:
    """The share of the rows in each tenth of what is predicted of them, over the band of a right model."""
    picture, axes = figure(WIDTH, 2.8)
    edges = np.arange(BINS + 1) / BINS
    axes.stairs(of.high, edges, baseline=of.low, fill=True, color=LINE, linewidth=0)
    axes.axhline(1.0 / BINS, color=MUTED, lw=0.8, ls="--")
    axes.stairs(of.observed, edges, baseline=None, color=INK, linewidth=1.5)
    far = max(0.035, 1.15 * float(np.abs(np.concatenate([of.observed, of.high]) - 1.0 / BINS).max()))
    axes.set(xlim=(0, 1), ylim=(max(0.0, 1.0 / BINS - far), 1.0 / BINS + far))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(_percent))
    axes.grid(visible=False)
    axes.set_xlabel("Place of a row in what is predicted of it")
    axes.set_ylabel("Share of the rows")
    return picture


def calibration_picture(of: Calibration) -> Figure:
    """The share that came true against the probability predicted, over the band of a right model."""
    picture, axes = figure(WIDTH, 3.8)
    low, high = _extent(of)
    axes.fill_between(of.predicted, of.low, of.high, color=LINE, linewidth=0)
    axes.plot([low, high], [low, high], color=MUTED, lw=1.0, ls="--")
    axes.plot(of.predicted, of.observed, color=INK, lw=1.6)
    axes.vlines(of.predicted, low, low + 0.12 * (high - low) * of.density / of.density.max(), color=OWN, lw=2.0)
    axes.set(xlim=(low, high), ylim=(low, high))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
        axis.set_major_formatter(FuncFormatter(_percent))
    axes.grid(visible=False)
    axes.set_xlabel("Predicted")
    axes.set_ylabel("Came true")
    return picture


def _extent(of: Calibration) -> tuple[float, float]:
    """Ends of both axes, with a little room."""
    whole = np.concatenate([of.predicted, of.observed, of.low, of.high])
    room = 0.04 * float(np.ptp(whole)) + 0.005
    return max(0.0, float(whole.min()) - room), min(1.0, float(whole.max()) + room)
