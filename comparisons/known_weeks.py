"""What pooling is worth: the error on later weeks against the number of weeks that are known of a store."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from bayesmix.drawing import WIDTH, apart, figure
from bayesmix.fitted import Fit
from bayesmix.posterior import ParameterDraws, thinned
from bayesmix.svg import INK, OWN, segment_colour
from bayesmix.week_density import Weeks, pieces, predicted
from comparisons.least_squares import own_regressions
from comparisons.week_loo import weeks_of
from em.split_weeks import SplitPanel
from em.statistics import Floats, GaussianStatistics, Ints, build, take

DRAWS = 200
OWN_NAME = "least squares"
MOST_BORROWED = 0.5  # share of later weeks that least squares must leave to one regression, where it has no value
HIGHEST = 2.0  # times the largest error of a model that pools, up to which the picture goes


class KnownWeeks(NamedTuple):
    """Error of log sales in the later weeks: of each store the root mean square, of the stores the median.

    The median, because a few stores whose weeks barely settle anything would decide any mean of least squares.

    Attributes
    ----------
    weeks : (point,) first weeks known of a store, or all that it has.
    error : by model, (point,); least squares first, NaN while it has too few weeks.
    """

    weeks: Ints
    error: dict[str, Floats]


def error_by_known_weeks(split: SplitPanel, fits: Mapping[str, Fit], *, fixed: bool) -> KnownWeeks:
    """Predict the later weeks from fewer and fewer first weeks of each store.

    Parameters are those learned from the first weeks of all stores; what is forgotten is a store's own coefficients.
    Least squares needs weeks that settle its coefficients: it begins where half of the later weeks have them.

    Parameters
    ----------
    fits : posteriors of `split.until(1)`, by name.
    """
    rows, first = weeks_of(split.panel), split.step == 0
    n_stores = len(split.panel.stores)
    begins = np.searchsorted(rows.store, np.arange(n_stores))
    position = np.arange(rows.y.size) - begins[rows.store]
    longest = int(np.bincount(rows.store[first]).max())
    known = np.unique([*(2**power for power in range(int(np.log2(longest)) + 1)), longest])
    draws = {name: thinned(fit.draws, DRAWS) for name, fit in fits.items()}
    error = {name: np.empty(known.size) for name in (OWN_NAME, *fits)}
    later = rows.of(split.later)
    for i, m in enumerate(known):
        seen = rows.of(first & (position < m))
        stats = build(seen.store, seen.x, seen.y, n_stores)
        own = own_regressions(stats, later, common=True, fixed=fixed)
        misses = {OWN_NAME: own.scores.error if own.borrowed.mean() < MOST_BORROWED else np.full(later.y.size, np.nan)}
        misses |= {name: later.y - _expected(stats, fits[name], draw, later) for name, draw in draws.items()}
        for name, miss in misses.items():
            error[name][i] = _of_the_median_store(miss, later.store)
    return KnownWeeks(known, error)


def _expected(stats: GaussianStatistics, fit: Fit, draws: ParameterDraws, later: Weeks) -> Floats:
    """Mean log sales predicted; (later row,)."""
    parts = []
    for stores, part in pieces(later, stats.n_stores, draws):
        of = predicted(take(stats, stores), draws, part, fit.traits_of(stores))
        parts.append(np.einsum("drk,drk->r", of.weight, of.mean) / len(of.weight))
    return np.concatenate(parts)


def _of_the_median_store(miss: Floats, store: Ints) -> float:
    _, index = np.unique(store, return_inverse=True)
    return float(np.median(np.sqrt(np.bincount(index, weights=np.square(miss)) / np.bincount(index))))


def known_weeks_picture(of: KnownWeeks) -> Figure:
    """A line for each model, named at its end."""
    picture, axes = figure(WIDTH, 3.2)
    pooling = np.stack([error for name, error in of.error.items() if name != OWN_NAME])
    top = min(HIGHEST * float(pooling.max()), 1.05 * max(float(np.nanmax(error)) for error in of.error.values()))
    low = min(float(np.nanmin(error)) for error in of.error.values())
    place = np.log2(of.weeks)
    ends = apart([float(error[-1]) for error in of.error.values()], 0.075 * (top - low))
    for i, (name, error) in enumerate(of.error.items()):
        colour = OWN if name == OWN_NAME else segment_colour(i - 1)
        axes.plot(place, error, "o-", ms=4, lw=1.6, color=colour, clip_on=True)
        axes.annotate(name, (place[-1], ends[i]), (8, 0), textcoords="offset points", va="center", size=9, color=INK)
        axes.plot([place[-1], place[-1] + 0.12 * max(place[-1], 1.0) * 0.3], [error[-1], ends[i]], lw=0.8, color=colour)
    axes.set_ylim(low - 0.06 * (top - low), top)
    axes.set_xlim(-0.1, place[-1] * 1.5 + 0.5)
    axes.set_xticks(place, [str(m) for m in of.weeks])
    axes.set_xlabel("Weeks known of a store (log scale)")
    axes.set_ylabel("Error in log sales, median store")
    return picture
