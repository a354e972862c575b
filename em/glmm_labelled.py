"""A generalised linear mixed model with its names: an xarray Dataset, and a page of plain text."""

from typing import Any

import numpy as np
import xarray as xr

from em.glmm import GlmmFit
from em.mixed_labelled import of_traits, told_effects


def dataset(fit: GlmmFit) -> xr.Dataset:
    """Estimates, standard errors and the stores' coefficients by coefficient and store.

    Returns
    -------
    Dataset with `mu`, `omega`, `sigma`, `mu_se`, `sd_se`, `sigma_se`, and of stores `coefficients`, `coefficients_sd`
    and `pooling`; with traits their effects `gamma` and `gamma_se` per unit of the trait, and `trait_mean`, of which mu
    is; family, nodes and criteria are attributes.
    """
    names, n = list(fit.of_stores), len(fit.of_stores)
    coords: dict[str, Any] = {"coefficient": names, "coefficient_2": names, "store": list(fit.stores)}
    theta, covariance, pooling = fit.store_coefficients
    p, by_store = fit.parameters, ("store", "coefficient")
    variables = {
        "mu": ("coefficient", p.mu[:n]),
        "mu_se": ("coefficient", fit.standard_errors[:n]),
        "omega": (("coefficient", "coefficient_2"), p.omega[:n, :n]),
        "sd_se": ("coefficient", fit.sd_errors[:n]),
        "sigma": ((), np.asarray(p.sigma)),
        "sigma_se": ((), np.asarray(fit.sigma_error)),
        "coefficients": (by_store, theta),
        "coefficients_sd": (by_store, np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))),
        "pooling": (by_store, pooling),
    }
    more = of_traits(fit)
    attributes = {
        "family": fit.statistics.family.name,
        "quadrature": fit.quadrature,
        "log_likelihood": fit.log_likelihood,
        "n_parameters": fit.n_parameters,
        **fit.criteria._asdict(),
    }
    return xr.Dataset(variables | more.variables, coords | more.coords, attributes | {"converged": int(fit.converged)})


def describe(fit: GlmmFit) -> str:
    """Means with standard errors, spread between stores, and what a reader must know to trust them."""
    family, p = fit.statistics.family, fit.parameters
    by = "Laplace" if fit.quadrature == 1 else f"{fit.quadrature} nodes"
    sigma = f", dispersion {p.sigma:.4f} ({fit.sigma_error:.4f})" if family.dispersed else ""
    lines = [
        f"{family.name} mixed model ({family.link} link) of {len(fit.stores)} stores, log-likelihood "
        f"{fit.log_likelihood:.4f} ({by}), BIC {fit.criteria.bic:.3f}, {fit.n_parameters} parameters{sigma}",
        f"{'coefficient':<16}{'mean':>10}{'(se)':>10}{'sd between stores':>20}{'(se)':>10}",
    ]
    sd = np.sqrt(np.diagonal(p.omega))
    for c, name in enumerate(fit.of_stores):
        spread = f"{sd[c]:20.4f}{_bracketed(fit.sd_errors[c])}" if name in fit.random else f"{'-':>20}"
        lines.append(f"{name:<16}{p.mu[c]:10.4f}{_bracketed(fit.standard_errors[c])}{spread}")
    at = fit.spread
    for a, name in enumerate(fit.random):
        for c in range(a):
            told = f"{at.correlation[a, c]:.4f} {_bracketed(at.correlation_error[a, c]).strip()}"
            lines.append(f"correlation of {fit.random[c]} and {name}: {told}")
    lines += told_effects(fit)
    lines += [f"singular: {told}" for told in fit.singular]
    return "\n".join([*lines, *(f"not to be trusted: {reason}" for reason in fit.warnings)])


def _bracketed(error: float) -> str:
    return f"{'(n/a)' if np.isnan(error) else f'({error:.4f})':>10}"
