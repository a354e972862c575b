"""Reads posteriors back from the netCDF files that bayesmix.fit writes, and refuses what is not one of them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayesmix.fitted import PARAMETERS, Fit
from bayesmix.stores_kept import names_of
from em.errors import InputError
from em.families import FAMILIES
from em.response import LOG_SALES

SCHEMA = "bayesmix-fit/1"
EXPECTED = f"expected a netCDF file written by bayesmix.fit ({SCHEMA})"
CONTENTS = {"log_likelihood": ("store",), "stores": ("coefficients",)}
TEXTS = ("name", "model", "sigma_rule", "unit", "log_density_of", "trusted")
RECORDS = {"data": dict, "priors": dict, "sampler": dict, "software": dict, "warnings": list}


def load(path: str | Path) -> Fit:
    """Read one fit whole into memory.

    Raises
    ------
    InputError
        When the file is missing, no netCDF, damaged, or not written by bayesmix.fit.
    """
    path = Path(path)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with xr.open_datatree(path, engine="netcdf4") as tree:
            tree = tree.load()
    except OSError as wrong:
        raise InputError(f"{path}: cannot be read ({wrong.strerror or wrong}); {EXPECTED}") from wrong
    except (RuntimeError, ValueError, UnicodeDecodeError) as wrong:
        raise InputError(f"{path}: is damaged ({wrong}); {EXPECTED}") from wrong
    _check(path, tree)
    return Fit(tree, str(tree.attrs["name"]), str(path), digest)


def _check(path: Path, tree: xr.DataTree) -> None:
    """Raise InputError unless the tree holds all that a fit holds."""
    attributes = tree.attrs
    if attributes.get("schema") != SCHEMA:
        raise InputError(f"{path}: its schema is {attributes.get('schema')!r}; {EXPECTED}")
    model = _text(path, attributes, "model")
    if model not in PARAMETERS:
        raise InputError(f"{path}: model is {model!r}; expected one of {', '.join(PARAMETERS)}")
    family = _text(path, attributes, "family")
    if family not in FAMILIES:
        raise InputError(f"{path}: family is {family!r}; expected one of {', '.join(FAMILIES)}")
    by_store = CONTENTS["stores"] + (() if model == "hierarchical" else ("membership",))
    held = {"constant_data": names_of(family), "posterior": PARAMETERS[model], "stores": by_store}
    for group, variables in {**CONTENTS, **held}.items():
        for variable in variables:
            if group not in tree.children or variable not in tree[group].data_vars:
                raise InputError(f"{path}: has no /{group}/{variable}; {EXPECTED}")
    for name in (*TEXTS, *(() if family == LOG_SALES else ("quadrature", "integral"))):
        _text(path, attributes, name)
    for name, kind in RECORDS.items():
        _json(path, attributes, name, kind)
    stores = tuple(str(name) for name in tree["constant_data"].to_dataset()["store"].values)
    _check_loglik(path, tree["log_likelihood"].to_dataset()["store"], stores)


def _check_loglik(path: Path, loglik: xr.DataArray, stores: tuple[str, ...]) -> None:
    named = tuple(map(str, loglik["store_name"].values)) if "store_name" in loglik.coords else ()
    if loglik.dims != ("chain", "draw", "store_name") or named != stores:
        raise InputError(
            f"{path}: /log_likelihood/store has dimensions {loglik.dims} of sizes {loglik.shape}; expected "
            f"(chain, draw, store_name) and the {len(stores)} stores of /constant_data"
        )
    broken = np.flatnonzero(~np.isfinite(loglik.values).all((0, 1)))
    if broken.size:
        raise InputError(
            f"{path}: /log_likelihood/store is not finite for store {stores[broken[0]]} ({broken.size} such stores); "
            "expected numbers"
        )


def _text(path: Path, attributes: dict[Any, Any], name: str) -> str:
    if name not in attributes:
        raise InputError(f"{path}: has no attribute {name!r}; {EXPECTED}")
    return str(attributes[name])


def _json(path: Path, attributes: dict[Any, Any], name: str, kind: type) -> None:
    text = _text(path, attributes, name)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as wrong:
        raise InputError(f"{path}: attribute {name!r} is not JSON ({wrong}); {EXPECTED}") from wrong
    if not isinstance(value, kind):
        raise InputError(f"{path}: attribute {name!r} is {text[:40]!r}; {EXPECTED}")
