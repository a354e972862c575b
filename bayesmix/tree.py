"""The netCDF file of a posterior: labelled, self-describing, and readable by ArviZ as it is."""

import json
from pathlib import Path

import numpy as np
import xarray as xr

from bayesmix import hierarchical, mixture
from bayesmix.priors import as_record
from bayesmix.run import Posterior
from em.command import replacing
from em.results import data_of, software

SCHEMA = "bayesmix-fit/1"
PACKAGES = ("numpy", "pymc", "pytensor", "nutpie", "numba", "arviz", "xarray")
STATISTICS = {  # nutpie's names and ArviZ's
    "diverging": "diverging",
    "energy": "energy",
    "logp": "lp",
    "n_steps": "n_steps",
    "step_size": "step_size",
    "depth": "tree_depth",
    "maxdepth_reached": "reached_max_treedepth",
    "mean_tree_accept": "acceptance_rate",
}


def as_tree(posterior: Posterior) -> xr.DataTree:
    """A posterior with names on every axis.

    Groups: posterior, log_likelihood, sample_stats, constant_data (the stores' statistics), stores (their memberships
    and coefficients). The dimension of log_likelihood is `store_name`: xarray makes a coordinate of a variable that is
    named like one of its dimensions, and ArviZ would then take the whole array for one observation's.
    """
    p = posterior
    stores, names = list(p.panel.stores), list(p.panel.coefficients)
    segments = np.arange(1, p.k + 1)
    coords = {"segment": segments, "coefficient": names, "coefficient_2": names, "store": stores, "store_name": stores}
    dims = dict(mixture.QUANTITIES) if p.model == "mixture" else {**hierarchical.QUANTITIES, "sigma": ()}
    by_draw = {"chain": np.arange(p.settings.chains), "draw": np.arange(p.settings.draws)}
    groups = {
        "posterior": {name: (*by_draw, *dims[name]) for name in dims},
        "log_likelihood": {"store": (*by_draw, "store_name")},
        "sample_stats": {name: tuple(by_draw) for name in STATISTICS.values()},
        "constant_data": {
            "n": ("store",),
            "xtx": ("store", "coefficient", "coefficient_2"),
            "b": ("store", "coefficient"),
            "rss": ("store",),
        },
        "stores": {
            "membership": ("store", "segment"),
            "membership_sd": ("store", "segment"),
            "coefficients": ("store", "coefficient"),
            "coefficients_sd": ("store", "coefficient"),
        },
    }
    values = {
        "posterior": p.quantities,
        "log_likelihood": {"store": p.stores.loglik.reshape(p.settings.chains, p.settings.draws, -1)},
        "sample_stats": {new: p.sampler[old].to_numpy() for old, new in STATISTICS.items()},
        "constant_data": p.statistics._asdict(),
        "stores": p.stores._asdict(),
    }
    tree = xr.DataTree.from_dict(
        {
            group: xr.Dataset(
                {name: (axes, values[group][name]) for name, axes in variables.items()},
                {axis: {**by_draw, **coords}[axis] for axis in dict.fromkeys(a for v in variables.values() for a in v)},
            )
            for group, variables in groups.items()
        }
    )
    tree.attrs = _attributes(p)
    return tree


def write(path: Path, posterior: Posterior) -> None:
    """Write the file, whole or not at all."""
    with replacing(path) as temporary:
        as_tree(posterior).to_netcdf(temporary, engine="netcdf4")


def _attributes(p: Posterior) -> dict[str, str | int]:
    sampler = {
        "name": "nutpie",
        "draws": p.settings.draws,
        "tune": p.settings.tune,
        "chains": p.settings.chains,
        "seed": p.settings.seed,
        "seconds": dict(p.seconds),
        "divergences": int(p.sampler["diverging"].sum()),
        "labels_switched": p.switched,
    }
    return {
        "schema": SCHEMA,
        "software": json.dumps(software(*PACKAGES)),
        "name": p.name,
        "model": p.model,
        "family": "gaussian",
        "k": p.k,
        "sigma_rule": p.sigma,
        "data": json.dumps(data_of(p.panel)),
        "priors": json.dumps(as_record(p.priors, p.model, p.sigma)),
        "sampler": json.dumps(sampler),
        "trusted": int(not p.reasons),
        "warnings": json.dumps(p.reasons),
        "log_density_of": "log sales",
        "unit": "store",
    }
