"""Effects of stores' traits on their coefficients, Gamma: sampled per standard deviation of a trait, told per unit."""

from typing import Any

import numpy as np
import pymc as pm

from bayesmix.likelihood import Symbolic
from bayesmix.priors import Priors
from em.between import Between
from em.statistics import Floats

QUANTITIES = {"gamma": ("trait", "coefficient")}


def effects(priors: Priors, between: Between | None) -> Symbolic:
    """Effects per standard deviation of each trait (trait, coefficient), and `gamma` per unit where there are traits.

    Without traits there are no free numbers, so that models with and without are one graph.
    """
    model: Any = pm.modelcontext(None)
    names, sd = ((), np.zeros(0)) if between is None else (between.names, between.sd)
    model.add_coord("trait", list(names))
    shape = (len(names), len(priors.coefficients))
    mean, scale = (np.reshape(values, shape) * sd[:, None] for values in (priors.effect_mean, priors.effect_sd))
    effect: Symbolic = pm.Normal("effect", pm.Data("effect_mean", mean), pm.Data("effect_sd", scale), shape=shape)
    if names:
        pm.Deterministic("gamma", effect / sd[:, None], dims=QUANTITIES["gamma"])
    return effect


def effects_start(gamma: Floats | None, priors: Priors, between: Between | None) -> dict[str, Floats]:
    """Values of the free numbers at effects (trait, coefficient) per unit."""
    if gamma is None or between is None:
        return {"effect": np.zeros((0, len(priors.coefficients)))}
    return {"effect": gamma * between.sd[:, None]}
