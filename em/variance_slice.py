"""The log-likelihood of the mixed model over a slice of its parameters, for Newton to climb.

Omega = L L' on the random coefficients, where L is affine in the free numbers: all of its lower triangle for the fit
itself, fewer columns where Omega has not full rank, a fixed standard deviation or correlation for a profile. sigma is
one number more, on the logarithmic scale, or held. mu is at its best for each of them (and integrated out in REML).
"""

from typing import NamedTuple

import numpy as np

from em.ascent import Point
from em.designs import DesignSums
from em.marginal import (
    Precision,
    curvatures,
    generalised_least_squares,
    information_of_mu,
    log_likelihood,
    precision,
    residual_products,
    restrict,
    slopes,
)
from em.statistics import Floats, Ints, solve


class Slice(NamedTuple):
    """Which parameters of a mixed model are free.

    Attributes
    ----------
    random : positions of the random coefficients among all p.
    offset, basis : (q, q) and (free, q, q): L = offset + sum of free basis.
    log_sigma : where sigma is held, its logarithm; None where it is free, the last of the free numbers.
    restricted : whether mu is integrated out (REML).
    mean_offset, mean_basis : (p,) and (p, free): the plane that mu is held to; None where it is free.
    """

    random: Ints
    offset: Floats
    basis: Floats
    log_sigma: float | None
    restricted: bool = False
    mean_offset: Floats | None = None
    mean_basis: Floats | None = None


def lower_triangle(q: int, rank: int) -> Floats:
    """Basis of lower-triangular roots with `rank` columns; (free, q, q)."""
    places = [(a, c) for c in range(rank) for a in range(c, q)]
    basis = np.zeros((len(places), q, q))
    for j, (a, c) in enumerate(places):
        basis[j, a, c] = 1.0
    return basis


def root_at(part: Slice, free: Floats) -> Floats:
    """L (q, q) at the free numbers."""
    return part.offset + np.tensordot(free[: len(part.basis)], part.basis, axes=1)


def log_sigma_at(part: Slice, free: Floats) -> float:
    """Logarithm of sigma at the free numbers."""
    return float(free[-1]) if part.log_sigma is None else part.log_sigma


def embedded(root: Floats, random: Ints, p: int) -> Floats:
    """Omega (p, p) from the root of its random block."""
    omega = np.zeros((p, p))
    omega[np.ix_(random, random)] = root @ root.T
    return omega


def best_mean(part: Slice, sums: DesignSums, at: Precision) -> Floats:
    """The mu that maximises the likelihood at given Omega and sigma, on the plane of the slice; (1, p)."""
    free = generalised_least_squares(sums, at)
    if part.mean_offset is None or part.mean_basis is None:
        return free
    information, basis = information_of_mu(sums, at)[0], part.mean_basis
    right = basis.T @ information @ (free[0] - part.mean_offset)
    return (part.mean_offset + basis @ solve(basis.T @ information @ basis, right))[None]


def evaluate(part: Slice, sums: DesignSums, free: Floats) -> Point:
    """Log-likelihood, score and observed information of the slice's free numbers."""
    p = sums.root.shape[-1]
    root = root_at(part, free)
    sigma_free = part.log_sigma is None
    v = np.exp(2.0 * np.array([log_sigma_at(part, free)]))
    at = precision(sums.root, embedded(root, part.random, p)[None], v)
    z, products = residual_products(sums, best_mean(part, sums, at))
    value = log_likelihood(sums, at, products, v)[0]
    slope, curvature = slopes(sums, at, z, products, v), curvatures(sums, at, z, products, v)
    if part.restricted:
        more, slope, curved = restrict(sums, at, slope, curvature)
        value, curvature = value + more[0], curved or curvature

    by_omega = slope.omega[0][np.ix_(part.random, part.random)]
    moves = part.basis @ root.T
    moves = moves + np.swapaxes(moves, -1, -2)  # dOmega by each free number
    full = np.zeros((len(free), p, p))
    full[: len(moves), part.random[:, None], part.random] = moves
    full = full.reshape(len(free), p * p)
    by_v = np.zeros(len(free))
    score = full @ slope.omega[0].ravel()
    hessian = full @ curvature.omega_omega[0] @ full.T
    # L enters Omega twice: the second derivative of Omega meets the slope.
    hessian[: len(moves), : len(moves)] += 2.0 * np.einsum("jab,ac,kcb->jk", part.basis, by_omega, part.basis)
    if sigma_free:
        by_v[-1] = 2.0 * v[0]
        score += by_v * slope.v[0]
        cross = np.outer(full @ curvature.omega_v[0], by_v)
        hessian += cross + cross.T + np.outer(by_v, by_v) * curvature.v_v[0]
        hessian[-1, -1] += 4.0 * v[0] * slope.v[0]
    by_mean = full @ curvature.mu_omega[0].T + np.outer(by_v, curvature.mu_v[0])
    information = -curvature.mu_mu[0]
    if part.mean_basis is not None:
        by_mean, information = by_mean @ part.mean_basis, part.mean_basis.T @ information @ part.mean_basis
    if information.size:
        hessian += by_mean @ np.linalg.solve(information, by_mean.T)
    return Point(float(value), score, -0.5 * (hessian + hessian.T))
