"""Fits whose stores differ inside a segment, with their names: an xarray Dataset, and a page of plain text."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from em.explained_by_traits import effects
from em.glmm import GlmmFit
from em.mixed_model import MixedFit
from em.normal_mixture_fit import NormalMixtureFit
from em.variance_components import variance_components


def dataset(fit: MixedFit | NormalMixtureFit) -> xr.Dataset:
    """Estimates, standard errors and the stores' coefficients by segment, coefficient and store.

    Returns
    -------
    Dataset with `mu`, `omega`, `sigma` and `mu_se`, of stores `coefficients`, `coefficients_sd` and `pooling`, and of a
    mixture of normals `weight`, `membership` and `map_segment`; with traits their effects `gamma` and `gamma_se` per
    unit of the trait, and `trait_mean`, of which mu is; the criteria are attributes.
    """
    names, n = list(fit.of_stores), len(fit.of_stores)
    coords: dict[str, Any] = {"coefficient": names, "coefficient_2": names, "store": list(fit.stores)}
    theta, covariance, pooling = fit.store_coefficients
    by_store = ("store", "coefficient")
    variables = {
        "coefficients": (by_store, theta),
        "coefficients_sd": (by_store, np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))),
        "pooling": (by_store, pooling),
    }
    p = fit.parameters
    if isinstance(fit, NormalMixtureFit):
        coords["segment"] = np.arange(1, fit.k + 1)
        variables |= {
            "weight": ("segment", fit.parameters.weight),
            "mu": (("segment", "coefficient"), p.mu[:, :n]),
            "omega": (("segment", "coefficient", "coefficient_2"), p.omega[:, :n, :n]),
            "sigma": ("segment", np.asarray(p.sigma)),
            "membership": (("store", "segment"), fit.memberships),
            "map_segment": ("store", fit.segment),
        }
        if fit.standard_errors is not None:
            variables["mu_se"] = (("segment", "coefficient"), fit.standard_errors.mu[:, :n])
    else:
        variables |= {
            "mu": ("coefficient", p.mu[:n]),
            "omega": (("coefficient", "coefficient_2"), p.omega[:n, :n]),
            "sigma": ((), np.asarray(p.sigma)),
            "mu_se": ("coefficient", fit.standard_errors[:n]),
        }
    more = of_traits(fit)
    attributes = {"log_likelihood": fit.log_likelihood, "n_parameters": fit.n_parameters, **fit.criteria._asdict()}
    return xr.Dataset(variables | more.variables, coords | more.coords, attributes | {"converged": int(fit.converged)})


class OfTraits(NamedTuple):
    """What a Dataset holds of traits: variables and coordinates, none where nothing explains the coefficients."""

    variables: dict[str, Any]
    coords: dict[str, Any]


def of_traits(fit: MixedFit | GlmmFit | NormalMixtureFit) -> OfTraits:
    """The effects of traits with their standard errors, per unit of the trait, and the means of the traits."""
    found = effects(fit)
    if found is None or fit.between is None:
        return OfTraits({}, {})
    variables = {
        "gamma": (("trait", "coefficient"), found.estimate),
        "gamma_se": (("trait", "coefficient"), found.error),
        "trait_mean": ("trait", fit.between.mean),
    }
    return OfTraits(variables, {"trait": list(fit.between.names)})


def describe(fit: MixedFit) -> str:
    """Means with standard errors, spread between stores, and what a reader must know to trust them."""
    by = f"REML {fit.restricted_log_likelihood:.4f}" if fit.restricted_log_likelihood is not None else "ML"
    p, at = fit.parameters, variance_components(fit)
    lines = [
        f"mixed model of {len(fit.stores)} stores, log-likelihood {fit.log_likelihood:.4f} ({by}), "
        f"BIC {fit.criteria.bic:.3f}, {fit.n_parameters} parameters, sigma {p.sigma:.4f}",
        f"{'coefficient':<16}{'mean':>10}{'(se)':>10}{'sd between stores':>20}{'(se)':>10}",
    ]
    for c, name in enumerate(fit.of_stores):
        spread = f"{'-':>20}"
        if name in fit.random:
            a = fit.random.index(name)
            spread = f"{at.sd[a]:20.4f}{_bracketed(at.sd_error[a])}"
        lines.append(f"{name:<16}{p.mu[c]:10.4f}{_bracketed(fit.standard_errors[c])}{spread}")
    for a, name in enumerate(fit.random):
        for c in range(a):
            lines.append(f"correlation of {fit.random[c]} and {name}: {at.correlation[a, c]:.4f}")
    lines += told_effects(fit)
    lines += [f"singular: {told}" for told in fit.singular]
    return "\n".join([*lines, *(f"not to be trusted: {reason}" for reason in fit.warnings)])


def describe_segments(fit: NormalMixtureFit) -> str:
    """Each segment's weight, means with standard errors and spread, and what a reader must know to trust them."""
    p, errors = fit.parameters, fit.standard_errors
    lines = [
        f"mixture of {fit.k} normals of {len(fit.stores)} stores, log-likelihood {fit.log_likelihood:.4f}, "
        f"BIC {fit.criteria.bic:.3f}, {fit.n_parameters} parameters, sigma {p.sigma[0]:.4f}",
        f"{'segment':<10}{'weight':>8}  {'coefficient':<16}{'mean':>10}{'(se)':>10}{'sd inside':>12}",
    ]
    sd = np.sqrt(np.diagonal(p.omega, axis1=-2, axis2=-1))
    for k in range(fit.k):
        for c, name in enumerate(fit.of_stores):
            head = f"{k + 1:<10}{p.weight[k]:8.4f}" if c == 0 else " " * 18
            error = _bracketed(np.nan if errors is None else errors.mu[k, c])
            lines.append(f"{head}  {name:<16}{p.mu[k, c]:10.4f}{error}{sd[k, c]:12.4f}")
        lines += [f"singular: {told}" for told in fit.singular[k]]
    lines += told_effects(fit)
    lines.append(f"{fit.starts_at_best} of {fit.starts_tried} starts reached this optimum; converged: {fit.converged}")
    return "\n".join([*lines, *(f"not to be trusted: {reason}" for reason in fit.warnings)])


def told_effects(fit: MixedFit | GlmmFit | NormalMixtureFit) -> list[str]:
    """A line for each effect of a trait on a coefficient, per unit of the trait."""
    found = effects(fit)
    if found is None or fit.between is None:
        return []
    lines = []
    for trait, values, errors in zip(fit.between.names, *found, strict=True):
        for name, value, error in zip(fit.of_stores, values, errors, strict=True):
            lines.append(f"{name} per unit of {trait}: {value:.4g} ({error:.2g})")
    return lines


def _bracketed(error: float) -> str:
    return f"{'(n/a)' if np.isnan(error) else f'({error:.4f})':>10}"
