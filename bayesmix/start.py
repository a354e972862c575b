"""Where a mixture's chains start: at EM's solution, read from results.json or found now."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from em.errors import InputError
from em.fit import MixtureFit, fit_mixture
from em.mixture import MixtureParameters, SigmaRule
from em.panel import Panel
from em.results import read_results
from em.statistics import Floats


@dataclass(frozen=True)
class Start:
    """A solution of EM, its segments in falling order of weight.

    Attributes
    ----------
    parameters, log_likelihood : the estimates and what they reach.
    standard_errors : by name (weight, theta, sigma), shaped like the parameters; empty where EM could give none.
    doubts : why not to trust it; empty when it is to be trusted.
    """

    parameters: MixtureParameters
    log_likelihood: float
    standard_errors: dict[str, Floats]
    doubts: tuple[str, ...] = ()


def start_of(fit: MixtureFit) -> Start:
    """The start that a fit of EM gives."""
    errors = fit.standard_errors
    by_name = {} if errors is None else {"weight": errors.weight, "theta": errors.theta, "sigma": errors.sigma}
    return Start(fit.parameters, fit.log_likelihood, by_name, fit.warnings)


def em_solution(panel: Panel, k: int, sigma: SigmaRule, seed: int = 0, file: Path | None = None) -> Start:
    """The maximum-likelihood solution with k segments.

    Parameters
    ----------
    file : a results.json to take it from; None runs EM.

    Raises
    ------
    InputError
        When the file is none, is about other data or another sigma, or has no solution with k segments.
    """
    if file is None:
        return start_of(fit_mixture(panel, k, sigma=sigma, seed=seed))
    results = read_results(file)
    data, expected = results["data"], {"sha256": panel.sha256, "coefficients": list(panel.coefficients)}
    if data.get("sha256") != expected["sha256"]:
        raise InputError(f"{file}: is about {data.get('file')}, another file than {panel.file} (its sha256 differs)")
    if data.get("coefficients") != expected["coefficients"]:
        raise InputError(
            f"{file}: its coefficients are {', '.join(map(str, data.get('coefficients') or []))}; "
            f"expected {', '.join(panel.coefficients)}"
        )
    if results["settings"].get("sigma") != sigma:
        raise InputError(f"{file}: was estimated with --sigma {results['settings'].get('sigma')}; expected {sigma}")
    if results["settings"].get("common"):
        raise InputError(f"{file}: has coefficients common to all segments; expected one made without --common")
    fits = {fit["k"]: fit for fit in results["fits"]}
    if k not in fits:
        raise InputError(f"{file}: has no K = {k}, only {', '.join(map(str, sorted(fits)))}; run em.estimate --k {k}")
    fit = fits[k]
    if "gamma" in fit:
        raise InputError(f"{file}: its membership depends on covariates, which the Bayesian mixture has not yet")
    params = MixtureParameters(*(_array(fit[name]) for name in ("pi", "theta", "sigma")))
    errors = fit.get("standard_errors") or {}
    by_name = {ours: _array(errors[theirs]) for ours, theirs in NAMES.items() if errors.get(theirs) is not None}
    return Start(params, float(fit["log_likelihood"]), by_name, tuple(fit.get("warnings", [])))


NAMES = {"weight": "pi", "theta": "theta", "sigma": "sigma"}


def _array(values: Any) -> Floats:
    return np.asarray(values, dtype=float)
