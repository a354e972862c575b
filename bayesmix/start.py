"""Where chains start: at the maximum of the likelihood, read from results.json or found now."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from bayesmix.stores import CountedStores, Stores
from em.between import Between, separated
from em.errors import InputError
from em.explained_by_traits import effects
from em.fit import MixtureFit, fit_mixture
from em.glmm import GlmmFit, fit_glmm
from em.mixed_model import MixedFit, MixedSigmaRule, fit_mixed_model
from em.mixture import MixtureParameters, SigmaRule
from em.normal_mixture import NormalMixtureParameters
from em.normal_mixture_fit import NormalMixtureFit
from em.panel import Panel, statistics_of
from em.results import MODELS, read_results
from em.statistics import Floats
from em.variance_components import variance_components


@dataclass(frozen=True)
class Start[Parameters: (MixtureParameters, NormalMixtureParameters)]:
    """A maximum-likelihood solution, its segments in falling order of weight.

    Attributes
    ----------
    parameters, log_likelihood : the estimates and what they reach.
    standard_errors : by name (weight, theta or mu, sigma), shaped like the parameters, and where stores differ inside
        segments of their standard deviations, sd (segment, coefficient), and with traits of gamma; empty where there
        are none.
    doubts : why not to trust it; empty when it is to be trusted.
    """

    parameters: Parameters
    log_likelihood: float
    standard_errors: dict[str, Floats]
    doubts: tuple[str, ...] = ()


def start_of(fit: MixtureFit) -> Start[MixtureParameters]:
    """The start that a fit of EM gives."""
    errors = fit.standard_errors
    by_name = {} if errors is None else {"weight": errors.weight, "theta": errors.theta, "sigma": errors.sigma}
    return Start(fit.parameters, fit.log_likelihood, by_name, fit.warnings)


def start_of_mixed(fit: MixedFit | GlmmFit) -> Start[NormalMixtureParameters]:
    """The start that a mixed model gives: one segment. Its doubts are not the posterior's, which has priors."""
    mu, omega, sigma = fit.parameters
    components, n = variance_components(fit), len(fit.of_stores)
    errors = {
        "mu": fit.standard_errors[None, :n],
        "sigma": np.array([components.sigma_error]),
        "sd": _of_all(components.sd_error[None], fit),
    }
    parameters = NormalMixtureParameters(np.ones(1), mu[None], omega[None], np.array([sigma]))
    return Start(effects_apart(parameters, fit.between), fit.log_likelihood, errors | _of_effects(fit))


def start_of_normals(fit: NormalMixtureFit) -> Start[NormalMixtureParameters]:
    """The start that a mixture of normals gives."""
    errors = fit.standard_errors
    by_name = {} if errors is None else errors._asdict() | {"sd": _of_all(errors.sd, fit)} | _of_effects(fit)
    if "mu" in by_name:
        by_name["mu"] = by_name["mu"][:, : len(fit.of_stores)]
    return Start(effects_apart(fit.parameters, fit.between), fit.log_likelihood, by_name, fit.warnings)


def effects_apart(params: NormalMixtureParameters, between: Between | None) -> NormalMixtureParameters:
    """Parameters with the effects of traits, the last coefficients of every segment, apart from mu."""
    if between is None:
        return params
    mu, gamma = separated(params.mu, between)
    n = mu.shape[-1]
    return params._replace(mu=mu, omega=params.omega[:, :n, :n], gamma=gamma[0])


def _of_effects(fit: MixedFit | GlmmFit | NormalMixtureFit) -> dict[str, Floats]:
    found = effects(fit)
    return {} if found is None else {"gamma": found.error}


def _of_all(of_random: Floats, fit: MixedFit | GlmmFit | NormalMixtureFit) -> Floats:
    """Values (segment, random) with zeros for the coefficients that do not vary; (segment, coefficient)."""
    every = np.zeros((len(of_random), len(fit.of_stores)))
    every[:, [fit.coefficients.index(name) for name in fit.random]] = of_random
    return every


def continuum_solution(
    panel: Panel, random: Sequence[str] | None, sigma: SigmaRule, stores: Stores
) -> Start[NormalMixtureParameters]:
    """The maximum-likelihood solution of a continuum of stores, which is one segment whose stores differ.

    Raises
    ------
    InputError
        When a name is not possible, or the stores together do not identify every coefficient.
    """
    if isinstance(stores, CountedStores):
        return start_of_mixed(fit_glmm(panel, random=random, quadrature=stores.nodes, stats=stores.counts))
    rule = cast(MixedSigmaRule, sigma)
    return start_of_mixed(fit_mixed_model(panel, random=random, sigma=rule, stats=stores))


def em_solution(
    panel: Panel, k: int, sigma: SigmaRule, seed: int = 0, file: Path | None = None
) -> Start[MixtureParameters]:
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
        return start_of(fit_mixture(panel, k, sigma=sigma, seed=seed, stats=statistics_of(panel)))
    results = read_results(file, MODELS)
    data, expected = results["data"], {"sha256": panel.sha256, "coefficients": list(panel.coefficients)}
    if data.get("sha256") != expected["sha256"]:
        raise InputError(f"{file}: is about {data.get('file')}, another file than {panel.file} (its sha256 differs)")
    if data.get("coefficients") != expected["coefficients"]:
        raise InputError(
            f"{file}: its coefficients are {', '.join(map(str, data.get('coefficients') or []))}; "
            f"expected {', '.join(panel.coefficients)}"
        )
    family = "gaussian" if panel.response is None else panel.response.family.name
    if results["settings"].get("family", "gaussian") != family:
        raise InputError(f"{file}: is of family {results['settings'].get('family', 'gaussian')}; expected {family}")
    if results["settings"].get("sigma") != sigma:
        raise InputError(f"{file}: was estimated with --sigma {results['settings'].get('sigma')}; expected {sigma}")
    if results["settings"].get("common"):
        raise InputError(f"{file}: has coefficients common to all segments; expected one made without --common")
    fits = {fit["k"]: fit for fit in results["fits"] if fit.get("model", "mixture") == "mixture"}
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
