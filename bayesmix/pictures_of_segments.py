"""Pictures of segments: what each sells at each price, and which stores are of it."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from bayesmix.axis import Axis
from bayesmix.diagnose import INTERVAL
from bayesmix.drawing import WIDTH, apart, figure, log_units_upwards, selection
from bayesmix.svg import segment_colour
from em.statistics import Floats

LEVELS = (0.5 - 0.5 * INTERVAL, 0.5, 0.5 + 0.5 * INTERVAL)


def demand_picture(
    theta: Floats, axis: Axis, log_prices: tuple[float, float], between: Floats | None = None, points: int = 41
) -> Figure:
    """Sales in a typical week against price, by segment, with intervals from the posterior draws.

    Parameters
    ----------
    theta : (draw, segment, coefficient)
    log_prices : the lowest and the highest drawn.
    between : (draw, segment, coefficient) coefficients of a store taken at random from each segment, for a wider
        band about the curve; None where the stores of a segment are all alike.
    """
    log_price = np.linspace(*log_prices, points)
    x = np.repeat(axis.at[None, :], points, 0)
    x[:, axis.price] = log_price
    picture, axes = figure(WIDTH, 3.4)
    ends = []
    for s in range(theta.shape[1]):
        low, middle, high = np.exp(np.quantile(theta[:, s] @ x.T, LEVELS, axis=0))
        if between is not None:
            lowest, _, highest = np.exp(np.quantile(between[:, s] @ x.T, LEVELS, axis=0))
            axes.fill_between(np.exp(log_price), lowest, highest, color=segment_colour(s), alpha=0.12, linewidth=0)
        axes.fill_between(np.exp(log_price), low, high, color=segment_colour(s), alpha=0.28, linewidth=0)
        axes.plot(np.exp(log_price), middle, color=segment_colour(s), lw=1.8)
        ends.append(float(np.log(middle[-1])))
    log_units_upwards(axes)
    if theta.shape[1] > 1:
        room = 0.055 * float(np.diff(np.log(axes.get_ylim()))[0])
        for s, height in enumerate(apart(ends, room)):
            mark = {"color": segment_colour(s), "weight": "bold", "va": "center", "annotation_clip": False}
            at = (float(np.exp(log_price[-1])), float(np.exp(height)))
            axes.annotate(str(s + 1), at, xytext=(6, 0), textcoords="offset points", **mark)
    axes.set_xlabel("Price (as in the file)")
    axes.set_ylabel("Sales in a typical week (units, log scale)")
    return picture


def membership_picture(share: Floats) -> Figure:
    """Probability of every segment for every store, stores sorted by their most probable segment.

    Parameters
    ----------
    share : (store, segment)
    """
    order = np.lexsort((-share.max(1), share.argmax(1)))
    order = order[selection(order.size)]
    heights = np.vstack([np.zeros(order.size), share[order].cumsum(1).T])
    edges = np.arange(order.size + 1) * (share.shape[0] / order.size)
    picture, axes = figure(WIDTH, 2.3)
    for s in range(share.shape[1]):
        axes.stairs(heights[s + 1], edges, baseline=heights[s], fill=True, color=segment_colour(s), linewidth=0)
    first = share.argmax(1)[order]
    for s in range(share.shape[1]):
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
    axes.set_xlabel("Stores, each a thin column, sorted by most probable segment")
    axes.set_ylabel("Probability")
    return picture
