"""Distinct optima of a mixture's likelihood that come near its best: where else a posterior may have mass."""

import numpy as np
from threadpoolctl import threadpool_limits

from em.accelerate import newton, squarem
from em.mixture import MixtureParameters, Model
from em.optimum import FIRST_STEPS, SAME, is_sound, searched, sound_starts
from em.regressions import Stores, anchors
from em.starts import choose, em_steps, in_falling_order, random_starts
from em.statistics import Floats

WITHIN = 20.0  # log-likelihood below the best beyond which an optimum holds nothing of a posterior
CYCLES = 30  # of SQUAREM, of three EM steps each


def distinct_optima(
    stats: Stores,
    best: MixtureParameters,
    model: Model,
    *,
    starts: int = 50,
    seed: int = 0,
    within: float = WITHIN,
) -> list[MixtureParameters]:
    """The best optimum, then the others found within `within` of its log-likelihood, from the best down.

    The search for the best swaps segments to get out of every other optimum; this one climbs from random stores and
    stays where it arrives.

    Parameters
    ----------
    best : the best optimum known, in falling order of weight; it comes first whatever is found.
    starts, seed : random starts, and what draws them.
    within : in log-likelihood, for the whole panel.

    Returns
    -------
    At least `best`; segments of every optimum in falling order of weight. Empty segments and a sigma at its lower
    bound do not count as optima.
    """
    k = best.n_segments
    if k == 1:
        return [best]
    rng = np.random.default_rng(seed)
    with threadpool_limits(1, user_api="blas"):
        part, of_part = searched(rng, stats, model)
        first = random_starts(rng, part, k, of_part, starts, anchors(part))
        params, loglik = squarem(*em_steps(first, part, of_part, FIRST_STEPS), part, of_part, CYCLES)
        allowed = within * part.n_stores / stats.n_stores
        sound = sound_starts(params, of_part)
        found: list[tuple[float, MixtureParameters]] = []
        at_best = newton(best, stats, model).log_likelihood
        for start in _apart(params, loglik, sound, allowed):
            climbed = newton(choose(params, start), stats, model)
            near = at_best - climbed.log_likelihood < within
            one = (climbed.log_likelihood, climbed.parameters)
            new = not any(_same(one, other) for other in [(at_best, best), *found])
            if near and new and climbed.converged and is_sound(climbed.parameters, model):
                found.append((climbed.log_likelihood, in_falling_order(climbed.parameters)))
    return [best, *(params for _, params in sorted(found, key=lambda pair: -pair[0]))]


Level = tuple[float, MixtureParameters]


def _apart(params: MixtureParameters, loglik: Floats, sound: np.ndarray, allowed: float) -> list[int]:
    """The starts worth climbing from: one of each place, from the best down."""
    chosen: list[int] = []
    for start in np.argsort(-loglik, kind="stable"):
        one = (float(loglik[start]), choose(params, start))
        if sound[start] and not any(_same(one, (float(loglik[other]), choose(params, other))) for other in chosen):
            if chosen and loglik[chosen[0]] - loglik[start] > allowed + 1.0:  # the climb may still gain a little
                break
            chosen.append(int(start))
    return chosen


def _same(one: Level, other: Level) -> bool:
    """Whether two optima are one up to the numbers of their segments."""
    if abs(one[0] - other[0]) > SAME:
        return False
    first, second = (np.concatenate([p.weight[:, None], p.theta, p.sigma[:, None]], axis=1) for _, p in (one, other))
    first, second = (rows[np.lexsort(rows.round(3).T)] for rows in (first, second))
    return bool(np.allclose(first, second, rtol=0.01, atol=0.01))
