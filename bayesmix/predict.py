"""What stores will sell at given prices: known ones given their weeks, and one not yet seen.

Coefficients of a store are never sampled. Given a draw of the parameters its segment and, inside the segment, its
coefficients have exact distributions (`bayesmix.known_stores`), so with membership r_k, mean m_k and variance V_k the
mean of its sales in a week with columns x is sum_k r_k exp(x'm_k + (x'V_k x + sigma_k^2) / 2), averaged over draws.
Where traits explain coefficients m_k is that of a store with its traits. Intervals come from one segment and one value
of x'theta_i and of the week for each draw. A store not yet seen is one without weeks.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy.special import ndtri

from bayesmix.known_stores import GivenData, chunks_of_stores, given_data, positions
from bayesmix.new_store_traits import new_store_traits
from bayesmix.posterior import ParameterDraws
from bayesmix.predicted_responses import predicted_responses
from bayesmix.price_rows import PriceRows, price_rows
from bayesmix.stores import CountedStores, family_of, some, with_one_unseen
from em.command import watched
from em.drawn_segments import drawn_segments
from em.errors import InputError
from em.statistics import Floats, GaussianStatistics, Ints

if TYPE_CHECKING:
    from bayesmix.fitted import Fit

NEW_STORE = "new store"
UNITS = ("a known store, given its weeks", "a store not yet seen")
MEANINGS = {
    "log_sales": "expected log sales of the store: posterior mean",
    "mean_sales": "sales per week that the store averages at this price: posterior mean",
    "week_sales": "sales of a single week: median (their mean is mean_sales)",
}
MEANINGS_OF_FAMILY = {
    "linear_predictor": "linear predictor of the store: posterior mean",
    "mean_response": "response that the store averages in such rows: posterior mean",
    "row_response": "response of a single row: median (their mean is mean_response)",
}


def predict(
    fit: "Fit",
    prices: Any,
    stores: str | Sequence[str] | None = None,
    *,
    new_store: bool = False,
    interval: float = 0.89,
    seed: int = 0,
    covariates: Mapping[str, Any] | None = None,
    traits: Mapping[str, Any] | None = None,
    size: Any = 1.0,
) -> xr.Dataset:
    """Predict sales of stores at prices.

    Parameters
    ----------
    prices, covariates : see `price_rows`.
    stores : names of known stores; None is all of them, or none with `new_store`.
    new_store : also predict a store not yet seen, called "new store".
    interval : probability of the equal-tailed intervals.
    traits : of the new store, see `new_store_traits`; what is not given is the mean over stores.
    seed : of the draws of segments, coefficients and weeks. A store's do not depend on the others asked for.
    size : exposure or trials of the rows, one for all or one for each, for families that have them.

    Returns
    -------
    (store, price): log_sales, mean_sales and week_sales, each with _lower and _upper, or of another family
    linear_predictor, mean_response and row_response; coordinate `outside` marks rows with a column beyond what the
    panel showed. The attributes say how far the fit is to be trusted.

    Raises
    ------
    InputError
        When a store is not of the fit, prices or covariates are not possible, or the interval is none.
    """
    if not 0.0 < interval < 1.0:
        raise InputError(f"interval is {interval}; expected a probability between 0 and 1")
    if traits and not new_store:
        raise InputError("traits are those of a new store; expected new_store=True, known stores have their own")
    rows = price_rows(prices, covariates, fit.coefficients)
    sizes = _sizes(fit, size, len(rows.x))
    asked = ([] if new_store else fit.stores) if stores is None else stores
    index = positions(fit.stores, asked)
    stats, names = some(fit.statistics, index), [fit.stores[i] for i in index]
    known, new = fit.traits, new_store_traits(fit.between, traits)
    z = None if known is None or new is None else np.vstack([known[index], *([new] if new_store else [])])
    if new_store and NEW_STORE in names:
        raise InputError(
            f"a store of the panel is called {NEW_STORE!r}; expected it to be predicted apart from a new one"
        )
    if new_store:
        stats, names = with_one_unseen(stats), [*names, NEW_STORE]
        index = np.append(index, len(fit.stores))
    if not names:
        raise InputError("no store to predict; expected names of stores or new_store=True")
    chunks = chunks_of_stores(len(names), fit.draws)
    values = np.empty((3, 3, len(names), len(rows.x)))
    for chunk in watched(chunks, "predicting", len(chunks)):
        part = some(stats, np.arange(len(names))[chunk])
        own = None if z is None else z[chunk]
        if isinstance(part, CountedStores):
            values[:, :, chunk] = predicted_responses(part, fit.draws, own, rows.x, interval, sizes, seed, index[chunk])
        else:
            values[:, :, chunk] = _predict(part, fit.draws, own, rows.x, interval, _noise(fit, seed, index[chunk]))
    return _labelled(fit, names, new_store, rows, values).assign_attrs(interval=interval, seed=seed)


def _sizes(fit: "Fit", size: Any, n: int) -> Floats:
    """Exposure or trials of n rows, (row,); raises InputError for what cannot be."""
    family = family_of(fit.statistics)
    of = None if family is None else family.size
    try:
        sizes = np.broadcast_to(np.asarray(size, dtype=float), n)
    except (TypeError, ValueError):
        raise InputError(f"size is {size!r}; expected a number, or one for each of the {n} rows") from None
    if of is None and (sizes != 1.0).any():
        raise InputError(f"size is {size}; expected none, {fit.log_density_of} has neither exposure nor trials")
    if not (np.isfinite(sizes) & (sizes > 0.0)).all() or (of == "trials" and (sizes != np.floor(sizes)).any()):
        raise InputError(f"size is {size}; expected {'a whole number of trials' if of == 'trials' else 'an exposure'}")
    return sizes


def _noise(fit: "Fit", seed: int, index: Ints) -> Floats:
    """Uniform numbers for segment, coefficients and week; (3, draw, store).

    For each store and use they are spread evenly over (0, 1), in random order (McKay, Beckman & Conover 1979), so that
    ends of intervals move less with the seed.
    """
    n = len(fit.draws.weight)
    noise = np.empty((3, n, index.size))
    for s, store in enumerate(index):
        rng = np.random.default_rng([seed, int(store)])
        noise[:, :, s] = (rng.permuted(np.tile(np.arange(n), (3, 1)), axis=1) + rng.uniform(0.001, 0.999, (3, n))) / n
    return noise


def _predict(
    stats: GaussianStatistics, draws: ParameterDraws, traits: Floats | None, x: Floats, interval: float, noise: Floats
) -> Floats:
    """Each of `MEANINGS` with the ends of its interval, for a few stores: (3, 3, store, price)."""
    known = GivenData(*map(np.ascontiguousarray, given_data(stats, draws, traits)))
    segment = drawn_segments(known.membership, noise[0])
    sigma = np.take_along_axis(draws.sigma, segment, 1)
    z, week = ndtri(noise[1]), sigma * ndtri(noise[2])
    levels = [0.5 - 0.5 * interval, 0.5 + 0.5 * interval]
    result = np.empty((3, 3, stats.n_stores, len(x)))
    for j, row in enumerate(x):
        center = _flat_product(known.mean, row)
        spread = np.maximum(_flat_product(known.variance, np.outer(row, row)), 0.0)
        theta = _of_segment(center, segment) + np.sqrt(_of_segment(spread, segment)) * z
        with np.errstate(over="ignore"):
            average = np.exp(center + 0.5 * (spread + np.square(draws.sigma)[:, None]))
            result[0, 0, :, j] = _mean(known.membership, center)
            result[0, 1:, :, j] = np.quantile(theta, levels, axis=0)
            result[1, 0, :, j] = _mean(known.membership, average)
            result[1, 1:, :, j] = np.exp(np.quantile(theta + 0.5 * np.square(sigma), levels, axis=0))
            result[2, :, :, j] = np.exp(np.quantile(theta + week, [0.5, *levels], axis=0))
    return result


def _flat_product(values: Floats, factor: Floats) -> Floats:
    """Sum of products over the last axes, those of `factor`, as one long product instead of many short ones."""
    products = np.einsum("ap,p->a", values.reshape(-1, factor.size), factor.ravel())
    return products.reshape(values.shape[: values.ndim - factor.ndim])


def _of_segment(values: Floats, segment: Ints) -> Floats:
    """Values (draw, store, segment), with axes of length one, of each store's segment (draw, store)."""
    whole = np.broadcast_to(values, (*segment.shape, values.shape[2]))
    return whole[..., 0] if values.shape[2] == 1 else np.take_along_axis(whole, segment[..., None], 2)[..., 0]


