"""The best optimum of a mixed model: three starts, a few EM steps together, Newton from each."""

from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from em.covariance_rank import Covariance, best_covariance
from em.designs import DesignSums, project, sum_by_design
from em.mixed_em import Normals, ecme_step
from em.regressions import anchors
from em.scatter import scatter
from em.statistics import Floats, GaussianStatistics, Ints
from em.variance_slice import Slice

EM_STEPS = 8  # before Newton
SPREADS = np.array([1.0, 0.1, 10.0])  # starts, as multiples of the standard deviations first guessed
SAME = 1e-6  # two log-likelihoods closer than this belong to one optimum


class MixedOptimum(NamedTuple):
    """The best summit of a mixed model, in the coordinates of `em.designs.whitening`.

    Attributes
    ----------
    best : the summit.
    sums : of the stores by design.
    tried, at_best : starts, and how many of them ended here.
    """

    best: Covariance
    sums: DesignSums
    tried: int
    at_best: int


def search(stats: GaussianStatistics, back: Floats, random: Ints, floor: float | None, *, reml: bool) -> MixedOptimum:
    """Climb from every start; `floor` is the lower bound of sigma, None where it is fixed at 1."""
    with threadpool_limits(1, user_api="blas"):
        sums = pooled(stats, back)
        part = Slice(random, np.zeros((0, 0)), np.zeros((0, 0, 0)), 0.0 if floor is None else None, reml)
        tops = _climbs(part, sums, first_guess(stats, back, random, floor), floor)
    best = max(tops, key=lambda top: top.summit.point.value)
    at_best = sum(top.summit.point.value > best.summit.point.value - SAME for top in tops)
    return MixedOptimum(best, sums, len(tops), at_best)


def pooled(stats: GaussianStatistics, back: Floats) -> DesignSums:
    """Sums over the stores of each design, every store with weight one, in the coordinates of `back`."""
    sums = sum_by_design(project(stats), np.ones((stats.n_stores, 1)))
    return sums._replace(root=sums.root @ back)


def first_guess(stats: GaussianStatistics, back: Floats, columns: Ints, floor: float | None) -> Normals:
    """Where EM starts: the scatter inside stores, and the spread of the stores' own coefficients, a little shrunk."""
    v = np.array([1.0 if floor is None else max(scatter(stats), floor) ** 2])
    own = np.linalg.solve(back, anchors(stats).T).T
    off = (own - own.mean(0))[:, columns]
    spread = off.T @ off / stats.n_stores
    # A direction without any spread would never be left: EM moves Omega in proportion to itself.
    least = v[0] * stats.n_stores / stats.n.sum()
    root = np.linalg.cholesky(spread + least * np.eye(columns.size))
    return Normals(own.mean(0)[None], root[None], v)


def _climbs(part: Slice, sums: DesignSums, guess: Normals, floor: float | None) -> list[Covariance]:
    """A summit from each of three starts: a small panel can have more than one."""
    if not part.random.size:
        return [best_covariance(part, sums, guess.root[0], float(np.log(guess.v[0])) / 2.0, _log(floor))]
    every = np.ones(SPREADS.size)
    several = sums._replace(
        weight=sums.weight * every,
        mean=sums.mean * every[:, None],
        scatter=sums.scatter * every[:, None, None],
        n=sums.n * every,
        rss=sums.rss * every,
    )
    start = Normals(guess.mu * every[:, None], guess.root * SPREADS[:, None, None], guess.v * every)
    lowest_v = None if floor is None else floor**2
    for _ in range(EM_STEPS):
        start = ecme_step(
            several, start, part.random, lowest_v=lowest_v, restricted=part.restricted, fits=SPREADS.size
        ).normals
    return [
        best_covariance(part, sums, root, float(np.log(v)) / 2.0, _log(floor))
        for root, v in zip(start.root, start.v, strict=True)
    ]


def _log(floor: float | None) -> float:
    return -np.inf if floor is None else float(np.log(floor))
