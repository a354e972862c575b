"""How much of the differences between stores their traits explain, under every draw."""

import numpy as np
import xarray as xr

from bayesmix.diagnose import INTERVAL
from bayesmix.fitted import Fit
from bayesmix.stores import mean_row


def explained_by_traits(fit: Fit) -> xr.Dataset | None:
    """Share of the variance of coefficients between stores that traits explain: a'Var(Gamma'z)a of it and a'Omega a.

    With a the columns of a typical week for the intercept, and a unit vector for every other coefficient. Of several
    segments it is the share inside each, averaged over them with their weights.

    Returns
    -------
    mean, lower and upper (coefficient), the ends of the equal-tailed interval; None where nothing explains them.
    """
    draws, between, stats = fit.draws, fit.between, fit.statistics
    if between is None or draws.gamma is None or draws.omega is None:
        return None
    directions = np.eye(stats.n_coefficients)
    if "intercept" in fit.coefficients:
        one = fit.coefficients.index("intercept")
        directions[one] = mean_row(stats, one)
    spread = between.values.T @ between.values / stats.n_stores
    effect = np.einsum("dmp,cp->dmc", draws.gamma, directions)
    explained = np.einsum("dmc,ml,dlc->dc", effect, spread, effect)[:, None]
    left = np.einsum("cp,dkpq,cq->dkc", directions, draws.omega, directions, optimize=True)
    share = np.einsum("dk,dkc->dc", draws.weight, explained / (explained + left))
    ends = np.quantile(share, [0.5 - 0.5 * INTERVAL, 0.5 + 0.5 * INTERVAL], axis=0)
    variables = {
        name: ("coefficient", value)
        for name, value in zip(("mean", "lower", "upper"), (share.mean(0), *ends), strict=True)
    }
    return xr.Dataset(variables, {"coefficient": list(fit.coefficients)}, {"interval": INTERVAL})
