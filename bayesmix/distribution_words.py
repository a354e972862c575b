"""What the checks of a distribution's shape say: frequencies, places of rows in their predictions, calibration."""

from typing import NamedTuple

import numpy as np

from bayesmix.calibration_curve import Calibration
from bayesmix.frequencies import Bins, Frequencies
from bayesmix.pit_of_rows import Pit
from bayesmix.rounding import figures, fixed, listed, percent

NAMED = 3  # classes


class Verdict(NamedTuple):
    """A finding.

    Attributes
    ----------
    name : of the check.
    departs : whether it speaks against the model.
    title, text : in short, and with all numbers and what to do.
    """

    name: str
    departs: bool
    title: str
    text: str


def of_frequencies(of: Frequencies) -> Verdict:
    """Counts, shares or amounts that are too frequent or too rare."""
    outside = of.outside
    noun = "count" if of.bins.whole else "share" if of.bins.of_shares else "amount"
    if not outside.size:
        title = f"{noun.capitalize()}s are as frequent as the model has them"
        return Verdict("frequencies", False, title, "All frequencies are inside the band of replicated panels.")
    ends = np.column_stack([of.observed, of.expected, np.ceil(of.low), np.floor(of.high)]).tolist()
    said = [
        f"{label(of.bins, i)} in {fixed(seen, 0)} rows ({count(mean)} expected, {fixed(low, 0)} to {fixed(high, 0)})"
        for i, (seen, mean, low, high) in ((int(i), ends[i]) for i in outside[:NAMED])
    ]
    first = int(outside[0])
    how, name = "often" if of.observed[first] > of.expected[first] else "rarely", label(of.bins, first)
    one = " " not in name
    what = f"The {noun} {name} occurs" if one else f"{noun.capitalize()}s {'of ' * name[0].isdigit()}{name} occur"
    title = f"{what} more {how} than the model has {'it' if one else 'them'}"
    text = f"{outside.size} of {of.observed.size} frequencies {'is' if outside.size == 1 else 'are'} outside the band: "
    return Verdict("frequencies", True, title, f"{text}{listed(said)}.")


def label(bins: Bins, i: int) -> str:
    """A bin in words."""
    low = 0.0 if i == 0 else float(bins.upper[i - 1])
    high = float(bins.upper[i])
    if bins.of_shares:
        return "0 %" if i == 0 else f"{percent(low)} to {percent(high)}"
    if not bins.whole:
        between = f"{figures(low)} to {figures(high)}" if i else f"up to {figures(high)}"
        return f"above {figures(low)}" if np.isinf(high) else between
    low = low + 1.0 if i else 0.0
    if np.isinf(high):
        return f"{fixed(low, 0)} or more"
    return fixed(low, 0) if low == high else f"{fixed(low, 0)} to {fixed(high, 0)}"


def of_pit(of: Pit) -> Verdict:
    """Whether rows lie too far from what is predicted, too near, or on one side."""
    first, last, least, most = float(of.observed[0]), float(of.observed[-1]), float(of.low[0]), float(of.high[0])
    text = (
        f"{_percent(first)} of the rows lie in the lowest tenth of what is predicted of them and {_percent(last)} in "
        f"the highest, where a right model has {_percent(least)} to {_percent(most)}."
    )
    beyond = np.maximum(of.observed - of.high, of.low - of.observed)
    at = int(beyond.argmax())
    if not of.departs:
        title = "Rows are spread evenly over what is predicted of them"
    elif first > most and last > float(of.high[-1]):
        title = "Too many rows at both ends of what is predicted: they scatter more than the model has it"
    elif first < least and last < float(of.low[-1]):
        title = "Too many rows in the middle of what is predicted: they scatter less than the model has it"
    else:
        where = {0: "lowest tenth", of.observed.size - 1: "highest tenth"}.get(at, f"tenth above {10 * at} %")
        title = f"Too {'many' if of.observed[at] > of.high[at] else 'few'} rows in the {where} of what is predicted"
        if 0 < at < of.observed.size - 1:
            ends = _percent(float(of.low[at])), _percent(float(of.high[at]))
            text += f" In the {where} lie {_percent(float(of.observed[at]))} ({ends[0]} to {ends[1]})."
    return Verdict("pit", of.departs, title, text)


def of_calibration(of: Calibration) -> Verdict:
    """Whether probabilities come true."""
    one, told = of.miscalibration, of.discrimination
    departs = bool(of.outside.size) or (one.departs and one.above < 0.5)
    text = (
        f"Of the Brier score, miscalibration is {figures(one.observed, 2)} (replicates {figures(one.low, 2)} to "
        f"{figures(one.high, 2)}) and discrimination {figures(told.observed, 2)} ({figures(told.low, 2)} to "
        f"{figures(told.high, 2)}), of an uncertainty of {figures(of.uncertainty, 2)}."
    )
    if not departs:
        return Verdict("calibration", departs, "Probabilities come true as they are predicted", text)
    at = int(of.outside[0]) if of.outside.size else int(np.abs(of.observed - of.predicted).argmax())
    title = f"Where {_percent(of.predicted[at])} is predicted, {_percent(of.observed[at])} comes true"
    text = f"Chance allows {_percent(of.low[at])} to {_percent(of.high[at])} there. {text}"
    return Verdict("calibration", departs, title, text)


def count(value: float) -> str:
    """A number of rows, with a decimal where it is an average of few."""
    return fixed(value, 0 if value >= 10.0 or value == round(value) else 1)


def _percent(share: float) -> str:
    return f"{fixed(100.0 * share, 0 if 0.0995 <= share <= 0.9005 else 1)} %"
