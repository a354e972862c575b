"""Exact score and observed information of a mixture of normals, from the store statistics (Louis 1982).

The free numbers stand in one vector: mu and the root of Omega segment by segment, the logits of the weights of
segments 2..K, and the logarithm of sigma where it is free.
"""

from typing import NamedTuple

import numpy as np

from em.ascent import Point
from em.designs import Projections, sum_by_design
from em.likelihood import memberships_and_loglik
from em.marginal import Curvatures, Slopes, curvatures, precision, residual_products, slopes
from em.mixed_em import Normals, covariances
from em.normal_mixture import Several, residuals
from em.statistics import Floats, Ints


class Layout(NamedTuple):
    """What is free in a mixture of normals.

    Attributes
    ----------
    random : positions of the random coefficients among all p.
    bases : of each segment, (free, q, q): the root of its Omega is a sum of these.
    sigma_free : whether sigma is estimated; it is 1 otherwise.
    tied : how many of the last coefficients are the same in all segments, and free in the first.
    """

    random: Ints
    bases: tuple[Floats, ...]
    sigma_free: bool
    tied: int = 0


def n_numbers(layout: Layout, p: int) -> int:
    """How many numbers there are when every segment has all coefficients of its own."""
    k = len(layout.bases)
    return k * p + sum(len(basis) for basis in layout.bases) + k - 1 + layout.sigma_free


def blocks(layout: Layout, p: int) -> list[tuple[slice, slice]]:
    """Where mu and the root of each segment stand in the vector."""
    places, at = [], 0
    for basis in layout.bases:
        places.append((slice(at, at + p), slice(at + p, at + p + len(basis))))
        at += p + len(basis)
    return places


def ties(layout: Layout, p: int) -> Floats:
    """Matrix that takes the free numbers to those of segments with all coefficients of their own; (number, free)."""
    first, *others = (mean for mean, _ in blocks(layout, p))
    whole = np.eye(n_numbers(layout, p))
    taken = [place for mean in others for place in range(mean.stop - layout.tied, mean.stop)]
    for t in range(first.stop - layout.tied, first.stop):
        whole[[mean.start - first.start + t for mean in others], t] = 1.0
    return np.delete(whole, taken, axis=1)


def unpack(layout: Layout, free: Floats, p: int) -> Several:
    """The mixture, as one start, from its free numbers."""
    k, places = len(layout.bases), blocks(layout, p)
    free = ties(layout, p) @ free
    end = places[-1][1].stop
    logits = np.concatenate([[0.0], free[end : end + k - 1]])
    weight = np.exp(logits - logits.max())
    log_sigma = float(free[-1]) if layout.sigma_free else 0.0
    roots = [np.tensordot(free[own], basis, axes=1) for (_, own), basis in zip(places, layout.bases, strict=True)]
    mu = np.array([free[mean] for mean, _ in places])
    return Several(weight[None] / weight.sum(), Normals(mu, np.array(roots), np.full(k, np.exp(2.0 * log_sigma))))


def pack(layout: Layout, several: Several) -> Floats:
    """The free numbers of a mixture whose roots are sums of the bases, each of which holds an axis of its own."""
    parts = []
    for mu, root, basis in zip(several.normals.mu, several.normals.root, layout.bases, strict=True):
        norms = np.square(basis).sum((1, 2))
        parts += [mu, np.einsum("jab,ab->j", basis, root) / norms]
    weight = several.weight[0]
    parts.append(np.log(weight[1:]) - np.log(weight[0]))
    if layout.sigma_free:
        parts.append(0.5 * np.log(several.normals.v[:1]))
    numbers = np.concatenate(parts)
    return numbers[ties(layout, several.normals.mu.shape[-1]).argmax(0)]


