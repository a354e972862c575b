"""Newton's method up a smooth log-likelihood with exact information, for few parameters and any surface.

Where the information is not positive definite curvatures count by their size, so that a step goes up and away from a
saddle; a step that does not gain is halved. Lower bounds hold a parameter while its score points below.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from em.statistics import Floats

GAIN = 1e-13  # predicted gain in log-likelihood at which to stop
BELOW_ROUNDING = 1e-9  # predicted gain that rounding of a log-likelihood of some hundred thousands would hide
CURVATURE = 1e-9  # eigenvalue of the scaled information below which a direction is flat
LONGEST = 3.0  # of a step in any one parameter
HALVINGS = 30


class Point(NamedTuple):
    """A log-likelihood at one place, its score (free,) and its observed information (free, free)."""

    value: float
    score: Floats
    information: Floats


class Summit(NamedTuple):
    """Where an ascent ended.

    Attributes
    ----------
    place : (free,)
    point : the log-likelihood there and its derivatives.
    converged : whether the predicted gain of another step is nothing.
    iterations : Newton steps.
    held : (free,) parameters that stand at their lower bound and would go below.
    """

    place: Floats
    point: Point
    converged: bool
    iterations: int
    held: NDArray[np.bool_]


def climb(
    evaluate: Callable[[Floats], Point],
    start: Floats,
    *,
    lower: Floats | float = -np.inf,
    most: int = 100,
    rounding: float = BELOW_ROUNDING,
) -> Summit:
    """Climb from a start to the top of its hill.

    Parameters
    ----------
    evaluate : the log-likelihood and its derivatives at a place (free,).
    lower : (free,) lower bounds.
    most : Newton steps.
    rounding : predicted gain that rounding of the log-likelihood would hide: such a step is taken unchecked.
    """
    place = np.maximum(start, lower)
    point = _tried(evaluate, place)
    for iteration in range(most):
        held = (place <= lower) & (point.score < 0.0)
        step, gain, definite = newton_step(point, ~held)
        if gain < GAIN:
            return Summit(place, point, bool(np.isfinite(point.value)), iteration, held)
        if definite and gain < rounding:
            place = np.maximum(place + step, lower)
            ahead = _tried(evaluate, place)
            # Rounding keeps the predicted gain of a large panel above any fixed figure; it no longer falls then.
            again = newton_step(ahead, ~held)[1]
            if not again < 0.25 * gain:
                return Summit(place, ahead, True, iteration + 1, held)
            point = ahead
            continue
        length = min(1.0, LONGEST / float(np.abs(step).max()))
        for _ in range(HALVINGS):
            further = np.maximum(place + length * step, lower)
            ahead = _tried(evaluate, further)
            if ahead.value > point.value:
                break
            length *= 0.5
        else:
            return Summit(place, point, gain < max(1e-6, rounding), iteration, held)
        place, point = further, ahead
    return Summit(place, point, False, most, (place <= lower) & (point.score < 0.0))


def _tried(evaluate: Callable[[Floats], Point], place: Floats) -> Point:
    """The point there; minus infinity so far out that rounding leaves no positive definite matrix."""
    try:
        return evaluate(place)
    except np.linalg.LinAlgError:
        return Point(-np.inf, np.zeros(place.size), np.eye(place.size))


def newton_step(point: Point, free: NDArray[np.bool_], flat: float = CURVATURE) -> tuple[Floats, float, bool]:
    """The Newton step in the free parameters, its predicted gain, and whether the information is positive definite.

    Directions whose curvature, scaled, is below `flat` count as curved by that much.
    """
    step = np.zeros_like(point.score)
    if not free.any():
        return step, 0.0, True
    score, information = point.score[free], point.information[np.ix_(free, free)]
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diagonal(information)), 1e-12))
    values, vectors = np.linalg.eigh(information * scale[:, None] * scale)
    size = np.maximum(np.abs(values), flat)
    rotated = vectors.T @ (scale * score)
    step[free] = scale * (vectors @ (rotated / size))
    return step, 0.5 * float(np.sum(rotated**2 / size)), bool(values[0] > flat)
