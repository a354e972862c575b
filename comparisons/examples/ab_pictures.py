"""What the A/B test draws: coverage of the models' intervals, and users' curves beside their average."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from scipy.special import expit
from scipy.stats import norm

from bayesmix.drawing import WIDTH, figure
from bayesmix.svg import INK, MUTED, OWN, PAPER, segment_colour
from comparisons.examples.ab_coverage import Coverage
from comparisons.examples.ab_experiment import Truth
from comparisons.examples.averages import average_probability

USERS = 11  # whose curves are drawn, at even shares of all users


def coverage_picture(rows: Sequence[Coverage]) -> Figure:
    """Share of 95 % intervals that hold the truth, with its own 95 % interval; a colour for each truth."""
    models, truths = (list(dict.fromkeys(getattr(row, name) for row in rows)) for name in ("model", "truth"))
    picture, axes = figure(WIDTH, 1.3 + 0.42 * len(models))
    axes.axvline(0.95, color=INK, lw=1.0, zorder=1)
    for t, truth in enumerate(truths):
        for one in (row for row in rows if row.truth == truth):
            height = models.index(one.model) + 0.22 * (t - 0.5 * (len(truths) - 1))
            tone, first = segment_colour(t), one.model == models[0]
            axes.hlines(height, *one.interval, colors=tone, linewidth=1.8, zorder=2)
            axes.plot(
                one.share, height, "os^"[t], ms=5.5, mfc=tone, mec=PAPER, mew=0.8, zorder=3,
                label=truth if first else None,
            )  # fmt: skip
    axes.set_yticks(range(len(models)), models)
    axes.set_ylim(len(models) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set_xlabel("95 % intervals that hold the truth")
    picture.legend(loc="outside upper center", ncols=1, frameon=False, fontsize=9, labelcolor=MUTED)
    return picture


def users_picture(truth: Truth) -> Figure:
    """Curves of several users and their average; A at zero on the axis, B at the effect."""
    picture, axes = figure(WIDTH, 3.4)
    shift = np.linspace(-5.5, 6.5, 241)
    eta = truth.intercept + shift
    for b in truth.sd * norm.ppf((np.arange(USERS) + 0.5) / USERS):
        axes.plot(shift, expit(eta + b), color=OWN, lw=0.9, zorder=2)
    axes.plot([], [], color=OWN, lw=0.9, label="single users")
    axes.plot(
        shift, expit(eta), color=segment_colour(1), lw=1.8, ls=(0, (5, 2)), zorder=3, label="the user in the middle"
    )
    axes.plot(
        shift, average_probability(eta, truth.sd), color=segment_colour(0), lw=2.4, zorder=4, label="their average"
    )
    for at, name in ((0.0, "A"), (truth.effect, "B")):
        axes.axvline(at, color=MUTED, lw=0.8, zorder=1)
        axes.annotate(name, (at, 1.0), xytext=(-3 if name == "A" else 3, 1), textcoords="offset points",
                      ha="right" if name == "A" else "left", color=INK, fontsize=9)  # fmt: skip
    axes.set_ylim(0.0, 1.04)
    axes.set_xlim(shift[0], shift[-1])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    axes.set_xlabel("What is added to every user's log odds")
    axes.set_ylabel("Probability of a purchase")
    axes.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=MUTED)
    return picture
