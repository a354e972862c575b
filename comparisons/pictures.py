"""The pictures of the comparison page; each returns a figure, drawn in the stand-in colours of `comparisons.svg`."""

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from comparisons.agreement import ETI
from comparisons.axis import Axis, place
from comparisons.load import Fit
from comparisons.shrinkage import Shrinkage, membership
from comparisons.svg import INK, LINE, MUTED, OWN, PAPER, STYLE, segment_colour
from em.statistics import Floats, Ints

MOST_STORES = 600  # drawn one by one; of more, an even selection
WIDE = 2.0  # standard deviations of log price that a demand curve spans to either side


def shrinkage_picture(moved: Shrinkage, model: str, axis: Axis, segment: Ints | None, centres: Floats) -> Figure:
    """Lines from each store's own least squares (hollow) to what a model makes of it (filled).

    Parameters
    ----------
    segment : (store,) most probable segment, for the colour; None draws all stores alike.
    centres : (segment, coefficient) coefficients to mark large: of numbered segments, or of the one average store.
    """
    known = np.flatnonzero(np.isfinite(moved.own_se[:, axis.price]))
    drawn = known[_selection(known.size)]
    own, after = (place(theta, axis)[drawn] for theta in (moved.own, moved.after[model]))
    colours = _colours(segment, drawn)
    figure, axes = _figure(4.9, 4.1)
    lines = list(np.stack([own, after], 1))
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=0.7, alpha=0.45, zorder=1))
    axes.plot(*own.T, "o", ms=2.6, mfc="none", mec=OWN, mew=0.8, zorder=2)
    axes.scatter(*after.T, s=11, c=colours, linewidths=0, zorder=3)
    for s, centre in enumerate(centres):
        tone, mark = (segment_colour(s), str(s + 1)) if len(centres) > 1 else (INK, "")
        at = (float(centre @ axis.at), float(centre[axis.price]))
        axes.plot(*at, "o", ms=13, mfc=tone, mec=PAPER, mew=1.5, zorder=4)
        axes.annotate(mark, at, color=PAPER, weight="bold", size=9, ha="center", va="center_baseline", zorder=5)
    (left, bottom), (right, top) = frame(moved, axis)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    _log_ticks(axes)
    axes.set_xlabel("Sales in a typical week at the average price (units, log scale)")
    axes.set_ylabel("Price elasticity (% sales per 1 % price)")
    return figure


def frame(moved: Shrinkage, axis: Axis) -> Floats:
    """Corners of the picture of stores, the same for every model: all pooled values, and the stores' own but far ones.

    Far is farther outside the pooled values than four times the distance that half of the stores move.

    Returns
    -------
    (corner, axis): lower left and upper right.
    """
    known = np.isfinite(moved.own_se[:, axis.price])
    after = np.stack([place(theta, axis) for theta in moved.after.values()])
    own = place(moved.own, axis)[known] if known.any() else after[0]
    move = np.median(np.abs(after[:, known] - own), axis=1).max(0) if known.any() else 0.0
    low, high = after.min((0, 1)), after.max((0, 1))
    near = np.all((own >= low - 4.0 * move) & (own <= high + 4.0 * move), axis=1)
    low, high = np.minimum(low, own[near].min(0, initial=np.inf)), np.maximum(high, own[near].max(0, initial=-np.inf))
    margin = 0.06 * np.maximum(high - low, 1e-6)
    return np.stack([low - margin, high + margin])


