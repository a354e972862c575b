"""A fit whose draws and statistics are given as they are: material for the tests of what is worked out from draws."""

import json

import numpy as np
import xarray as xr

from bayesmix.fitted import Fit

AXES = {
    "weight": ("segment",),
    "theta": ("segment", "coefficient"),
    "mu": ("coefficient",),
    "omega": ("coefficient", "coefficient_2"),
}


def fit_of(stats, names, *, modes=None, reasons=(), **quantities) -> Fit:
    """A fit from arrays (draw, ...) by name, in one chain; stores are A, B, C, ... or S1, S2, ..."""
    n = stats.n_stores
    stores = [chr(65 + i) for i in range(n)] if n <= 26 else [f"S{i + 1}" for i in range(n)]
    model = "mixture" if "theta" in quantities else "normal-mixture" if "weight" in quantities else "hierarchical"
    axes = {**AXES, "sigma": ()}
    if model != "hierarchical":
        axes |= {name: ("segment", *axes[name]) for name in ("mu", "omega", "sigma")}
    coefficients = {"coefficient": list(names), "coefficient_2": list(names)}
    posterior = {name: (("chain", "draw", *axes[name]), value[None]) for name, value in quantities.items()}
    dims = {"n": ("store",), "xtx": ("store", "coefficient", "coefficient_2"), "b": ("store", "coefficient")}
    constant = {name: (dims.get(name, ("store",)), value) for name, value in stats._asdict().items()}
    groups = {
        "/posterior": xr.Dataset(posterior).assign_coords(
            {k: v for k, v in coefficients.items() if any(k in axes[name] for name in quantities)}
        ),
        "/constant_data": xr.Dataset(constant, {"store": stores, **coefficients}),
    }
    if modes is not None:
        groups["/modes"] = xr.Dataset({"weight": ("mode", np.array(modes))})
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = {
        "model": model,
        "sigma_rule": "common",
        "family": "gaussian",
        "trusted": int(not reasons),
        "warnings": json.dumps(list(reasons)),
    }
    return Fit(tree, model)
