"""What the posterior owes to the prior: power scaling of prior and likelihood (Kallioinen et al. 2024)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import xarray as xr
from arviz_stats.psense import psense

from bayesmix.fitted import Fit
from bayesmix.parameters import Parameter

FLAGGED = 0.05  # change of the posterior per doubling of a component, above which ArviZ speaks of sensitivity


class Sensitivity(NamedTuple):
    """How far one parameter's posterior moves when prior or likelihood count a little more or less."""

    parameter: Parameter
    prior: float
    likelihood: float

    @property
    def diagnosis(self) -> str:
        """In a word what it means; empty where nothing is wrong."""
        if self.prior < FLAGGED:
            return ""
        return "prior and data disagree" if self.likelihood >= FLAGGED else "prior stronger than the data"


def sensitivity(fit: Fit, parameters: Sequence[Parameter]) -> list[Sensitivity] | None:
    """A line for each parameter; None where the file has no densities of the priors."""
    log_prior = fit.group("log_prior")
    if log_prior is None or not parameters:
        return None
    names = [f"p{i}" for i in range(len(parameters))]
    coords = {"chain": fit.posterior["chain"], "draw": fit.posterior["draw"]}
    posterior = xr.Dataset(
        {name: (("chain", "draw"), parameter.draws) for name, parameter in zip(names, parameters, strict=True)}, coords
    )
    tree = xr.DataTree.from_dict(
        {"/posterior": posterior, "/log_prior": log_prior, "/log_likelihood": xr.Dataset({"store": fit.store_loglik})}
    )
    by_prior: Any = psense(tree, group="prior")
    by_likelihood: Any = psense(tree, group="likelihood")
    return [
        Sensitivity(parameter, float(by_prior[name]), float(by_likelihood[name]))
        for name, parameter in zip(names, parameters, strict=True)
    ]
