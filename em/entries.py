"""Entries of `fits` in results.json: the same keys for all three models, and Omega where stores differ in a segment."""

from collections.abc import Sequence
from typing import Any

from em.explained import explained
from em.explained_by_traits import differences_explained, effects
from em.fit import MixtureFit
from em.glmm import GlmmFit
from em.mixed_model import MixedFit
from em.normal_mixture_fit import NormalMixtureFit
from em.random_effect_test import RandomEffectTest
from em.standard_errors import StandardErrors
from em.variance_components import Interval, variance_components


def mixture_entry(fit: MixtureFit) -> dict[str, Any]:
    """One entry for a mixture."""
    p = fit.parameters
    record: dict[str, Any] = {
        "model": "mixture",
        **({} if fit.family is None else {"family": fit.family.name, "link": fit.family.link}),
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


def mixed_entry(
    fit: MixedFit | GlmmFit, intervals: Sequence[Interval], method: str, tests: Sequence[RandomEffectTest]
) -> dict[str, Any]:
    """One entry for a mixed model: K = 1, theta is mu, of a family on the scale of its linear predictor.

    Parameters
    ----------
    intervals, method : of means, standard deviations, correlations and sigma, "profile" or "wald".
    tests : of the random coefficients, one by one.
    """
    n = len(fit.of_stores)
    mu, omega, sigma = fit.parameters
    components, shares, gamma = variance_components(fit), explained(fit), _of_traits(fit)
    family = fit.statistics.family if isinstance(fit, GlmmFit) else None
    tried, at_best = (1, 1) if isinstance(fit, GlmmFit) else (fit.starts_tried, fit.starts_at_best)
    return {
        "model": "hierarchical",
        **({} if family is None else {"family": family.name, "link": family.link}),
        **({"quadrature": fit.quadrature} if isinstance(fit, GlmmFit) else {}),
        "k": 1,
        "theta": [mu[:n].tolist()],
        "pi": [1.0],
        "sigma": [sigma],
        "omega": [omega[:n, :n].tolist()],
        "random": list(fit.random),
        "log_likelihood": fit.log_likelihood,
        "restricted_log_likelihood": None if isinstance(fit, GlmmFit) else fit.restricted_log_likelihood,
        "n_parameters": fit.n_parameters,
        **fit.criteria._asdict(),
        "standard_errors": {
            "theta": [fit.standard_errors[:n].tolist()],
            "pi": [0.0],
            "sigma": [components.sigma_error],
            "sd": [components.sd_error.tolist()],
            "correlation": [components.correlation_error.tolist()],
            **gamma[1],
        },
        **gamma[0],
        **_explained_by_traits(fit),
        "singular": [list(fit.singular)],
        "intervals": [one._asdict() for one in intervals],
        "interval_method": method,
        "random_effect_tests": [test._asdict() for test in tests],
        "explained": None if shares is None else shares._asdict(),
        "converged": fit.converged,
        "identified": fit.identified,
        "iterations": fit.iterations,
        "starts": {"tried": tried, "at_best": at_best, "degenerate": 0},
        "warnings": list(fit.warnings),
    }


def normal_mixture_entry(fit: NormalMixtureFit) -> dict[str, Any]:
    """One entry for a mixture of normals: theta are the segments' means."""
    p, errors, n, gamma = fit.parameters, fit.standard_errors, len(fit.of_stores), _of_traits(fit)
    return {
        "model": "normal-mixture",
        "k": fit.k,
        "theta": p.mu[:, :n].tolist(),
        "pi": p.weight.tolist(),
        "sigma": p.sigma.tolist(),
        "omega": p.omega[:, :n, :n].tolist(),
        **gamma[0],
        "random": list(fit.random),
        "log_likelihood": fit.log_likelihood,
        "n_parameters": fit.n_parameters,
        **fit.criteria._asdict(),
        "standard_errors": None
        if errors is None
        else {
            "theta": errors.mu[:, :n].tolist(),
            "pi": errors.weight.tolist(),
            "sigma": errors.sigma.tolist(),
            "sd": errors.sd.tolist(),
            **gamma[1],
        },
        "singular": [list(told) for told in fit.singular],
        "converged": fit.converged,
        "identified": fit.identified,
        "iterations": fit.iterations,
        "starts": {"tried": fit.starts_tried, "at_best": fit.starts_at_best, "degenerate": fit.starts_degenerate},
        "warnings": list(fit.warnings),
    }


def _explained_by_traits(fit: MixedFit | GlmmFit) -> dict[str, Any]:
    """How much of the variance between stores traits explain, and what that gains; empty without."""
    if fit.between is None:
        return {}
    told, gain = differences_explained(fit)
    return {
        "explained_by_traits": [one._asdict() for one in told],
        "gain_of_traits": None if gain is None else gain._asdict(),
    }


def _of_traits(fit: MixedFit | GlmmFit | NormalMixtureFit) -> tuple[dict[str, Any], dict[str, Any]]:
    """The effects of traits, (trait, coefficient) per unit of the trait, and their standard errors; empty without."""
    found = effects(fit)
    if found is None or fit.between is None:
        return {}, {}
    of = {"traits": list(fit.between.names), "trait_means": fit.between.mean.tolist()}
    return {"gamma": found.estimate.tolist(), **of}, {"gamma": found.error.tolist()}
