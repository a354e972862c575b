"""Whether two fits are of the same rows, store by store: log sales and families keep different sums of them."""

from typing import NamedTuple

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.stores import CountedStores, rows_of_stores
from em.design_counts import by_design, by_value
from em.errors import InputError
from em.response import LOG_SALES
from em.statistics import Floats

CLOSE = 1e-8  # relative difference of sums of the same rows


class Sums(NamedTuple):
    """What the rows of each store add up to, in log sales or in the response as it is; NaN is what is not known.

    Attributes
    ----------
    rows, y, squares : (store,) their number, the sum of the responses and of their squares.
    x : (store, coefficient, coefficient) the sum of x x', of a binomial once for each trial.
    xy : (store, coefficient) the sum of x y.
    trials : (store,) the sum of the trials, one of a row without.
    """

    rows: Floats
    y: Floats
    squares: Floats
    x: Floats
    xy: Floats
    trials: Floats


def check_same_rows(first: Fit, second: Fit, names: tuple[str, str]) -> None:
    """Raise InputError unless the rows of two fits of the same stores are the same.

    Parameters
    ----------
    names : what messages call the two.

    Raises
    ------
    InputError
        Naming the first store whose rows differ.
    """
    logged = LOG_SALES in (first.family, second.family)
    a, b = (sums_of_rows(fit, logged=logged) for fit in (first, second))
    same_trials = np.array_equal(a.trials, b.trials)
    if not same_trials and all(_has_trials(fit) for fit in (first, second)):
        raise InputError(f"{names[1]} and {names[0]}: the trials differ; expected the same --trials")
    for name in ("rows", "y", "squares", "xy", *(("x",) if same_trials else ())):
        ours, theirs = (getattr(sums, name).reshape(len(sums.rows), -1) for sums in (a, b))
        size = np.maximum(np.abs(ours), np.abs(theirs)).max(1)
        if name in ("y", "xy"):  # which may cancel
            size = size + np.sqrt(a.squares * np.abs(a.x).max((1, 2)))
        wrong = np.flatnonzero(np.abs(ours - theirs).max(1) > CLOSE * size)
        if wrong.size:
            raise InputError(
                f"{names[1]} and {names[0]}: the store statistics differ ({wrong.size} of {len(ours)} stores, first "
                f"{first.stores[wrong[0]]}), so they read different columns of {second.data.get('file')}; "
                "expected fits of one panel"
            )


def sums_of_rows(fit: Fit, *, logged: bool) -> Sums:
    """The sums of a store's rows; `logged` takes the logarithm of a family's responses, which are above zero."""
    stats = fit.statistics
    one = fit.coefficients.index("intercept") if "intercept" in fit.coefficients else None
    if isinstance(stats, CountedStores):
        counts, seen, p = stats.counts, by_value(stats.counts), stats.n_coefficients
        products = (counts.x[:, :, None] * counts.x[:, None, :]).reshape(-1, p * p)
        x = (by_design(counts, counts.n) @ products).reshape(-1, p, p)
        y = np.log(counts.y) if logged else counts.y
        xy = np.full((counts.n_stores, p), np.nan) if logged else by_design(counts, counts.total) @ counts.x
        return Sums(rows_of_stores(stats).astype(float), seen @ y, seen @ y**2, x, xy, seen @ counts.trials)
    xy = np.einsum("spq,sq->sp", stats.xtx, stats.b)
    squares = stats.rss + np.einsum("sp,sp->s", xy, stats.b)
    return Sums(stats.n, np.full(len(xy), np.nan) if one is None else xy[:, one], squares, stats.xtx, xy, stats.n)


def _has_trials(fit: Fit) -> bool:
    return isinstance(fit.statistics, CountedStores) and fit.statistics.counts.family.size == "trials"
