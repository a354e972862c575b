"""results.json: what maximum likelihood found, written whole or not at all, and read back with care."""

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from em.bootstrap import LikelihoodRatioTest
from em.bound import Bound
from em.command import replacing
from em.errors import InputError
from em.families import FAMILIES
from em.panel import Columns, Panel
from em.response import LOG_SALES

SCHEMA = "em-results/1"
MODELS = ("mixture", "hierarchical", "normal-mixture")
DATA = ("file", "sha256", "stores", "weeks", "observations", "coefficients")


def data_of(panel: Panel) -> dict[str, Any]:
    """What identifies a panel in every file of the program, and the arguments that read it again."""
    usual = asdict(Columns())
    return {
        "file": panel.file,
        "sha256": panel.sha256,
        "stores": len(panel.stores),
        "weeks": len(panel.weeks),
        "observations": int(panel.y.size),
        "coefficients": list(panel.coefficients),
        "columns": {name: value for name, value in asdict(panel.columns).items() if value != usual[name]},
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


def results_record(
    panel: Panel,
    entries: Sequence[dict[str, Any]],
    settings: dict[str, Any],
    limit: Bound | None,
    tests: Sequence[LikelihoodRatioTest],
) -> dict[str, Any]:
    """The whole of results.json.

    Parameters
    ----------
    entries : of `em.entries`, one for each fit.
    limit : the bound over all distributions of store coefficients, where there is one.
    tests : bootstrapped likelihood-ratio tests of K against K + 1.
    """
    return {
        "schema": SCHEMA,
        "software": software("numpy", "scipy"),
        "data": data_of(panel),
        "settings": settings,
        "best_k": min(entries, key=lambda entry: entry["bic"])["k"],
        "fits": [
            entry | {"gap_to_bound": None if limit is None else limit.log_likelihood - entry["log_likelihood"]}
            for entry in entries
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


def read_results(path: str | Path, models: Sequence[str] = ("mixture",)) -> dict[str, Any]:
    """Read a results.json.

    Parameters
    ----------
    models : which models the reader knows what to do with.

    Raises
    ------
    InputError
        When the file is missing, is not JSON, is not what `em.estimate` writes, or is about another model.
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
    if not isinstance(record["data"]["coefficients"], list):
        raise InputError(f"{path}: coefficients of data are no list of names; expected a whole results.json")
    family = record["settings"].get("family", LOG_SALES)
    if family not in FAMILIES:
        raise InputError(f"{path}: holds --family {family}; expected one of {', '.join(FAMILIES)}")
    for fit in record["fits"]:
        wrong = _damage(fit, record["data"]["coefficients"], family)
        if wrong:
            k = fit.get("k") if isinstance(fit, dict) else None
            raise InputError(
                f"{path}: the fit of K = {k}: {wrong}; expected a whole results.json, run em.estimate again"
            )
        if model_of(fit) not in models:
            raise InputError(
                f"{path}: holds --model {model_of(fit)}; expected one that em.estimate wrote with "
                f"--model {' or '.join(models)}"
            )
    return record


def model_of(fit: dict[str, Any]) -> str:
    """Which of the models an entry of `fits` is; a mixture where it does not say."""
    return fit.get("model", "mixture")


def _damage(fit: Any, names: list[str], family: str) -> str | None:
    """What is wrong with one entry of `fits`; None when nothing is."""
    if not isinstance(fit, dict):
        return "is no record"
    k, p = fit.get("k"), len(names)
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        return f"k is {k!r}, no number of segments"
    if model_of(fit) not in MODELS:
        return f"model is {model_of(fit)!r}, none of {', '.join(MODELS)}"
    if fit.get("family", LOG_SALES) != family:
        return f"family is {fit.get('family')!r} where the settings say {family}"
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
    return None if model_of(fit) == "mixture" else _damage_of_spread(fit, k, names)


def _damage_of_spread(fit: dict[str, Any], k: int, names: list[str]) -> str | None:
    """What is wrong with the covariances of an entry whose stores differ inside a segment; None when nothing is."""
    if fit["model"] == "hierarchical" and k != 1:
        return f"k is {k}; a hierarchical model has one segment"
    if not _is_array(fit.get("omega"), (k, len(names), len(names))):
        return f"omega is not {k} x {len(names)} x {len(names)} numbers"
    omega = np.array(fit["omega"], dtype=float)
    size = float(np.abs(omega).max())
    if not np.allclose(omega, np.swapaxes(omega, -1, -2), rtol=0.0, atol=1e-9 * size):
        return "omega is not symmetric"
    if float(np.linalg.eigvalsh(omega).min()) < -1e-9 * size:
        return "omega is no covariance: it has a negative eigenvalue"
    random = fit.get("random")
    if not isinstance(random, list) or any(name not in names for name in random):
        return f"random is {random!r}, no names of coefficients ({', '.join(names)})"
    still = [j for j, name in enumerate(names) if name not in random]
    if np.any(omega[:, still]):
        return f"omega lets {names[still[0]]} vary, which random does not name"
    intervals = fit.get("intervals", [])
    if not isinstance(intervals, list) or not all(
        isinstance(one, dict) and {"kind", "of", "estimate", "lower", "upper"} <= set(one) for one in intervals
    ):
        return "intervals are not each a kind, of, estimate, lower and upper"
    return None


def _is_array(value: Any, shape: tuple[int, ...]) -> bool:
    """Whether nested lists are finite numbers of a shape."""
    if not shape:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, list) and len(value) == shape[0] and all(_is_array(item, shape[1:]) for item in value)
