"""Which chains explored the same mode of the posterior, and how much of it each mode holds."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from arviz_stats.base.array import array_stats
from scipy.sparse.csgraph import connected_components

from bayesmix.density import Density
from bayesmix.evidence import bridge
from bayesmix.streams import stream
from em.statistics import Floats, Ints

LEVELS = 1.0  # between chains' mean log-likelihoods, in units of their sd inside a chain
SURE = 4.0  # standard errors of the difference of two means, below which it may be chance
SETTLED = 1.1  # R-hat of the halves of a chain
FAR = 2.5  # between chains' mean log-likelihoods, in units of the sd inside the middle chain, which no chance explains
APART = 3.0  # between chains' means of a parameter, in units of its sd inside a chain


class Weights(NamedTuple):
    """How the posterior divides over the modes found.

    Attributes
    ----------
    weight : (mode,) share of the posterior mass of the modes found.
    log_weight : (mode,) its logarithm.
    log_weight_se : (mode,) standard error of the log evidence of the mode.
    """

    weight: Floats
    log_weight: Floats
    log_weight_se: Floats


def starts_of_chains[Parameters](optima: Sequence[Parameters], chains: int) -> list[Parameters]:
    """One optimum for each chain: the first half of them (and one more) at the best, the others at the next best."""
    at_best = chains if len(optima) == 1 else (chains + 1) // 2
    others = [optima[1 + i % (len(optima) - 1)] for i in range(chains - at_best)]
    return [optima[0]] * at_best + others


def chains_by_mode(quantities: Mapping[str, Floats], loglik: Floats) -> list[Ints]:
    """Chains that explored the same place, together.

    Two chains are apart when their mean log-likelihoods differ by more than `LEVELS`, or the means of any parameter by
    more than `APART`, of its standard deviation inside a chain; the latter only where both chains have settled. Chains
    connected by others belong together.

    Parameters
    ----------
    quantities : relabelled draws by name, (chain, draw, ...).
    loglik : (chain, draw) total log-likelihood.

    Returns
    -------
    Chain numbers of each group, in rising order; groups by their first chain.
    """
    columns = [values.reshape(*loglik.shape, -1) for values in quantities.values()]
    near = _near(loglik[..., None], LEVELS)
    means = loglik.mean(1)  # a chain that changed its place on the way is apart as well, however slow it was
    near &= np.abs(means[:, None] - means[None]) <= FAR * np.median(loglik.std(1)) + 1e-12 * np.abs(means).max()
    settled = np.array(
        [max(_split_rhat(values, chain) for values in columns) < SETTLED for chain in range(len(loglik))]
    )
    for values in columns:  # where a chain has not settled, only the levels tell it from others
        near &= _near(values, APART) | ~settled[:, None] | ~settled[None]
    _, group = connected_components(near, directed=False)
    return [np.flatnonzero(group == g) for g in np.unique(group)]


def _split_rhat(values: Floats, chain: int) -> float:
    """The largest R-hat of the two halves of one chain over the quantities of (chain, draw, quantity)."""
    varying = np.flatnonzero(np.ptp(values[chain], axis=0) > 0.0)
    half = values.shape[1] // 2
    halves = values[chain, : 2 * half].reshape(2, half, -1)
    found = [array_stats.rhat(halves[:, :, j], chain_axis=0, draw_axis=1) for j in varying]
    return max((float(np.asarray(one)) for one in found), default=1.0)


def _near(values: Floats, limit: float) -> np.ndarray:
    """Whether means of (chain, draw, quantity) are within `limit` standard deviations, of all quantities.

    A chain that moves slowly may be anywhere in one mode, so `SURE` Monte Carlo errors of the difference are allowed.
    """
    mean, variance = values.mean(1), values.var(1)
    error = np.zeros_like(mean)
    for chain, quantity in np.argwhere(variance > 0.0):
        ess = array_stats.ess(values[None, chain, :, quantity], chain_axis=0, draw_axis=1, method="mean")
        error[chain, quantity] = variance[chain, quantity] / max(float(np.asarray(ess)), 1.0)
    spread = np.sqrt(0.5 * (variance[:, None] + variance[None]))
    allowed = limit * spread + SURE * np.sqrt(error[:, None] + error[None])
    return (np.abs(mean[:, None] - mean[None]) <= allowed + 1e-12 * np.abs(mean).max()).all(-1)


def weigh(density: Density, unconstrained: Floats, groups: Sequence[Ints], seed: int = 0) -> Weights:
    """Posterior weight of each group's mode among them all, from its evidence by bridge sampling.

    Every mode has K! images under relabelling, the same number for all, so one image of each is weighed.

    Parameters
    ----------
    unconstrained : (chain, draw, dimension)
    """
    seeds = [int(stream(seed, "evidence", g).generate_state(1)[0]) for g in range(len(groups))]
    evidence = [bridge(density, unconstrained[group], seed=one) for group, one in zip(groups, seeds, strict=True)]
    log_z = np.array([e.log_evidence for e in evidence])
    log_weight = log_z - np.logaddexp.reduce(log_z)
    return Weights(np.exp(log_weight), log_weight, np.array([e.se for e in evidence]))
