"""Mixed models and mixtures of normals as entries of `fits` in results.json: those of a mixture, and Omega beside."""

from typing import Any

from em.explained import explained
from em.mixed_model import MixedFit
from em.normal_mixture_fit import NormalMixtureFit
from em.random_effect_test import random_effect_test
from em.variance_components import Interval, variance_components, wald_intervals


def mixed_record(fit: MixedFit, profiles: list[Interval] | None = None) -> dict[str, Any]:
    """One entry for a mixed model: K = 1, theta is mu.

    Parameters
    ----------
    profiles : from `em.profile`, where they were worked out; Wald intervals stand in their place otherwise.
    """
    mu, omega, sigma = fit.parameters
    components, shares = variance_components(fit), explained(fit)
    return {
        "model": "hierarchical",
        "k": 1,
        "theta": [mu.tolist()],
        "pi": [1.0],
        "sigma": [sigma],
        "omega": [omega.tolist()],
        "random": list(fit.random),
        "log_likelihood": fit.log_likelihood,
        "restricted_log_likelihood": fit.restricted_log_likelihood,
        "n_parameters": fit.n_parameters,
        **fit.criteria._asdict(),
        "standard_errors": {
            "theta": [fit.standard_errors.tolist()],
            "pi": [0.0],
            "sigma": [components.sigma_error],
            "sd": [components.sd_error.tolist()],
        },
        "singular": [list(fit.singular)],
        "intervals": [one._asdict() for one in (wald_intervals(fit) if profiles is None else profiles)],
        "interval_method": "wald" if profiles is None else "profile",
        "random_effect_tests": [random_effect_test(fit, name)._asdict() for name in fit.random],
        "explained": None if shares is None else shares._asdict(),
        "converged": fit.converged,
        "identified": not any("identify" in reason for reason in fit.warnings),
        "iterations": fit.iterations,
        "starts": {"tried": fit.starts_tried, "at_best": fit.starts_at_best, "degenerate": 0},
        "warnings": list(fit.warnings),
    }


def normal_mixture_record(fit: NormalMixtureFit) -> dict[str, Any]:
    """One entry for a mixture of normals: theta are the segments' means."""
    p, errors = fit.parameters, fit.standard_errors
    return {
        "model": "normal-mixture",
        "k": fit.k,
        "theta": p.mu.tolist(),
        "pi": p.weight.tolist(),
        "sigma": p.sigma.tolist(),
        "omega": p.omega.tolist(),
        "random": list(fit.random),
        "log_likelihood": fit.log_likelihood,
        "n_parameters": fit.n_parameters,
        **fit.criteria._asdict(),
        "standard_errors": None
        if errors is None
        else {
            "theta": errors.mu.tolist(),
            "pi": errors.weight.tolist(),
            "sigma": errors.sigma.tolist(),
            "sd": errors.sd.tolist(),
        },
        "singular": [list(told) for told in fit.singular],
        "converged": fit.converged,
        "identified": fit.identified,
        "iterations": fit.iterations,
        "starts": {"tried": fit.starts_tried, "at_best": fit.starts_at_best, "degenerate": fit.starts_degenerate},
        "warnings": list(fit.warnings),
    }
