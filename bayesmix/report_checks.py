"""What the diagnostic report checks of stores: each left out, and each beside what is predicted of it."""

from typing import NamedTuple

import numpy as np

from bayesmix.drawing import selection
from bayesmix.fitted import Fit
from bayesmix.own_rates import sizes, sums
from bayesmix.predictive_check import SegmentCheck, check_segments, extent
from bayesmix.rate_checks import RateSummary, on_picture, rate_pit, rate_segments
from bayesmix.response_words import ResponseWords, words_of
from bayesmix.segments_of_stores import membership
from bayesmix.some_stores import some_stores
from bayesmix.store_loo import FEWEST_DRAWS, Loo
from bayesmix.store_summaries import Summary, loo_pit, store_summaries
from bayesmix.stores import CountedStores
from bayesmix.uniformity import EcdfDifference, against_uniform
from em.design_counts import DesignCounts
from em.statistics import Floats, Ints

CHECKED = 1000  # stores that the predictive checks are made of
WORST = 5  # stores that are named


class Check(NamedTuple):
    """LOO-PIT and the predictive check by segment of one summary of stores.

    Attributes
    ----------
    pit : (one,) by store of the summary.
    curve : None for too few stores.
    """

    summary: Summary | RateSummary
    pit: Floats
    curve: EcdfDifference | None
    segments: list[SegmentCheck]

    @property
    def beyond(self) -> int:
        """Stores outside the picture of the predictive check."""
        low, high = extent(self.segments)
        return int(((self.summary.observed < low) | (self.summary.observed > high)).sum())


def enough_draws(fit: Fit) -> bool:
    """Whether stores can be left out."""
    return fit.store_loglik.sizes["chain"] * fit.store_loglik.sizes["draw"] >= FEWEST_DRAWS


def worst_stores(left_out: Loo | None) -> Ints:
    """The stores that are hardest to leave out."""
    return np.arange(0) if left_out is None else np.argsort(-left_out.khat_i, kind="stable")[:WORST]


def checks_of(fit: Fit, reff: float) -> list[Check]:
    """The checks of each summary of stores.

    Parameters
    ----------
    reff : relative efficiency of the store likelihoods, see `store_loo.loo`.
    """
    some = some_stores(fit, selection(len(fit.stores), CHECKED))
    share = membership(some) if "membership" in some.by_store else np.ones((len(some.stores), fit.k))
    words, stats = words_of(some), some.statistics
    if words is not None and isinstance(stats, CountedStores):
        return [_of_rates(some, stats.counts, words, share, reff)]
    found = []
    for summary in store_summaries(some.gaussian, fit.coefficients):
        if summary.store.size == 0:
            continue
        pit = loo_pit(some, summary, reff)
        segments = check_segments(summary, some.draws, share[summary.store], traits=some.traits)
        found.append(Check(summary, pit, against_uniform(pit), segments))
    return found


def _of_rates(fit: Fit, counts: DesignCounts, words: ResponseWords, share: Floats, reff: float) -> Check:
    """The check of the stores' rates, of another family than log sales."""
    size = sizes(counts)
    store = np.flatnonzero(size > 0.0)
    total = sums(counts, counts.total)
    summary = RateSummary(words.share, store, on_picture(words, total[store], size[store]))
    pit = rate_pit(fit, counts, store, reff)
    segments = rate_segments(fit, counts, words, summary, share[store])
    return Check(summary, pit, against_uniform(pit), segments)
