"""What the example of integrals draws: one store's integrand, posteriors by each integral, and the study of many."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from scipy.stats import gaussian_kde

from bayesmix.drawing import WIDTH, figure
from bayesmix.svg import INK, LINE, MUTED, PAPER, STYLE, segment_colour
from comparisons.examples.integrals_store import Integrand
from comparisons.examples.integrals_study import Study
from em.statistics import Floats

COLOUR = {"9 nodes": 0, "Laplace": 1, "MCMC": 2}
DASHES = {"9 nodes": "-", "Laplace": (0, (5, 2)), "MCMC": (0, (1, 1.2))}


def panes(number: int, height: float, shared: bool = False) -> tuple[Figure, list[Axes]]:
    """A figure as wide as the text with panes under each other."""
    picture, first = figure(WIDTH, height)
    picture.delaxes(first)
    with mpl.rc_context(STYLE):
        axes = [picture.add_subplot(number, 1, one + 1) for one in range(number)]
    for one in axes:
        for side in ("top", "right"):
            one.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            one.spines[side].set_color(LINE)
        one.tick_params(colors=MUTED, labelcolor=MUTED, length=3, labelsize=9)
        one.xaxis.label.set_color(INK)
        one.set_yticks([])
        one.set_axisbelow(True)
        one.grid(color=LINE, linewidth=0.6)
        if shared and one is not axes[0]:
            one.sharex(axes[0])
    return picture, axes


def integrands_picture(stores: Mapping[str, Integrand]) -> Figure:
    """Each store's integrand, Laplace's normal curve on it, and where nine nodes look."""
    picture, axes = panes(len(stores), 1.0 + 1.55 * len(stores), shared=True)
    for one, (name, curve) in zip(axes, stores.items(), strict=True):
        one.fill_between(curve.level, curve.height, color=segment_colour(0), alpha=0.18, linewidth=0, zorder=2)
        one.plot(curve.level, curve.height, color=segment_colour(0), lw=2.0, zorder=3, label="what is integrated")
        one.plot(
            curve.level, curve.laplace, color=segment_colour(1), lw=1.8, ls=DASHES["Laplace"], zorder=4, label="Laplace"
        )
        one.plot(*curve.nodes, "o", ms=4.5, mfc=INK, mec=PAPER, mew=0.8, zorder=5, label="nine nodes")
        one.set_xlim(curve.level[0], curve.level[-1])
        one.set_ylim(0.0, 1.12 * max(float(curve.height.max()), float(curve.laplace.max())))
        one.annotate(
            f"{name}: Laplace’s area is {100.0 * curve.ratio:.1f} %", (0.0, 1.0), xycoords="axes fraction",
            xytext=(0, 2), textcoords="offset points", color=INK, fontsize=9, va="bottom",
        )  # fmt: skip
    axes[-1].set_xlabel("The store’s own log odds of a reorder, without promotion")
    handles, labels = axes[0].get_legend_handles_labels()
    picture.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=9, labelcolor=MUTED)
    return picture


def posteriors_picture(draws: Mapping[str, Mapping[str, Floats]], truth: Mapping[str, float]) -> Figure:
    """Densities of each quantity by each integral, and the truth.

    Parameters
    ----------
    draws : by integral, then by quantity.
    truth : by quantity.
    """
    picture, axes = panes(len(truth), 0.9 + 1.5 * len(truth))
    for one, (quantity, value) in zip(axes, truth.items(), strict=True):
        everything = np.concatenate([of[quantity] for of in draws.values()])
        low, high = np.quantile(everything, [0.0005, 0.9995])
        at = np.linspace(low, high, 301)
        for number, (integral, of) in enumerate(draws.items()):
            one.plot(
                at, gaussian_kde(of[quantity])(at), color=segment_colour(COLOUR[integral]), lw=2.0, ls=DASHES[integral],
                zorder=3 + number, label=integral,
            )  # fmt: skip
        one.axvline(value, color=INK, lw=1.2, zorder=2, label="truth")
        one.set_ylim(0.0, None)
        one.set_xlabel(quantity)
    handles, labels = axes[0].get_legend_handles_labels()
    picture.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=9, labelcolor=MUTED)
    return picture


def study_picture(rows: Sequence[Study], words: Mapping[str, str]) -> Figure:
    """Share of 95 % intervals that hold the truth, with its own 95 % interval."""
    lines = [(words[one.quantity], one.rule) for one in rows]
    picture, axes = figure(WIDTH, 1.1 + 0.34 * len(lines))
    axes.axvline(0.95, color=INK, lw=1.0, zorder=1)
    for height, one in enumerate(rows):
        tone = segment_colour(COLOUR[one.rule])
        axes.hlines(height, *one.interval, colors=tone, linewidth=2.0, zorder=2)
        axes.plot(one.share, height, "o", ms=6.0, mfc=tone, mec=PAPER, mew=0.9, zorder=3)
    axes.set_yticks(range(len(lines)), [f"{quantity}, {rule}" for quantity, rule in lines])
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set_xlabel("95 % intervals that hold the truth")
    return picture
