"""A posterior with only some of the stores it was fitted to, for what is drawn or told store by store."""

import numpy as np
import xarray as xr

from bayesmix.fitted import Fit
from bayesmix.stores import CountedStores, some
from bayesmix.stores_kept import as_variables, names_of
from em.statistics import Ints


def some_stores(fit: Fit, index: Ints) -> Fit:
    """The same posterior with only some of the stores it was fitted to, in the order of `index`."""
    if np.array_equal(index, np.arange(len(fit.stores))):
        return fit
    parts = {
        f"/{name}": fit.tree[name]
        .to_dataset()
        .isel({dim: index for dim in ("store", "store_name")}, missing_dims="ignore")
        for name in ("posterior", "log_likelihood", "constant_data", "stores")
    }
    if isinstance(fit.statistics, CountedStores):  # whose arrays are not by store
        constant = fit.tree["constant_data"].to_dataset()
        counted = constant.drop_vars([*names_of(fit.family), "rows"]).isel(store=index)
        parts["/constant_data"] = counted.assign(as_variables(some(fit.statistics, index)))
    tree = xr.DataTree.from_dict(parts)
    tree.attrs = dict(fit.tree.attrs)
    return Fit(tree, fit.name)
