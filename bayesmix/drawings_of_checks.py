"""What the diagnostic report draws of stores left out and of stores beside what is predicted of them."""

from collections.abc import Iterator

import numpy as np

from bayesmix.drawings import Drawing, later
from bayesmix.pictures_of_checks import pit_picture, predicted_picture
from bayesmix.pictures_of_rates import sentence
from bayesmix.pictures_of_stores import khat_picture
from bayesmix.report_checks import Check
from bayesmix.report_contents import Contents
from bayesmix.rounding import fixed

KEYS = {"mean log sales": "level", "price elasticity": "slope"}


def of_checks(c: Contents) -> Iterator[Drawing]:
    """Pareto k, and the predictive checks."""
    loo = c.loo
    if loo is None:
        return
    kept = np.sort(np.argsort(-loo.khat_i, kind="stable")[: max(c.stores.shown.size, 1)])
    alt = (
        f"A point for each of {kept.size} stores: Pareto k from {fixed(float(loo.khat_i.min()), 2)} to "
        f"{fixed(float(loo.khat_i.max()), 2)}; {loo.n_doubtful} of {loo.khat_i.size} above the limit, "
        f"{fixed(loo.khat_limit, 2)}."
    )
    names = [c.fit.stores[i] for i in kept]
    yield Drawing("khat", later(khat_picture, loo.khat_i[kept], loo.khat_limit, names), alt)
    for check in c.checks:
        yield from _of_check(c, check)


def _of_check(c: Contents, check: Check) -> Iterator[Drawing]:
    name, key = check.summary.name, KEYS.get(check.summary.name, "rate")
    named = f"the {name}" if c.words is None else name
    if check.curve is not None:
        said = "leaves the band" if check.curve.departs else "stays inside the band"
        alt = (
            f"LOO-PIT of {named} of {check.pit.size} stores: the difference of their distribution from uniform "
            f"{said}; it is at most {fixed(float(np.abs(check.curve.difference).max()), 2)}."
        )
        yield Drawing(f"pit-{key}", later(pit_picture, check.curve), alt)
    each = "; ".join(
        f"segment {s}: mean {fixed(one.mean.observed, 2)} observed, {fixed(one.mean.predicted, 2)} predicted"
        for s, one in enumerate(check.segments, start=1)
        if one.mean is not None
    )
    beyond = f" {check.beyond} stores lie outside the picture." if check.beyond else ""
    label = {
        "level": "Mean sales of a store (units, log scale)",
        "slope": "A store's own price elasticity (% sales per 1 % price)",
        "rate": sentence(f"{name}{'' if c.words is None or c.words.of_odds else ' (log scale)'}"),
    }[key]
    logarithms = key == "level" or (c.words is not None and not c.words.of_odds)
    begin = f"{named[0].upper() + named[1:] if c.words is None else sentence(name)} of stores, predicted and observed"
    alt = f"{begin}, a row for each segment. {each or 'Too few stores'}.{beyond}"
    draw = later(predicted_picture, check.segments, check.summary.observed, label, logarithms=logarithms)
    yield Drawing(f"predicted-{key}", draw, alt)
