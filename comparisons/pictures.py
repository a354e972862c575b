"""The pictures of the comparison page; each returns a figure, drawn in the stand-in colours of `bayesmix.svg`."""

import numpy as np
from matplotlib.figure import Figure

from bayesmix.axis import Axis, place
from bayesmix.drawing import WIDTH, colours_of, figure, selection
from bayesmix.pictures_of_shrinkage import corners, plane_picture
from bayesmix.svg import MUTED
from comparisons.shrinkage import Shrinkage
from em.statistics import Floats, Ints

LONGEST = 60  # characters of a label on one line


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
    chosen = None if segment is None else segment[drawn]
    return plane_picture(own, after, chosen, place(centres, axis), frame(moved, axis))


def frame(moved: Shrinkage, axis: Axis) -> Floats:
    """Corners of the picture of stores, the same for every model; see `bayesmix.pictures_of_shrinkage.corners`."""
    own = np.where(np.isfinite(moved.own_se[:, axis.price, None]), place(moved.own, axis), np.nan)
    return corners(own, [place(theta, axis) for theta in moved.after.values()])


def levels_picture(own: Floats, after: Floats, segment: Ints | None, of: str) -> Figure:
    """Stores of a family in a typical row: by their own rows across, by a model upwards; on the line nothing is pooled.

    Parameters
    ----------
    own, after : (store,) linear predictors.
    segment : (store,) most probable segment, for the colour; None draws all stores alike.
    of : what the linear predictor is of.
    """
    drawn = selection(own.size)
    picture, axes = figure(WIDTH, 4.1)
    ends = [float(min(own[drawn].min(), after[drawn].min())), float(max(own[drawn].max(), after[drawn].max()))]
    axes.plot(ends, ends, color=MUTED, lw=0.8, zorder=1)
    axes.scatter(own[drawn], after[drawn], s=12, c=colours_of(segment, drawn), linewidths=0, alpha=0.7, zorder=2)
    axes.set_xlabel(f"By the store’s own rows ({of})")
    axes.set_ylabel("With the other stores")
    return picture


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
    told = f"Stores, from most for {between[0]} to most for {between[1]}"
    axes.set_xlabel(told if len(told) <= LONGEST else told.replace(" to most", "\nto most"))
    axes.set_ylabel("Difference in log-density")
    return picture
