"""Reads posterior fits from the netCDF files that bayesmix.fit writes, and refuses what is not one of them."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from em.errors import InputError
from em.statistics import GaussianStatistics

SCHEMA = "bayesmix-fit/1"
EXPECTED = f"expected a netCDF file written by bayesmix.fit ({SCHEMA})"
PARAMETERS: dict[str, tuple[str, ...]] = {
    "mixture": ("weight", "theta", "sigma"),
    "hierarchical": ("mu", "omega", "sigma"),
    "normal-mixture": ("weight", "mu", "omega", "sigma"),
}
CONTENTS = {"log_likelihood": ("store",), "constant_data": ("n", "xtx", "b", "rss"), "stores": ("coefficients",)}
FEWEST_DRAWS = 100  # below which the tail of the importance ratios cannot be smoothed


@dataclass(frozen=True)
class Fit:
    """One posterior fit, as its file tells it.

    Attributes
    ----------
    file, sha256 : the netCDF file itself.
    name : what the fit is called on the page; unique among the fits compared.
    model : "mixture", "hierarchical" or "normal-mixture", with `k` segments and the rule for `sigma`.
    data : what it was fitted to: file, sha256, stores, weeks, observations, coefficients.
    unit, log_density_of : what one likelihood term is of ("store"), and on which scale ("log sales").
    trusted, reasons : the fit's own verdict on its convergence, and why.
    stores, coefficients : names.
    statistics : the store statistics it was fitted to.
    store_loglik : (chain, draw, store_name).
    posterior : labelled draws of the parameters.
    by_store : posterior mean and sd of every store's coefficients, and of its membership in a mixture.
    """

    file: str
    sha256: str
    name: str
    model: str
    k: int
    sigma_rule: str
    data: dict[str, Any]
    unit: str
    log_density_of: str
    trusted: bool
    reasons: tuple[str, ...]
    priors: dict[str, Any]
    sampler: dict[str, Any]
    software: dict[str, Any]
    stores: tuple[str, ...] = field(repr=False)
    coefficients: tuple[str, ...] = field(repr=False)
    statistics: GaussianStatistics = field(repr=False)
    store_loglik: xr.DataArray = field(repr=False)
    posterior: xr.Dataset = field(repr=False)
    by_store: xr.Dataset = field(repr=False)


def read_fit(path: str | Path) -> Fit:
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
    return _fit(path, digest, tree)


def _fit(path: Path, digest: str, tree: xr.DataTree) -> Fit:
    attributes = tree.attrs
    if attributes.get("schema") != SCHEMA:
        raise InputError(f"{path}: its schema is {attributes.get('schema')!r}; {EXPECTED}")
    model = _text(path, attributes, "model")
    if model not in PARAMETERS:
        raise InputError(f"{path}: model is {model!r}; expected one of {', '.join(PARAMETERS)}")
    by_store = CONTENTS["stores"] + (("membership",) if model == "mixture" else ())
    for group, variables in {**CONTENTS, "posterior": PARAMETERS[model], "stores": by_store}.items():
        for variable in variables:
            if group not in tree.children or variable not in tree[group].data_vars:
                raise InputError(f"{path}: has no /{group}/{variable}; {EXPECTED}")
    constant = tree["constant_data"].to_dataset()
    stores = tuple(str(name) for name in constant["store"].values)
    return Fit(
        file=str(path),
        sha256=digest,
        name=_text(path, attributes, "name"),
        model=model,
        k=tree["posterior"].sizes.get("segment", 1),
        sigma_rule=_text(path, attributes, "sigma_rule"),
        data=_json(path, attributes, "data", dict),
        unit=_text(path, attributes, "unit"),
        log_density_of=_text(path, attributes, "log_density_of"),
        trusted=_text(path, attributes, "trusted") == "1",
        reasons=tuple(_json(path, attributes, "warnings", list)),
        priors=_json(path, attributes, "priors", dict),
        sampler=_json(path, attributes, "sampler", dict),
        software=_json(path, attributes, "software", dict),
        stores=stores,
        coefficients=tuple(str(name) for name in constant["coefficient"].values),
        statistics=GaussianStatistics(
            *(np.asarray(constant[name].values, dtype=float) for name in CONTENTS["constant_data"])
        ),
        store_loglik=_store_loglik(path, tree["log_likelihood"].to_dataset()["store"], stores),
        posterior=tree["posterior"].to_dataset(),
        by_store=tree["stores"].to_dataset(),
    )


def _store_loglik(path: Path, loglik: xr.DataArray, stores: tuple[str, ...]) -> xr.DataArray:
    named = tuple(map(str, loglik["store_name"].values)) if "store_name" in loglik.coords else ()
    if loglik.dims != ("chain", "draw", "store_name") or named != stores:
        raise InputError(
            f"{path}: /log_likelihood/store has dimensions {loglik.dims} of sizes {loglik.shape}; expected "
            f"(chain, draw, store_name) and the {len(stores)} stores of /constant_data"
        )
    if loglik.sizes["chain"] * loglik.sizes["draw"] < FEWEST_DRAWS:
        raise InputError(
            f"{path}: holds {loglik.sizes['chain'] * loglik.sizes['draw']} draws; expected at least {FEWEST_DRAWS}"
        )
    broken = np.flatnonzero(~np.isfinite(loglik.values).all((0, 1)))
    if broken.size:
        raise InputError(
            f"{path}: /log_likelihood/store is not finite for store {stores[broken[0]]} ({broken.size} such stores); "
            "expected numbers"
        )
    return loglik


def _text(path: Path, attributes: dict[Any, Any], name: str) -> str:
    if name not in attributes:
        raise InputError(f"{path}: has no attribute {name!r}; {EXPECTED}")
    return str(attributes[name])


def _json[T](path: Path, attributes: dict[Any, Any], name: str, kind: type[T]) -> T:
    text = _text(path, attributes, name)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as wrong:
        raise InputError(f"{path}: attribute {name!r} is not JSON ({wrong}); {EXPECTED}") from wrong
    if not isinstance(value, kind):
        raise InputError(f"{path}: attribute {name!r} is {text[:40]!r}; {EXPECTED}")
    return value
