"""What the example of overdispersion draws: counts of rows, which look alike, and stores, which do not."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from bayesmix.drawing import WIDTH, figure, log_units_upwards, units
from bayesmix.svg import INK, MUTED, OWN, PAPER, segment_colour
from comparisons.examples.dispersion_panels import Rows
from em.families import family_named
from em.statistics import Floats

MARKS = "os"


def unpromoted(rows: Rows) -> Rows:
    """The rows without promotion."""
    kept = rows.x[:, 1] == 0.0
    return Rows(rows.store[kept], rows.x[kept], rows.y[kept])


def frequencies(y: Floats, most: int) -> Floats:
    """Share of rows with each count from 0 to most; (most + 1,)."""
    return np.bincount(y.astype(np.intp), minlength=most + 1)[: most + 1] / y.size


def expected_frequencies(mean: float, sigma: float, most: int) -> Floats:
    """The same by the negative binomial distribution."""
    cumulative = family_named("negative-binomial").cumulative
    at = cumulative(np.arange(-1.0, most + 1.0), np.full(most + 2, np.log(mean)), np.ones(most + 2), np.log(sigma))
    return np.diff(at)


def counts_picture(panels: Mapping[str, Rows], mean: float, sigma: float) -> Figure:
    """Distributions of the counts of rows without promotion, and the one that both were drawn from."""
    most = int(max(np.quantile(rows.y, 0.995) for rows in panels.values()))
    picture, axes = figure(WIDTH, 3.0)
    at = np.arange(most + 1)
    axes.plot(
        at, expected_frequencies(mean, sigma, most), color=INK, lw=1.4, zorder=3, label="what both are drawn from"
    )
    for p, (name, rows) in enumerate(panels.items()):
        share = frequencies(unpromoted(rows).y, most)
        axes.plot(
            at + 0.24 * (p - 0.5),
            share,
            MARKS[p],
            ms=4.2,
            mfc=segment_colour(p),
            mec=PAPER,
            mew=0.6,
            label=name,
            zorder=4,
        )
        axes.vlines(at + 0.24 * (p - 0.5), 0.0, share, colors=segment_colour(p), linewidth=1.0, zorder=2)
    axes.set_ylim(0.0)
    axes.grid(axis="x", visible=False)
    axes.set_xlabel("Units in a week without promotion")
    axes.set_ylabel("Share of rows")
    axes.legend(frameon=False, fontsize=9, labelcolor=MUTED)
    return picture


def moments(rows: Rows) -> tuple[Floats, Floats]:
    """Mean and variance over the weeks of each store; (store,) both."""
    number = np.bincount(rows.store)
    mean = np.bincount(rows.store, rows.y) / number
    return mean, np.bincount(rows.store, np.square(rows.y - mean[rows.store])) / (number - 1)


def stores_picture(panels: Mapping[str, Rows], sigma: float) -> Figure:
    """Variance inside each store against its mean, in weeks without promotion, and what either truth would have."""
    picture, axes = figure(WIDTH, 4.0)
    highest = 0.0
    for p, (name, rows) in enumerate(panels.items()):
        mean, variance = moments(unpromoted(rows))
        highest = max(highest, float(mean.max()))
        axes.plot(mean, variance, MARKS[p], ms=5.0, mfc=segment_colour(p), mec=PAPER, mew=0.6, label=name, zorder=3)
    axes.set_xscale("log")
    log_units_upwards(axes)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(lambda value, _: units(value))
    axes.minorticks_off()
    low, high = axes.get_xlim()
    at = np.geomspace(low, high, 60)
    axes.plot(at, at, color=INK, lw=1.3, zorder=2, label="variance = mean")
    axes.plot(
        at, at + (sigma * at) ** 2, color=OWN, lw=1.6, ls=(0, (5, 2)), zorder=2, label="variance = mean + σ² mean²"
    )
    axes.set_xlim(low, high)
    axes.set_xlabel("Mean units of a store in weeks without promotion")
    axes.set_ylabel("Variance between its weeks")
    axes.legend(frameon=False, fontsize=9, labelcolor=MUTED, loc="upper left")
    return picture
