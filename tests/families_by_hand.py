"""Posteriors of families about a known truth, without a sampler: material for the tests of their pages."""

import json

import numpy as np
import xarray as xr
from counts_by_hand import SIGMA, panel_of

from bayesmix.fitted import Fit
from bayesmix.posterior import parameter_draws, store_posterior
from bayesmix.stores import CountedStores
from bayesmix.stores_kept import as_variables
from em.panel import Panel, statistics_of
from em.results import data_of

SEGMENTS = np.array([[0.2, 0.5], [1.4, -0.2]])
MU, OMEGA = np.array([0.8, 0.3]), np.diag([0.25, 0.04])
SIZES = {"binomial": {"sizes": (3.0, 8.0)}, "bernoulli": {}}  # of others exposures


def panel_with(name: str, model: str, stores: int = 24, weeks: int = 12, seed: int = 0) -> Panel:
    """A panel of two segments, or of a continuum."""
    rng = np.random.default_rng(seed)
    theta = SEGMENTS[np.arange(stores) % 2]
    if model == "hierarchical":
        theta = rng.multivariate_normal(MU, OMEGA, stores)
    return panel_of(name, theta, weeks, seed=seed, **SIZES.get(name, {"exposures": (1.0, 3.0)}))


def family_fit(data: Panel, model: str, chains: int = 2, draws: int = 100, seed: int = 1, by: float = 0.03) -> Fit:
    """A posterior whose draws lie about the truth, `by` away; chains agree."""
    rng, family = np.random.default_rng(seed), data.response.family
    n, stats = chains * draws, CountedStores(statistics_of(data), 5)
    sigma = SIGMA * np.exp(by * rng.normal(size=(n, 1)))
    if model == "mixture":
        weight = rng.beta(40.0, 40.0, n)
        q = {"weight": np.column_stack([weight, 1.0 - weight]), "theta": SEGMENTS + by * rng.normal(size=(n, 2, 2)),
             "sigma": sigma * np.ones(2)}  # fmt: skip
        reference = np.eye(2)[np.arange(len(data.stores)) % 2]
    else:
        scale = np.exp(by * rng.normal(size=(n, 2)))
        q = {"mu": MU + by * rng.normal(size=(n, 2)), "omega": OMEGA * scale[:, :, None] * scale[:, None, :],
             "sigma": sigma[:, 0]}  # fmt: skip
        reference = np.ones((len(data.stores), 1))
    if not family.dispersed:
        q["sigma"] = np.ones_like(q["sigma"])
    of = store_posterior(stats, parameter_draws(q), reference)
    names, numbered = list(data.coefficients), {"segment": np.arange(1, reference.shape[1] + 1)}
    axes = {"weight": ("segment",), "theta": ("segment", "coefficient"), "mu": ("coefficient",),
            "omega": ("coefficient", "coefficient_2"), "sigma": ("segment",) if model == "mixture" else ()}  # fmt: skip
    coordinates = {"coefficient": names, "coefficient_2": names}
    posterior = {
        name: (("chain", "draw", *axes[name]), value.reshape(chains, draws, *value.shape[1:]))
        for name, value in q.items()
    }
    by_store = {name: (("store", "coefficient"), getattr(of, name)) for name in ("coefficients", "coefficients_sd")}
    if model == "mixture":
        by_store |= {name: (("store", "segment"), getattr(of, name)) for name in ("membership", "membership_sd")}
    used = {name for name in coordinates if any(name in axes[one] for one in q)}
    constant = as_variables(stats) | {"column_min": (("coefficient",), data.x.min(0)),
                                      "column_max": (("coefficient",), data.x.max(0))}  # fmt: skip
    loglik = of.loglik.reshape(chains, draws, -1)
    tree = xr.DataTree.from_dict({
        "/posterior": xr.Dataset(posterior, {name: names for name in used} | (numbered if model == "mixture" else {})),
        "/log_likelihood": xr.Dataset(
            {"store": (("chain", "draw", "store_name"), loglik)}, {"store_name": list(data.stores)}
        ),
        "/sample_stats": xr.Dataset({"diverging": (("chain", "draw"), np.zeros((chains, draws), dtype=int))}),
        "/constant_data": xr.Dataset(constant, {"store": list(data.stores), **coordinates}),
        "/stores": xr.Dataset(by_store, {"store": list(data.stores), "coefficient": names}),
    })  # fmt: skip
    size = {family.size: {"exposure": "days", "trials": "asked"}[family.size]} if family.size else {}
    tree.attrs = {
        "model": model, "family": family.name, "quadrature": 5, "integral": "quadrature",
        "unit": "store", "trusted": 1, "name": model,
        "sigma_rule": "common" if family.dispersed else "fixed", "log_density_of": data.response.name,
        "data": json.dumps(data_of(data) | {"columns": {"family": family.name, **size}}),
        "sampler": json.dumps({"draws": draws, "chains": chains, "seed": 0}), "priors": json.dumps({}),
        "software": json.dumps({"python": "3.12"}), "warnings": json.dumps([]),
    }  # fmt: skip
    return Fit(tree, f"{family.name} {model}")
