"""What a posterior says of stores whatever its segments are called: who belongs with whom, and each one's coefficients.

Nothing here changes when the segments of any draw are renumbered, so nothing rests on the relabelling.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from scipy.special import ndtr, ndtri

from bayesmix.known_stores import GivenData, chunks_of_stores, given_data, positions
from bayesmix.posterior import part, thinned
from bayesmix.stores import some
from em.command import watched
from em.errors import InputError
from em.statistics import Floats

if TYPE_CHECKING:
    from bayesmix.fitted import Fit

MOST_STORES = 5_000  # of which all pairs are held
CHUNK = 2_000_000  # memberships held at once


def co_membership(fit: "Fit", stores: Sequence[str] | None = None) -> xr.DataArray:
    """Posterior probability that two stores are in the same segment: the mean over draws of sum_k r_ik r_jk.

    Given the parameters the segments of two stores are independent, so r_ik, exact memberships, are all that it takes.

    Parameters
    ----------
    stores : names; None is all.

    Returns
    -------
    (store, store_2), 1 on the diagonal.

    Raises
    ------
    InputError
        When the model has no segments, a store is not of the fit, or there are too many to pair.
    """
    if fit.model == "hierarchical":
        raise InputError("the hierarchical model has no segments that stores could share; expected a mixture")
    index = positions(fit.stores, fit.stores if stores is None else stores)
    if index.size > MOST_STORES:
        raise InputError(f"{index.size} stores are too many to pair; expected the names of at most {MOST_STORES}")
    stats, names = some(fit.statistics, index), [fit.stores[i] for i in index]
    traits = fit.traits_of(index)
    n, k = fit.draws.weight.shape
    total = np.zeros((index.size, index.size))
    size = max(1, CHUNK // max(1, index.size * k))
    for begin in watched(range(0, n, size), "pairing stores", -(-n // size)):
        chunk = slice(begin, begin + size)
        share = given_data(stats, part(fit.draws, chunk), traits).membership.transpose(1, 0, 2).reshape(index.size, -1)
        total += share @ share.T
    total = np.minimum(total / n, 1.0)
    np.fill_diagonal(total, 1.0)
    coords = {"store": names, "store_2": names}
    attributes = {"long_name": "probability of the same segment", "model": fit.name}
    return xr.DataArray(total, coords, ("store", "store_2"), "co_membership", attributes)


def store_coefficients(fit: "Fit", interval: float = 0.89) -> xr.Dataset:
    """Posterior of every store's coefficients: mean, sd and the ends of the equal-tailed interval.

    Exact given the draws: a store's coefficient has one of the values theta_k with weights r_ik, or is a mixture of
    normals where stores vary inside segments; draws and segments together are one such mixture, and its quantiles
    are found without drawing.

    Returns
    -------
    mean, sd, lower, upper (store, coefficient).

    Raises
    ------
    InputError
        When the interval is none.
    """
    if not 0.0 < interval < 1.0:
        raise InputError(f"interval is {interval}; expected a probability between 0 and 1")
    result = store_values(fit, np.eye(fit.statistics.n_coefficients)[None], interval)
    coords = {"store": list(fit.stores), "coefficient": list(fit.coefficients)}
    variables = {
        name: (("store", "coefficient"), values)
        for name, values in zip(("mean", "sd", "lower", "upper"), result, strict=True)
    }
    return xr.Dataset(variables, coords, {"model": fit.name, "interval": interval, "interval_kind": "equal-tailed"})


def store_values(fit: "Fit", directions: Floats, interval: float, most: int | None = None) -> Floats:
    """Posterior of sums a'theta_i of every store's coefficients, as exact as that of the coefficients.

    Parameters
    ----------
    directions : (store, sum, coefficient), a of each sum; an axis of one store holds those of all.
    most : draws to use, evenly taken, where the wait counts for more than the third digit of an interval; None is all.

    Returns
    -------
    (4, store, sum): mean, sd, and the ends of the equal-tailed interval.
    """
    stats, draws = fit.statistics, fit.draws
    if most is not None:
        draws = thinned(draws, most)
    every = np.arange(stats.n_stores)
    result = np.empty((4, stats.n_stores, directions.shape[1]))
    chunks = chunks_of_stores(stats.n_stores, draws)
    for chunk in watched(chunks, "coefficients of stores", len(chunks)):
        traits = fit.traits_of(every[chunk])
        known = given_data(some(stats, every[chunk]), draws, traits)
        along = directions if len(directions) == 1 else directions[chunk]
        for m in range(directions.shape[1]):
            result[:, chunk, m] = _summary(known, along[:, m], interval, discrete=draws.omega is None)
    return result


def _summary(known: GivenData, along: Floats, interval: float, *, discrete: bool) -> Floats:
    """Mean, sd and ends of the interval of one sum, `along` (store or one, coefficient); (4, store)."""
    shape = known.membership.shape
    weight = known.membership.transpose(1, 0, 2).reshape(shape[1], -1) / shape[0]
    values = np.einsum("dskp,sp->sdk", known.mean, along)
    values = values.reshape(len(values), -1)
    center = np.broadcast_to(values, weight.shape)
    variance = np.einsum("dskp,sp->dsk", np.einsum("dskpq,sq->dskp", known.variance, along), along)
    variance = np.broadcast_to(np.maximum(variance, 0.0), shape).transpose(1, 0, 2).reshape(weight.shape)
    mean = np.einsum("sa,sa->s", weight, center)
    sd = np.sqrt(np.einsum("sa,sa->s", weight, np.square(center - mean[:, None]) + variance))
    levels = (0.5 - 0.5 * interval, 0.5 + 0.5 * interval)
    if discrete:
        ends = quantiles_of_values(weight, values, levels)
    else:
        ends = [quantile_of_normals(weight, center, np.sqrt(variance), level) for level in levels]
    return np.stack([mean, sd, *ends])


def quantiles_of_values(weight: Floats, values: Floats, levels: Sequence[float]) -> list[Floats]:
    """The least value that at least `level` of the weight does not exceed.

    Parameters
    ----------
    weight : (store, value)
    values : (value,) the same for all stores, or (store, value).

    Returns
    -------
    (store,) for each level.
    """
    order = np.argsort(np.atleast_2d(values), axis=1, kind="stable")
    rising = np.take_along_axis(np.atleast_2d(values), order, 1)
    below = np.cumsum(np.take_along_axis(weight, np.broadcast_to(order, weight.shape), 1), axis=1)
    reached = [(below < level * below[:, -1:]).sum(1) for level in levels]
    return [np.take_along_axis(np.broadcast_to(rising, weight.shape), at[:, None], 1)[:, 0] for at in reached]


def quantile_of_normals(weight: Floats, mean: Floats, sd: Floats, level: float) -> Floats:
    """Quantile of mixtures of normals: Newton's method on their distribution function, kept inside a bracket.

    Parameters
    ----------
    weight, mean, sd : (store, component); weights sum to 1, an sd may be zero.

    Returns
    -------
    (store,)
    """
    sd = np.maximum(sd, 1e-12 * (np.abs(mean) + sd).max() + np.finfo(float).tiny)
    z = ndtri(level)
    # Each component's own quantile is below or above that of the mixture: between the extremes it lies.
    low, high = (mean + z * sd).min(1), (mean + z * sd).max(1)
    center = np.einsum("sc,sc->s", weight, mean)
    at = center + z * np.sqrt(np.einsum("sc,sc->s", weight, np.square(mean - center[:, None]) + np.square(sd)))
    at = np.clip(at, low, high)
    tolerance = 1e-10 * (high - low)
    for step in range(200):
        u = (at[:, None] - mean) / sd
        excess = np.einsum("sc,sc->s", weight, ndtr(u)) - level
        low, high = np.where(excess < 0.0, at, low), np.where(excess < 0.0, high, at)
        done = (np.abs(excess) < 1e-8) | (high - low <= tolerance)
        if done.all():
            break
        density = np.einsum("sc,sc->s", weight, np.exp(-0.5 * u * u) / sd) / np.sqrt(2.0 * np.pi)
        with np.errstate(over="ignore"):
            newton = at - np.divide(excess, density, out=np.full_like(at, np.inf), where=density > 0.0)
        # Halving now and then moves on from a component so narrow that Newton's steps are too short.
        usable = (newton >= low) & (newton <= high) & (step % 4 < 3)
        at = np.where(done, at, np.where(usable, newton, 0.5 * (low + high)))
    return at
