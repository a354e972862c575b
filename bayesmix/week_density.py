"""Another week of a known store: its density given the store's other weeks, under every draw of the parameters.

Given segment k and some weeks of store i, a further week has a density p(y | k) of its own, and

    p(y) = sum_k r_k p(y | k),   r_k the store's membership given those weeks.

For log sales the store's coefficients are then N(m, V) (`bayesmix.stores`), so that p(y | k) is normal with mean x'm_k
and variance sigma_k^2 + x'V_k x; for other families `bayesmix.family_rows` works it out.

A week that is itself among those that gave m and V is taken out again without solving anything anew. With residual
e = y - x'm and leverage l = x'V x / sigma^2, what the others say of it is (rank-one downdate; Cook & Weisberg 1982)

    y - x'm_- = e / (1 - l),   sigma^2 + x'V_- x = sigma^2 / (1 - l),

and as p(y_i | k) = p(y_it | y_i,-t, k) p(y_i,-t | k), with f_k the joint density of segment and store,

    p(y_it | y_i,-t) = sum_k f_k / sum_k [ f_k / p(y_it | y_i,-t, k) ].
"""

from collections.abc import Iterator
from functools import reduce
from typing import NamedTuple

import numpy as np

from bayesmix.family_rows import FamilyRows, RowsGiven, rows_given_stores
from bayesmix.known_stores import given_data
from bayesmix.posterior import ParameterDraws, store_means
from bayesmix.stores import CountedStores, Stores, given_segments
from em.design_counts import count_designs, distinct_rows, merge_weeks
from em.likelihood import LOG_2PI
from em.panel import Panel
from em.statistics import Floats, GaussianStatistics, Ints, build, merge

MOST = 2_000_000  # numbers in the largest array of one piece


class Weeks(NamedTuple):
    """Rows of a panel.

    Attributes
    ----------
    store : (row,) index of the row's store, rising.
    x : (row, coefficient)
    y : (row,) log sales, or the response of another family.
    offset, trials : (row,) of another family, see `em.response.Response`; None of log sales.
    """

    store: Ints
    x: Floats
    y: Floats
    offset: Floats | None = None
    trials: Floats | None = None

    def of(self, rows: slice | np.ndarray) -> "Weeks":
        """Some of the rows."""
        return Weeks(*(None if values is None else values[rows] for values in self))  # pyright: ignore[reportArgumentType]


def weeks_of(panel: Panel) -> Weeks:
    """The rows of a panel."""
    if panel.response is None:
        return Weeks(panel.store, panel.x, panel.y)
    return Weeks(panel.store, panel.x, panel.y, panel.response.offset, panel.response.trials)


def distinct(weeks: Weeks) -> tuple[Weeks, Ints]:
    """Each distinct row once, and which of them is each row's."""
    columns = [np.column_stack([np.asarray(values, dtype=float)]) for values in weeks if values is not None]
    rows, index = distinct_rows(np.concatenate(columns, 1))
    first = np.empty(len(rows), dtype=np.intp)
    first[index[::-1]] = np.arange(index.size)[::-1]
    return weeks.of(first), index


def known(weeks: Weeks, n_stores: int, like: Stores) -> Stores:
    """The statistics of stores of which these weeks are known; `like` says of which family."""
    if not isinstance(like, CountedStores):
        return build(weeks.store, weeks.x, weeks.y, n_stores)
    family, rows = like.counts.family, (weeks.store, weeks.x, weeks.y, n_stores)
    return like._replace(counts=count_designs(family, *rows, offset=weeks.offset, trials=weeks.trials))


def joined(first: Stores, second: Stores) -> Stores:
    """Statistics of the same stores from two disjoint sets of their weeks."""
    if isinstance(first, CountedStores) and isinstance(second, CountedStores):
        return first._replace(counts=merge_weeks(first.counts, second.counts))
    return merge(first, second)  # pyright: ignore[reportArgumentType]


class NormalMixtures(NamedTuple):
    """What each draw predicts of each week: weight, mean and sd of its segments' normals, each (draw, row, segment)."""

    weight: Floats
    mean: Floats
    sd: Floats


def predicted(
    stats: GaussianStatistics, draws: ParameterDraws, weeks: Weeks, traits: Floats | None = None
) -> NormalMixtures:
    """Distributions of log sales in further weeks of stores.

    Parameters
    ----------
    stats : of the weeks already seen, without those to predict; a store without any is one not yet seen.
    traits : (store, trait) see `posterior.store_means`.
    """
    known = given_data(stats, draws, traits)
    spread = _products(_of_rows(known.variance, weeks.store), weeks.x, weeks.x)
    variance = np.square(draws.sigma)[:, None] + np.maximum(spread, 0.0)
    weight = known.membership[:, weeks.store]
    mean = _product(_of_rows(known.mean, weeks.store), weeks.x)
    return NormalMixtures(weight, mean, np.broadcast_to(np.sqrt(variance), weight.shape))


