"""How well the chains of a fit agree, as figures to print beside its own verdict."""

from typing import NamedTuple

import arviz as az
import numpy as np

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
        moves = posterior[name].std(("chain", "draw")) > 0.0
        if not bool(moves.any()):
            continue
        rhat.append(np.asarray(az.rhat(posterior[name]))[np.asarray(moves)])
        ess.append(np.asarray(az.ess(posterior[name]))[np.asarray(moves)])
    sizes = posterior.sizes["chain"], posterior.sizes["draw"]
    if not rhat:
        return Convergence(*sizes, float("nan"), float("nan"))
    return Convergence(*sizes, float(np.max(np.concatenate(rhat))), float(np.min(np.concatenate(ess))))
