"""How stores vary inside a segment: standard deviations and canonical partial correlations of their coefficients."""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmix.likelihood import Symbolic
from bayesmix.priors import Priors, partial_correlation_shapes
from em.statistics import Floats, Ints

LEAST = 0.05  # of the prior's scale, below which no standard deviation starts: a logarithm has no zero
MOST = 0.95  # beyond which no partial correlation starts


def spread_factor(priors: Priors, k: int) -> Symbolic:
    """A factor C of the covariance C C' inside each of k segments, (segment, coefficient, coefficient).

    Its free numbers are `scale` (segment, random), half-normal, and `partial` (segment, pair), of which LKJ makes a
    beta on (0, 1). Coefficients whose prior has no spread have rows of zeros, so that which ones vary is data.
    """
    varying = priors.varying
    p, q = len(priors.coefficients), len(varying)
    model: Any = pm.modelcontext(None)
    model.add_coord("random", [priors.coefficients[c] for c in varying])
    scale = pm.HalfNormal("scale", pm.Data("spread", _spreads(priors)), dims=("segment", "random"))
    varies: Symbolic = pm.Data("varies", np.eye(p)[varying])
    shape = pm.Data("shape", np.tile(partial_correlation_shapes(q, priors.lkj), (k, 1)))
    partial = pm.Beta("partial", shape, shape)
    of_each: Symbolic = pt.sum(scale[:, :, None] * varies[None], axis=1)
    return of_each[:, :, None] * correlation_factor(2.0 * partial - 1.0, p, varying)


def _spreads(priors: Priors) -> Floats:
    return np.array(priors.spreads)[priors.varying]


def correlation_factor(partial: Symbolic, p: int, varying: Ints | None = None) -> Symbolic:
    """Cholesky factors of the correlation matrices with given canonical partial correlations, row by row.

    L_ij = r_ij prod_{m < j} sqrt(1 - r_im^2) with r_ii = 1 (Lewandowski, Kurowicka & Joe 2009). Written as sums of
    products with constant arrays, which fuse into few loops; nothing is factorised and nothing is indexed.

    Parameters
    ----------
    partial : (segment, q (q - 1) / 2) in (-1, 1), of rows 1, 2, ... of the strictly lower triangle.
    varying : (q,) the coefficients that they are of; None is all p. Others are correlated with none.

    Returns
    -------
    (segment, p, p), lower triangular, with rows of length one.
    """
    varying = np.arange(p) if varying is None else varying
    row, column = (varying[index] for index in np.tril_indices(len(varying), -1))
    place = np.zeros((len(row), p, p))
    place[np.arange(len(row)), row, column] = 1.0
    places: Symbolic = pm.Data("place", place)
    before: Symbolic = pm.Data("before", np.triu(np.ones((p, p)), 1))
    identity: Symbolic = pm.Data("identity", np.eye(p))
    r: Symbolic = pt.sum(partial[:, :, None, None] * places[None], axis=1)
    log_rest: Symbolic = pt.log1p(-r * r)
    log_length: Symbolic = pt.sum(0.5 * log_rest[:, :, :, None] * before[None, None], axis=2)
    return (r + identity[None]) * pt.exp(log_length)


def spread_start(omega: Floats, priors: Priors) -> dict[str, Floats]:
    """The free numbers of `spread_factor` near given covariances, off the edge where one is singular.

    Parameters
    ----------
    omega : (segment, coefficient, coefficient)
    """
    inside = omega[:, priors.varying[:, None], priors.varying]
    sd = np.sqrt(np.maximum(np.diagonal(inside, axis1=1, axis2=2), 0.0))
    scale = np.maximum(sd, LEAST * _spreads(priors))
    correlation = inside / (scale[:, :, None] * scale[:, None, :])
    diagonal = np.arange(len(priors.varying))
    correlation[:, diagonal, diagonal] = 1.0
    partial = np.array([partial_correlations(one) for one in correlation]).reshape(len(omega), -1)
    return {"scale": scale, "partial": 0.5 * (1.0 + partial)}


def partial_correlations(correlation: Floats) -> Floats:
    """The inverse of `correlation_factor` in numbers, for one matrix and kept within `MOST` of 0; (p (p - 1) / 2,)."""
    p = len(correlation)
    factor = np.linalg.cholesky((1.0 - 1e-6) * correlation + 1e-6 * np.eye(p))
    rest = np.sqrt(np.maximum(1.0 - np.cumsum(np.square(factor), axis=1) + np.square(factor), 1e-12))
    lower = np.tril_indices(p, -1)
    return np.clip(factor[lower] / rest[lower], -MOST, MOST)
