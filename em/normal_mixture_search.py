"""The best optimum of a mixture of normals: several kinds of starts, EM together, Newton from each."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from em.designs import Projections, project
from em.mixed_model import MixedParameters
from em.mixture import MixtureParameters, e_step
from em.normal_mixture import NormalMixtureParameters, Several, em_step
from em.normal_mixture_climb import Top, best_mixture
from em.normal_mixture_starts import choose, from_continuum, from_normals, from_segments, from_stores, join
from em.regressions import anchors
from em.statistics import Floats, GaussianStatistics, Ints, take

EM_STEPS = 60  # of all starts together, before Newton
SAME = 1e-3  # two log-likelihoods closer than this belong to one optimum
ENOUGH = 3  # starts that must reach the best optimum before it is believed
ROUNDS = 3  # of random starts, each twice as many as the one before, until enough agree
SEARCH_STORES = 1000  # a larger panel is searched on this many random stores and finished on all
LEAST = 1e-2  # least variance in any direction of a start, in units of sigma^2 over the weeks of a store
EMPTY = 1e-6  # weight below which a segment is empty
WITHIN = 20.0  # log-likelihood below the best beyond which an optimum holds nothing of a posterior
FEWEST = 1.5  # stores, as the sum of memberships, below which a segment is one store's and set aside


class Found(NamedTuple):
    """The best optimum, others worth knowing, and how many starts were tried, ended at the best, and were set aside.

    Attributes
    ----------
    others : sound optima whose log-likelihood is within `WITHIN` of the best, from the best of them down; none for a
        panel that was searched in part.
    """

    best: Top
    others: tuple[Top, ...]
    tried: int
    at_best: int
    degenerate: int


class _Setting(NamedTuple):
    """What every climb of a search shares; `floor` is the lower bound of sigma, None where it is fixed."""

    stats: GaussianStatistics
    stores: Projections
    root: Floats
    back: Floats
    random: Ints
    floor: float | None

    @property
    def lowest(self) -> float | None:
        """Lower bound of log sigma."""
        return None if self.floor is None else float(np.log(self.floor))


def search(
    stats: GaussianStatistics,
    back: Floats,
    random: Ints,
    floor: float | None,
    continuum: MixedParameters,
    k: int,
    starts: int,
    seed: int,
    mixtures: Sequence[MixtureParameters],
    also: Sequence[NormalMixtureParameters],
) -> Found:
    """Climb from every start; again from new random ones while too few agree.

    Parameters
    ----------
    back : the coordinates of `em.designs.whitening`, with `random` positions of the random coefficients.
    floor : lower bound of sigma; None where it is fixed at 1.
    continuum : the mixed model of the same stores.
    starts : from random stores.
    mixtures, also : finite mixtures with K segments, and mixtures of normals with up to K, to start from.
    """
    rng, part = np.random.default_rng(seed), stats
    if stats.n_stores > SEARCH_STORES and k > 1:
        part = take(stats, np.sort(rng.choice(stats.n_stores, SEARCH_STORES, replace=False)))
    climbed: list[Top] = []
    with threadpool_limits(1, user_api="blas"):
        setting = _setting(part, back, random, floor)
        given = _given(setting, continuum, k, mixtures, also)
        for turn in range(ROUNDS if k > 1 else 1):
            drawn = [_drawn(rng, setting, continuum, k, starts * 2**turn)] if k > 1 and starts else []
            climbed += _climbs(setting, join([*(given if turn == 0 else []), *drawn]))
            sound = [_sound(top, setting) for top in climbed]
            best = max(zip(sound, climbed, strict=True), key=lambda pair: (pair[0], pair[1].log_likelihood))[1]
            near = [abs(top.log_likelihood - best.log_likelihood) < SAME for top in climbed]
            if sum(near) >= min(ENOUGH, len(climbed)) or not starts:
                break
        if part is not stats:
            whole = _setting(stats, back, random, floor)
            best = best_mixture(whole.stores, whole.root, best.several, random, lowest=whole.lowest)
    others = _others(best, [top for top, good in zip(climbed, sound, strict=True) if good]) if part is stats else ()
    return Found(best, others, len(climbed), sum(near), len(climbed) - sum(sound))


def _others(best: Top, sound: Sequence[Top]) -> tuple[Top, ...]:
    """One climb of each optimum that is not the best but near it."""
    found = [best]
    for top in sorted(sound, key=lambda one: -one.log_likelihood):
        near = best.log_likelihood - top.log_likelihood < WITHIN
        if near and top.summit.converged and all(abs(top.log_likelihood - f.log_likelihood) > SAME for f in found):
            found.append(top)
    return tuple(found[1:])


def _setting(stats: GaussianStatistics, back: Floats, random: Ints, floor: float | None) -> _Setting:
    stores = project(stats)
    return _Setting(stats, stores, stores.root @ back, back, random, floor)


def _given(
    setting: _Setting,
    continuum: MixedParameters,
    k: int,
    mixtures: Sequence[MixtureParameters],
    also: Sequence[NormalMixtureParameters],
) -> list[Several]:
    """Starts from the mixed model, from finite mixtures and from other mixtures of normals."""
    whole, own, least = _own_and_whole(setting, continuum)
    if k == 1:
        return [whole]
    parts = [from_continuum(whole, k, setting.random, setting.stats.n_coefficients)]
    for mixture in mixtures:
        share, variance = e_step(mixture, setting.stats)[0], float(whole.normals.v[0])
        parts.append(from_segments(mixture, share, own, setting.back, setting.random, variance, least))
    return parts + [from_normals(params, k, setting.back, setting.random, least) for params in also]


def _drawn(rng: np.random.Generator, setting: _Setting, continuum: MixedParameters, k: int, starts: int) -> Several:
    whole, own, least = _own_and_whole(setting, continuum)
    return from_stores(rng, starts, k, own, whole, least)


def _own_and_whole(setting: _Setting, continuum: MixedParameters) -> tuple[Several, Floats, float]:
    """The mixed model as a start, the stores' own coefficients, and the least variance of a start's directions."""
    mu, omega, sigma = continuum
    least = LEAST * sigma**2 * setting.stats.n_stores / setting.stats.n.sum()
    as_mixture = NormalMixtureParameters(np.ones(1), mu[None], omega[None], np.array([sigma]))
    whole = from_normals(as_mixture, 1, setting.back, setting.random, least)
    return whole, np.linalg.solve(setting.back, anchors(setting.stats).T).T, least


def _climbs(setting: _Setting, first: Several) -> list[Top]:
    """EM from all starts together, then Newton from each."""
    lowest_v = None if setting.floor is None else setting.floor**2
    current = first
    for _ in range(EM_STEPS if first.weight.shape[1] > 1 else 1):
        current, _ = em_step(setting.stores, setting.root, current, setting.random, lowest_v)
    return [
        best_mixture(setting.stores, setting.root, choose(current, start), setting.random, lowest=setting.lowest)
        for start in range(len(first.weight))
    ]


def _sound(top: Top, setting: _Setting) -> bool:
    """Whether no segment is empty or one store's, and sigma is above its lower bound."""
    k = top.several.weight.shape[1]
    least = max(EMPTY, FEWEST / setting.stats.n_stores) if k > 1 else 0.0
    return bool(top.several.weight.min() > least) and not top.summit.held.any()
