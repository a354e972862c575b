"""The netCDF file of a posterior: labelled, self-describing, and readable by ArviZ as it is."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from bayesmix.diagnose import summarise
from bayesmix.effects import QUANTITIES as OF_TRAITS
from bayesmix.hierarchical import QUANTITIES as OF_CONTINUUM
from bayesmix.judged import Mode, Run
from bayesmix.mixture import QUANTITIES as OF_SEGMENTS
from bayesmix.normal_mixture import QUANTITIES as OF_NORMALS
from bayesmix.prior_draws import draw_prior, log_prior, prior_predictive, shown_by_stores
from bayesmix.priors import as_record
from bayesmix.read import SCHEMA
from bayesmix.stores import CountedStores
from bayesmix.stores_kept import as_variables
from em.between import Between
from em.response import LOG_SALES
from em.results import data_of, software
from em.statistics import Floats

PACKAGES = ("numpy", "pymc", "pytensor", "nutpie", "numba", "arviz", "xarray")
Variables = Mapping[str, tuple[tuple[str, ...], Any]]


def as_tree(run: Run) -> xr.DataTree:
    """A posterior with names on every axis.

    Groups: posterior, log_likelihood, log_prior, sample_stats, unconstrained_posterior (the sampler's own scale, on
    centred columns), constant_data (the stores' statistics, the centring and the ranges of the columns; with
    traits these, less their means over stores), stores (their
    memberships and coefficients), prior and prior_predictive (draws of the parameters, and of what they say of stores),
    observed_stores (what the stores show of the same) and em (the maximum-likelihood solution, which numbers the
    segments, with standard errors; where stores differ inside segments also their standard deviations). Where chains
    ended in different modes these are of the heaviest, modes has one line for each, and mode_2, ... hold the others. An
    overfitted mixture has segments_in_use.

    The dimension of log_likelihood is `store_name`: xarray makes a coordinate of a variable that is named like one of
    its dimensions, and ArviZ would then take the whole array for one observation's.
    """
    groups = {
        name: _dataset(run, run.modes[0], name, variables)
        for name, variables in {
            **_of_mode(run, run.modes[0]),
            "constant_data": _constant(run),
            **_of_prior(run),
            **_of_em(run),
            **_of_modes(run),
            **_in_use(run),
        }.items()
    }
    for number, mode in enumerate(run.modes[1:], start=2):
        for name, variables in _of_mode(run, mode).items():
            groups[f"mode_{number}/{name}"] = _dataset(run, mode, name, variables)
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = _attributes(run)
    return tree


QUANTITIES = {"mixture": OF_SEGMENTS, "hierarchical": OF_CONTINUUM, "normal-mixture": OF_NORMALS}
AXES = {
    "traits": ("store", "trait"),
    "membership": ("store", "segment"),
    "membership_sd": ("store", "segment"),
    "coefficients": ("store", "coefficient"),
    "coefficients_sd": ("store", "coefficient"),
}
BY_DRAW = ("chain", "draw")
PRIOR_DRAWS = 1000


def _constant(run: Run) -> Variables:
    x = run.problem.panel.x
    return {
        **as_variables(run.problem.statistics),
        "back": (("coefficient", "coefficient_2"), run.problem.centred.back),
        "column_min": (("coefficient",), x.min(0)),
        "column_max": (("coefficient",), x.max(0)),
        **_traits(run.problem.panel.between),
    }


def _traits(between: Between | None) -> Variables:
    """What explains the coefficients of stores, less its mean over stores, and that mean."""
    if between is None:
        return {}
    return {"traits": (AXES["traits"], between.values), "trait_mean": (("trait",), between.mean)}


def _of_mode(run: Run, mode: Mode) -> dict[str, Variables]:
    dims = _dims(run)
    stores = mode.stores._asdict()
    groups = {
        "posterior": {name: ((*BY_DRAW, *dims[name]), mode.quantities[name]) for name in dims},
        "log_likelihood": {"store": ((*BY_DRAW, "store_name"), mode.stores.loglik.reshape(*mode.loglik.shape, -1))},
        "sample_stats": {str(name): (BY_DRAW, values.to_numpy()) for name, values in mode.drawn.sampler.items()},
        "stores": {name: (AXES[name], stores[name]) for name in stores if name in AXES},
        "log_prior": {name: (BY_DRAW, value) for name, value in _log_prior(run, mode).items()},
    }
    if mode.unconstrained is not None:
        groups["unconstrained_posterior"] = {"q": ((*BY_DRAW, "free_parameter"), mode.unconstrained)}
    return groups


def _log_prior(run: Run, mode: Mode) -> dict[str, Floats]:
    p = run.problem
    return log_prior(mode.quantities, p.priors, p.model, p.sigma, p.centred.back)


def _of_prior(run: Run) -> dict[str, Variables]:
    """Draws from the prior, of the parameters and of what it says of stores, beside what the stores show."""
    p = run.problem
    drawn = draw_prior(p.priors, p.model, p.k, p.sigma, p.centred.back, PRIOR_DRAWS, p.settings.seed)
    names = p.panel.coefficients
    of_stores = prior_predictive(drawn, p.statistics, names, p.settings.seed, p.traits)
    dims = _dims(run)
    return {
        "prior": {name: ((*BY_DRAW, *dims[name]), value[None]) for name, value in drawn.items()},
        "prior_predictive": {name: (BY_DRAW, value[None]) for name, value in of_stores.items()},
        "observed_stores": {name: (("store",), value) for name, value in shown_by_stores(p.statistics, names).items()},
    }


def _dims(run: Run) -> dict[str, tuple[str, ...]]:
    """Names of the axes of each quantity, without those of draws."""
    return QUANTITIES[run.problem.model] | (OF_TRAITS if run.problem.traits is not None else {})


def _of_em(run: Run) -> dict[str, Variables]:
    start = run.problem.start
    if start is None:
        return {}
    estimates, dims = start.parameters._asdict(), dict(_dims(run))
    if "omega" in dims:
        estimates["sd"] = np.sqrt(np.diagonal(estimates["omega"], axis1=-2, axis2=-1))
        dims["sd"] = dims["mu"]
    found = {name: (dims[name], estimates[name]) for name in dims}
    found |= {f"{name}_se": (dims[name], value) for name, value in start.standard_errors.items() if name in dims}
    if run.problem.model == "hierarchical":
        found = {name: (axes, value if name.startswith("gamma") else value[0]) for name, (axes, value) in found.items()}
    return {"em": {**found, "log_likelihood": ((), start.log_likelihood)}}


def _of_modes(run: Run) -> dict[str, Variables]:
    if run.weights is None:
        return {}
    whose = np.zeros(run.problem.settings.chains, dtype=int)
    for number, mode in enumerate(run.modes, start=1):
        whose[mode.chains] = number
    return {
        "modes": {
            **{name: (("mode",), value) for name, value in run.weights._asdict().items()},
            "log_likelihood": (("mode",), np.array([mode.loglik.mean() for mode in run.modes])),
            "log_likelihood_sd": (("mode",), np.array([mode.loglik.std() for mode in run.modes])),
            "of_chain": (("every_chain",), whose),
        }
    }


def _in_use(run: Run) -> dict[str, Variables]:
    """How often each number of segments is in use, with the Monte Carlo error that the chains show."""
    if not run.problem.sparse:
        return {}
    used = run.modes[0].drawn.sampler["segments_in_use"].to_numpy()
    share = np.stack([(used == k).astype(float) for k in range(1, run.problem.k + 1)], -1)
    draws = [max(float(ess), 1.0) if np.isfinite(ess) else float(used.size) for ess in summarise(share).ess_bulk]
    probability = share.mean((0, 1))
    error = np.sqrt(probability * (1.0 - probability) / np.array(draws))
    return {"segments_in_use": {"probability": (("number",), probability), "error": (("number",), error)}}


def _dataset(run: Run, mode: Mode, group: str, variables: Variables) -> xr.Dataset:
    """The variables of a group with the names of all their axes."""
    p = run.problem
    stores, names = list(p.panel.stores), list(p.panel.coefficients)
    coords = {
        "chain": mode.chains,
        "draw": np.arange(p.settings.draws),
        "segment": np.arange(1, p.k + 1),
        "number": np.arange(1, p.k + 1),
        "coefficient": names,
        "coefficient_2": names,
        "store": stores,
        "store_name": stores,
        "trait": [] if p.panel.between is None else list(p.panel.between.names),
        "mode": np.arange(1, len(run.modes) + 1),
        "every_chain": np.arange(p.settings.chains),
    }
    if group.startswith("prior"):
        coords |= {"chain": np.arange(1), "draw": np.arange(PRIOR_DRAWS)}
    axes = {axis for dims, _ in variables.values() for axis in dims}
    return xr.Dataset(dict(variables), {axis: values for axis, values in coords.items() if axis in axes})


def _attributes(run: Run) -> dict[str, str | int]:
    p, drawn, response = run.problem, run.modes[0].drawn, run.problem.panel.response
    sampler = {
        "name": "gibbs" if p.sparse else "nutpie",
        "draws": p.settings.draws,
        "tune": p.settings.tune,
        "chains": p.settings.chains,
        "seed": p.settings.seed,
        "seconds": dict(drawn.seconds),
        "chains_resumed": drawn.resumed,
        "chain_keys": list(drawn.keys),
        "divergences": int(drawn.sampler["diverging"].sum()) if "diverging" in drawn.sampler else 0,
        "labels_switched": run.switched,
        "hopped": float(drawn.sampler["hopped"].mean()) if "hopped" in drawn.sampler else 0.0,
    }
    return {
        "schema": SCHEMA,
        "software": json.dumps(software(*PACKAGES)),
        "name": p.name,
        "model": p.model,
        "family": LOG_SALES if response is None else response.family.name,
        **({"quadrature": p.statistics.nodes} if isinstance(p.statistics, CountedStores) else {}),
        **({"integral": p.integral} if isinstance(p.statistics, CountedStores) else {}),
        "k": p.k,
        "sparse": int(p.sparse),
        "sigma_rule": p.sigma,
        "data": json.dumps(data_of(p.panel)),
        "priors": json.dumps(as_record(p.priors, p.model, p.sigma)),
        "sampler": json.dumps(sampler),
        "trusted": int(not run.reasons),
        "warnings": json.dumps(run.reasons),
        "notes": json.dumps(run.notes),
        "warnings_of_modes": json.dumps(run.of_modes),
        "log_density_of": "log sales" if response is None else response.name,
        "unit": "store",
    }
