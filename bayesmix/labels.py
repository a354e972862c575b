"""Segments tied to a reference numbering, draw by draw: the posterior is symmetric in the labels, its reader is not."""

from collections.abc import Mapping

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


def relabel_unconstrained(q: Floats, shapes: Mapping[str, tuple[int, ...]], permutation: Ints) -> Floats:
    """Draws on the sampler's scale with their segments in the order of `permutation`.

    Weights stand there as log-ratios to the first segment (`bayesmix.weights`), other quantities of segments with the
    segments on their first axis; effects of traits are of all segments.

    Parameters
    ----------
    q : (draw, dimension)
    shapes : of each unconstrained variable, by its name, in the order of the vector.
    permutation : (draw, segment), see `match`.
    """
    k = permutation.shape[1]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
    moved = []
    for (name, shape), piece in zip(shapes.items(), np.split(q, ends[:-1], axis=1), strict=True):
        if name.startswith("weight"):
            log_weight = relabel(np.concatenate([np.zeros((len(q), 1)), piece], axis=1), permutation)
            piece = log_weight[:, 1:] - log_weight[:, :1]
        elif shape[:1] == (k,) and not name.startswith("effect"):
            piece = relabel(piece.reshape(len(q), *shape), permutation).reshape(piece.shape)
        moved.append(piece)
    return np.concatenate(moved, axis=1)


def share_switched(permutation: Ints) -> float:
    """Share of draws whose segments stood in another order than the reference's."""
    return float((permutation != np.arange(permutation.shape[1])).any(1).mean())
