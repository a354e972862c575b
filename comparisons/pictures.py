"""The pictures of the comparison page; each returns a figure, drawn in the stand-in colours of `bayesmix.svg`."""

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from bayesmix.axis import Axis, place
from bayesmix.drawing import WIDTH, colours_of, figure, selection, ticks_of_logarithms
from bayesmix.svg import INK, MUTED, OWN, PAPER, segment_colour
from comparisons.shrinkage import Shrinkage
from em.statistics import Floats, Ints


def shrinkage_picture(moved: Shrinkage, model: str, axis: Axis, segment: Ints | None, centres: Floats) -> Figure:
    """Lines from each store's own least squares (hollow) to what a model makes of it (filled).

    Parameters
    ----------
    segment : (store,) most probable segment, for the colour; None draws all stores alike.
    centres : (segment, coefficient) coefficients to mark large: of numbered segments, or of the one average store.
    """
    known = np.flatnonzero(np.isfinite(moved.own_se[:, axis.price]))
    drawn = known[selection(known.size)]
    own, after = (place(theta, axis)[drawn] for theta in (moved.own, moved.after[model]))
    colours = colours_of(segment, drawn)
    picture, axes = figure(4.9, 4.1)
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
    ticks_of_logarithms(axes)
    axes.set_xlabel("Sales in a typical week at the average price (units, log scale)")
    axes.set_ylabel("Price elasticity (% sales per 1 % price)")
    return picture


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


def difference_picture(
    diff_i: Floats, segment: Ints | None, between: tuple[str, str] = ("segments", "a continuum")
) -> Figure:
    """Every store's part in the difference between two models, largest first, and how it adds up."""
    order = np.argsort(-diff_i)
    drawn = order[selection(order.size)]
    picture, axes = figure(WIDTH, 2.6)
    colours = colours_of(segment, drawn)
    place = np.linspace(1, diff_i.size, drawn.size)
    axes.axhline(0.0, color=MUTED, lw=0.8, zorder=1)
    axes.vlines(place, 0.0, diff_i[drawn], colors=colours, linewidth=max(0.6, min(4.0, 380 / drawn.size)), zorder=2)
    axes.set_xlim(0, diff_i.size + 1)
    axes.set_xlabel(f"Stores, from most for {between[0]} to most for {between[1]}")
    axes.set_ylabel("Difference in log-density")
    return picture
