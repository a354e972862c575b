"""Pictures of stores: who belongs with whom, each one's coefficients, and how hard each is to leave out."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from bayesmix.drawing import WIDTH, Marks, apart, colours_of, figure, mark
from bayesmix.svg import INK, MUTED, OWN, SHADES, segment_colour
from em.statistics import Floats, Ints

EXTREMES = 3  # stores that are named at each end


def clustered(together: Floats) -> Ints:
    """An order of stores that puts those who belong together side by side: average linkage of 1 - probability.

    Parameters
    ----------
    together : (store, store) probability of the same segment.
    """
    if len(together) < 3:
        return np.arange(len(together))
    apart = np.clip(1.0 - 0.5 * (together + together.T), 0.0, 1.0)
    np.fill_diagonal(apart, 0.0)
    return leaves_list(linkage(squareform(apart, checks=False), "average", optimal_ordering=True)).astype(np.intp)


def together_picture(together: Floats, segment: Ints) -> Figure:
    """A square of stores against stores, stronger in tone where two are more surely of one segment.

    Parameters
    ----------
    together : (store, store) probability of the same segment, in the order to draw.
    segment : (store,) most probable segment, counted from 0, of the same stores.
    """
    n = len(together)
    picture, axes = figure(4.4, 4.4)
    shade = np.minimum((together * (len(SHADES) + 1)).astype(int), len(SHADES))
    for level, colour in enumerate(SHADES, start=1):
        path = _runs(shade == level)
        if path is not None:
            axes.add_patch(PathPatch(path, facecolor=colour, linewidth=0))
    for s in np.unique(segment):
        lines = _runs((segment == s)[None, :])
        if lines is not None:
            for flip in (False, True):
                corners = np.asarray(lines.vertices) * np.array([1.0, 0.022 * n]) - np.array([0.0, 0.034 * n])
                path = Path(corners[:, ::-1] if flip else corners, lines.codes)
                axes.add_patch(PathPatch(path, facecolor=segment_colour(int(s)), linewidth=0, clip_on=False))
    axes.set(xlim=(-0.036 * n, n), ylim=(n, -0.036 * n), xticks=[], yticks=[], aspect="equal")
    axes.grid(visible=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_xlabel("Stores")
    axes.set_ylabel("The same stores")
    return picture


def _runs(on: np.ndarray) -> Path | None:
    """A rectangle for every run of cells that are on, row by row, as one path; None where none is."""
    edge = np.diff(np.pad(on.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    (row, begin), (_, end) = np.nonzero(edge == 1), np.nonzero(edge == -1)
    if row.size == 0:
        return None
    corners = np.stack(
        [np.stack([x, y], 1) for x, y in ((begin, row), (end, row), (end, row + 1), (begin, row + 1), (begin, row))], 1
    )
    codes = np.tile([Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], row.size)
    return Path(corners.reshape(-1, 2).astype(float), codes)


def caterpillar_picture(
    mean: Floats,
    low: Floats,
    high: Floats,
    segment: Ints | None,
    label: str,
    names: Sequence[str] = (),
    *,
    marks: Marks = "plain",
) -> Figure:
    """One number of each store with its interval, from the lowest to the highest, and the names of the extreme ones.

    Parameters
    ----------
    mean, low, high : (store,)
    segment : (store,) most probable segment, for the colour; None draws all alike.
    label : of the vertical axis.
    names : of the stores; the extreme ones are named where their interval does not hold the middle store.
    marks : what the number is, where the axis is not marked in it.
    """
    order = np.argsort(mean, kind="stable")
    colours = colours_of(segment, order)
    place = np.arange(1, order.size + 1)
    picture, axes = figure(WIDTH, 3.2)
    axes.axhline(float(np.median(mean)), color=MUTED, lw=0.9, ls="--", zorder=1)
    lines = [((x, low[s]), (x, high[s])) for x, s in zip(place, order, strict=True)]
    thin = float(np.clip(250.0 / order.size, 0.6, 3.0))
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=thin, alpha=0.55, zorder=2))
    axes.scatter(
        place, mean[order], s=float(np.clip(1500.0 / order.size, 3.0, 22.0)), c=colours, linewidths=0, zorder=3
    )
    axes.set_xlim(0, order.size + 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.autoscale(axis="y")
    if len(names):
        _name_extremes(axes, mean, low, high, names)
    mark(axes, marks, "y")
    axes.set_xlabel("Stores, from the lowest to the highest")
    axes.set_ylabel(label)
    return picture


def _name_extremes(axes: Axes, mean: Floats, low: Floats, high: Floats, names: Sequence[str]) -> None:
    """Names of the lowest and the highest stores whose intervals do not hold the middle store, with lines to them.

    They stand below the intervals of the lower half, and above those of the upper.
    """
    order, middle, n = np.argsort(mean, kind="stable"), float(np.median(mean)), mean.size
    bottom, top = float(low.min()), float(high.max())
    room = 0.085 * (top - bottom)
    lower, upper = (
        [int(s) for s in order[:EXTREMES] if high[s] < middle],
        [int(s) for s in order[::-1][:EXTREMES] if low[s] > middle],
    )
    under = float(low[order[: max(1, (2 * n) // 3)]].min()) if lower else bottom
    over = float(high[order[n // 3 :]].max()) if upper else top
    for rank, s in enumerate(lower):
        _name(
            axes, shorter(names[s], 26), (1.0 + rank, float(low[s])), (0.03 * n + 1, under - room * (len(lower) - rank))
        )
    for rank, s in enumerate(upper):
        _name(
            axes,
            shorter(names[s], 26),
            (float(n - rank), float(high[s])),
            (0.97 * n, over + room * (len(upper) - rank)),
        )
    axes.set_ylim(min(bottom, under - room * len(lower)) - 0.7 * room, max(top, over + room * len(upper)) + 0.7 * room)


def _name(axes: Axes, name: str, at: tuple[float, float], text: tuple[float, float]) -> None:
    """A name with a line to what it is of."""
    line = {"arrowstyle": "-", "color": MUTED, "lw": 0.6, "shrinkA": 0, "shrinkB": 1, "relpos": (0.0, 0.5)}
    side = "left" if text[0] > at[0] else "right"
    axes.annotate(name, at, text, size=8, color=INK, va="center", ha=side, parse_math=False,
                  arrowprops={**line, "relpos": (0.0 if side == "left" else 1.0, 0.5)}, zorder=4)  # fmt: skip


def shorter(name: str, most: int = 28) -> str:
    """A name cut to fit beside a point."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def khat_picture(khat: Floats, limit: float, names: Sequence[str], named: int = 3) -> Figure:
    """Pareto k of each store, largest first, with the limit and the names of the worst above it.

    Parameters
    ----------
    khat : (store,)
    named : how many of the stores above the limit are named.
    """
    order = np.argsort(-khat, kind="stable")
    place = np.arange(1, order.size + 1)
    picture, axes = figure(WIDTH, 2.7)
    high = khat[order] > limit
    axes.plot(place[~high], khat[order][~high], "o", ms=3.2, color=OWN, mew=0)
    axes.plot(place[high], khat[order][high], "o", ms=4.2, color=INK, mew=0)
    axes.axhline(limit, color=MUTED, lw=1.0, ls="--")
    axes.annotate(f"limit {limit:.2f}", (1.0, limit), (0, 4), xycoords=("axes fraction", "data"), size=9,
                  textcoords="offset points", ha="right", color=MUTED)  # fmt: skip
    axes.set_xlim(0, order.size + 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    bottom, top = min(0.0, float(khat.min())), max(limit, float(khat.max()))
    axes.set_ylim(bottom - 0.05, top + 0.16 * (top - bottom))
    told = [s for s in order[:named] if khat[s] > limit]
    heights = apart([float(khat[s]) for s in told], 0.085 * (top - bottom))
    for s, x, height in zip(told, place, heights, strict=False):
        name = shorter(names[int(s)])
        axes.annotate(name, (float(x), height), (8, 0), textcoords="offset points", size=9, color=INK, va="center",
                      parse_math=False)  # fmt: skip
    axes.set_xlabel("Stores, from the hardest to leave out")
    axes.set_ylabel("Pareto k")
    return picture