def _mean(membership: Floats, values: Floats) -> Floats:
    """Mean over draws and segments; (store,)."""
    return np.einsum("dsk,dsk->s", membership, np.broadcast_to(values, membership.shape)) / len(membership)


def _labelled(fit: "Fit", names: list[str], new_store: bool, rows: PriceRows, values: Floats) -> xr.Dataset:
    known = len(names) - new_store
    units = [UNITS[0]] * known + [UNITS[1]] * new_store
    price = next((column for name, column in rows.given.items() if name.casefold() == "price"), None)
    coords: dict[str, Any] = {
        "store": names,
        "price": np.arange(1, len(rows.x) + 1) if price is None else price,
        "unit": ("store", units),
        "outside": ("price", _outside(fit, rows.x)),
    }
    coords |= {name: ("price", column) for name, column in rows.given.items() if name.casefold() not in coords}
    meanings = MEANINGS if family_of(fit.statistics) is None else MEANINGS_OF_FAMILY
    variables = {
        f"{name}{end}": (("store", "price"), value, {"long_name": meanings[name] if not end else f"{end[1:]} end"})
        for name, three in zip(meanings, values, strict=True)
        for end, value in zip(("", "_lower", "_upper"), three, strict=True)
    }
    attributes = {
        "model": fit.name,
        "prediction_of": "; ".join(dict.fromkeys(units)),
        "interval_kind": "equal-tailed",
        "trusted": int(fit.trusted),
        "warnings": json.dumps(list(fit.reasons)),
        "mode": _mode(fit),
    }
    return xr.Dataset(variables, coords, attributes)


def _outside(fit: "Fit", x: Floats) -> np.ndarray:
    """Whether a row has a column beyond the range of the panel's; (price,)."""
    constant = fit.tree["constant_data"].to_dataset()
    if "column_min" not in constant:
        return np.zeros(len(x), dtype=bool)
    low, high = constant["column_min"].to_numpy(), constant["column_max"].to_numpy()
    slack = 1e-9 * np.maximum(np.abs(low), np.abs(high))
    return ((x < low - slack) | (x > high + slack)).any(1)


def _mode(fit: "Fit") -> str:
    """Which part of the posterior predicts."""
    if "mode" in fit.tree.attrs:
        return str(fit.tree.attrs["mode"]).removeprefix("this is ")
    modes = fit.group("modes")
    if modes is None:
        return "the only one found"
    share = float(modes["weight"][0])
    return f"the heaviest of {modes.sizes['mode']}, with {share:.1%} of the posterior found; fit.mode(2) is the next"
