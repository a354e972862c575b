"""Where a mixture's chains start: at EM's solution, read from results.json or found now."""

from pathlib import Path

import numpy as np

from em.errors import InputError
from em.fit import fit_mixture
from em.mixture import MixtureParameters, SigmaRule
from em.panel import Panel
from em.results import read_results


def em_solution(
    panel: Panel, k: int, sigma: SigmaRule, seed: int, file: Path | None = None
) -> tuple[MixtureParameters, list[str]]:
    """The maximum-likelihood solution with k segments, in falling order of weight, and why not to trust it.

    Parameters
    ----------
    file : a results.json to take it from; None runs EM.

    Raises
    ------
    InputError
        When the file is none, is about other data or another sigma, or has no solution with k segments.
    """
    if file is None:
        found = fit_mixture(panel, k, sigma=sigma, seed=seed)
        return found.parameters, list(found.warnings)
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
    params = MixtureParameters(*(np.asarray(fit[name], dtype=float) for name in ("pi", "theta", "sigma")))
    return params, list(fit.get("warnings", []))
