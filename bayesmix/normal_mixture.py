"""The mixture of normals in PyMC: theta_i ~ sum_k weight[k] N(mu[k], Omega[k]), integrated out of the likelihood.

With one segment it is the hierarchical model, with Omega at zero the finite mixture.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmix.effects import effects, effects_start
from bayesmix.likelihood import store_data, total_loglik
from bayesmix.priors import Priors
from bayesmix.residual import log_sigma_start, residual_sd
from bayesmix.spread import spread_factor, spread_start
from bayesmix.stores import Stores, family_of
from bayesmix.weights import LogRatio, weight_start
from em.between import Between
from em.mixture import SigmaRule
from em.normal_mixture import NormalMixtureParameters
from em.statistics import Floats

QUANTITIES = {
    "weight": ("segment",),
    "mu": ("segment", "coefficient"),
    "omega": ("segment", "coefficient", "coefficient_2"),
    "sigma": ("segment",),
}


def normal_mixture_model(
    stats: Stores, k: int, priors: Priors, sigma: SigmaRule = "fixed", between: Between | None = None
) -> pm.Model:
    """The model of k segments whose stores differ.

    Only weight, mu, Omega and sigma are random: coefficients of stores follow exactly afterwards. Neither the panel nor
    k, the rule of sigma, which coefficients vary or which traits explain them compiles anything again.

    Returns
    -------
    A model with the `QUANTITIES` among its variables, and with traits `gamma` (trait, coefficient).
    """
    names = priors.coefficients
    coords = {"segment": np.arange(1, k + 1), "coefficient": names, "coefficient_2": names}
    with pm.Model(coords=coords, check_bounds=False) as model:
        data, effect = (
            store_data(stats, None if between is None else between.values / between.sd, priors.varying),
            effects(priors, between),
        )
        concentration = pm.Data("concentration", np.full(k, priors.concentration), dims="segment")
        weight = pm.Dirichlet("weight", concentration, dims="segment", default_transform=None, transform=LogRatio())
        mu = pm.Normal("mu", pm.Data("mean", priors.mean), pm.Data("sd", priors.sd), dims=("segment", "coefficient"))
        factor = spread_factor(priors, k)
        pm.Deterministic("omega", factor @ pt.swapaxes(factor, 1, 2), dims=QUANTITIES["omega"])
        scatter = residual_sd(priors, sigma, k)
        total = total_loglik(data, pt.log(weight), mu, scatter, factor, effect, family=family_of(stats))
        pm.Potential("loglik", total)
    return model


def normal_mixture_start(
    params: NormalMixtureParameters, priors: Priors, sigma: SigmaRule, between: Between | None = None
) -> dict[str, Floats]:
    """Values of the model's random variables at a solution of EM, or close by where a covariance of it is singular."""
    return {
        "weight": weight_start(params.weight),
        "mu": params.mu,
        **spread_start(params.omega, priors),
        **effects_start(params.gamma, priors, between),
        "log_sigma": log_sigma_start(sigma, params.sigma),
    }
