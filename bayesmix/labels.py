"""Segments tied to a reference numbering, draw by draw: the posterior is symmetric in the labels, its reader is not."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from em.statistics import Floats, Ints


def match(reference: Floats, membership: Floats) -> Ints:
    """Which segment of each draw is which of the reference's.

    Of all K! relabellings of a draw, the one under which a store drawn at random, with its segment drawn once from the
    reference and once from the draw, is least often in two different segments: the equivalence-classes-representative
    rule (Papastamoulis & Iliopoulos 2010) on memberships instead of one allocation, solved by linear assignment.

    Parameters
    ----------
    reference : (store, segment) memberships whose numbering is to be kept, such as those of the EM solution.
    membership : (draw, store, segment) exact memberships of the same stores under each draw.

    Returns
    -------
    (draw, segment): `permutation[d, k]` is the segment of draw d to be called k; for a parameter `value[d, k]`, use
    `relabel`.
    """
    agreement = np.swapaxes(reference, -1, -2) @ membership
    return np.array([linear_sum_assignment(matrix, maximize=True)[1] for matrix in agreement])


def relabel(values: Floats, permutation: Ints, axis: int = 1) -> Floats:
    """Values (draw, ..., segment, ...) with the segments on `axis` in the order of `permutation` (draw, segment)."""
    shape = [1] * values.ndim
    shape[0], shape[axis] = permutation.shape
    return np.take_along_axis(values, permutation.reshape(shape), axis)


def share_switched(permutation: Ints) -> float:
    """Share of draws whose segments stood in another order than the reference's."""
    return float((permutation != np.arange(permutation.shape[1])).any(1).mean())