def evaluate(layout: Layout, stores: Projections, root: Floats, free: Floats) -> Point:
    """Log-likelihood, score and observed information at given free numbers; `root` in the coordinates of mu.

    With complete-data scores s_ik and Hessians H_ik of store i in segment k, responsibilities r_ik and
    s_i = sum_k r_ik s_ik, the information is sum_i { sum_k r_ik (-H_ik - s_ik s_ik') + s_i s_i' } (Louis 1982).
    """
    p, k = root.shape[-1], len(layout.bases)
    several = unpack(layout, free, p)
    weight, (mu, roots, v) = several.weight[0], several.normals
    at = precision(root, covariances(roots, layout.random, p), v)
    left = residuals(stores, root, mu, v, at)
    with np.errstate(divide="ignore"):
        r, loglik = memberships_and_loglik(np.log(weight), left.log_density)
    sums = sum_by_design(stores, r)._replace(root=root)
    z, products = residual_products(sums, mu)
    slope, curvature = slopes(sums, at, z, products, v), curvatures(sums, at, z, products, v)

    full, places = n_numbers(layout, p), blocks(layout, p)
    w = np.einsum("sab,ska->skb", root[stores.design], left.solved)
    scores = np.zeros((len(r), k, full))
    hessian = np.zeros((full, full))
    end = places[-1][1].stop
    scores[:, :, end : end + k - 1] = np.eye(k)[:, 1:] - weight[1:]
    hessian[end : end + k - 1, end : end + k - 1] = len(r) * (np.outer(weight[1:], weight[1:]) - np.diag(weight[1:]))
    for j, (mean, own) in enumerate(places):
        basis, block = layout.bases[j], slice(mean.start, own.stop)
        moves = basis @ roots[j].T
        moves = moves + np.swapaxes(moves, -1, -2)
        inside = w[:, j, layout.random]
        traces = np.einsum("dab,jab->dj", at.full[:, j][:, layout.random[:, None], layout.random], moves)
        scores[:, j, mean] = -w[:, j]
        scores[:, j, own] = -0.5 * (traces[stores.design] - np.einsum("sa,jab,sb->sj", inside, moves, inside))
        omega = np.zeros((len(moves), p, p))
        omega[:, layout.random[:, None], layout.random] = moves
        hessian[block, block] += _of_segment(omega.reshape(-1, p * p), basis, slope, curvature, layout.random, j)
        if layout.sigma_free:
            cross = 2.0 * v[j] * np.concatenate([curvature.mu_v[j], omega.reshape(-1, p * p) @ curvature.omega_v[j]])
            hessian[block, -1] += cross
            hessian[-1, block] += cross
    if layout.sigma_free:
        traces = np.einsum("dkaa->dk", at.inner)[stores.design]
        by_v = (stores.n[:, None] - p) / v - stores.rss[:, None] / v**2 + traces - np.square(left.solved).sum(-1)
        scores[:, :, -1] = -v * by_v
        hessian[-1, -1] = float(np.sum(4.0 * v**2 * curvature.v_v + 4.0 * v * slope.v))
    mean_scores = np.einsum("sk,skf->sf", r, scores)
    rooted = (np.sqrt(r)[..., None] * scores).reshape(-1, full)
    information = mean_scores.T @ mean_scores - rooted.T @ rooted - hessian
    tied = ties(layout, p)
    information = tied.T @ (0.5 * (information + information.T)) @ tied
    return Point(float(loglik.sum()), tied.T @ mean_scores.sum(0), information)


def _of_segment(omega: Floats, basis: Floats, slope: Slopes, curvature: Curvatures, random: Ints, j: int) -> Floats:
    """Second derivatives of a segment's complete-data log-likelihood by its mu and root."""
    by_root = omega @ curvature.omega_omega[j] @ omega.T
    inside = slope.omega[j][np.ix_(random, random)]
    by_root = by_root + 2.0 * np.einsum("iab,ac,jcb->ij", basis, inside, basis)
    across = curvature.mu_omega[j] @ omega.T
    return np.block([[curvature.mu_mu[j], across], [across.T, 0.5 * (by_root + by_root.T)]])
