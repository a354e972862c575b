"""What a model makes of each store's own sales: pulled from what its weeks say towards stores like it, and how far.

Stores are looked at in one typical week, at the means a of the panel's columns: exp(a'theta_i) is what the store sells
there. Its own least squares say a'b_i, with standard error sigma (a'(X_i'X_i)^-1 a)^1/2; that is small where the store
had such weeks, and large where it had other prices.
"""

from typing import NamedTuple

import numpy as np

from bayesmix.axis import price_column
from bayesmix.diagnose import INTERVAL
from bayesmix.fitted import Fit
from bayesmix.in_words import Z
from bayesmix.label_free import store_values
from bayesmix.pooling import own_weight
from bayesmix.posterior import average, store_means
from bayesmix.rounding import by_ratio, figures, fixed, percent
from bayesmix.segments_of_stores import membership
from bayesmix.some_stores import some_stores
from bayesmix.store_summaries import own_variances_along
from bayesmix.stores import mean_row
from em.scatter import scatter
from em.statistics import Floats, Ints

DRAWS = 1000  # enough for intervals that are read to two figures
FURTHEST = 10  # stores that are told one by one
BESIDE = 0.1  # posterior standard deviations that are no difference to tell of
LEAST_KNOWN = 1.0  # standard error of log sales from which on a store's own weeks are as good as silent


class Pull(NamedTuple):
    """One number of every store, before and after; all (store,).

    Attributes
    ----------
    own, own_se : by its own weeks; the standard error is infinite where they do not settle it.
    alike : of the stores like it: the average one, or that of its most probable segment; with traits, of one that has
        them too.
    mean, sd, low, high : posterior and its 89 % interval.
    weight : of its own weeks in what is said of it, 0 to 1; see `pooling.own_weight`. 0 where all stores are alike.
    """

    own: Floats
    own_se: Floats
    alike: Floats
    mean: Floats
    sd: Floats
    low: Floats
    high: Floats
    weight: Floats

    @property
    def own_low(self) -> Floats:
        """Lower end of the 89 % interval by the store's own weeks."""
        return self.own - Z * self.own_se

    @property
    def own_high(self) -> Floats:
        """Upper end of it."""
        return self.own + Z * self.own_se


class Shrinkage(NamedTuple):
    """Some stores before and after, (one,) each.

    Attributes
    ----------
    store : index of the stores.
    sales : log sales in a typical week.
    slope : price elasticity; None without a price.
    log_price : of the typical week; None without a price.
    belongs : index of its most probable segment; None where there are no segments.
    surely : probability of that segment.
    """

    store: Ints
    sales: Pull
    slope: Pull | None
    log_price: float | None
    belongs: Ints | None
    surely: Floats


def furthest(fit: Fit, most: int = FURTHEST) -> Ints:
    """The stores whose sales in a typical week move most, the furthest first; none without an intercept.

    Stores whose own weeks say nothing of such a week are left out: they have nothing to be moved from.
    """
    at = typical_week(fit)
    if at is None:
        return np.arange(0)
    after = np.asarray(fit.by_store["coefficients"].transpose("store", "coefficient"), dtype=float)
    moved = np.where(_own_errors(fit, at) < LEAST_KNOWN, np.abs((after - fit.gaussian.b) @ at), 0.0)
    order = np.argsort(-moved, kind="stable")[:most]
    return order[moved[order] > 0.0]


def shrinkage(fit: Fit, index: Ints) -> Shrinkage | None:
    """Some stores before and after; None without an intercept, where the panel's typical week is not known.

    Parameters
    ----------
    index : (one,) of the stores.
    """
    at = typical_week(fit)
    if at is None or (fit.k > 1 and "membership" not in fit.by_store):
        return None
    some, price = some_stores(fit, index), price_column(fit.coefficients)
    share = membership(some) if fit.k > 1 else np.ones((index.size, 1))
    directions = at[None] if price is None else np.stack([at, np.eye(at.size)[price]])
    mean, sd, low, high = store_values(some, directions[None], INTERVAL, DRAWS)
    weight = own_weight(some, directions)
    own, alike = some.gaussian.b @ directions.T, _alike(some, share.argmax(1)) @ directions.T
    errors = [_own_errors(fit, direction)[index] for direction in directions]
    pulls = [
        Pull(own[:, m], errors[m], alike[:, m], mean[:, m], sd[:, m], low[:, m], high[:, m], weight[:, m])
        for m in range(len(directions))
    ]
    slope, log_price = (None, None) if price is None else (pulls[1], float(at[price]))
    return Shrinkage(index, pulls[0], slope, log_price, share.argmax(1) if fit.k > 1 else None, share.max(1))


def _alike(fit: Fit, segment: Ints) -> Floats:
    """Posterior mean coefficients of the average store of its segment, with its traits; (store, coefficient)."""
    means = store_means(average(fit.draws), fit.traits)[0]
    return means[segment] if fit.traits is None else means[np.arange(segment.size), segment]


def typical_week(fit: Fit) -> Floats | None:
    """Means of the panel's columns, (coefficient,); None without an intercept, which they are taken by."""
    if "intercept" not in fit.coefficients:
        return None
    return mean_row(fit.statistics, fit.coefficients.index("intercept"))


def _own_errors(fit: Fit, along: Floats) -> Floats:
    return scatter(fit.gaussian) * np.sqrt(own_variances_along(fit.gaussian, along))


def explanation(fit: Fit, found: Shrinkage, row: int) -> str:
    """Why a store's sales are pulled as they are, in words and figures.

    Parameters
    ----------
    row : which of the stores that `found` is of.
    """
    s, store = Pull(*(values[row] for values in found.sales)), int(found.store[row])
    own, after = (np.exp(ends) for ends in ([s.own_low, s.own, s.own_high], [s.low, s.mean, s.high]))
    n = float(fit.gaussian.n[store])
    price = (
        ""
        if found.log_price is None
        else f" at the average price (a geometric mean), {fixed(float(np.exp(found.log_price)), 2)}"
    )
    like = by_ratio(float(np.exp(s.alike)), after[0], after[2])
    if found.belongs is None:
        like_it = "The average store" if fit.between is None else "A store with its traits"
        others = f"{like_it} would sell {like} then"
    else:
        sure = percent(float(found.surely[row]))
        others = (
            f"Segment {found.belongs[row] + 1}, to which it belongs with probability {sure}, would sell {like} then"
        )
    if fit.draws.omega is None:
        why = "in this model stores of a segment are alike, so its weeks say no more than which it is of"
    else:
        why = (
            f"its own least squares carry {percent(float(s.weight))} of the precision of that, and how coefficients go "
            "together in all stores the rest"
        )
    weeks, error = "single week" if n == 1.0 else f"{fixed(n, 0)} weeks", figures(100.0 * float(np.expm1(s.own_se)), 2)
    told = (
        f"By its own {weeks} {fit.stores[store]} would sell {_units(own)} units in a typical week{price}; the standard "
        f"error of that is {error} %. {others}. Pooled it would sell {_units(after)}: {why}."
    )
    low, high = sorted((float(s.own), float(s.alike)))
    if fit.draws.omega is not None and not low - BESIDE * s.sd <= s.mean <= high + BESIDE * s.sd:
        told += (
            " That is not between the two: its weeks say little of such a week and more of other sums of its "
            "coefficients, which go together with this one in all stores."
        )
    return told


def _units(ends: Floats) -> str:
    """A count of units with its interval, from lower end, middle and upper end."""
    low, middle, high = (by_ratio(float(value), ends[0], ends[2]) for value in ends)
    return f"{middle} ({low} to {high})"
