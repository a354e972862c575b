"""Stores of a family before and after: the rate that their own rows show, and what a model makes of it with the others.

Rates are compared over the store's own rows: what these show in all per unit of exposure, trial or row, and what the
model expects of the same rows, given the data of all.
"""

from typing import NamedTuple

import numpy as np

from bayesmix.diagnose import INTERVAL
from bayesmix.drawn_stores import drawn_stores
from bayesmix.fitted import Fit
from bayesmix.in_words import Z
from bayesmix.own_rates import OwnRates, expected_rates, information, own_rates
from bayesmix.pooling import own_weight
from bayesmix.posterior import thinned
from bayesmix.response_words import ResponseWords, words_of
from bayesmix.rounding import by_error, decimals, figures, fixed, percent
from bayesmix.segments_of_stores import membership
from bayesmix.shrinkage import FURTHEST, LEAST_KNOWN, typical_week
from bayesmix.stores import CountedStores, rows_of_stores
from em.statistics import Floats, Ints

DRAWS = 1000  # enough for intervals that are read to two figures
OF_ALIKE = 200  # for a mean


class Rates(NamedTuple):
    """All stores before and after; (store,) but for `moved` and `told`.

    Attributes
    ----------
    own : by the store's own rows.
    alike : expected of the same rows in a store like it: the average one, or one of its most probable segment.
    mean, low, high : expected of the same rows in this store, with the 89 % interval.
    weight : share of what differs between stores in their level that its own rows settle; None where stores are alike.
    told_by : Fisher information of its rows on the level.
    belongs, surely : index of its most probable segment, and its probability; None where there are no segments.
    moved : (one,) the stores that move furthest on the scale of the linear predictor, the furthest first.
    told : a sentence on each of these.
    """

    words: ResponseWords
    own: OwnRates
    alike: Floats
    mean: Floats
    low: Floats
    high: Floats
    weight: Floats | None
    told_by: Floats
    belongs: Ints | None
    surely: Floats
    moved: Ints
    told: list[str]


class Row(NamedTuple):
    """Some stores before and after on the scale of the linear predictor, as `shrinkage.Pull`; (one,) each."""

    own: Floats
    own_low: Floats
    own_high: Floats
    alike: Floats
    mean: Floats
    low: Floats
    high: Floats


def rates_of(fit: Fit) -> Rates | None:
    """Work them out; None for log sales, and for segments without memberships."""
    words, stats = words_of(fit), fit.statistics
    if words is None or not isinstance(stats, CountedStores) or (fit.k > 1 and "membership" not in fit.by_store):
        return None
    counts = stats.counts
    share = membership(fit) if fit.k > 1 else np.ones((counts.n_stores, 1))
    sigma, belongs = share @ fit.draws.sigma.mean(0), share.argmax(1)
    after = expected_rates(counts, drawn_stores(fit, DRAWS).theta)
    low, high = np.quantile(after, [0.5 - 0.5 * INTERVAL, 0.5 + 0.5 * INTERVAL], axis=0)
    some = thinned(fit.draws, OF_ALIKE)
    like = some.mu[:, belongs]
    if some.gamma is not None and fit.traits is not None:
        like = like + np.einsum("sm,dmp->dsp", fit.traits, some.gamma)
    alike = expected_rates(counts, like).mean(0)
    own, at = own_rates(counts, sigma), typical_week(fit)
    theta = np.asarray(fit.by_store["coefficients"].transpose("store", "coefficient"), dtype=float)
    weight = None if at is None or fit.draws.omega is None else own_weight(fit, at[None])[:, 0]
    found = Rates(
        words, own, alike, after.mean(0), low, high, weight, information(counts, theta, sigma),
        belongs if fit.k > 1 else None, share.max(1), np.arange(0), [],
    )  # fmt: skip
    moved = furthest(found)
    return found._replace(moved=moved, told=[explanation(fit, found, int(store)) for store in moved])


