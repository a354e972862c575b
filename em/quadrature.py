"""Store log-likelihoods with the random effects integrated out: Laplace, and adaptive Gauss-Hermite quadrature.

With the mode u_i of g_i (`em.store_modes`), H_i its information there, C_i C_i' = H_i^-1, nodes v_j and weights w_j,

    log integral N(u; 0, I) exp(...) du = log|C_i| + (r / 2) log(2 / 2 pi)
        + log sum_j w_j exp( v_j'v_j + g_i(u_i + sqrt(2) C_i v_j) ),

exact for a Gaussian response with any number of nodes; one node is Laplace's approximation (Liu & Pierce 1994;
Pinheiro & Bates 1995). In several dimensions the rule is the product of rules. The gradient is exact, of the
approximation itself: modes and scales move with the parameters (implicit differentiation).
"""

from typing import NamedTuple

import numpy as np

from em.statistics import Floats, Ints
from em.store_modes import Cells, modes, squares_by_store


class Rule(NamedTuple):
    """Nodes v (node, direction), and log weights with v'v added, (node,)."""

    v: Floats
    log_weight: Floats


class Integrated(NamedTuple):
    """Store log-likelihoods without their carriers, and their derivatives.

    Attributes
    ----------
    value : (store,)
    slope : (store, parameter) by mu, by the rows `random` of the root (row by row), and by log sigma.
    u : (store, direction) the modes.
    """

    value: Floats
    slope: Floats
    u: Floats


def product_rule(nodes: int, directions: int) -> Rule:
    """Gauss-Hermite rule with so many nodes in each of so many directions."""
    v, weight = np.polynomial.hermite.hermgauss(nodes)
    grid = np.meshgrid(*[np.arange(nodes)] * directions, indexing="ij")
    index = np.stack([axis.ravel() for axis in grid], axis=1) if directions else np.zeros((1, 0), dtype=int)
    return Rule(v[index], (np.log(weight) + np.square(v))[index].sum(1))


def integrate(
    cells: Cells, mu: Floats, root: Floats, random: Ints, log_sigma: float, rule: Rule, start: Floats | None = None
) -> Integrated:
    """Integrate every store, with derivatives.

    Parameters
    ----------
    mu, root : (coefficient,) and (coefficient, direction), whose rows other than `random` are zero.
    start : (store, direction) where the search for the modes starts.
    """
    family, total, n = cells.family, cells.total, cells.n
    p, r = root.shape
    u, value, information = modes(cells, mu, root, log_sigma, start)
    stores = u.shape[0]
    theta = mu + u @ root.T
    eta = cells.offset + np.einsum("cp,cp->c", cells.x, theta[cells.store])
    directions = cells.x @ root
    slopes = family.slopes(eta, log_sigma)
    by_sigma = family.dispersion_slopes(eta, log_sigma)
    first, second, third = (pair.of(total, n) for pair in slopes)
    score = cells.sums @ (cells.x * first[:, None])
    bend = squares_by_store(cells, second, cells.x)

    # Directions in which the parameters can move: theta by (parameter, coefficient) at the mode, root by (..., r).
    of_mu = np.zeros((p + random.size * r + 1, p))
    of_mu[:p] = np.eye(p)
    of_root = np.zeros((len(of_mu), p, r))
    for j, a in enumerate(random):
        of_root[p + j * r + np.arange(r), a, np.arange(r)] = 1.0
    moved = of_mu + np.einsum("kpr,sr->skp", of_root, u)
    of_slope = np.einsum("kpr,sp->skr", of_root, score) + np.einsum("pr,spq,skq->skr", root, bend, moved, optimize=True)
    of_slope[:, -1] = (
        (cells.sums @ (cells.x * by_sigma.of_first.of(total, n)[:, None])) @ root if family.dispersed else 0
    )
    of_u = np.linalg.solve(information[:, None], of_slope[..., None])[..., 0]
    moved = moved + of_u @ root.T
    cubes = _cubes(cells, third, directions)
    of_information = -np.einsum("sabp,skp->skab", cubes, moved, optimize=True)
    turned = np.einsum("kpa,spq,qb->skab", of_root, bend, root, optimize=True)
    of_information -= turned + np.swapaxes(turned, -1, -2)
    if family.dispersed:
        of_information[:, -1] -= squares_by_store(cells, by_sigma.of_second.of(total, n), directions)

    scale = np.linalg.inv(np.linalg.cholesky(information)).swapaxes(-1, -2)
    inner = np.einsum("sca,skcd,sdb->skab", scale, of_information, scale, optimize=True)
    half = np.tril(inner, -1) + 0.5 * np.einsum("skaa,ab->skab", inner, np.eye(r))
    of_scale = -np.einsum("sab,skcb->skac", scale, half)

    log_size = np.log(np.diagonal(scale, axis1=1, axis2=2)).sum(1)
    terms, parts = np.empty((len(rule.v), stores)), np.empty((len(rule.v), stores, len(of_mu)))
    for j, v in enumerate(rule.v):
        if len(rule.v) > 1:
            at = u + np.sqrt(2.0) * scale @ v
            eta = cells.offset + np.einsum("cp,cp->c", cells.x, (mu + at @ root.T)[cells.store])
            value = cells.sums @ family.terms(eta, log_sigma).of(total, n) - 0.5 * np.square(at).sum(1)
            score = cells.sums @ (cells.x * family.slopes(eta, log_sigma)[0].of(total, n)[:, None])
            slope = score @ root - at
            of_at = of_u + np.sqrt(2.0) * of_scale @ v
            parts[j] = score @ of_mu.T + np.einsum("sp,kpr,sr->sk", score, of_root, at, optimize=True)
            parts[j] += np.einsum("sr,skr->sk", slope, of_at)
        else:
            parts[j] = score @ of_mu.T + np.einsum("sp,kpr,sr->sk", score, of_root, u, optimize=True)
        if family.dispersed:
            parts[j, :, -1] += cells.sums @ family.dispersion_slopes(eta, log_sigma).first.of(total, n)
        terms[j] = rule.log_weight[j] + value
    top = terms.max(0)
    share = np.exp(terms - top)
    whole = share.sum(0)
    slope = np.einsum("js,jsk->sk", share / whole, parts) - 0.5 * np.einsum("skaa->sk", inner)
    return Integrated(top + np.log(whole) + log_size - 0.5 * r * np.log(np.pi), slope, u)


def _cubes(cells: Cells, third: Floats, directions: Floats) -> Floats:
    """Sums over a store's cells of third derivative times direction times direction times column of the design."""
    p, r = cells.x.shape[1], directions.shape[1]
    products = directions[:, :, None, None] * directions[:, None, :, None] * cells.x[:, None, None, :]
    sums = cells.sums @ (products.reshape(len(third), r * r * p) * third[:, None])
    return sums.reshape(len(sums), r, r, p)
