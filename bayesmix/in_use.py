"""An overfitted mixture as its reader sees it: the segments that are in use, without the spare ones."""

import numpy as np
import xarray as xr

from bayesmix.fitted import Fit


def number_in_use(fit: Fit) -> int:
    """The number of segments most often in use; all of them where the mixture is not an overfitted one."""
    group = fit.group("segments_in_use")
    return fit.k if group is None else int(group["number"].values[int(np.argmax(group["probability"].values))])


def only_in_use(fit: Fit) -> Fit:
    """The same fit without its spare segments, whose draws are those of the prior; other fits as they are."""
    used = number_in_use(fit)
    if used == fit.k:
        return fit
    first = {"segment": slice(0, used)}
    groups = {
        f"/{name}": node.to_dataset().isel(first, missing_dims="ignore") for name, node in fit.tree.children.items()
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = dict(fit.tree.attrs)
    return Fit(tree, fit.name, fit.file, fit.sha256)
