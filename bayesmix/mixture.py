"""The finite mixture as a PyMC model: theta_i is one of K values, its label summed out of the likelihood."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmix.likelihood import store_data, total_loglik
from bayesmix.priors import Priors
from bayesmix.residual import log_sigma_start, residual_sd
from bayesmix.stores import Stores, family_of
from bayesmix.weights import LogRatio, weight_start
from em.mixture import MixtureParameters, SigmaRule
from em.statistics import Floats

QUANTITIES = {"weight": ("segment",), "theta": ("segment", "coefficient"), "sigma": ("segment",)}


def mixture_model(stats: Stores, k: int, priors: Priors, sigma: SigmaRule = "fixed") -> pm.Model:
    """The model of k segments.

    Weights are free as log-ratios, which leaves little of a simplex to compile (see `bayesmix.weights`). Data,
    priors and the numbers of segments and coefficients are all inputs of the graph: none compiles anything again.

    Returns
    -------
    A model with the `QUANTITIES` among its variables.
    """
    coords = {"segment": np.arange(1, k + 1), "coefficient": priors.coefficients}
    with pm.Model(coords=coords, check_bounds=False) as model:
        data = store_data(stats)
        concentration = pm.Data("concentration", np.full(k, priors.concentration), dims="segment")
        weight = pm.Dirichlet("weight", concentration, dims="segment", default_transform=None, transform=LogRatio())
        theta = pm.Normal(
            "theta", pm.Data("mean", priors.mean), pm.Data("sd", priors.sd), dims=("segment", "coefficient")
        )
        pm.Potential(
            "loglik", total_loglik(data, pt.log(weight), theta, residual_sd(priors, sigma, k), family=family_of(stats))
        )
    return model


def mixture_start(params: MixtureParameters, sigma: SigmaRule) -> dict[str, Floats]:
    """Values of the model's random variables at a solution of EM."""
    return {
        "weight": weight_start(params.weight),
        "theta": params.theta,
        "log_sigma": log_sigma_start(sigma, params.sigma),
    }
