"""How well the chains of a fit agree, as figures to print beside its own verdict."""

from typing import NamedTuple

import arviz as az
import numpy as np
import xarray as xr

from bayesmix.fitted import Fit


class Convergence(NamedTuple):
    """Draws and their worth.

    Attributes
    ----------
    chains, draws : kept draws by chain.
    rhat : the largest over all parameters; NaN with one chain.
    ess : the smallest bulk effective sample size over all parameters.
    """

    chains: int
    draws: int
    rhat: float
    ess: float


def convergence(fit: Fit) -> Convergence:
    """The worst R-hat and effective sample size of a fit; parameters that never move (a fixed sigma) left out."""
    posterior = fit.posterior
    rhat, ess = [], []
    for name in posterior.data_vars:
        moves = posterior[name].max(("chain", "draw")) > posterior[name].min(("chain", "draw"))
        if not bool(moves.any()):
            continue
        values = posterior[name].transpose("chain", "draw", ...)
        each = xr.DataArray(values.to_numpy()[:, :, moves.to_numpy()], dims=("chain", "draw", "entry"))
        rhat.append(np.asarray(az.rhat(each)))
        ess.append(np.asarray(az.ess(each)))
    sizes = posterior.sizes["chain"], posterior.sizes["draw"]
    if not rhat:
        return Convergence(*sizes, float("nan"), float("nan"))
    return Convergence(*sizes, float(np.max(np.concatenate(rhat))), float(np.min(np.concatenate(ess))))
