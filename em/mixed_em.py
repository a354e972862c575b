"""EM for normal distributions of store coefficients, each step of which loses no likelihood.

Laird & Ware (1982), with two of its steps taken on the likelihood itself instead of its expectation, which is faster
and still monotone (ECME; Liu & Rubin 1994): mu by generalised least squares, and sigma with Omega / sigma^2 held. The
expected covariance of the stores' coefficients is

    Omega_new = 1/m sum_i w_i (u_i u_i' + Var u_i) = Omega + 2/m Omega G Omega,

G the slope of the log-likelihood by Omega and m the sum of weights. It is kept as a root, L (I + 2/m L'GL) L', so that
rounding can make it neither unsymmetric nor indefinite.
"""

from typing import NamedTuple

import numpy as np

from em.designs import DesignSums
from em.marginal import (
    generalised_least_squares,
    log_likelihood,
    precision,
    residual_products,
    restrict,
    slopes,
)
from em.statistics import Floats, Ints


class Normals(NamedTuple):
    """Normal distributions of store coefficients, one for each segment, and the residual variance.

    Attributes
    ----------
    mu : (segment, coefficient)
    root : (segment, q, q) L with Omega = L L' on the random coefficients.
    v : (segment,) sigma^2.
    """

    mu: Floats
    root: Floats
    v: Floats


class Step(NamedTuple):
    """Parameters after a step, and the log-likelihood (segment,) of those it started from with mu at its best."""

    normals: Normals
    log_likelihood: Floats


def covariances(root: Floats, random: Ints, p: int) -> Floats:
    """Omega (segment, p, p) from the roots of its random block (segment, q, q)."""
    omega = np.zeros((len(root), p, p))
    omega[:, random[:, None], random] = root @ np.swapaxes(root, -1, -2)
    return omega


def ecme_step(
    sums: DesignSums,
    normals: Normals,
    random: Ints,
    *,
    lowest_v: float | None,
    restricted: bool = False,
    fits: int = 1,
    tied: int = 0,
) -> Step:
    """One step for every segment.

    Parameters
    ----------
    sums : of stores with their weights in each segment.
    random : positions of the random coefficients.
    lowest_v : lower bound of a sigma^2 common to the segments of a fit; None holds it.
    restricted : whether mu is integrated out (REML; one segment).
    fits : how many fits stand one after another on the axis of segments, each with as many segments and its own sigma.
    tied : how many of the last coefficients are the same in all segments of a fit.
    """
    root, v, p = normals.root, normals.v, sums.root.shape[-1]
    at = precision(sums.root, covariances(root, random, p), v)
    mu = generalised_least_squares(sums, at, tied, fits)
    z, products = residual_products(sums, mu)
    value = log_likelihood(sums, at, products, v)
    if lowest_v is not None:
        squares = sums.rss + v * np.einsum("dkab,dkab->k", at.inner, products)
        rows = sums.n.reshape(fits, -1).sum(1) - (p if restricted else 0)
        pooled = squares.reshape(fits, -1).sum(1) / rows
        v = np.repeat(np.maximum(pooled, lowest_v), len(v) // fits)
        ratio = v / normals.v
        root = root * np.sqrt(ratio)[:, None, None]
        at = at._replace(
            inner=at.inner / ratio[:, None, None],
            half=at.half / ratio[:, None, None],
            full=at.full / ratio[:, None, None],
        )
    slope = slopes(sums, at, z, products, v)
    if restricted:
        more, slope, _ = restrict(sums, at, slope)
        value = value + more - 0.5 * p * np.log(v / normals.v)  # of W before sigma moved
    return Step(Normals(mu, _moved(root, slope.omega[:, random[:, None], random], sums.weight.sum(0)), v), value)


def _moved(root: Floats, slope: Floats, weight: Floats) -> Floats:
    """Root of Omega + 2/m Omega G Omega."""
    if not root.shape[-1]:
        return root
    turned = np.swapaxes(root, -1, -2) @ slope @ root
    turned = turned + np.swapaxes(turned, -1, -2)
    grown = np.eye(root.shape[-1]) + turned / np.maximum(weight, np.finfo(float).tiny)[:, None, None]
    values, vectors = np.linalg.eigh(grown)
    return root @ ((vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]) @ np.swapaxes(vectors, -1, -2))
