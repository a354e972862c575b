"""Pictures of a continuum: whether its stores are normal, and how much each borrows from the others."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter
from scipy.special import ndtri
from scipy.stats import beta

from bayesmix.drawing import WIDTH, figure, selection
from bayesmix.svg import INK, MUTED, OWN, PAPER
from em.statistics import Floats

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


def pooling_picture(error: Floats, share: Floats) -> Figure:
    """Share of a store's estimate that comes from the others, against how little its own data say.

    Parameters
    ----------
    error : (store,) standard error of its own estimate; infinite where there is none.
    share : (store,) from 0 to 1.
    """
    drawn = selection(error.size)
    error, share = error[drawn], share[drawn]
    picture, axes = figure(WIDTH, 2.9)
    known = np.isfinite(error)
    axes.plot(error[known], share[known], "o", ms=4, mfc=INK, mec=PAPER, mew=0.5, alpha=0.75)
    axes.set(ylim=(0, 1), xscale="log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("Standard error of the store's own price elasticity (log scale)")
    axes.set_ylabel("Share from other stores")
    return picture
