"""A posterior of counts, choices or amounts in sentences: what a typical row shows, and what its columns do to that."""

import numpy as np
from scipy.special import ndtri

from bayesmix.diagnose import INTERVAL
from bayesmix.fitted import Fit
from bayesmix.in_use import number_in_use
from bayesmix.ratios import Ends, Level, Ratio, levels, ratios
from bayesmix.response_words import ResponseWords
from bayesmix.rounding import decimals, fixed, percent

Z = float(ndtri(0.5 + 0.5 * INTERVAL))
MOST = 3  # columns that are told of a segment


def sentences_of_responses(fit: Fit, words: ResponseWords) -> list[str]:
    """One sentence for each segment, or some on the average store and how stores differ."""
    level, ratio = levels(fit), ratios(fit)
    if fit.model == "hierarchical":
        return _continuum(words, level, ratio)
    found = []
    for k in range(number_in_use(fit)):
        start = "All stores respond alike" if fit.k == 1 else f"{_share(fit, k)} of the stores"
        parts = [_level(words, level[k].typical)] if level else []
        parts += _effects([one for one in ratio if one.segment in (None, k + 1)], words)
        found.append(f"{start}: {'; '.join(parts)}.")
    return found


def _continuum(words: ResponseWords, level: list[Level], ratio: list[Ratio]) -> list[str]:
    found = [f"The average store: {_level(words, level[0].typical)}."] if level else []
    effects = _effects(ratio, words)
    if effects:
        found.append(f"In the average store {'; '.join(effects)}.")
    if level and level[0].average is not None:
        found.append(f"Averaged over all stores {_level(words, level[0].average)}: {_why(words)}.")
    for one in ratio:
        if one.stores is not None:
            _, low, high = rounded(one.stores)
            found.append(f"Stores differ: in 89 % of them {one.change} multiplies the {words.rate} by {low} to {high}.")
    return found


def _why(words: ResponseWords) -> str:
    """Why the mean of stores is not the average store's."""
    if words.of_odds:
        return "nearer to a half, for the average store has the mean of stores' log odds and not of their probabilities"
    return f"more, for the average store has the mean of stores' log {words.rate}s and not of their {words.rate}s"


def _level(words: ResponseWords, of: Ends) -> str:
    """What a typical row shows."""
    if words.of_odds:
        middle, low, high = (_probability(one, of.high - of.low) for one in (of.middle, of.low, of.high))
        return f"the {words.level} is {middle} ({low} to {high}) in a typical row"
    middle, low, high = rounded(of)
    if words.family.discrete:
        return f"a typical row has {middle} ({low} to {high}) {words.name}{words.per if words.size else ''}"
    return f"the mean {words.name} of a typical row is {middle} ({low} to {high}){words.per if words.size else ''}"


def _probability(value: float, width: float) -> str:
    return percent(value) if width > 0.02 and value > 0.02 else f"{fixed(100.0 * value, 1)} %"


def _effects(ratio: list[Ratio], words: ResponseWords) -> list[str]:
    """What the first columns do."""
    said = []
    for one in ratio[:MOST]:
        middle, low, high = rounded(one.ratio)
        said.append(f"{one.change} multiplies the {words.rate} by {middle} ({low} to {high})")
    if len(ratio) > MOST:
        said.append(f"for {len(ratio) - MOST} more columns see the table of {words.ratios}")
    return said


def rounded(of: Ends) -> tuple[str, str, str]:
    """Median, lower and upper end, with one digit less than a table has where that leaves two decimals."""
    digits = decimals((of.high - of.low) / (2.0 * Z))
    digits = min(digits, max(2, digits - 1))
    return fixed(of.middle, digits), fixed(of.low, digits), fixed(of.high, digits)


def _share(fit: Fit, k: int) -> str:
    weight = fit.draws.weight[:, k]
    low, high = np.quantile(weight, [0.5 - 0.5 * INTERVAL, 0.5 + 0.5 * INTERVAL])
    return f"{percent(float(weight.mean()))} ({percent(low)} to {percent(high)})"
