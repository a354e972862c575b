"""Log-likelihood of stores whose coefficients are drawn from a normal distribution, with its exact derivatives.

As in `em.likelihood`, store i of segment k has y_i ~ N(X_i mu, v I + X_i Omega X_i'), v = sigma^2. On the projections
of `em.designs`, with M = v I + R Omega R', z = R mu - e_i,

    log N = -1/2 [ n log 2 pi + (n - p) log v + log|M| + rss_i / v + z' M^-1 z ],

so that with N = M^-1 and T = sum of w z z' over the stores of a design everything is a sum over designs. Derivatives
follow from dM = I dv + R dOmega R', dN = -N dM N. Each segment has sums and parameters of its own and all are worked
out together; the sums of `em.mixed_em` and the Newton steps of `em.mixed_model` and `em.normal_mixture` all rest here.
"""

from typing import NamedTuple

import numpy as np

from em.designs import DesignSums
from em.likelihood import LOG_2PI
from em.statistics import Floats, solve


class Precision(NamedTuple):
    """What Omega and sigma make of each design.

    Attributes
    ----------
    inner : (design, segment, coefficient, coefficient) N = (v I + R Omega R')^-1.
    half : the same shape, N R.
    full : the same shape, W = R' N R, the information that a store of this design has about mu.
    log_det : (design, segment) of v I + R Omega R'.
    """

    inner: Floats
    half: Floats
    full: Floats
    log_det: Floats


class Slopes(NamedTuple):
    """First derivatives: by mu (segment, p), by Omega (segment, p, p), by v (segment,)."""

    mu: Floats
    omega: Floats
    v: Floats


class Curvatures(NamedTuple):
    """Second derivatives; by Omega as for p x p numbers that vary one by one, to be contracted with symmetric ones.

    Attributes
    ----------
    mu_mu : (segment, p, p)
    mu_omega : (segment, p, p p)
    mu_v : (segment, p)
    omega_omega : (segment, p p, p p)
    omega_v : (segment, p p)
    v_v : (segment,)
    """

    mu_mu: Floats
    mu_omega: Floats
    mu_v: Floats
    omega_omega: Floats
    omega_v: Floats
    v_v: Floats


def precision(root: Floats, omega: Floats, v: Floats) -> Precision:
    """Inverse and determinant for every design; omega (segment, coefficient, coefficient), v (segment,)."""
    p = root.shape[-1]
    rows = root[:, None]
    m = rows @ omega @ np.swapaxes(rows, -1, -2) + v[:, None, None] * np.eye(p)
    log_det = 2.0 * np.log(np.diagonal(np.linalg.cholesky(m), axis1=-2, axis2=-1)).sum(-1)
    inner = np.linalg.inv(m)
    inner = 0.5 * (inner + np.swapaxes(inner, -1, -2))
    half = inner @ rows
    return Precision(inner, half, np.swapaxes(rows, -1, -2) @ half, log_det)


def information_of_mu(sums: DesignSums, at: Precision) -> Floats:
    """Sum over stores of W; (segment, coefficient, coefficient)."""
    return np.einsum("dk,dkab->kab", sums.weight, at.full)


