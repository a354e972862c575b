"""Pictures of what a model makes of stores: from what their own weeks say to what is said of them with the others."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from bayesmix.drawing import BEHIND, WIDTH, Marks, colours_of, figure, mark, ticks_of_logarithms
from bayesmix.pictures_of_stores import shorter
from bayesmix.report_rates import Row
from bayesmix.shrinkage import Pull
from bayesmix.svg import INK, MUTED, OWN, PAPER, segment_colour
from em.statistics import Floats, Ints

FAR = 4.0  # times the usual move, beyond which a store's own values are left outside the picture


def plane_picture(
    own: Floats,
    after: Floats,
    segment: Ints | None,
    centres: Floats,
    frame: Floats,
    named: Mapping[int, str] | None = None,
) -> Figure:
    """Lines from each store's own least squares (hollow) to what a model makes of it (filled).

    Parameters
    ----------
    own, after : (store, 2) log sales in a typical week and price elasticity.
    segment : (store,) for the colour; None draws all stores alike.
    centres : (segment, 2) to mark large: of numbered segments, or of the one average store.
    frame : lower left and upper right corner.
    named : names of some stores, whose lines end in an arrow.
    """
    colours = colours_of(segment, np.arange(len(own)))
    picture, axes = figure(WIDTH, 4.1)
    lines = list(np.stack([own, after], 1))
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=0.7, alpha=0.45, zorder=1))
    axes.plot(*own.T, "o", ms=2.6, mfc="none", mec=OWN, mew=0.8, zorder=2)
    axes.scatter(*after.T, s=11, c=colours, linewidths=0, zorder=3)
    for s, centre in enumerate(centres):
        tone, mark = (segment_colour(s), str(s + 1)) if len(centres) > 1 else (INK, "")
        axes.plot(*centre, "o", ms=13, mfc=tone, mec=PAPER, mew=1.5, zorder=4)
        axes.annotate(mark, (float(centre[0]), float(centre[1])), color=PAPER, weight="bold", size=9, ha="center",
                      va="center_baseline", zorder=5)  # fmt: skip
    room = 0.05 * float(np.ptp(frame[:, 1])) if named else 0.0
    axes.set(xlim=frame[:, 0], ylim=(frame[0, 1] - room, frame[1, 1] + room))
    ticks_of_logarithms(axes)
    axes.set_xlabel("Sales in a typical week at the average price (units, log scale)")
    axes.set_ylabel("Price elasticity (% sales per 1 % price)")
    for store, name in (named or {}).items():
        _named_arrow(axes, own[store], after[store], shorter(name), colours[store])
    return picture


def _named_arrow(axes: Axes, own: Floats, after: Floats, name: str, colour: str) -> None:
    """An arrow from the store's own to the pooled value, and the name where it begins, written towards the middle."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    begin = np.clip(own, [left, bottom], [right, top])
    style = {
        "arrowstyle": "-|>,head_width=0.22,head_length=0.4",
        "color": colour,
        "lw": 1.1,
        "shrinkA": 0,
        "shrinkB": 1,
    }
    axes.annotate("", tuple(after), tuple(begin), arrowprops=style, zorder=4)
    end, down = ("right", 10) if begin[0] > 0.5 * (left + right) else ("left", -10), begin[1] > after[1]
    axes.annotate(name, tuple(begin), (end[1], 5 if down else -5), textcoords="offset points", ha=end[0],
                  va="bottom" if down else "top", size=8, color=INK, parse_math=False, bbox=BEHIND, zorder=6,
                  annotation_clip=False)  # fmt: skip


def corners(own: Floats, after: Sequence[Floats]) -> Floats:
    """Corners of the picture of stores, the same for every model: all pooled values, and the stores' own but far ones.

    Parameters
    ----------
    own : (store, 2), not a number where the store's weeks settle none.
    after : (store, 2) of each model.

    Returns
    -------
    (corner, axis): lower left and upper right. Far is farther outside the pooled values than four times the distance
    that half of the stores move.
    """
    pooled, known = np.stack(list(after)), np.isfinite(own).all(1)
    move = np.median(np.abs(pooled[:, known] - own[known]), axis=1).max(0) if known.any() else 0.0
    low, high = pooled.min((0, 1)), pooled.max((0, 1))
    near = own[known][np.all((own[known] >= low - FAR * move) & (own[known] <= high + FAR * move), axis=1)]
    low, high = np.minimum(low, near.min(0, initial=np.inf)), np.maximum(high, near.max(0, initial=-np.inf))
    margin = 0.06 * np.maximum(high - low, 1e-6)
    return np.stack([low - margin, high + margin])


SALES = "Sales in a typical week (units, log scale)"


def sales_picture(
    names: Sequence[str], pull: Pull | Row, segment: Ints | None, label: str = SALES, marks: Marks = "logarithms"
) -> Figure:
    """A row for each store: its own sales with their interval, those of stores like it, and what comes of the two.

    Parameters
    ----------
    pull : of these stores, in log sales, or on the scale of another family's linear predictor.
    segment : (store,) for the colour; None draws all stores alike.
    label, marks : of the axis.
    """
    colours = colours_of(segment, np.arange(len(names)))
    picture, axes = figure(WIDTH, 0.7 + 0.5 * len(names))
    for row, name in enumerate(names):
        y, colour = -row, colours[row]
        above, below = y + 0.06, y - 0.2
        axes.plot([pull.own_low[row], pull.own_high[row]], [above] * 2, color=OWN, lw=1.3, zorder=2)
        axes.plot([pull.low[row], pull.high[row]], [below] * 2, color=colour, lw=2.2, zorder=2)
        axes.plot([pull.alike[row]] * 2, [y - 0.32, y + 0.18], color=colour, lw=1.4, ls=(0, (1.5, 1)), zorder=2)
        arrow = {
            "arrowstyle": "-|>,head_width=0.2,head_length=0.4",
            "color": INK,
            "lw": 0.9,
            "shrinkA": 3,
            "shrinkB": 2,
        }
        ends = (float(pull.mean[row]), below), (float(pull.own[row]), above)
        axes.annotate("", *ends, arrowprops=arrow, zorder=4)
        axes.plot(pull.own[row], above, "o", ms=5.0, mfc=PAPER, mec=INK, mew=1.1, zorder=3)
        axes.plot(pull.mean[row], below, "o", ms=5.5, mfc=colour, mec=PAPER, mew=0.6, zorder=3)
        axes.annotate(shorter(name, 40), (0.0, y + 0.25), (2, 0), xycoords=("axes fraction", "data"), size=9, color=INK,
                      textcoords="offset points", va="bottom", parse_math=False)  # fmt: skip
        axes.axhline(y - 0.42, color=MUTED, lw=0.3, zorder=0)
    axes.set(ylim=(0.55 - len(names), 0.62), yticks=[])
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    mark(axes, marks)
    axes.set_xlabel(label)
    return picture
