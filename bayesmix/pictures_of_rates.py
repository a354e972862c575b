"""Pictures of a family: the response against a column, and rates of stores before and after."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from bayesmix.diagnose import INTERVAL
from bayesmix.drawing import BEHIND, WIDTH, apart, colours_of, figure, log_units_upwards, mark, selection
from bayesmix.pictures_of_stores import shorter
from bayesmix.response_words import ResponseWords
from bayesmix.svg import INK, MUTED, PAPER, segment_colour
from em.statistics import Floats, Ints

LEVELS = (0.5 - 0.5 * INTERVAL, 0.5, 0.5 + 0.5 * INTERVAL)
POINTS = 41


def response_picture(
    words: ResponseWords,
    theta: Floats,
    rows: Floats,
    at: Floats,
    column: str,
    between: Floats | None = None,
) -> Figure:
    """Expected response against a column, by segment, with intervals from the posterior draws.

    Parameters
    ----------
    theta : (draw, segment, coefficient)
    rows : (point, coefficient) the design along the curve.
    at : (point,) values of the column that the axis shows.
    between : (draw, segment, coefficient) of a store taken at random, for a wider band; None where stores are alike.
    """
    picture, axes = figure(WIDTH, 3.4)
    ends = []
    for s in range(theta.shape[1]):
        low, middle, high = words.response(np.quantile(theta[:, s] @ rows.T, LEVELS, axis=0))
        if between is not None:
            lowest, _, highest = words.response(np.quantile(between[:, s] @ rows.T, LEVELS, axis=0))
            axes.fill_between(at, lowest, highest, color=segment_colour(s), alpha=0.12, linewidth=0)
        axes.fill_between(at, low, high, color=segment_colour(s), alpha=0.28, linewidth=0)
        axes.plot(at, middle, color=segment_colour(s), lw=1.8)
        ends.append(float(middle[-1]))
    if words.of_odds:
        axes.set_ylim(bottom=0.0, top=min(1.0, axes.get_ylim()[1]))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    else:
        log_units_upwards(axes)
        ends = [float(np.log(end)) for end in ends]
    if theta.shape[1] > 1:
        limits = axes.get_ylim() if words.of_odds else np.log(axes.get_ylim())
        for s, height in enumerate(apart(ends, 0.055 * float(limits[1] - limits[0]))):
            place = (float(at[-1]), height if words.of_odds else float(np.exp(height)))
            axes.annotate(str(s + 1), place, xytext=(6, 0), textcoords="offset points", color=segment_colour(s),
                          weight="bold", va="center", annotation_clip=False)  # fmt: skip
    axes.set_xlabel(column)
    axes.set_ylabel(f"{sentence(words.level)}{'' if words.of_odds else ' (log scale)'}")
    return picture


def rates_picture(
    words: ResponseWords, own: Floats, after: Floats, segment: Ints | None, named: Mapping[int, str]
) -> Figure:
    """Rates of stores by their own rows (across) and with the others (upwards), and the line where they are the same.

    Parameters
    ----------
    own, after : (store,) on the scale of the linear predictor.
    segment : (store,) for the colour; None draws all stores alike.
    named : names of some stores by their position.
    """
    drawn = selection(own.size)
    picture, axes = figure(WIDTH, 3.9)
    low, high = own.min(), own.max()
    room, above = 0.06 * max(high - low, 1e-6), 0.1 * max(float(np.ptp(after)), 1e-6)
    ends = [min(low, after.min()) - room, max(high, after.max()) + room]
    axes.plot(ends, ends, color=MUTED, lw=1.0, ls="--", zorder=1)
    axes.scatter(own[drawn], after[drawn], s=16, c=colours_of(segment, drawn), edgecolors=PAPER, linewidths=0.5,
                 alpha=0.8, zorder=2)  # fmt: skip
    axes.set(xlim=(low - room, high + room), ylim=(after.min() - above, after.max() + above))
    for store, name in named.items():
        left = own[store] < 0.5 * (low + high)
        offset, (side, up) = (6 if left else -6, -4 if left else 4), ("left", "top") if left else ("right", "bottom")
        axes.annotate(shorter(name), (float(own[store]), float(after[store])), offset, textcoords="offset points",
                      ha=side, va=up, size=8, color=INK, parse_math=False, bbox=BEHIND, zorder=3)  # fmt: skip
    for which in ("x", "y"):
        mark(axes, "log odds" if words.of_odds else "logarithms", which)
    scale = "" if words.of_odds else ", log scale"
    axes.set_xlabel(f"By the store's own rows: {words.share}{scale}".replace(": the share", ": share"))
    axes.set_ylabel("With the other stores")
    return picture


def sentence(words: str) -> str:
    """With a capital letter where it begins with a word of ours."""
    return words[:1].upper() + words[1:] if words.startswith(("probability", "the ")) else words
