"""Stores of a family beside what is predicted of them: LOO-PIT of their rates, and replicated stores by segment.

A store's total has no distribution in closed form, so stores are simulated: for LOO-PIT under draws resampled by the
weights of PSIS-LOO, coefficients and rows both drawn anew. The place of the total observed among R replicates, ties in
random order, (below + U (equal + 1)) / (R + 1), is uniform where the model is right, for counts as for amounts
(Czado, Gneiting & Held 2009, Biometrics 65, for the randomised PIT).
"""

from typing import NamedTuple

import numpy as np

from bayesmix.drawn_stores import new_stores, of_segments
from bayesmix.fitted import Fit
from bayesmix.own_rates import sizes, sums
from bayesmix.predictive_check import SegmentCheck, against, moments
from bayesmix.replicates import how_many
from bayesmix.response_words import ResponseWords
from bayesmix.store_loo import by_store, smoothed
from bayesmix.streams import stream
from em.command import watched
from em.design_counts import DesignCounts
from em.statistics import Floats, Ints

POINTS = 61  # of a density


class RateSummary(NamedTuple):
    """The rates of the stores that have rows.

    Attributes
    ----------
    name : such as "scripts per row".
    store : (one,) index of the stores.
    observed : (one,) rates as pictures show them, see `on_picture`.
    """

    name: str
    store: Ints
    observed: Floats


def rate_pit(fit: Fit, counts: DesignCounts, store: Ints, reff: float, seed: int = 0) -> Floats:
    """LOO-PIT of the totals of some stores of the fit; (one,).

    Parameters
    ----------
    reff : relative efficiency of the store likelihoods, see `store_loo.loo`.
    """
    rng, rows = np.random.default_rng(stream(seed, "rates of stores")), _rows_of(counts)
    n = how_many(counts.n_observations)
    log_weight, _ = smoothed(by_store(fit.store_loglik), reff)
    draw = _resampled(np.exp(log_weight), n, rng)
    below, equal = np.zeros((2, counts.n_stores))
    observed = sums(counts, counts.total)
    for r in watched(range(n), "leaving stores out", n):
        again = _totals(rows, *new_stores(fit, draw[:, r], rng), rng)
        below += again < observed
        equal += again == observed
    return ((below + rng.random(observed.size) * (equal + 1.0)) / (n + 1.0))[store]


def rate_segments(
    fit: Fit, counts: DesignCounts, words: ResponseWords, summary: RateSummary, share: Floats, seed: int = 0
) -> list[SegmentCheck]:
    """Mean and standard deviation of the rates of a segment's stores, observed and replicated, and where they lie.

    Parameters
    ----------
    share : (one, segment) memberships of the stores of the summary.
    """
    rng, rows = np.random.default_rng(stream(seed, "rates of stores", 1)), _rows_of(counts)
    n, size = how_many(share.shape[1] * counts.n_observations), sizes(counts)[summary.store]
    draws = np.linspace(0, len(fit.draws.weight) - 1, n).astype(np.intp)
    seen, found = sums(counts, counts.total)[summary.store], []
    for k in range(share.shape[1]):
        again = np.empty((n, seen.size))
        for r, draw in enumerate(draws):
            same = np.full(counts.n_stores, draw)
            again[r] = _totals(rows, *of_segments(fit, same, np.full_like(same, k), rng), rng)[summary.store]
        found.append(_check(seen, again, size, share[:, k], words, summary.observed))
    return found


def on_picture(words: ResponseWords, total: Floats, size: Floats, seed: int = 0) -> Floats:
    """Rates as pictures show them: shares, spread over half a success to either side, and others by their logarithm."""
    if words.of_odds:
        return (
            total + np.random.default_rng(stream(seed, "rates of stores", 2)).uniform(-0.5, 0.5, total.shape)
        ) / size
    return np.log((total + (0.5 if words.family.discrete else 0.0)) / size)


class _Rows(NamedTuple):
    """The rows of a panel, to be drawn anew; (row,) each, or one of all the trials of a store with one design.

    Attributes
    ----------
    cell, store : of each row.
    """

    counts: DesignCounts
    cell: Ints
    store: Ints
    trials: Floats


def _rows_of(counts: DesignCounts) -> _Rows:
    cell, trials = np.arange(counts.store.size), counts.n
    if counts.family.size != "trials":
        cell = np.repeat(cell, counts.n.astype(np.intp))
        trials = np.ones(cell.size)
    return _Rows(counts, cell, counts.store[cell], trials)


def _totals(rows: _Rows, theta: Floats, sigma: Floats, rng: np.random.Generator) -> Floats:
    """Totals drawn of stores with coefficients (store, coefficient) and sigma (store,); (store,)."""
    counts = rows.counts
    eta = counts.offset[counts.design] + np.einsum("cp,cp->c", counts.x[counts.design], theta[counts.store])
    y = counts.family.draw(rng, eta[rows.cell], rows.trials, np.log(sigma)[rows.store])
    return np.bincount(rows.store, y, counts.n_stores)


def _resampled(weight: Floats, n: int, rng: np.random.Generator) -> Ints:
    """Draws taken by their weights, evenly (systematic resampling), in random order; (store, draw) to (store, n)."""
    places = (np.arange(n) + rng.random((len(weight), 1))) / n
    cumulated = np.cumsum(weight, 1)
    found = [np.searchsorted(one / one[-1], place) for one, place in zip(cumulated, places, strict=True)]
    return rng.permuted(np.stack(found), axis=1)


def _check(
    seen: Floats, again: Floats, size: Floats, weight: Floats, words: ResponseWords, observed: Floats
) -> SegmentCheck:
    """One segment; seen (store,), again (replicate, store)."""
    stores = float(weight.sum())
    at, density = _density(on_picture(words, again, size), weight, observed)
    if stores < 2.0:
        return SegmentCheck(stores, weight, None, None, at, density)
    numbers = moments(seen[None] / size, weight), moments(again / size, weight)
    mean, sd = (against(float(one[0]), many) for one, many in zip(*numbers, strict=True))
    return SegmentCheck(stores, weight, mean, sd, at, density)


def _density(again: Floats, weight: Floats, observed: Floats) -> tuple[Floats, Floats]:
    """Where the replicates (replicate, store) of a segment's stores lie, as a smoothed histogram; (point,) both."""
    low, high = np.quantile(again, [0.002, 0.998])
    near = observed[(weight > 0.5) & (np.abs(observed - 0.5 * (low + high)) < 0.8 * (high - low))]
    low, high = min(low, near.min(initial=low)), max(high, near.max(initial=high))
    room = 0.05 * max(high - low, 1e-6)
    edges = np.linspace(low - room, high + room, POINTS + 1)
    count = np.histogram(again, edges, weights=np.broadcast_to(weight, again.shape))[0]
    smooth = np.convolve(np.pad(count, 2, mode="edge"), np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0, mode="valid")
    return 0.5 * (edges[1:] + edges[:-1]), smooth / max(smooth.sum() * (edges[1] - edges[0]), np.finfo(float).tiny)
