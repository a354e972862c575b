"""Draws of the parameters of a hierarchical model together with the coefficients of every store: no integral."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from bayesmix.centre import centred_parameters, uncentred
from bayesmix.joint_model import OF_STORES, drawn_coefficients, joint_model, joint_start, quantities_kept
from bayesmix.judged import Problem
from bayesmix.posterior import flat
from bayesmix.sample import Draws, sample
from bayesmix.store_curvature import store_curvature
from bayesmix.stores import CountedStores
from em.normal_mixture import NormalMixtureParameters
from em.statistics import Floats


def draw_jointly(problem: Problem, best: NormalMixtureParameters, keep: Path | None) -> Draws:
    """Draws on the columns as they are, from chains that start at the maximum of the likelihood.

    Their unconstrained vectors are those of the parameters alone, as `normal_mixture_model` has them: what weighs,
    tempers or leaves out goes on from there, with its density, whose integrals are quadratures.

    Raises
    ------
    TypeError
        When the response is log sales, whose integrals are exact.
    """
    centred, priors, between, sigma = problem.centred, problem.priors, problem.panel.between, problem.sigma
    stores = centred.statistics
    if not isinstance(stores, CountedStores):
        raise TypeError("expected stores of a family; the integrals of log sales are exact")
    at = centred_parameters(best, centred)
    curvature = store_curvature(stores, at, problem.traits)
    model = joint_model(stores, curvature, priors, sigma, between)
    start = joint_start(at, priors, sigma, between, stores.n_stores)
    drawn = sample(model, quantities_kept(between), [start] * problem.settings.chains, problem.settings, keep)
    whole = {name: flat(value) for name, value in drawn.quantities.items()}
    theta = drawn_coefficients(whole, curvature, priors, problem.traits)
    parameters = {name: value for name, value in drawn.quantities.items() if name not in OF_STORES}
    chains, draws, *of_stores = drawn.quantities["z"].shape
    q = cast(Floats, drawn.unconstrained)
    return replace(
        drawn,
        quantities=uncentred(parameters, centred),
        unconstrained=q[..., : q.shape[-1] - int(np.prod(of_stores))],  # those of z come last
        density=None,
        quantities_at=None,
        coefficients=(theta @ centred.back.T).reshape(chains, draws, *theta.shape[1:]),
    )