def linked(words: ResponseWords, own: OwnRates) -> tuple[Floats, Floats, Floats]:
    """Own rates and their ends on the scale of the linear predictor; none, or all, is half a count off."""
    total = own.total
    if words.family.discrete:
        total = np.maximum(total, 0.5)
        total = np.minimum(total, own.size - 0.5) if words.of_odds else total
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.where(own.size > 0.0, total / own.size, np.nan)
    return words.predictor(rate), words.predictor(own.low), words.predictor(own.high)


def furthest(found: Rates, most: int = FURTHEST) -> Ints:
    """The stores that move most, of those whose own rows say anything."""
    own, low, high = linked(found.words, found.own)
    error = np.fmin(high - own, own - low) / Z
    moved = np.abs(found.words.predictor(found.mean) - own)
    moved = np.where(np.isfinite(moved) & (error < LEAST_KNOWN), moved, 0.0)
    order = np.argsort(-moved, kind="stable")[:most]
    return order[moved[order] > 0.0]


def on_scale(found: Rates, index: Ints) -> Row:
    """Some stores on the scale of the linear predictor; ends without limit a little beyond all others."""
    ends = [*linked(found.words, found.own), *(found.words.predictor(of) for of in found[2:6])]
    own, own_low, own_high, alike, mean, low, high = (of[index] for of in ends)
    finite = np.concatenate([one[np.isfinite(one)] for one in (own, own_low, own_high, alike, mean, low, high)])
    room = 0.1 * np.ptp(finite) if finite.size else 1.0
    least, most = (finite.min() - room, finite.max() + room) if finite.size else (0.0, 1.0)
    return Row(own, np.clip(own_low, least, most), np.clip(own_high, least, most), alike, mean, low, high)


def explanation(fit: Fit, found: Rates, store: int) -> str:
    """Why a store's rate is pulled as it is."""
    words, own = found.words, found.own
    rows = int(rows_of_stores(fit.statistics)[store])
    by_itself = told_rate(words, own.rate[store], own.low[store], own.high[store])
    like = told_alone(words, found.alike[store])
    after = told_rate(words, found.mean[store], found.low[store], found.high[store])
    if found.belongs is None:
        whose = "The average store" if fit.between is None else "A store with its traits"
        others = f"{whose} would have {like} in the same rows"
    else:
        sure = percent(float(found.surely[store]))
        others = (
            f"Segment {found.belongs[store] + 1}, to which it belongs with probability {sure}, would have {like} in "
            "the same rows"
        )
    if found.weight is None:
        why = "in this model stores of a segment are alike, so its rows say no more than which it is of"
    else:
        why = (
            f"its own rows settle {percent(float(found.weight[store]))} of what differs between stores in their level, "
            "and the other stores say the rest"
        )
    by_rows = f"By its own {'single row' if rows == 1 else f'{fixed(rows, 0)} rows'}"
    name = f"store {fit.stores[store]}"
    shows = f"{words.share} in {name} is {by_itself}" if words.of_odds else f"{name} has {by_itself} {words.share}"
    return f"{by_rows} {shows}. {others}. With the other stores it is taken to have {after}: {why}."


def told_rate(words: ResponseWords, value: float, low: float, high: float) -> str:
    """A rate with its interval; shares in per cent."""
    by = 100.0 if words.of_odds else 1.0
    error = by * (min(high, 10.0 * value + 1.0) - low) / (2.0 * Z)
    if words.of_odds:
        digits = max(0, decimals(error) - 1)
        middle, least, most = (fixed(by * one, digits) for one in (value, low, high))
        return f"{middle} % ({least} to {most} %)"
    most = by_error(high, error) if np.isfinite(high) else "any"
    return f"{by_error(value, error)} ({by_error(low, error)} to {most})"


def told_alone(words: ResponseWords, rate: float) -> str:
    """A rate whose interval is told elsewhere, or that has none to speak of."""
    return f"{figures(100.0 * float(rate), 2)} %" if words.of_odds else figures(float(rate), 3)
