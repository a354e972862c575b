"""What the diagnostic report draws of a family: the response against columns, and rates of stores before and after."""

from collections.abc import Iterator

import numpy as np

from bayesmix.diagnose import INTERVAL
from bayesmix.drawings import Drawing, later
from bayesmix.drawings_of_stores import with_room
from bayesmix.drawn_stores import coefficients_of_stores
from bayesmix.fitted import Fit
from bayesmix.pictures_of_pooling import pooling_picture
from bayesmix.pictures_of_rates import POINTS, rates_picture, response_picture, sentence
from bayesmix.pictures_of_shrinkage import sales_picture
from bayesmix.report_contents import Contents
from bayesmix.report_rates import linked, on_scale, told_alone
from bayesmix.response_words import ResponseWords
from bayesmix.rounding import percent
from bayesmix.shrinkage import typical_week
from em.statistics import Floats

INFORMATION = "Information in the store's own rows on its level (log scale)"


def of_responses(c: Contents) -> Iterator[Drawing]:
    """The response against every column that takes more than two values, mode by mode."""
    if c.words is None:
        return
    for mode in c.modes:
        end = "" if len(c.modes) == 1 else f"-mode-{mode.number}"
        for column in c.curves:
            rows, at, label = along(mode.fit, column)
            draw = later(
                response_picture, c.words, mode.fit.draws.mu, rows, at, label, coefficients_of_stores(mode.fit)
            )
            ends = np.median(c.words.response(mode.fit.draws.mu @ rows[[0, -1]].T), axis=0)
            whose = [f"segment {s}: " if mode.fit.k > 1 else "" for s in range(1, len(ends) + 1)]
            each = "; ".join(f"{who}from {_to(c.words, *one)}" for who, one in zip(whose, ends, strict=True))
            against = f"{sentence(c.words.level)} against {column_label(mode.fit, column)}"
            alt = f"{against} with {INTERVAL:.0%} intervals; {each}."
            yield Drawing(f"response-{column}{end}", draw, alt)


def along(fit: Fit, column: int) -> tuple[Floats, Floats, str]:
    """Rows along a column at the means of the others, what the axis shows of them, and its label."""
    constant, at = fit.tree["constant_data"].to_dataset(), typical_week(fit)
    low, high = (float(constant[name].to_numpy()[column]) for name in ("column_min", "column_max"))
    values = np.linspace(low, high, POINTS)
    rows = np.repeat(np.zeros(len(fit.coefficients))[None] if at is None else at[None], POINTS, 0)
    rows[:, column] = values
    name = fit.coefficients[column]
    if name == "log_price":
        return rows, np.exp(values), "Price (as in the file)"
    if name.startswith("log(") and name.endswith(")"):
        return rows, np.exp(values), name[4:-1]
    return rows, values, name


def of_rates(c: Contents) -> Iterator[Drawing]:
    """The stores that move most, all stores before and after, and what stores borrow."""
    found, words = c.rates, c.words
    if found is None or words is None:
        return
    marks = "log odds" if words.of_odds else "logarithms"
    names = [c.fit.stores[s] for s in found.moved]
    if found.moved.size:
        each = "; ".join(
            f"{name} from {_to(words, float(found.own.rate[s]), float(found.mean[s]))}"
            for s, name in zip(found.moved, names, strict=True)
        )
        alt = f"A row for each of the {found.moved.size} stores that move most, own to pooled: {each}."
        label = f"{words.share.removeprefix('the ')}{'' if words.of_odds else ' (log scale)'}"
        segment = None if found.belongs is None else found.belongs[found.moved]
        row = on_scale(found, found.moved)
        yield Drawing("moved", later(sales_picture, names, row, segment, label, marks), alt)
    own, after = linked(words, found.own)[0], words.predictor(found.mean)
    known = np.flatnonzero(np.isfinite(own) & np.isfinite(after))
    if known.size > 1:
        place = {int(s): i for i, s in enumerate(known)}
        at = np.stack([own[known], after[known]], 1)
        distance = np.zeros(known.size)
        chosen = [place[int(s)] for s in found.moved if int(s) in place]
        distance[chosen] = np.abs(at[chosen, 0] - at[chosen, 1])
        named = {i: c.fit.stores[known[i]] for i in with_room(at / np.maximum(np.ptp(at, 0), 1e-9), distance)}
        segment = None if found.belongs is None else found.belongs[known]
        ranges = [_to(words, float(np.nanmin(rate)), float(np.nanmax(rate))) for rate in (found.own.rate, found.mean)]
        alt = f"A point for each of {known.size} stores: by their own rows {ranges[0]}, with the others {ranges[1]}."
        yield Drawing("rates", later(rates_picture, words, own[known], after[known], segment, named), alt)
    told = found.told_by
    if found.weight is not None and np.ptp(told[told > 0.0]) > 1e-6 * told.max():
        left = 1.0 - found.weight
        ends = percent(float(left.min())), percent(float(left.max()))
        alt = (
            f"A point for each of {int((told > 0.0).sum())} stores: the share of its level that comes from other "
            f"stores, {ends[0]} to {ends[1]}, against the information in its own rows."
        )
        yield Drawing("pooling", later(pooling_picture, told, left, INFORMATION, found.belongs), alt)


def _to(words: ResponseWords, low: float, high: float) -> str:
    return f"{told_alone(words, low)} to {told_alone(words, high)}"


def column_label(fit: Fit, column: int) -> str:
    """What the axis of a column shows, inside a sentence."""
    return along(fit, column)[2].removesuffix(" (as in the file)").replace("Price", "price")