def demand_picture(fit: Fit, axis: Axis, points: int = 41) -> Figure:
    """Sales in a typical week against price, by segment, with 89 % intervals from the posterior draws."""
    theta = fit.posterior["theta"].stack(sample=("chain", "draw")).transpose("sample", "segment", "coefficient").values
    log_price = axis.at[axis.price] + axis.price_sd * np.linspace(-WIDE, WIDE, points)
    x = np.repeat(axis.at[None, :], points, 0)
    x[:, axis.price] = log_price
    figure, axes = _figure(5.4, 3.5)
    ends = []
    for s in range(fit.k):
        low, middle, high = np.exp(np.quantile(theta[:, s] @ x.T, (ETI[0], 0.5, ETI[1]), axis=0))
        axes.fill_between(np.exp(log_price), low, high, color=segment_colour(s), alpha=0.22, linewidth=0)
        axes.plot(np.exp(log_price), middle, color=segment_colour(s), lw=1.8)
        ends.append(float(np.log(middle[-1])))
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _units(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    room = 0.055 * float(np.diff(np.log(axes.get_ylim()))[0])
    for s, height in enumerate(_apart(ends, room)):
        mark = {"color": segment_colour(s), "weight": "bold", "va": "center", "annotation_clip": False}
        at = (float(np.exp(log_price[-1])), float(np.exp(height)))
        axes.annotate(str(s + 1), at, xytext=(6, 0), textcoords="offset points", **mark)
    axes.set_xlabel("Price")
    axes.set_ylabel("Sales in a typical week (units, log scale)")
    return figure


def membership_picture(fit: Fit) -> Figure:
    """Probability of every segment for every store, stores sorted by their most probable segment."""
    share = membership(fit)
    order = np.lexsort((-share.max(1), share.argmax(1)))
    order = order[_selection(order.size)]
    heights = np.vstack([np.zeros(order.size), share[order].cumsum(1).T])
    edges = np.arange(order.size + 1) * (share.shape[0] / order.size)
    figure, axes = _figure(5.4, 2.3)
    for s in range(fit.k):
        axes.stairs(heights[s + 1], edges, baseline=heights[s], fill=True, color=segment_colour(s), linewidth=0)
    first = share.argmax(1)[order]
    for s in range(fit.k):
        held = np.flatnonzero(first == s)
        if held.size:
            middle = (edges[held[0]] + edges[held[-1] + 1]) / 2
            axes.annotate(
                str(s + 1), (middle, 1.03), color=segment_colour(s), weight="bold", ha="center", annotation_clip=False
            )
    axes.set(xlim=(0, edges[-1]), ylim=(0, 1))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(visible=False)
    axes.set_xlabel("Stores, each a thin column, sorted by their most probable segment")
    axes.set_ylabel("Probability")
    return figure


def pooling_picture(moved: Shrinkage, model: str, axis: Axis) -> Figure:
    """Share of a store's estimate that comes from the others, against how little its own data say."""
    drawn = _selection(len(moved.stores))
    figure, axes = _figure(5.4, 2.9)
    error, share = moved.own_se[drawn, axis.price], moved.pooling[model][drawn, axis.price]
    known = np.isfinite(error)
    axes.plot(error[known], share[known], "o", ms=4, mfc=INK, mec=PAPER, mew=0.5, alpha=0.75)
    axes.set(ylim=(0, 1), xscale="log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("Standard error of the store's own price elasticity (log scale)")
    axes.set_ylabel("Share from other stores")
    return figure


def difference_picture(diff_i: Floats, segment: Ints | None) -> Figure:
    """Every store's part in the difference between two models, largest first, and how it adds up."""
    order = np.argsort(-diff_i)
    drawn = order[_selection(order.size)]
    figure, axes = _figure(5.4, 2.6)
    colours = _colours(segment, drawn)
    place = np.linspace(1, diff_i.size, drawn.size)
    axes.axhline(0.0, color=MUTED, lw=0.8, zorder=1)
    axes.vlines(place, 0.0, diff_i[drawn], colors=colours, linewidth=max(0.6, min(4.0, 380 / drawn.size)), zorder=2)
    axes.set_xlim(0, diff_i.size + 1)
    axes.set_xlabel("Stores, from most for segments to most for a continuum")
    axes.set_ylabel("Difference in log-density")
    return figure


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LINE)
    axes.tick_params(colors=MUTED, labelcolor=MUTED, length=3, labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.grid(color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _log_ticks(axes: Axes) -> None:
    """Round numbers as ticks on an axis of logarithms, in steps that leave four or more."""
    low, high = np.exp(axes.get_xlim())
    for steps in ((1, 10), (1, 2, 5, 10), (1, 1.5, 2, 3, 5, 7, 10)):
        ticks = sorted({step * 10.0**power for power in range(-3, 12) for step in steps})
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 4:
            break
    axes.set_xticks([float(np.log(tick)) for tick in ticks], [_units(tick) for tick in ticks])


def _colours(segment: Ints | None, drawn: Ints) -> list[str]:
    return [INK if segment is None else segment_colour(int(segment[s])) for s in drawn]


def _units(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _selection(n: int) -> Ints:
    """All of n stores, or an even selection of MOST_STORES of them."""
    return np.arange(n) if n <= MOST_STORES else np.linspace(0, n - 1, MOST_STORES).astype(np.intp)


def _apart(heights: list[float], room: float) -> list[float]:
    """Heights of labels, moved up where they would touch."""
    placed = list(heights)
    for previous, current in zip(np.argsort(heights)[:-1], np.argsort(heights)[1:], strict=True):
        placed[current] = max(placed[current], placed[previous] + room)
    return placed
