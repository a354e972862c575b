"""The best optimum of a mixture: many searches in step, the best of them climbed to the top, and one way further up."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from em.accelerate import Optimum, newton, squarem
from em.bound import bound
from em.mixture import MixtureParameters, Model, above_floor
from em.regressions import Stores, anchors, some_stores
from em.starts import choose, each, em_steps, random_starts, search
from em.statistics import Floats
from em.steepest import improve

SAME = 1e-3  # two log-likelihoods closer than this belong to one optimum
NEAR = 0.5  # closer than this, two unfinished searches are taken to climb the same hill
ENOUGH = 3  # starts that must reach the best optimum before it is believed
SEARCH_STORES = 3000  # a larger panel is searched on this many random stores and finished on all
SWAPS = (5, 15, 60)  # random swaps of every start, in rounds
FIRST_STEPS, SWAP_STEPS, CYCLES = 10, 6, 15  # EM steps at first and after a swap; SQUAREM cycles of three
EMPTY = 1e-8  # weight below which a segment is empty


class Found(NamedTuple):
    """The best optimum found.

    Attributes
    ----------
    best : the optimum.
    at_best : how many starts ended there.
    degenerate : how many had an empty segment or a sigma at its lower bound, and were set aside.
    certified : whether no mixture at all is better (see `em.bound`).
    """

    best: Optimum
    at_best: int
    degenerate: int
    certified: bool


def best_optimum(
    rng: np.random.Generator,
    stats: Stores,
    k: int,
    model: Model,
    starts: int,
    also: Sequence[MixtureParameters],
) -> Found:
    """Search, finish the best, and leave it by the steepest direction where that leads higher.

    Swaps come in rounds: the first is enough where half of the starts already agree, the second where three do.
    """
    if k == 1:
        one = random_starts(rng, stats, 1, model, 1, anchors(stats))
        return Found(newton(choose(em_steps(one, stats, model, 1)[0], 0), stats, model), starts, 0, True)
    part, of_part = searched(rng, stats, model)
    at = anchors(part)
    params, loglik = em_steps(random_starts(rng, part, k, of_part, starts, at), part, of_part, FIRST_STEPS)
    extra = [newton(start, part, of_part) for start in also]
    steps, certified, sound = FIRST_STEPS, False, np.ones(starts, dtype=bool)
    for turn, swaps in enumerate(SWAPS):
        params, loglik = search(rng, params, loglik, part, of_part, at, swaps=swaps, steps=SWAP_STEPS)
        steps += swaps * SWAP_STEPS
        if turn == 0 and (loglik > loglik.max() - NEAR).mean() < 0.5:
            continue
        params, loglik = squarem(params, loglik, part, of_part, CYCLES)
        steps += 3 * CYCLES
        sound = sound_starts(params, of_part)
        best, at_best = _finish(params, loglik, sound, extra, part, of_part)
        better, steepest = improve(best, part, of_part, at)
        if better.log_likelihood > best.log_likelihood + SAME:
            best, at_best = better, int((loglik > better.log_likelihood - SAME).sum())
        if at_best >= min(ENOUGH, starts):
            break
        if model.sigma == "fixed" and part is stats and steepest < SAME:
            limit = bound(stats, best.parameters.theta)
            certified = limit is not None and limit.log_likelihood < best.log_likelihood + SAME
            if certified:
                break
    if part is not stats:
        best = newton(best.parameters, stats, model)
    best = best._replace(iterations=best.iterations + steps)
    return Found(best, at_best, int((~sound).sum()), certified)


def searched(rng: np.random.Generator, stats: Stores, model: Model) -> tuple[Stores, Model]:
    """The stores that a search looks at: all, or a random part of a large panel."""
    if stats.n_stores <= SEARCH_STORES:
        return stats, model
    index = np.sort(rng.choice(stats.n_stores, SEARCH_STORES, replace=False))
    traits = None if model.traits is None else model.traits[index]
    return some_stores(stats, index), model._replace(traits=traits)


def sound_starts(params: MixtureParameters, model: Model) -> np.ndarray:
    """Whether no segment of a start is empty or at the lower bound of sigma; (start,)."""
    return (params.weight.min(-1) > EMPTY) & above_floor(params, model)


def is_sound(params: MixtureParameters, model: Model) -> bool:
    """The same of one set of parameters."""
    return bool(sound_starts(each(lambda value: value[None], params), model)[0])


def _finish(
    params: MixtureParameters,
    loglik: Floats,
    sound: np.ndarray,
    extra: Sequence[Optimum],
    stats: Stores,
    model: Model,
    most: int = 8,
) -> tuple[Optimum, int]:
    """Climb from the most promising starts until enough agree; the best optimum and how many starts reach it."""
    ranked = np.where(sound, loglik, loglik - 1e6) if sound.any() else loglik
    order = np.argsort(-ranked, kind="stable")
    best = newton(choose(params, order[0]), stats, model)
    reached = {int(order[0]): best.log_likelihood}
    best = max([best, *extra], key=lambda optimum: optimum.log_likelihood)
    for start in order[1:most]:
        agreeing = int((ranked > best.log_likelihood - SAME).sum())
        if agreeing >= ENOUGH or not sound[start]:
            break
        if ranked[start] > best.log_likelihood - SAME:
            continue
        climbed = newton(choose(params, start), stats, model)
        if is_sound(climbed.parameters, model):
            reached[int(start)] = climbed.log_likelihood
            best = max(best, climbed, key=lambda optimum: optimum.log_likelihood)
    ended = ranked.copy()
    for start, value in reached.items():
        ended[start] = value
    return best, int((ended > best.log_likelihood - SAME).sum())
