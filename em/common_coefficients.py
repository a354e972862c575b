"""Coefficients of which some are the same in all segments: where each stands, and their joint equations."""

import numpy as np

from em.statistics import Floats, solve


def layout_of_theta(k: int, common: np.ndarray) -> np.ndarray:
    """Which free coefficient stands at (segment, coefficient): own ones first, segment by segment, then the common."""
    own = np.flatnonzero(~common)
    place = np.empty((k, common.size), dtype=int)
    place[:, own] = np.arange(k * own.size).reshape(k, own.size)
    place[:, common] = k * own.size + np.arange(int(common.sum()))
    return place


def solve_with_common(gram: Floats, right: Floats, precision: Floats, common: np.ndarray) -> Floats:
    """Normal equations of all segments at once, some coefficients shared between them.

    Parameters
    ----------
    gram, right : (..., segment, coefficient, coefficient) and (..., segment, coefficient).
    precision : (..., segment) what each segment counts for in the common ones.
    common : (coefficient,) True where a coefficient is the same in all segments.

    Returns
    -------
    (..., segment, coefficient)
    """
    k, p = right.shape[-2:]
    place = layout_of_theta(k, common)
    free = int(place.max()) + 1
    expand = np.zeros((k, p, free))
    expand[np.arange(k)[:, None], np.arange(p), place] = 1.0
    whole = np.einsum("kpf,...kpq,...k,kqg->...fg", expand, gram, precision, expand, optimize=True)
    sums = np.einsum("kpf,...kp,...k->...f", expand, right, precision, optimize=True)
    return solve(whole, sums)[..., place]
