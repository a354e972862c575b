"""Pictures of two roads to one answer: BIC and leave-one-out, maximum likelihood and posterior."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bayesmix.drawing import WIDTH, figure
from bayesmix.svg import INK, MUTED, OWN, PAPER, segment_colour
from comparisons.disagreement import Charged
from comparisons.em_beside_posterior import Beside

LINE = 0.27  # inches for a line of a picture
ETI = 1.598  # standard deviations on either side of the mean that hold 89 % of a normal distribution


def charges_picture(rows: tuple[Charged, ...]) -> Figure:
    """What BIC charges each model (hollow) and what leaving stores out does (filled), joined by a line."""
    picture, axes = figure(WIDTH, 0.9 + LINE * len(rows))
    height = np.arange(len(rows), dtype=float)
    charge, p = (np.array([getattr(row, name) for row in rows]) for name in ("charge", "p_loo"))
    axes.hlines(height, np.minimum(charge, p), np.maximum(charge, p), colors=OWN, linewidth=1.2, zorder=1)
    axes.plot(charge, height, "o", ms=6.5, mfc=PAPER, mec=INK, mew=1.4, zorder=2, label="BIC: half its charge")
    axes.plot(p, height, "o", ms=6.5, mfc=INK, mec=INK, mew=1.4, zorder=2, label="leave one out: p")
    axes.set_xlim(left=0.0)
    _lines(axes, [row.score.name for row in rows])
    axes.set_xlabel("Taken off the log-density of the stores seen")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize=9, labelcolor=MUTED)
    return picture


def beside_picture(one: Beside) -> Figure:
    """EM's estimates with standard errors, in standard deviations of the posterior from its mean."""
    rows = [(s, e) for s, e in one.rows if e.em is not None]
    picture, axes = figure(WIDTH, 0.9 + LINE * len(rows))
    axes.axvspan(-ETI, ETI, color=OWN, alpha=0.22, linewidth=0, zorder=0)
    axes.axvline(0.0, color=MUTED, lw=0.8, zorder=1)
    for height, (s, e) in enumerate(rows):
        at = ((e.em or 0.0) - e.mean) / e.sd
        tone = segment_colour(s - 1) if s and one.score.fit.k > 1 else INK
        if e.em_se is not None and np.isfinite(e.em_se):
            reach = ETI * e.em_se / e.sd
            axes.hlines(height, at - reach, at + reach, colors=tone, linewidth=2.0, zorder=2)
        axes.plot(at, height, "o", ms=6.5, mfc=tone, mec=PAPER, mew=1.0, zorder=3)
    several = one.score.fit.k > 1
    _lines(axes, [f"{s}: {e.name}" if s and several else e.name for s, e in rows])
    axes.set_xlabel("Distance from the posterior mean (posterior sd)")
    return picture


def _lines(axes: Axes, names: list[str]) -> None:
    """One named line for each, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
