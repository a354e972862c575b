"""The statistics of stores as arrays of a file, and back."""

from typing import Any

import numpy as np
import xarray as xr

from bayesmix.stores import CountedStores, Stores, rows_of_stores
from em.design_counts import DesignCounts
from em.families import family_named
from em.response import LOG_SALES
from em.statistics import GaussianStatistics

OF_COUNTS = {  # field: its name in a file, where it has another, and its axis
    "x": ("x", ("design", "coefficient")),
    "offset": ("offset", ("design",)),
    "store": ("cell_store", ("cell",)),
    "design": ("cell_design", ("cell",)),
    "n": ("cell_n", ("cell",)),
    "total": ("cell_total", ("cell",)),
    "y": ("response", ("distinct_response",)),
    "trials": ("response_trials", ("distinct_response",)),
    "value_store": ("seen_store", ("seen",)),
    "value": ("seen_response", ("seen",)),
    "count": ("seen_count", ("seen",)),
}
OF_GAUSSIANS = {
    "n": ("n", ("store",)),
    "xtx": ("xtx", ("store", "coefficient", "coefficient_2")),
    "b": ("b", ("store", "coefficient")),
    "rss": ("rss", ("store",)),
}


def as_variables(stores: Stores) -> dict[str, tuple[tuple[str, ...], Any]]:
    """The arrays of the statistics with their axes, by their names in a file."""
    counted = isinstance(stores, CountedStores)
    held, names = (stores.counts, OF_COUNTS) if counted else (stores, OF_GAUSSIANS)
    rows = {"rows": (("store",), rows_of_stores(stores))} if counted else {}
    return {name: (axes, getattr(held, field)) for field, (name, axes) in names.items()} | rows


def names_of(family: str) -> tuple[str, ...]:
    """The arrays that a file holds; `family` is "gaussian" where they are of log sales."""
    return tuple(name for name, _ in (OF_GAUSSIANS if family == LOG_SALES else OF_COUNTS).values())


def from_group(group: xr.Dataset, family: str, nodes: int) -> Stores:
    """The statistics that a file holds."""
    if family == LOG_SALES:
        return GaussianStatistics(
            *(np.asarray(group[name].to_numpy(), dtype=float) for name in GaussianStatistics._fields)
        )
    held = {field: group[name].to_numpy() for field, (name, _) in OF_COUNTS.items()}
    return CountedStores(DesignCounts(family=family_named(family), n_stores=group.sizes["store"], **held), nodes)
