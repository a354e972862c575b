"""The evidence of a model, by bridge sampling from a multivariate normal and its images under relabelling."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from arviz_stats.base.array import array_stats
from scipy.special import expit, logsumexp

from bayesmix.density import Density, log_density
from bayesmix.labels import relabel_unconstrained
from bayesmix.target import Target
from em.statistics import Floats

DRAWS = 4000  # most draws that are used, of the posterior and of the normal
STEPS = 1000  # most iterations of the bridge
RIDGE = 1e-8  # added to variances of the normal, relative, so that draws that hardly moved can be weighed
SETTLED = 1e-10  # change of the log evidence at which they end
MOST_SEGMENTS = 6  # whose 720 numberings are all gone through


class Evidence(NamedTuple):
    """Logarithm of the integral of the unnormalised density, and its approximate standard error."""

    log_evidence: float
    se: float


def bridge(density: Density, unconstrained: Floats, seed: int = 0, segments: int = 1) -> Evidence:
    """Log evidence by the optimal bridge (Meng & Wong 1996) on the unconstrained scale.

    The normal is fitted to one half of every chain and the bridge built on the other, and the other way round, so that
    no draw serves twice (Overstall & Forster 2010); the result is the mean of both. Every draw of the normal is used
    with its mirror image. The standard error is Fruehwirth-Schnatter's (2004, section 3.2), with effective numbers of
    posterior draws.

    A mixture has a copy of every mode for each numbering of its segments, and copies may run into each other. The
    bridge goes to the average of the normal over all numberings, which is as symmetric as the density: their ratio
    does not depend on how the segments of a draw are numbered, so that relabelled draws serve as draws of all copies,
    and the evidence is that of all (Fruehwirth-Schnatter 2004, section 3.3, averages over some at random).

    Parameters
    ----------
    unconstrained : (chain, draw, dimension) draws of the density, about one mode.
    segments : how many are interchangeable and to be renumbered; 1 stays with the copy at hand.
    """
    half = unconstrained.shape[1] // 2
    parts = unconstrained[:, :half], unconstrained[:, half : 2 * half]
    images = _images(density, segments, unconstrained.shape[2])
    rng = np.random.default_rng(seed)
    found = [_bridge(density, parts[one], parts[1 - one], images, rng) for one in (0, 1)]
    both = [one.log_evidence for one in found]
    return Evidence(sum(both) / 2.0, float(np.hypot(found[0].se, found[1].se) / 2.0))


def _bridge(
    density: Density, fitted: Floats, chains: Floats, images: Sequence[Floats], rng: np.random.Generator
) -> Evidence:
    """One bridge, from the normal of some draws to others; (chain, draw, dimension)."""
    chains = chains[:, :: max(1, chains.shape[0] * chains.shape[1] // DRAWS)]
    posterior = chains.reshape(-1, chains.shape[2])
    center, factor = _normal(fitted.reshape(-1, fitted.shape[2]))
    z = rng.standard_normal((len(posterior) // 2 + 1, len(center)))
    proposal = center + np.concatenate([z, -z]) @ factor.T
    # log density minus log normal, at draws of either; what is common is taken off against overflow
    ratio_1 = log_density(density, posterior) - _log_average(posterior, center, factor, images)
    ratio_2 = log_density(density, proposal) - _log_average(proposal, center, factor, images)
    n_1, n_2 = _effective(ratio_1.reshape(chains.shape[:2])), float(len(proposal))
    log_odds = np.log(n_1 / n_2)
    log_z = float(np.median(ratio_1))
    for _ in range(STEPS):
        before = log_z
        upper = ratio_2 - np.logaddexp(log_odds + ratio_2, log_z)
        lower = -np.logaddexp(log_odds + ratio_1, log_z)
        log_z = float(logsumexp(upper) - np.log(len(upper)) - logsumexp(lower) + np.log(len(lower)))
        if abs(log_z - before) < SETTLED:
            break
    share = n_1 / (n_1 + n_2)
    f_1 = expit(-(log_odds + ratio_1 - log_z)) / (1.0 - share)
    f_2 = expit(log_odds + ratio_2 - log_z) / share
    relative = f_2.var() / f_2.mean() ** 2 / n_2 + f_1.var() / f_1.mean() ** 2 / n_1
    return Evidence(log_z, float(np.sqrt(relative)))


def _images(density: Density, segments: int, dimension: int) -> list[Floats]:
    """The linear maps that renumber segments; each (dimension, dimension), to be multiplied from the right."""
    unit = np.eye(dimension)
    if segments == 1:
        return [unit]
    orders = itertools.permutations(range(segments))
    return [relabel_unconstrained(unit, density.shapes, np.tile(order, (dimension, 1))) for order in orders]


def _log_average(q: Floats, center: Floats, factor: Floats, images: Sequence[Floats]) -> Floats:
    """Log-density of the average of a normal over renumberings of its segments; q (draw, dimension)."""
    onto = np.linalg.inv(factor).T
    values = [-0.5 * np.square((q @ image - center) @ onto).sum(1) for image in images]
    level = np.log(np.diagonal(factor)).sum() + 0.5 * len(center) * np.log(2.0 * np.pi) + np.log(len(images))
    return logsumexp(values, axis=0) - level


def _normal(draws: Floats) -> tuple[Floats, Floats]:
    """Mean and Cholesky factor of the covariance of (draw, dimension)."""
    covariance = np.atleast_2d(np.cov(draws.T))
    ridge = RIDGE * np.diag(np.maximum(np.diagonal(covariance), np.finfo(float).tiny))
    return draws.mean(0), np.linalg.cholesky(covariance + ridge)


def _effective(values: Floats) -> float:
    """Effective number of draws of (chain, draw)."""
    if np.ptp(values) == 0.0 or values.shape[1] < 4:
        return float(values.size)
    return min(float(np.asarray(array_stats.ess(values, chain_axis=0, draw_axis=1, method="mean"))), float(values.size))


def evidence_of(target: Target, others: Sequence[Floats] = (), seed: int = 0) -> Evidence | None:
    """Log evidence of a model from its draws; None where its segments have too many numberings.

    Parameters
    ----------
    others : draws about other modes, which are no copies of it: their evidence is added.
    """
    if target.segments > MOST_SEGMENTS:
        return None
    found = [bridge(target.density, draws, seed, target.segments) for draws in (target.draws, *others)]
    total = float(np.logaddexp.reduce([one.log_evidence for one in found]))
    share = [np.exp(one.log_evidence - total) * one.se for one in found]
    return Evidence(total, float(np.linalg.norm(share)))
