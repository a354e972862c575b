"""The density that a fit was drawn from, made again from its file: to be weighed, tempered, or left without stores."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np

from bayesmix import effects, mixture, normal_mixture
from bayesmix.centre import centred_by, centred_parameters
from bayesmix.density import Density, compile_density, constraint, with_data
from bayesmix.fitted import Fit
from bayesmix.likelihood import arrays_of
from bayesmix.posterior import ParameterDraws, average, parameter_draws, store_means
from bayesmix.priors import from_record
from bayesmix.stores import Stores, segment_loglik, some
from em.likelihood import store_loglik
from em.mixture import MixtureParameters, SigmaRule
from em.normal_mixture import NormalMixtureParameters
from em.statistics import Floats, Ints

NONE = np.zeros(0, dtype=np.intp)


@dataclass(frozen=True)
class Target:
    """A posterior density and draws of it.

    Attributes
    ----------
    density : on the sampler's unconstrained scale, as a C function.
    quantities : from unconstrained vectors (draw, dimension) to parameters on centred columns, by name.
    statistics : of the stores, on centred columns.
    traits : (store, trait) that explain coefficients, less their means over the stores of the fit; None where nothing
        does.
    trait_sd : (trait,) by which the sampler's effects are told.
    varying : positions of the coefficients that vary between the stores of a segment.
    segments : how many are interchangeable.
    draws : (chain, draw, dimension) unconstrained, segments numbered as in the fit.
    """

    density: Density = field(repr=False)
    quantities: Callable[[Floats], dict[str, Floats]] = field(repr=False)
    statistics: Stores = field(repr=False)
    traits: Floats | None = field(repr=False)
    trait_sd: Floats = field(repr=False)
    varying: Ints = field(repr=False)
    segments: int
    draws: Floats = field(repr=False)


def target_of(fit: Fit) -> Target:
    """The density of a fit of a gradient sampler, with its priors and on the columns that it was drawn on."""
    back = fit.tree["constant_data"]["back"].to_numpy()
    centred = centred_by(fit.statistics, back)
    priors, rule = from_record(fit.priors), cast(SigmaRule, fit.sigma_rule)
    mean = average(fit.draws)
    weight, mu, sigma = mean.weight[0], mean.mu[0], mean.sigma[0]
    if mean.omega is None:
        at = centred_parameters(MixtureParameters(weight, mu, sigma), centred)
        model, names = mixture.mixture_model(centred.statistics, fit.k, priors, rule), mixture.QUANTITIES
        start = mixture.mixture_start(at, rule)
    else:
        gamma = None if mean.gamma is None else mean.gamma[0]
        at = centred_parameters(NormalMixtureParameters(weight, mu, mean.omega[0], sigma, gamma), centred)
        model = normal_mixture.normal_mixture_model(centred.statistics, fit.k, priors, rule, fit.between)
        start = normal_mixture.normal_mixture_start(at, priors, rule, fit.between)
        names = [*normal_mixture.QUANTITIES, *(effects.QUANTITIES if fit.between is not None else ())]
    density = compile_density(model, [start])
    kept = fit.tree["unconstrained_posterior"]["q"].transpose("chain", "draw", ...).to_numpy()
    sd = np.ones(0) if fit.between is None else fit.between.sd
    varying = priors.varying if mean.omega is not None else NONE
    at_points = constraint(model, density, list(names))
    return Target(density, at_points, centred.statistics, fit.traits, sd, varying, fit.k, kept)


def without(target: Target, stores: Ints) -> Target:
    """The posterior of all stores but those at `stores`; priors and centring stay. Its draws are of all stores."""
    others = np.setdiff1d(np.arange(target.statistics.n_stores), stores)
    kept, traits = some(target.statistics, others), None if target.traits is None else target.traits[others]
    scaled = None if traits is None else traits / target.trait_sd
    arrays = arrays_of(kept, scaled, target.varying)
    data = {f"stores_{name}": value for name, value in arrays._asdict().items()}
    return replace(target, density=with_data(target.density, data), statistics=kept, traits=traits)


def tempered(target: Target, power: float) -> Target:
    """The posterior whose likelihood is raised to a power; the prior is not."""
    return replace(target, density=with_data(target.density, {"power": np.array([power])}))


def parameters(target: Target, q: Floats) -> ParameterDraws:
    """Parameters on centred columns at unconstrained vectors (draw, dimension)."""
    return parameter_draws(target.quantities(q))


def loglik(target: Target, draws: ParameterDraws, stores: Ints | None = None) -> Floats:
    """Log-likelihood under draws of the stores at `stores`, None is all; (draw, store)."""
    index = np.arange(target.statistics.n_stores) if stores is None else stores
    means = store_means(draws, None if target.traits is None else target.traits[index])
    with np.errstate(divide="ignore"):
        log_weight = np.log(draws.weight)
    return store_loglik(log_weight, segment_loglik(some(target.statistics, index), means, draws.sigma, draws.omega))
