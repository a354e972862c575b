"""The hierarchical model of a family with the coefficients of every store among what is sampled, and none integrated.

Its parameters have the priors of `bayesmix.normal_mixture` with one segment, so that its draws of them are of the same
posterior, but for the error of the quadrature that the other takes.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmix.effects import QUANTITIES as OF_TRAITS
from bayesmix.effects import effects
from bayesmix.likelihood import joint_loglik, store_data
from bayesmix.normal_mixture import QUANTITIES, normal_mixture_start
from bayesmix.priors import Priors
from bayesmix.residual import residual_sd
from bayesmix.spread import spread_factor
from bayesmix.store_curvature import StoreCurvature
from bayesmix.stores import CountedStores
from bayesmix.weights import LogRatio
from em.between import Between
from em.mixture import SigmaRule
from em.normal_mixture import NormalMixtureParameters
from em.statistics import Floats

OF_STORES = ("spread_root", "z")  # what coefficients of stores are made of, beside the means
CHUNK = 1_000_000  # doubles in the largest array of a pass


def joint_model(
    stores: CountedStores,
    curvature: StoreCurvature,
    priors: Priors,
    sigma: SigmaRule = "common",
    between: Between | None = None,
) -> pm.Model:
    """The model; as for `normal_mixture_model` nothing of the panel compiles anything again.

    Its variables are those of that model with one segment, in the same order, and after them z (store, random), see
    `bayesmix.joint_kernel`.
    """
    names = priors.coefficients
    coords = {"segment": np.arange(1, 2), "coefficient": names, "coefficient_2": names}
    with pm.Model(coords=coords, check_bounds=False) as model:
        data = store_data(stores, None if between is None else between.values / between.sd, priors.varying)
        near = [pm.Data(f"curvature_{name}", value) for name, value in curvature._asdict().items()]
        effect = effects(priors, between)
        concentration = pm.Data("concentration", np.full(1, priors.concentration), dims="segment")
        pm.Dirichlet("weight", concentration, dims="segment", default_transform=None, transform=LogRatio())
        mu = pm.Normal("mu", pm.Data("mean", priors.mean), pm.Data("sd", priors.sd), dims=("segment", "coefficient"))
        factor = spread_factor(priors, 1)
        pm.Deterministic("spread_root", factor)
        pm.Deterministic("omega", factor @ pt.swapaxes(factor, 1, 2), dims=QUANTITIES["omega"])
        scatter = residual_sd(priors, sigma, 1)
        of_model: Any = model
        of_model.add_coord("store", np.arange(stores.n_stores))
        z = pm.Flat("z", dims=("store", "random"))
        pm.Potential("loglik", joint_loglik(data, near, mu, scatter, factor, effect, z, stores.counts.family))
    return model


def joint_start(
    params: NormalMixtureParameters, priors: Priors, sigma: SigmaRule, between: Between | None, n_stores: int
) -> dict[str, Floats]:
    """Values of the model's random variables: those of `normal_mixture_start`, stores where they are expected."""
    return {
        **normal_mixture_start(params, priors, sigma, between),
        "z": np.zeros((n_stores, priors.varying.size)),
    }


def quantities_kept(between: Between | None) -> tuple[str, ...]:
    """Names of the model's quantities that its draws are told by."""
    return (*QUANTITIES, *(OF_TRAITS if between is not None else ()), *OF_STORES)


def drawn_coefficients(
    quantities: Mapping[str, Floats], curvature: StoreCurvature, priors: Priors, traits: Floats | None
) -> Floats:
    """The coefficients of stores in every draw, (draw, store, coefficient).

    Parameters
    ----------
    quantities : (draw, ...) by the names of `quantities_kept`.
    traits : (store, trait) see `bayesmix.posterior.store_means`.
    """
    mu, z, spread = quantities["mu"], quantities["z"], quantities["spread_root"]
    root = spread[:, 0][..., priors.varying]
    n, (stores, p, _) = len(mu), curvature.bend.shape
    theta = np.empty((n, stores, p))
    size = max(1, CHUNK // (stores * p * max(1, root.shape[-1])))
    for begin in range(0, n, size):
        chunk = slice(begin, begin + size)
        mean = np.broadcast_to(mu[chunk], (len(mu[chunk]), stores, p))
        if traits is not None:
            mean = mean + np.einsum("sm,dmp->dsp", traits, quantities["gamma"][chunk])
        u = _deviations(mean, root[chunk], z[chunk], curvature)
        theta[chunk] = mean + np.einsum("dpr,dsr->dsp", root[chunk], u)
    return theta


def _deviations(mean: Floats, root: Floats, z: Floats, curvature: StoreCurvature) -> Floats:
    """The u (draw, store, direction) at z."""
    turned = np.einsum("spq,dqr->dspr", curvature.bend, root)
    information = np.eye(root.shape[-1]) + np.einsum("dpr,dspe->dsre", root, turned)
    slope = np.einsum("dpr,sp->dsr", root, curvature.pull) - np.einsum("dspr,dsp->dsr", turned, mean)
    lower = np.linalg.cholesky(information)
    inner = np.linalg.solve(lower, slope[..., None]) + z[..., None]
    return np.linalg.solve(np.swapaxes(lower, -1, -2), inner)[..., 0]