def generalised_least_squares(sums: DesignSums, at: Precision, tied: int = 0, fits: int = 1) -> Floats:
    """The mu that maximises the log-likelihood at given Omega and sigma; (segment, coefficient).

    Parameters
    ----------
    tied : how many of the last coefficients are the same in all segments of a fit.
    fits : how many fits stand one after another on the axis of segments.
    """
    right = np.einsum("dk,dkab,dka->kb", sums.weight, at.half, sums.mean)
    information = information_of_mu(sums, at)
    if not tied:
        return solve(information, right)
    # Each segment's own coefficients are eliminated, what is left of the tied ones is summed over segments.
    own = right.shape[1] - tied
    sides = np.concatenate([information[:, own:, :own], right[:, None, :own]], axis=1)
    solved = solve(information[:, None, :own, :own], sides)  # (segment, tied + 1, own)
    left = information[:, own:, own:] - solved[:, :tied] @ information[:, :own, own:]
    wanted = right[:, own:] - np.einsum("ko,kot->kt", solved[:, tied], information[:, :own, own:])
    common = solve(left.reshape(fits, -1, tied, tied).sum(1), wanted.reshape(fits, -1, tied).sum(1))
    common = np.repeat(common, len(right) // fits, axis=0)
    return np.concatenate([solved[:, tied] - np.einsum("kto,kt->ko", solved[:, :tied], common), common], axis=1)


def residual_products(sums: DesignSums, mu: Floats) -> tuple[Floats, Floats]:
    """Mean of z over the stores of a design (design, segment, p), and T (design, segment, p, p)."""
    z = np.einsum("dab,kb->dka", sums.root, mu) - sums.mean
    return z, sums.scatter + (sums.weight[..., None] * z)[..., None] * z[..., None, :]


def log_likelihood(sums: DesignSums, at: Precision, products: Floats, v: Floats) -> Floats:
    """Weighted log-likelihood of each segment; (segment,). `products` is T of `residual_products`."""
    left = sums.n - sums.root.shape[-1] * sums.weight.sum(0)
    squares = np.einsum("dkab,dkab->k", at.inner, products)
    return -0.5 * (sums.n * LOG_2PI + left * np.log(v) + (sums.weight * at.log_det).sum(0) + sums.rss / v + squares)


def slopes(sums: DesignSums, at: Precision, z: Floats, products: Floats, v: Floats) -> Slopes:
    """First derivatives of `log_likelihood`, at its mu, Omega and v."""
    transposed = np.swapaxes(at.half, -1, -2)
    left = sums.n - sums.root.shape[-1] * sums.weight.sum(0)
    explained = transposed @ products @ at.half
    squared = at.inner @ at.inner
    of_v = left / v - sums.rss / v**2 + np.einsum("dk,dkaa->k", sums.weight, at.inner)
    return Slopes(
        -np.einsum("dk,dkab,dka->kb", sums.weight, at.half, z),
        -0.5 * (sums.weight[..., None, None] * at.full - explained).sum(0),
        -0.5 * (of_v - np.einsum("dkab,dkab->k", squared, products)),
    )


def curvatures(sums: DesignSums, at: Precision, z: Floats, products: Floats, v: Floats) -> Curvatures:
    """Second derivatives of `log_likelihood`."""
    segments, p = at.full.shape[1], at.full.shape[-1]
    transposed = np.swapaxes(at.half, -1, -2)
    left = sums.n - p * sums.weight.sum(0)
    weight = sums.weight[..., None, None]
    w = np.einsum("dkab,dka->dkb", at.half, z)
    squared = at.inner @ at.inner
    of_v = transposed @ at.half  # R' N N R
    explained = transposed @ products @ at.half
    mixed = transposed @ products @ at.inner @ at.half
    cubes = np.einsum("dkab,dkab->k", squared @ at.inner, products)
    v_v = -left / v**2 - np.einsum("dk,dkab,dkab->k", sums.weight, at.inner, at.inner) + 2.0 * sums.rss / v**3
    by_v = 0.5 * (weight * of_v - mixed - np.swapaxes(mixed, -1, -2)).sum(0)
    return Curvatures(
        -(weight * at.full).sum(0),
        _outer(weight * at.full, w[..., None]).reshape(segments, p, p * p),
        np.einsum("dk,dkab,dka->kb", sums.weight, at.inner @ at.half, z),
        _crossed(0.5 * weight * at.full - explained, at.full),
        by_v.reshape(segments, p * p),
        -0.5 * (v_v + 2.0 * cubes),
    )


def restrict(
    sums: DesignSums, at: Precision, slope: Slopes, curvature: Curvatures | None = None
) -> tuple[Floats, Slopes, Curvatures | None]:
    """What the restricted likelihood adds: mu integrated out instead of maximised (Patterson & Thompson 1971).

    Returns
    -------
    -1/2 log|sum W| + p/2 log 2 pi for each segment, and the derivatives with those of this term added.
    """
    segments, p = at.full.shape[1], at.full.shape[-1]
    information = information_of_mu(sums, at)
    cov = np.linalg.inv(information)
    lower = np.linalg.cholesky(0.5 * (cov + np.swapaxes(cov, -1, -2)))
    weight = sums.weight[..., None, None]
    by_v = np.swapaxes(at.half, -1, -2) @ at.half  # -dW / dv
    pooled_by_v = (weight * by_v).sum(0)
    folded = weight * (at.full @ cov @ at.full)
    value = -0.5 * np.linalg.slogdet(information)[1] + 0.5 * p * LOG_2PI
    slope = slope._replace(
        omega=slope.omega + 0.5 * folded.sum(0), v=slope.v + 0.5 * np.einsum("kab,kab->k", cov, pooled_by_v)
    )
    if curvature is None:
        return value, slope, None
    sides = np.swapaxes(lower, -1, -2) @ at.full
    pairs = _outer(weight * sides, sides)  # (segment, p p p p): l'W e_a (x) l'W e_b
    pairs = pairs.reshape(segments, p, p, p, p).transpose(0, 1, 3, 2, 4).reshape(segments, p * p, p * p)
    thrice = np.swapaxes(at.half, -1, -2) @ at.inner @ at.half
    turned = cov @ pooled_by_v @ cov
    crossed = at.full @ cov @ by_v
    omega_v = 0.5 * (weight * (at.full @ turned @ at.full - crossed - np.swapaxes(crossed, -1, -2))).sum(0)
    v_v = 0.5 * np.einsum("kab,kab->k", turned, pooled_by_v) - np.einsum("kab,kab->k", cov, (weight * thrice).sum(0))
    curvature = curvature._replace(
        omega_omega=curvature.omega_omega - _crossed(folded, at.full) + 0.5 * np.swapaxes(pairs, -1, -2) @ pairs,
        omega_v=curvature.omega_v + omega_v.reshape(segments, p * p),
        v_v=curvature.v_v + v_v,
    )
    return value, slope, curvature


def _outer(first: Floats, second: Floats) -> Floats:
    """Sum over designs of products of all elements of two matrices; (segment, rows, columns, rows, columns) flat."""
    designs, segments = first.shape[:2]
    one = first.reshape(designs, segments, -1).transpose(1, 2, 0)
    two = second.reshape(designs, segments, -1).transpose(1, 0, 2)
    return one @ two


def _crossed(first: Floats, second: Floats) -> Floats:
    """Sum over designs of tr(first E second F) as a form in vec E and vec F; (segment, p p, p p)."""
    segments, p = first.shape[1], first.shape[-1]
    products = _outer(first, second).reshape(segments, p, p, p, p)  # d a, b c
    return products.transpose(0, 2, 3, 4, 1).reshape(segments, p * p, p * p)  # a b, c d
