"""Pictures of a continuum: whether its stores are normal, and how much each borrows from the others."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter
from scipy.special import ndtri
from scipy.stats import beta

from bayesmix.drawing import WIDTH, colours_of, figure, selection
from bayesmix.svg import INK, MUTED, OWN, PAPER
from em.statistics import Floats, Ints

BAND = 0.89  # probability of the pointwise band of a QQ picture


def normal_picture(z: Floats) -> Figure:
    """Ordered numbers against the quantiles of a standard normal, with a pointwise band.

    Parameters
    ----------
    z : (store,) standard normal if the model is right.
    """
    n = z.size
    rank = np.arange(1, n + 1)
    expected = ndtri((rank - 0.5) / n)
    low, high = (ndtri(beta.ppf(level, rank, n + 1 - rank)) for level in (0.5 - 0.5 * BAND, 0.5 + 0.5 * BAND))
    picture, axes = figure(WIDTH, 3.2)
    axes.fill_between(expected, low, high, color=OWN, alpha=0.3, linewidth=0)
    axes.plot(expected[[0, -1]], expected[[0, -1]], color=MUTED, lw=1.0, ls="--")
    drawn = selection(n)
    axes.plot(expected[drawn], np.sort(z)[drawn], "o", ms=3.2, color=INK, mew=0)
    axes.set_xlabel("Expected of a normal distribution (standard deviations)")
    axes.set_ylabel("Stores (standard deviations)")
    return picture


STANDARD_ERROR = "Standard error of the store's own price elasticity (log scale)"
INFORMATION = "Information: weeks × variance of the store's log price (log scale)"


def pooling_picture(told: Floats, share: Floats, label: str = STANDARD_ERROR, segment: Ints | None = None) -> Figure:
    """Share of a store's estimate that comes from the others, against how much or how little its own data say.

    Parameters
    ----------
    told : (store,) how much or how little; infinite or zero where there is no estimate of its own.
    share : (store,) from 0 to 1.
    label : of the horizontal axis.
    segment : (store,) for the colour; None draws all stores alike.
    """
    known = np.flatnonzero(np.isfinite(told) & (told > 0.0))
    drawn = known[selection(known.size)]
    picture, axes = figure(WIDTH, 2.9)
    axes.scatter(told[drawn], share[drawn], s=17, c=colours_of(segment, drawn), edgecolors=PAPER, linewidths=0.5,
                 alpha=0.75)  # fmt: skip
    axes.set(ylim=(0, 1), xscale="log")
    wide = told[drawn].size and told[drawn].max() > 200.0 * told[drawn].min()
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel(label)
    axes.set_ylabel("Share from other stores")
    return picture