def log_density(of: NormalMixtures, y: Floats) -> Floats:
    """Log-density of the log sales y (row,) under each draw; (draw, row)."""
    with np.errstate(divide="ignore"):
        log_weight = np.log(of.weight)
    return _logsumexp(log_weight + _log_normal(y[:, None] - of.mean, np.square(of.sd)))


def log_density_further(stores: Stores, draws: ParameterDraws, weeks: Weeks, traits: Floats | None = None) -> Floats:
    """Log-density of further weeks, each given those that `stores` contains; (draw, row).

    Parameters
    ----------
    traits : (store, trait) see `posterior.store_means`.
    """
    if not isinstance(stores, CountedStores):
        return log_density(predicted(stores, draws, weeks, traits), weeks.y)
    loglik, alone = _of_family(stores, draws, weeks, traits, left_out=False)
    joint = _log_weight(draws) + loglik
    return _logsumexp(joint[:, weeks.store] + alone) - _logsumexp(joint)[:, weeks.store]


def log_density_left_out(stores: Stores, draws: ParameterDraws, weeks: Weeks, traits: Floats | None = None) -> Floats:
    """Log p(y_it | y_i,-t), given the other weeks of the store, of weeks that `stores` contains; (draw, row).

    Parameters
    ----------
    traits : (store, trait) see `posterior.store_means`.
    """
    of = _of_family if isinstance(stores, CountedStores) else _of_log_sales
    loglik, alone = of(stores, draws, weeks, traits)  # pyright: ignore[reportArgumentType]
    joint = (_log_weight(draws) + loglik)[:, weeks.store]
    return _logsumexp(joint) - _logsumexp(joint - alone)


def _of_log_sales(stats: GaussianStatistics, draws: ParameterDraws, weeks: Weeks, traits: Floats | None) -> RowsGiven:
    """Weeks that `stats` contains, without them, in each segment."""
    component, mean, variance = given_segments(stats, store_means(draws, traits), draws.sigma, draws.omega)
    noise = np.square(draws.sigma)[:, None]
    error = weeks.y[:, None] - _product(_of_rows(mean, weeks.store), weeks.x)
    left = 1.0 - np.maximum(_products(_of_rows(variance, weeks.store), weeks.x, weeks.x), 0.0) / noise
    return RowsGiven(component, _log_normal(error / left, noise / left))


def _of_family(
    stores: CountedStores, draws: ParameterDraws, weeks: Weeks, traits: Floats | None, *, left_out: bool = True
) -> RowsGiven:
    if weeks.offset is None or weeks.trials is None:
        raise ValueError("weeks of another family than log sales need offsets and trials")
    rows = FamilyRows(weeks.store, weeks.x, weeks.offset, weeks.y, weeks.trials)
    mu = store_means(draws, traits)
    return rows_given_stores(stores.counts, stores.nodes, mu, draws.sigma, draws.omega, rows, left_out=left_out)


def _log_weight(draws: ParameterDraws) -> Floats:
    """Of each segment; (draw, 1, segment)."""
    with np.errstate(divide="ignore"):
        return np.log(draws.weight)[:, None]


def pieces(weeks: Weeks, n_stores: int, draws: ParameterDraws) -> Iterator[tuple[Ints, Weeks]]:
    """Stores few enough for memory, with their weeks, whose `store` then counts within the piece."""
    n, k, p = draws.mu.shape
    ends = np.searchsorted(weeks.store, np.arange(n_stores + 1))
    longest = max(1, int(np.diff(ends).max()))
    size = max(1, MOST // (n * k * (longest if draws.omega is None else longest * p + p * p)))
    for begin in range(0, n_stores, size):
        stores = np.arange(begin, min(begin + size, n_stores))
        rows = weeks.of(slice(ends[stores[0]], ends[stores[-1] + 1]))
        yield stores, rows._replace(store=rows.store - begin)


def _of_rows(values: Floats, store: Ints) -> Floats:
    """Values (draw, store, ...) of each row's store; an axis of stores of length one is left as it is."""
    return values[:, store] if values.shape[1] > 1 else values


def _product(values: Floats, x: Floats) -> Floats:
    """Values (draw, row, segment, coefficient) times x (row, coefficient), summed over coefficients."""
    terms = (values[..., a] * x[:, None, a] for a in range(x.shape[1]))
    return np.asarray(sum(terms), dtype=float)


def _products(values: Floats, x: Floats, z: Floats) -> Floats:
    """Forms x' values z, for values (draw, row, segment, coefficient, coefficient)."""
    return np.asarray(sum(_product(values[..., a], x) * z[:, None, a] for a in range(z.shape[1])), dtype=float)


def _log_normal(error: Floats, variance: Floats) -> Floats:
    return -0.5 * (LOG_2PI + np.log(variance) + np.square(error) / variance)


def _logsumexp(values: Floats) -> Floats:
    """Over the last axis, which is short: segment by segment, in long loops."""
    parts = [values[..., k] for k in range(values.shape[-1])]
    if len(parts) == 1:
        return parts[0]
    top = reduce(np.maximum, parts)
    return top + np.log(sum(np.exp(part - top) for part in parts))
