"""Fits of families whose draws are scattered about maximum likelihood, not sampled: material for the comparisons.

Their store log-likelihoods are worked out row by row with SciPy's densities, another road than the program's.
"""

import json

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats as scipy_stats
from scipy.special import logsumexp

from bayesmix.fitted import Fit
from bayesmix.stores import CountedStores, stores_of
from bayesmix.stores_kept import as_variables
from em.fit import fit_mixture
from em.glmm import fit_glmm, store_log_likelihoods
from em.mixed_model import MixedParameters
from em.panel import Panel, read_panel, statistics_of
from em.results import data_of

DENSITY = {
    "gaussian": lambda y, eta, sigma: scipy_stats.norm.logpdf(y, eta, sigma),
    "poisson": lambda y, eta, sigma: scipy_stats.poisson.logpmf(y, np.exp(eta)),
    "negative-binomial": lambda y, eta, sigma: scipy_stats.nbinom.logpmf(
        y, sigma**-2.0, 1.0 / (1.0 + sigma**2 * np.exp(eta))
    ),
    "gamma": lambda y, eta, sigma: scipy_stats.gamma.logpdf(y, sigma**-2.0, scale=np.exp(eta) * sigma**2),
}


def write_sales(path, *, stores=12, weeks=10, seed=0, zeros=()):
    """A long file of whole sales in two kinds of stores; `zeros` are the rows whose sales are 0."""
    rng = np.random.default_rng(seed)
    store = np.repeat(np.arange(stores), weeks)
    price = np.round(np.exp(rng.normal(0.5, 0.4, store.size)), 2)
    level, slope = np.where(store % 3 == 0, 4.2, 5.0), np.where(store % 3 == 0, -2.0, -1.0)
    y = np.maximum(np.round(np.exp(level + slope * np.log(price) + 0.3 * rng.normal(size=store.size))), 1.0)
    y[list(zeros)] = 0.0
    frame = pd.DataFrame({"store": [f"shop {i + 1}" for i in store], "week": np.tile(np.arange(weeks) + 1, stores)})
    frame.assign(price=price, sales=y, other=y + 1.0).to_csv(path, index=False)
    return path


def mixture_of(data: Panel, k: int, *, draws: int = 200, seed: int = 0) -> Fit:
    """A mixture's fit, of log sales with sigma common."""
    found = fit_mixture(data, k, starts=5, seed=seed, sigma=_rule(data))
    p, rng = found.parameters, np.random.default_rng(seed)
    shape = (2, draws // 2)
    theta = p.theta + 0.01 * rng.normal(size=(*shape, *p.theta.shape))
    scatter = 0.02 if _rule(data) == "common" else 0.0
    sigma = np.repeat(p.sigma[0] * np.exp(scatter * rng.normal(size=(*shape, 1))), k, axis=-1)
    weight = np.broadcast_to(p.weight, sigma.shape).copy()
    eta = np.einsum("cdkp,rp->cdkr", theta, data.x) + (0.0 if data.response is None else data.response.offset)
    rows = DENSITY[_family(data)](data.y, eta, sigma[..., None])
    by_store = np.stack([rows[..., data.store == i].sum(-1) for i in range(len(data.stores))], -2)
    joint = np.log(weight)[..., None, :] + by_store
    loglik = logsumexp(joint, -1)
    share = np.exp(joint - loglik[..., None])
    posterior = {
        "weight": (("chain", "draw", "segment"), weight),
        "theta": (("chain", "draw", "segment", "coefficient"), theta),
        "sigma": (("chain", "draw", "segment"), sigma),
    }
    of_stores = {
        "membership": (("store", "segment"), share.mean((0, 1))),
        "coefficients": (("store", "coefficient"), np.einsum("cdsk,cdkp->cdsp", share, theta).mean((0, 1))),
    }
    em = {
        "theta": (("segment", "coefficient"), p.theta),
        "weight": (("segment",), p.weight),
        "sigma": (("segment",), p.sigma),
        "log_likelihood": ((), found.log_likelihood),
    }
    return _fit(data, "mixture", k, posterior, of_stores, em, loglik)


def hierarchical_of(data: Panel, *, nodes: int = 9, draws: int = 120, seed: int = 0) -> Fit:
    """A continuum of a family, with a random intercept."""
    counts = statistics_of(data)
    found, rng = fit_glmm(data, random=["intercept"], quadrature=nodes), np.random.default_rng(seed)
    shape = (2, draws // 2)
    mu = found.parameters.mu + 0.02 * rng.normal(size=(*shape, found.parameters.mu.size))
    omega = found.parameters.omega * np.exp(0.1 * rng.normal(size=(*shape, 1, 1)))
    sigma = np.full(shape, found.parameters.sigma)
    loglik = np.array(
        [
            [store_log_likelihoods(counts, MixedParameters(mu[c, d], omega[c, d], sigma[c, d]), nodes)
             for d in range(shape[1])] for c in range(2)
        ]
    )  # fmt: skip
    posterior = {
        "mu": (("chain", "draw", "coefficient"), mu),
        "omega": (("chain", "draw", "coefficient", "coefficient_2"), omega),
        "sigma": (("chain", "draw"), sigma),
    }
    of_stores = {"coefficients": (("store", "coefficient"), found.store_coefficients.mean)}
    em = {
        "mu": (("coefficient",), found.parameters.mu),
        "omega": (("coefficient", "coefficient_2"), found.parameters.omega),
        "sigma": ((), np.asarray(found.parameters.sigma)),
        "log_likelihood": ((), found.log_likelihood),
    }
    return _fit(data, "hierarchical", 1, posterior, of_stores, em, loglik, nodes)


def _family(data: Panel) -> str:
    return "gaussian" if data.response is None else data.response.family.name


def _rule(data: Panel) -> str:
    return "common" if data.response is None or data.response.family.dispersed else "fixed"


def _fit(data, model, k, posterior, of_stores, em, loglik, nodes=None) -> Fit:
    stores = stores_of(data, 1 if model == "hierarchical" else 0, nodes)
    names, family = list(data.coefficients), _family(data)
    coords = {"coefficient": names, "coefficient_2": names, "segment": np.arange(1, k + 1), "store": list(data.stores)}

    def labelled(variables):
        axes = {axis for dims, _ in variables.values() for axis in dims}
        return xr.Dataset(variables, {axis: values for axis, values in coords.items() if axis in axes})

    tree = xr.DataTree.from_dict(
        {
            "/posterior": labelled(posterior),
            "/log_likelihood": xr.Dataset(
                {"store": (("chain", "draw", "store_name"), loglik)}, {"store_name": list(data.stores)}
            ),
            "/constant_data": labelled(as_variables(stores)).assign_coords(store=list(data.stores), coefficient=names),
            "/stores": labelled(of_stores),
            "/em": labelled(em),
        }
    )
    name = f"{model} K={k}" if model == "mixture" else model
    tree.attrs = {
        "schema": "bayesmix-fit/1", "model": model, "family": family, "sigma_rule": _rule(data), "trusted": 1,
        "warnings": "[]", "unit": "store", "data": json.dumps(data_of(data)), "software": "{}", "priors": "{}",
        "sampler": "{}", "log_density_of": "log sales" if data.response is None else data.response.name,
        **({"quadrature": stores.nodes, "integral": "quadrature"} if isinstance(stores, CountedStores) else {}),
    }  # fmt: skip
    tree.attrs["name"] = name if family == "gaussian" else f"{family} {name}"
    return Fit(tree, tree.attrs["name"])


def read_as(path, family: str = "gaussian", **given) -> Panel:
    """The file as a panel of that family."""
    return read_panel(path, family=family, **given)
