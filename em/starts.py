"""Where EM starts, and how it leaves a poor optimum: random stores, then random swaps, all starts at once.

A swap puts one segment on a random store's own coefficients, lets EM run for a few steps and keeps what is better
(random swap clustering; Fraenti 2018). It is how a search escapes an optimum in which two segments share what one
could hold while another holds two.
"""

from collections.abc import Callable

import numpy as np

from em.mixture import MixtureParameters, Model, above_floor, e_step, m_step
from em.regressions import Stores, typical_sigma
from em.statistics import Floats


def random_starts(
    rng: np.random.Generator, stats: Stores, k: int, model: Model, starts: int, at: Floats
) -> MixtureParameters:
    """Parameters (start, segment, ...) on the coefficients of K random stores each."""
    chosen = np.array([rng.choice(stats.n_stores, size=k, replace=False) for _ in range(starts)])
    theta = at[chosen]
    for c in np.flatnonzero(model.common):
        theta[..., c] = theta[..., c].mean(-1, keepdims=True)
    sigma = 1.0 if model.sigma == "fixed" else max(typical_sigma(stats), model.sigma_floor)
    gamma = None if model.traits is None else np.zeros((starts, k, model.traits.shape[1]))
    return MixtureParameters(np.full((starts, k), 1.0 / k), theta, np.full((starts, k), sigma), gamma)


def em_steps(params: MixtureParameters, stats: Stores, model: Model, steps: int) -> tuple[MixtureParameters, Floats]:
    """Run a number of EM steps; the parameters and the log-likelihood that belongs to them, (...)."""
    responsibilities, loglik = e_step(params, stats, model.traits)
    for _ in range(steps):
        params = m_step(stats, responsibilities, model, params)
        responsibilities, loglik = e_step(params, stats, model.traits)
    return params, loglik


def swap(rng: np.random.Generator, params: MixtureParameters, at: Floats, model: Model) -> MixtureParameters:
    """For each start, one random segment put on one random store's coefficients, with the weight of an average one."""
    starts, k = params.weight.shape
    rows, segment = np.arange(starts), rng.integers(k, size=starts)
    theta, weight = params.theta.copy(), params.weight.copy()
    own = ~np.array(model.common or (False,) * theta.shape[-1])
    target = at[rng.integers(len(at), size=starts)]
    theta[rows[:, None], segment[:, None], np.flatnonzero(own)] = target[:, own]
    weight[rows, segment] = 1.0 / k
    weight /= weight.sum(-1, keepdims=True)
    sigma = params.sigma.copy()
    if model.sigma == "segment":
        sigma[rows, segment] = np.sqrt(np.mean(np.square(params.sigma), axis=-1))
    gamma = params.gamma
    if gamma is not None:
        gamma = gamma.copy()
        gamma[rows, segment] = 0.0
        gamma = gamma - gamma[:, :1]
    return MixtureParameters(weight, theta, sigma, gamma)


def each(change: Callable[..., Floats], *params: MixtureParameters) -> MixtureParameters:
    """Apply a function to the like-named arrays of one or more sets of parameters."""
    gammas = [one.gamma for one in params if one.gamma is not None]
    return MixtureParameters(
        change(*(one.weight for one in params)),
        change(*(one.theta for one in params)),
        change(*(one.sigma for one in params)),
        change(*gammas) if len(gammas) == len(params) else None,
    )


def choose(params: MixtureParameters, index: int | np.integer | np.ndarray) -> MixtureParameters:
    """The start, or the starts, at `index`."""
    return each(lambda value: value[index], params)


def in_falling_order(params: MixtureParameters) -> MixtureParameters:
    """The same mixture with its segments in falling order of weight."""
    params = choose(params, np.argsort(-params.weight, kind="stable"))
    return params if params.gamma is None else params._replace(gamma=params.gamma - params.gamma[:1])


def where(first: np.ndarray, yes: MixtureParameters, no: MixtureParameters) -> MixtureParameters:
    """For each start the parameters of `yes` where `first` is true, else those of `no`."""
    return each(lambda a, b: np.where(first.reshape(-1, *(1,) * (a.ndim - 1)), a, b), yes, no)


def widened(params: MixtureParameters, k: int) -> MixtureParameters:
    """The same mixture in K segments, the heaviest standing more than once, so that a fit from it is never worse."""
    heaviest = np.argsort(-params.weight)
    index = np.concatenate([np.arange(params.n_segments), np.resize(heaviest, k - params.n_segments)])
    times = np.bincount(index)[index]
    gamma = None
    if params.gamma is not None:
        gamma = params.gamma[index] - np.log(times)[:, None] * (np.arange(params.gamma.shape[1]) == 0)
        gamma = gamma - gamma[:1]
    return MixtureParameters(params.weight[index] / times, params.theta[index], params.sigma[index], gamma)


def search(
    rng: np.random.Generator,
    params: MixtureParameters,
    loglik: Floats,
    stats: Stores,
    model: Model,
    at: Floats,
    *,
    swaps: int,
    steps: int,
) -> tuple[MixtureParameters, Floats]:
    """Try a number of swaps on every start, each followed by a short EM run, and keep those that are better.

    Returns
    -------
    The starts (start, segment, ...) and their log-likelihoods (start,), not yet converged.
    """
    for _ in range(swaps if params.n_segments > 1 else 0):
        proposal, proposed = em_steps(swap(rng, params, at, model), stats, model, steps)
        better = (proposed > loglik) & above_floor(proposal, model)
        params, loglik = where(better, proposal, params), np.where(better, proposed, loglik)
    return params, loglik
