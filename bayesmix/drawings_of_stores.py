"""What the diagnostic report draws of single stores: each one's coefficients, who belongs together, who moves."""

from collections.abc import Iterator

import numpy as np

from bayesmix.diagnose import INTERVAL
from bayesmix.drawing import Marks, selection
from bayesmix.drawings import Drawing, later
from bayesmix.parameters import deviating, spoken
from bayesmix.pictures_of_pooling import INFORMATION, normal_picture, pooling_picture
from bayesmix.pictures_of_rates import sentence
from bayesmix.pictures_of_shrinkage import corners, plane_picture, sales_picture
from bayesmix.pictures_of_stores import caterpillar_picture, together_picture
from bayesmix.report_contents import Contents
from bayesmix.report_stores import Caterpillar, Plane
from bayesmix.response_words import ResponseWords
from bayesmix.rounding import decimals, fixed, percent
from bayesmix.segments_of_stores import SURE_OF, most_probable
from em.statistics import Floats, Ints

FEWEST = 10  # stores of a QQ picture
ARROWS = 5  # stores whose arrow is named
ROOM = (0.3, 0.07)  # width and height of a name, of the picture's


def of_stores(c: Contents) -> Iterator[Drawing]:
    """Who belongs with whom, and caterpillars."""
    segment = _segments(c)
    shown = c.stores.shown
    if c.stores.together is not None and segment is not None:
        pairs, order = c.stores.together
        upper = pairs[np.triu_indices(len(pairs), 1)]
        alt = (
            f"A square of {len(pairs)} stores against the same, stronger where two are more surely in one segment: "
            f"{np.mean(upper > SURE_OF):.0%} of the pairs are together with more than 90 %, "
            f"{np.mean(upper < 1.0 - SURE_OF):.0%} with less than 10 %."
        )
        yield Drawing("together", later(together_picture, pairs, segment[shown][order]), alt)
    names = [c.fit.stores[s] for s in shown] if c.fit.draws.omega is not None else []
    for number, one in enumerate(c.stores.caterpillars):
        yield _caterpillar(c, number, one, None if segment is None else segment[shown], names)


def _caterpillar(c: Contents, number: int, one: Caterpillar, segment: Ints | None, names: list[str]) -> Drawing:
    level, words = one.coefficient == "intercept", c.words
    values = np.array([one.mean, one.low, one.high])
    if level:
        values = np.exp(values) if words is None else words.response(values)
    digits = 2
    if level:
        digits = 0 if words is None else decimals(float(np.median(values[2] - values[1])))
    lowest, highest = (fixed(float(end), digits) for end in (values[0].min(), values[0].max()))
    narrow, wide = (fixed(float(end), digits) for end in (np.ptp(values[1:], 0).min(), np.ptp(values[1:], 0).max()))
    alt = (
        f"A point with its {INTERVAL:.0%} interval for each of {one.mean.size} stores: "
        f"{name_of(one.coefficient, words)} from {lowest} to {highest}, intervals {narrow} to {wide} wide."
    )
    marks: Marks = "plain"
    if level:
        marks = "log odds" if words is not None and words.of_odds else "logarithms"
    label = _label(c, one.coefficient)
    draw = later(caterpillar_picture, one.mean, one.low, one.high, segment, label, names, marks=marks)
    return Drawing(f"caterpillar-{number}", draw, alt)


def _label(c: Contents, coefficient: str) -> str:
    """Of the axis of a caterpillar."""
    if c.words is not None:
        if coefficient == "intercept":
            return f"{sentence(c.words.level)}{'' if c.words.of_odds else ' (log scale)'}"
        name = spoken(coefficient, c.words)
        elasticity = f"{name[0].upper() + name[1:]} (% {c.words.name} per 1 % price)"
        return elasticity if name != coefficient else f"Effect of {name} ({c.words.scale})"
    if coefficient == "intercept":
        return "Sales in a typical week (units, log scale)"
    if c.price is not None and coefficient == c.fit.coefficients[c.price]:
        return "Price elasticity (% sales per 1 % price)"
    return f"Effect of {spoken(coefficient)} (log sales)"


