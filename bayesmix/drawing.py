"""How pictures look: axes without boxes, round numbers on axes of logarithms, labels that do not touch."""

from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bayesmix.svg import INK, LINE, MUTED, PAPER, STYLE, segment_colour
from em.statistics import Ints

WIDTH = 4.9  # inches of a picture as wide as the text; on a phone its letters are then those of a caption
BEHIND = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.8, "alpha": 0.8}  # a name that lies on lines
MOST_STORES = 600  # drawn one by one; of more, an even selection


def figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of one picture, in inches."""
    with mpl.rc_context(STYLE):
        picture = Figure(figsize=(width, height), layout="constrained")
        axes = picture.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(LINE)
    axes.tick_params(colors=MUTED, labelcolor=MUTED, length=3, labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.grid(color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    return picture, axes


def ticks_of_logarithms(axes: Axes, which: Literal["x", "y"] = "x") -> None:
    """Round numbers as ticks on an axis of natural logarithms, in steps that leave four or more."""
    low, high = np.exp(axes.get_xlim() if which == "x" else axes.get_ylim())
    for steps in ((1, 10), (1, 2, 5, 10), (1, 1.5, 2, 3, 5, 7, 10), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)):
        ticks = sorted({step * 10.0**power for power in range(-3, 12) for step in steps})
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 4:
            break
    at, labels = [float(np.log(tick)) for tick in ticks], [units(tick) for tick in ticks]
    axes.set_xticks(at, labels) if which == "x" else axes.set_yticks(at, labels)


PROBABILITIES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


def ticks_of_log_odds(axes: Axes, which: Literal["x", "y"] = "x") -> None:
    """Probabilities as ticks on an axis of log odds, not more than leave each other room."""
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    every = np.array([*PROBABILITIES, *(1.0 - p for p in PROBABILITIES[-2::-1])])
    at = np.log(every) - np.log1p(-every)
    ticks, room = [], 0.09 * (high - low)
    by_roundness = sorted(zip(at, every, strict=True), key=lambda one: ROUND.get(round(float(one[1]), 4), 2))
    for place, probability in by_roundness:
        if low <= place <= high and all(abs(place - other) > room for other, _ in ticks):
            ticks.append((float(place), f"{100.0 * probability:g} %"))
    ticks.sort()
    places, labels = [place for place, _ in ticks], [label for _, label in ticks]
    axes.set_xticks(places, labels) if which == "x" else axes.set_yticks(places, labels)


ROUND = {0.5: 0, 0.1: 0, 0.9: 0, 0.01: 0, 0.99: 0, 0.2: 1, 0.8: 1, 0.05: 1, 0.95: 1}  # the roundest are marked first
Marks = Literal["plain", "logarithms", "log odds"]


def mark(axes: Axes, marks: Marks, which: Literal["x", "y"] = "x") -> None:
    """Mark an axis in what its numbers are the logarithms or the log odds of."""
    if marks == "logarithms":
        ticks_of_logarithms(axes, which)
    elif marks == "log odds":
        ticks_of_log_odds(axes, which)


def log_units_upwards(axes: Axes) -> None:
    """A logarithmic y axis marked 1, 2, 5 in units."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: units(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()


def colours_of(segment: Ints | None, drawn: Ints) -> list[str]:
    """A colour for each store drawn; (store,) segments counted from 0, or None for one colour."""
    return [INK if segment is None else segment_colour(int(segment[s])) for s in drawn]


def units(value: float) -> str:
    """A count of units sold."""
    return f"{value:,.0f}" if value >= 10.0 else f"{value:.3g}"


def selection(n: int, most: int = MOST_STORES) -> Ints:
    """All of n stores, or an even selection of `most` of them."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.intp)


def apart(heights: list[float], room: float) -> list[float]:
    """Heights of labels, moved up where they would touch."""
    placed = list(heights)
    for previous, current in zip(np.argsort(heights)[:-1], np.argsort(heights)[1:], strict=True):
        placed[current] = max(placed[current], placed[previous] + room)
    return placed
