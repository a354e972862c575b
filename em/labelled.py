"""A fit with its names: an xarray Dataset, and a page of plain text."""

import numpy as np
import xarray as xr

from em.fit import MixtureFit


def dataset(fit: MixtureFit) -> xr.Dataset:
    """Estimates, standard errors and memberships by segment, coefficient and store.

    Returns
    -------
    Dataset with `weight`, `theta`, `sigma`, `membership`, `map_segment`, their `_se` and `_robust_se`, and `gamma` with
    covariates of membership; the criteria are attributes.
    """
    p = fit.parameters
    variables = {
        "weight": ("segment", p.weight),
        "theta": (("segment", "coefficient"), p.theta),
        "sigma": ("segment", p.sigma),
        "membership": (("store", "segment"), fit.memberships),
        "map_segment": ("store", fit.segment),
    }
    for suffix, errors in (("se", fit.standard_errors), ("robust_se", fit.robust_standard_errors)):
        if errors is not None:
            variables[f"weight_{suffix}"] = ("segment", errors.weight)
            variables[f"theta_{suffix}"] = (("segment", "coefficient"), errors.theta)
            variables[f"sigma_{suffix}"] = ("segment", errors.sigma)
            if errors.gamma is not None:
                variables[f"gamma_{suffix}"] = (("segment", "trait"), errors.gamma)
    coords = {
        "segment": np.arange(1, fit.k + 1),
        "coefficient": list(fit.coefficients),
        "store": list(fit.stores),
    }
    if p.gamma is not None:
        variables["gamma"] = (("segment", "trait"), p.gamma)
        coords["trait"] = list(fit.trait_names)
    if not fit.has_sigma:
        variables = {name: value for name, value in variables.items() if not name.startswith("sigma")}
    attributes = {"log_likelihood": fit.log_likelihood, "n_parameters": fit.n_parameters, **fit.criteria._asdict()}
    if fit.family is not None:
        attributes |= {"family": fit.family.name, "link": fit.family.link}
    return xr.Dataset(variables, coords, attributes | {"converged": int(fit.converged)})


def describe(fit: MixtureFit) -> str:
    """The segment table, with standard errors in brackets, and what a reader must know to trust it."""
    width = max(10, *(len(name) + 2 for name in fit.coefficients))
    lines = [
        f"{fit.k} segments of {len(fit.stores)} stores, log-likelihood {fit.log_likelihood:.4f}, "
        f"BIC {fit.criteria.bic:.3f}, {fit.n_parameters} parameters",
        "segment     weight"
        + "".join(f"{name:>{width + 9}}" for name in fit.coefficients)
        + "     sigma" * fit.has_sigma,
    ]
    errors = fit.standard_errors
    for k in range(fit.k):
        cells = [
            f"{value:>{width}.4f} ({'n/a' if errors is None else format(errors.theta[k, c], '.4f')})"
            for c, value in enumerate(fit.parameters.theta[k])
        ]
        sigma = f"{fit.parameters.sigma[k]:10.4f}" * fit.has_sigma
        lines.append(f"{k + 1:7d}{fit.parameters.weight[k]:11.4f}" + "".join(cells) + sigma)
    lines.append(f"{fit.starts_at_best} of {fit.starts_tried} starts reached this optimum; converged: {fit.converged}")
    return "\n".join([*lines, *(f"not to be trusted: {reason}" for reason in fit.warnings)])