def name_of(coefficient: str, words: ResponseWords | None = None) -> str:
    """What a caterpillar is of."""
    name = spoken(coefficient, words)
    if words is None:
        return "sales in a typical week" if coefficient == "intercept" else name
    if coefficient == "intercept":
        return f"{words.level} in a typical row"
    return name if name != coefficient else f"the effect of {name}"


def of_shrinkage(c: Contents) -> Iterator[Drawing]:
    """From own values to pooled ones, and how the share of other stores hangs on what a store's weeks say."""
    pulled, segment = c.stores.shrinkage, _segments(c)
    if pulled is not None:
        each = "; ".join(
            f"{c.fit.stores[s]} from {fixed(float(np.exp(own)), 0)} to {fixed(float(np.exp(mean)), 0)}"
            for s, own, mean in zip(pulled.store, pulled.sales.own, pulled.sales.mean, strict=True)
        )
        names = [c.fit.stores[s] for s in pulled.store]
        alt = (
            f"A row for each of the {pulled.store.size} stores whose sales move most, own to pooled, in units: {each}."
        )
        yield Drawing("moved", later(sales_picture, names, pulled.sales, pulled.belongs), alt)
    if c.stores.plane is not None and c.axis is not None and c.stores.plane.store.size:
        yield _plane(c, c.stores.plane, segment)
    if c.stores.borrowed is not None:
        told, share = c.stores.borrowed
        known = told > 0.0
        if known.any() and np.ptp(told[known]) > 1e-6 * told[known].max():
            alt = (
                f"A point for each of {int(known.sum())} stores: the share of its elasticity that comes from other "
                f"stores, {percent(float(share[known].min()))} to {percent(float(share[known].max()))}, against the "
                "information in its own weeks."
            )
            yield Drawing("pooling", later(pooling_picture, told, share, INFORMATION, segment), alt)


def _plane(c: Contents, plane: Plane, segment: Ints | None) -> Drawing:
    drawn = selection(plane.store.size)
    own, after, store = plane.own[drawn], plane.after[drawn], plane.store[drawn]
    frame = corners(own, [after])
    inside = np.all((own >= frame[0]) & (own <= frame[1]), axis=1)
    moved = np.where(inside, np.linalg.norm((after - own) / np.ptp(frame, 0), axis=1), -1.0)
    named = {i: c.fit.stores[store[i]] for i in with_room(own / np.ptp(frame, 0), moved)}
    low, high = own[:, 1].min(), own[:, 1].max()
    less, more = after[:, 1].min(), after[:, 1].max()
    alt = (
        f"A line for each of {drawn.size} stores, from what its own weeks say to what the model says: price "
        f"elasticities from {fixed(float(low), 2)} to {fixed(float(high), 2)} before, {fixed(float(less), 2)} to "
        f"{fixed(float(more), 2)} after."
    )
    of_store = None if segment is None else segment[store]
    return Drawing("plane", later(plane_picture, own, after, of_store, plane.centres, frame, named), alt)


def with_room(place: Floats, moved: Floats) -> list[int]:
    """The stores that move furthest, whose names do not lie on each other.

    Parameters
    ----------
    place : (store, 2) in widths and heights of the picture.
    moved : (store,) not above zero for those that are not to be named.
    """
    chosen: list[int] = []
    for i in np.argsort(-moved, kind="stable"):
        off = np.abs(place[chosen] - place[i])
        if len(chosen) == ARROWS or moved[i] <= 0.0:
            break
        if not np.any((off[:, 0] < ROOM[0]) & (off[:, 1] < ROOM[1])):
            chosen.append(int(i))
    return chosen


def of_continuum(c: Contents) -> Iterator[Drawing]:
    """Whether the stores of a continuum are normal."""
    for effects in c.effects:
        if effects.z.size < FEWEST:
            continue
        name = deviating(c.fit.coefficients[effects.coefficient], c.words)
        alt = (
            f"Ordered deviations of {effects.z.size} stores in {name} against those of a normal distribution: from "
            f"{fixed(float(effects.z.min()), 1)} to {fixed(float(effects.z.max()), 1)} standard deviations."
        )
        yield Drawing(f"normal-{effects.coefficient}", later(normal_picture, effects.z), alt)


def _segments(c: Contents) -> Ints | None:
    """Most probable segment of every store; None where there are none."""
    return most_probable(c.fit) if c.fit.k > 1 and "membership" in c.fit.by_store else None
