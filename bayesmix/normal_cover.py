"""A density that covers draws: a few normals with full covariances, to propose from where the draws have humps."""

from typing import NamedTuple

import numpy as np
from scipy.cluster.vq import ClusterError, kmeans2
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

from em.statistics import Floats

MOST = 8  # normals
LEAST_DRAWS = 10  # of each, for each dimension
PRIOR_DRAWS = 0.3  # towards the covariance of all draws, for each dimension: a small hump is not made too narrow
STEPS = 30  # of EM


class Cover(NamedTuple):
    """A mixture of normals over vectors x = center + factor z.

    Attributes
    ----------
    center, factor : (dimension,), (dimension, dimension) that make the draws standard.
    weight : (normal,)
    mean, root : (normal, dimension), (normal, dimension, dimension) of z; covariances are root root'.
    """

    center: Floats
    factor: Floats
    weight: Floats
    mean: Floats
    root: Floats


def cover(draws: Floats, rng: np.random.Generator) -> Cover:
    """Fit normals to draws (draw, dimension) by EM from k-means; their covariances are shrunk towards that of all.

    Raises
    ------
    numpy.linalg.LinAlgError
        When the draws lie in fewer dimensions, or in fewer places than there are normals.
    """
    n, dimension = draws.shape
    center, factor = draws.mean(0), np.linalg.cholesky(np.atleast_2d(np.cov(draws.T)))
    z = solve_triangular(factor, (draws - center).T, lower=True).T
    normals = int(np.clip(n // (LEAST_DRAWS * dimension), 1, MOST))
    belongs = np.zeros(n, dtype=int)
    if normals > 1:
        try:
            with np.errstate(invalid="ignore"):  # where no draw is left to be a centre
                belongs = kmeans2(z, normals, minit="++", missing="raise", rng=rng)[1]
        except ClusterError as empty:
            raise np.linalg.LinAlgError("the draws are in fewer places than there are normals") from empty
    share = np.eye(normals)[belongs]
    prior = PRIOR_DRAWS * dimension
    for _ in range(STEPS):
        count = share.sum(0)
        mean = share.T @ z / np.maximum(count, 1e-9)[:, None]
        off = z - mean[:, None]
        scatter = np.swapaxes(off * share.T[:, :, None], 1, 2) @ off + prior * np.eye(dimension)
        root = np.linalg.cholesky(scatter / (count + prior)[:, None, None])
        found = Cover(center, factor, (count + 1.0) / (n + normals), mean, root)
        joint = _joint(found, z)
        share = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    return found


def draw(given: Cover, n: int, rng: np.random.Generator) -> Floats:
    """Draws from it, (n, dimension)."""
    which = rng.choice(len(given.weight), n, p=given.weight)
    noise = rng.standard_normal((n, len(given.center)))
    z = given.mean[which] + np.einsum("npq,nq->np", given.root[which], noise)
    return given.center + z @ given.factor.T


def log_density(given: Cover, x: Floats) -> Floats:
    """Its log-density at x (draw, dimension), up to a constant; (draw,)."""
    z = solve_triangular(given.factor, (x - given.center).T, lower=True).T
    return np.asarray(logsumexp(_joint(given, z), axis=1))


def _joint(given: Cover, z: Floats) -> Floats:
    """Log of weight times density of each normal, up to a constant; (draw, normal)."""
    joint = np.empty((len(z), len(given.weight)))
    for j, (weight, mean, root) in enumerate(zip(given.weight, given.mean, given.root, strict=True)):
        square = np.square(solve_triangular(root, (z - mean).T, lower=True)).sum(0)
        joint[:, j] = np.log(weight) - np.log(np.diagonal(root)).sum() - 0.5 * square
    return joint
