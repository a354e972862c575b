"""What pooling is worth: the error on later weeks against the number of weeks that are known of a store."""

from collections.abc import Mapping
from typing import NamedTuple, cast

import numpy as np
from matplotlib.figure import Figure

from bayesmix.drawing import WIDTH, apart, figure
from bayesmix.fitted import Fit
from bayesmix.posterior import ParameterDraws, thinned
from bayesmix.stores import CountedStores, Stores, some, stores_of
from bayesmix.svg import INK, OWN, segment_colour
from bayesmix.week_density import Weeks, known, pieces, predicted, weeks_of
from comparisons.family_rivals import Rival, regression
from comparisons.least_squares import own_regressions
from comparisons.response_scores import sampled_responses
from comparisons.week_words import Words, words_of
from em.split_weeks import SplitPanel
from em.statistics import Floats, GaussianStatistics, Ints

DRAWS = 200
SEED = 0
MOST_BORROWED = 0.5  # share of later weeks that least squares must leave to one regression, where it has no value
HIGHEST = 2.0  # times the largest error of a model that pools, up to which the picture goes


class KnownWeeks(NamedTuple):
    """Error in the later weeks of the median store.

    Of a store it is the root mean square of log sales, or the mean distance of another response from the median
    predicted. The median of the stores, because a few stores whose weeks barely settle anything would decide any mean
    of least squares.

    Attributes
    ----------
    weeks : (point,) first weeks known of a store, or all that it has.
    error : by model, (point,); each store's own regression first, NaN while it has too few weeks.
    words : what things are called.
    """

    weeks: Ints
    error: dict[str, Floats]
    words: Words


def error_by_known_weeks(split: SplitPanel, fits: Mapping[str, Fit], *, fixed: bool) -> KnownWeeks:
    """Predict the later weeks from fewer and fewer first weeks of each store.

    Parameters are those learned from the first weeks of all stores; what is forgotten is a store's own coefficients.
    Least squares needs weeks that settle its coefficients: it begins where half of the later weeks have them.

    Parameters
    ----------
    fits : posteriors of `split.until(1)`, by name.
    """
    rows, first, words = weeks_of(split.panel), split.step == 0, words_of(split.panel)
    n_stores, like = len(split.panel.stores), stores_of(split.panel, split.panel.x.shape[1])
    begins = np.searchsorted(rows.store, np.arange(n_stores))
    position = np.arange(rows.y.size) - begins[rows.store]
    longest = int(np.bincount(rows.store[first]).max())
    lengths = np.unique([*(2**power for power in range(int(np.log2(longest)) + 1)), longest])
    draws = {name: thinned(fit.draws, DRAWS) for name, fit in fits.items()}
    error = {name: np.empty(lengths.size) for name in (words.own, *fits)}
    later = rows.of(split.later)
    for i, m in enumerate(lengths):
        seen = rows.of(first & (position < m))
        misses = {words.own: _missed_alone(seen, later, n_stores, like, fixed)}
        for name, draw in draws.items():
            stores = known(seen, n_stores, fits[name].statistics)
            misses[name] = _missed(stores, fits[name], draw, later)
        for name, miss in misses.items():
            error[name][i] = _of_the_median_store(miss, later.store, isinstance(like, CountedStores))
    return KnownWeeks(lengths, error, words)


def _missed(stores: Stores, fit: Fit, draws: ParameterDraws, later: Weeks) -> Floats:
    """Log sales less their predicted mean, or a response less its predicted median; (later row,)."""
    parts = []
    for index, part in pieces(later, stores.n_stores, draws):
        of = some(stores, index)
        if isinstance(of, CountedStores):
            seen = sampled_responses(of, draws, part, np.random.default_rng(SEED), fit.traits_of(index))
            parts.append(part.y - np.median(seen, axis=0))
        else:
            normals = predicted(of, draws, part, fit.traits_of(index))
            parts.append(part.y - np.einsum("drk,drk->r", normals.weight, normals.mean) / len(normals.weight))
    return np.concatenate(parts)


def _missed_alone(seen: Weeks, later: Weeks, n_stores: int, like: Stores, fixed: bool) -> Floats:
    """The same of each store's own regression; NaN where too many weeks would be those of one regression."""
    if isinstance(like, CountedStores):
        if np.linalg.matrix_rank(seen.x) < seen.x.shape[1]:
            return np.full(later.y.size, np.nan)
        rival = Rival("", np.arange(later.x.shape[1]), False)
        sampled = sampled_responses(
            *regression(rival, seen, n_stores, like), rival.seen(later), np.random.default_rng(SEED)
        )
        return later.y - np.median(sampled, axis=0)
    own = own_regressions(cast(GaussianStatistics, known(seen, n_stores, like)), later, common=True, fixed=fixed)
    return own.scores.error if own.borrowed.mean() < MOST_BORROWED else np.full(later.y.size, np.nan)


def _of_the_median_store(miss: Floats, store: Ints, absolute: bool) -> float:
    _, index = np.unique(store, return_inverse=True)
    if absolute:
        return float(np.median(np.bincount(index, weights=np.abs(miss)) / np.bincount(index)))
    return float(np.median(np.sqrt(np.bincount(index, weights=np.square(miss)) / np.bincount(index))))


def known_weeks_picture(of: KnownWeeks) -> Figure:
    """A line for each model, named at its end."""
    picture, axes = figure(WIDTH, 3.2)
    pooling = np.stack([error for name, error in of.error.items() if name != of.words.own])
    top = min(HIGHEST * float(pooling.max()), 1.05 * max(float(np.nanmax(error)) for error in of.error.values()))
    low = min(float(np.nanmin(error)) for error in of.error.values())
    place = np.log2(of.weeks)
    ends = apart([float(error[-1]) for error in of.error.values()], 0.075 * (top - low))
    for i, (name, error) in enumerate(of.error.items()):
        colour = OWN if name == of.words.own else segment_colour(i - 1)
        axes.plot(place, error, "o-", ms=4, lw=1.6, color=colour, clip_on=True)
        axes.annotate(name, (place[-1], ends[i]), (8, 0), textcoords="offset points", va="center", size=9, color=INK)
        axes.plot([place[-1], place[-1] + 0.12 * max(place[-1], 1.0) * 0.3], [error[-1], ends[i]], lw=0.8, color=colour)
    axes.set_ylim(low - 0.06 * (top - low), top)
    axes.set_xlim(-0.1, place[-1] * 1.5 + 0.5)
    axes.set_xticks(place, [str(m) for m in of.weeks])
    axes.set_xlabel("Weeks known of a store (log scale)")
    axes.set_ylabel(f"Error in {of.words.what}, median store")
    return picture
