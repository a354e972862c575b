"""A posterior with only some of the stores it was fitted to, for what is drawn or told store by store."""

import numpy as np
import xarray as xr

from bayesmix.fitted import Fit
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
    tree = xr.DataTree.from_dict(parts)
    tree.attrs = dict(fit.tree.attrs)
    return Fit(tree, fit.name)
