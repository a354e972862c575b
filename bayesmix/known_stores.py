"""Stores of a fit by name, and what their own weeks say of them under every draw."""

import difflib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bayesmix.posterior import ParameterDraws, store_means
from bayesmix.stores import Stores, given_segments
from em.errors import InputError
from em.likelihood import membership
from em.statistics import Floats, Ints
from em.table import shorten


class GivenData(NamedTuple):
    """Conditionals of stores given their data and the parameters, under every draw.

    Exact normals for log sales; for other families the mean and variance of what is not quite a normal.

    Attributes
    ----------
    membership : (draw, store, segment)
    mean : (draw, store, segment, coefficient) of a store's coefficients in each segment.
    variance : (draw, store, segment, coefficient, coefficient) theirs. Axes of length one where nothing differs.
    """

    membership: Floats
    mean: Floats
    variance: Floats


def given_data(stats: Stores, draws: ParameterDraws, traits: Floats | None = None) -> GivenData:
    """What the weeks of each store say under each draw; of a store without weeks, what the population says.

    Parameters
    ----------
    traits : (store, trait) see `posterior.store_means`.
    """
    with np.errstate(divide="ignore"):
        log_weight = np.log(draws.weight)
    mu = store_means(draws, traits)
    component, mean, variance = given_segments(stats, mu, draws.sigma, draws.omega)
    share = membership(log_weight, component)
    return GivenData(share, mean, np.broadcast_to(variance, (*mean.shape[:1], *variance.shape[-4:])))


def positions(names: Sequence[str], stores: str | Sequence[str]) -> Ints:
    """Where stores stand among all `names` of a fit.

    Raises
    ------
    InputError
        Naming the first that is not there and what is nearest to it.
    """
    place = {name: i for i, name in enumerate(names)}
    asked = [stores] if isinstance(stores, str) else [str(store) for store in stores]
    for store in asked:
        if store not in place:
            inside = [name for name in names if store and store.casefold() in name.casefold()]
            close = inside[:3] or difflib.get_close_matches(store, names, n=3)
            hint = f"did you mean {', '.join(close)}?" if close else f"its stores are {shorten(list(names))}"
            raise InputError(f"no store {store!r} in the fit; {hint}")
    return np.array([place[store] for store in asked], dtype=np.intp)


def chunks_of_stores(n_stores: int, draws: ParameterDraws, most: int = 2_000_000) -> list[slice]:
    """Stores in pieces of which no array of `given_data` has more than `most` numbers, or single ones."""
    n, k, p = draws.mu.shape
    size = max(1, most // (n * k * (1 if draws.omega is None else p * p)))
    return [slice(begin, min(begin + size, n_stores)) for begin in range(0, n_stores, size)]
