"""results.json: what maximum likelihood found, written whole or not at all, and read back with care."""

import json
import math
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from em.bootstrap import LikelihoodRatioTest
from em.bound import Bound
from em.command import replacing
from em.errors import InputError
from em.fit import MixtureFit
from em.panel import Panel
from em.standard_errors import StandardErrors

SCHEMA = "em-results/1"
DATA = ("file", "sha256", "stores", "weeks", "observations", "coefficients")


def data_of(panel: Panel) -> dict[str, Any]:
    """What identifies a panel in every file of the program."""
    return {
        "file": panel.file,
        "sha256": panel.sha256,
        "stores": len(panel.stores),
        "weeks": len(panel.weeks),
        "observations": int(panel.y.size),
        "coefficients": list(panel.coefficients),
    }


def software(*packages: str) -> dict[str, str]:
    """Versions of this project, of Python and of the named packages."""
    versions = {"python": platform.python_version()}
    for package in ("bayesmix", *packages):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def fit_record(fit: MixtureFit) -> dict[str, Any]:
    """One entry of `fits`."""
    p = fit.parameters
    record: dict[str, Any] = {
        "k": fit.k,
        "theta": p.theta.tolist(),
        "pi": p.weight.tolist(),
        "sigma": p.sigma.tolist(),
        "log_likelihood": fit.log_likelihood,
        "n_parameters": fit.n_parameters,
        **fit.criteria._asdict(),
        "standard_errors": _errors(fit.standard_errors),
        "robust_standard_errors": _errors(fit.robust_standard_errors),
        "converged": fit.converged,
        "identified": fit.identified,
        "iterations": fit.iterations,
        "starts": {"tried": fit.starts_tried, "at_best": fit.starts_at_best, "degenerate": fit.starts_degenerate},
        "warnings": list(fit.warnings),
    }
    if p.gamma is not None:
        record["gamma"] = p.gamma.tolist()
        record["traits"] = list(fit.trait_names)
    return record


def _errors(errors: StandardErrors | None) -> dict[str, Any] | None:
    if errors is None:
        return None
    record = {"theta": errors.theta.tolist(), "pi": errors.weight.tolist(), "sigma": errors.sigma.tolist()}
    if errors.gamma is not None:
        record |= {"pi": None, "gamma": errors.gamma.tolist()}
    return record


def results_record(
    panel: Panel,
    fits: Sequence[MixtureFit],
    settings: dict[str, Any],
    limit: Bound | None,
    tests: Sequence[LikelihoodRatioTest],
) -> dict[str, Any]:
    """The whole of results.json.

    Parameters
    ----------
    limit : the bound over any number of segments, where there is one.
    tests : bootstrapped likelihood-ratio tests of K against K + 1.
    """
    return {
        "schema": SCHEMA,
        "software": software("numpy", "scipy"),
        "data": data_of(panel),
        "settings": settings,
        "best_k": min(fits, key=lambda fit: fit.criteria.bic).k,
        "fits": [
            fit_record(fit) | {"gap_to_bound": None if limit is None else limit.log_likelihood - fit.log_likelihood}
            for fit in fits
        ],
        "bound": None
        if limit is None
        else {
            "log_likelihood": limit.log_likelihood,
            "slack": limit.slack,
            "support": [
                {"pi": weight, "theta": theta}
                for weight, theta in zip(limit.weight.tolist(), limit.theta.tolist(), strict=True)
            ],
        },
        "likelihood_ratio_tests": [test._replace(replicates=test.replicates.tolist())._asdict() for test in tests],
        "notes": list(panel.notes),
    }


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a record as JSON, whole or not at all; a number that is not finite is written as null."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(_finite(record), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_results(path: str | Path) -> dict[str, Any]:
    """Read a results.json.

    Raises
    ------
    InputError
        When the file is missing, is not JSON, or is not what `em.estimate` writes.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as wrong:
        raise InputError(
            f"{path}: cannot be read ({wrong.strerror}); expected a results.json of em.estimate"
        ) from wrong
    except ValueError as wrong:
        raise InputError(f"{path}: is not JSON ({wrong}); expected a results.json of em.estimate") from wrong
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        found = record.get("schema") if isinstance(record, dict) else type(record).__name__
        raise InputError(f"{path}: schema is {found!r}; expected {SCHEMA!r}, as em.estimate writes it")
    missing = [key for key in ("data", "settings", "best_k", "fits") if key not in record]
    if missing or not isinstance(record["fits"], list) or not record["fits"]:
        raise InputError(f"{path}: has no {missing[0] if missing else 'fits'}; expected a whole results.json")
    for key in ("data", "settings"):
        if not isinstance(record[key], dict):
            raise InputError(f"{path}: {key} is no record; expected a whole results.json")
    absent = [key for key in DATA if key not in record["data"]]
    if absent:
        raise InputError(f"{path}: data has no {absent[0]}; expected a whole results.json")
    for fit in record["fits"]:
        wrong = _damage(fit, len(record["data"]["coefficients"]))
        if wrong:
            k = fit.get("k") if isinstance(fit, dict) else None
            raise InputError(
                f"{path}: the fit of K = {k}: {wrong}; expected a whole results.json, run em.estimate again"
            )
    return record


def _damage(fit: Any, p: int) -> str | None:
    """What is wrong with one entry of `fits`; None when nothing is."""
    if not isinstance(fit, dict):
        return "is no record"
    k = fit.get("k")
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        return f"k is {k!r}, no number of segments"
    for key in ("log_likelihood", "n_parameters", "bic"):
        if not isinstance(fit.get(key), int | float) or isinstance(fit[key], bool):
            return f"{key} is {fit.get(key)!r}, no number"
    for key, shape in (("theta", (k, p)), ("pi", (k,)), ("sigma", (k,))):
        if not _is_array(fit.get(key), shape):
            return f"{key} is not {' x '.join(map(str, shape))} numbers"
    if min(fit["pi"]) < 0.0 or abs(sum(fit["pi"]) - 1.0) > 1e-6 or min(fit["sigma"]) <= 0.0:
        return "shares must sum to 1 and sigmas be above zero"
    errors = fit.get("standard_errors")
    if errors is not None and not (isinstance(errors, dict) and _is_array(errors.get("theta"), (k, p))):
        return f"standard_errors are not those of {k} segments"
    if not isinstance(fit.get("warnings", []), list):
        return "warnings are no list"
    return None


def _is_array(value: Any, shape: tuple[int, ...]) -> bool:
    """Whether nested lists are finite numbers of a shape."""
    if not shape:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, list) and len(value) == shape[0] and all(_is_array(item, shape[1:]) for item in value)


def write_stores(path: Path, panel: Panel, fits: Sequence[MixtureFit]) -> None:
    """Write each store's most probable segment and membership under every fit; a row for each store."""
    columns: dict[str, Any] = {
        "store": panel.stores,
        "weeks": np.bincount(panel.store, minlength=len(panel.stores)),
    }
    for fit in fits:
        columns[f"k{fit.k}_segment"] = fit.segment
        for k in range(fit.k):
            columns[f"k{fit.k}_membership_{k + 1}"] = fit.memberships[:, k]
    with replacing(path) as temporary:
        pd.DataFrame(columns).to_csv(temporary, index=False)
