"""Store log-likelihoods in NumPy: the one quantity that all of the program is built from.

One function with a segment axis serves the three models. Given segment k, store i has

    y_i ~ N(X_i mu_k, sigma_k^2 I + X_i Omega_k X_i'),

where Omega_k = 0 for a finite mixture and K = 1 for the mixed model. With a root R of the store's
cross-products (R'R = X_i'X_i), d = mu_k - b_i and M = sigma_k^2 I + R Omega_k R' (p x p, never singular),

    log N = -1/2 [ n log 2 pi + (n - p) log sigma_k^2 + log|M| + rss_i / sigma_k^2 + (R d)' M^-1 (R d) ],

by the determinant lemma and Woodbury's identity; every term but the logarithms is non-negative.
"""

import numpy as np

from em.statistics import Floats, GaussianStatistics, column_sizes, sums_of_squares

LOG_2PI = float(np.log(2.0 * np.pi))
UNEVEN = 100.0  # times the smallest column that the largest may be before rounding of the one spoils the other


def component_loglik(stats: GaussianStatistics, mu: Floats, sigma: Floats, omega: Floats | None = None) -> Floats:
    """Log-density of every store's data under every segment.

    Parameters
    ----------
    mu : (..., segment, coefficient) segment coefficients, or their means when `omega` is given; then also
        (..., store, segment, coefficient), when means differ between stores.
    sigma : (..., segment) residual standard deviations, in units of the response.
    omega : (..., segment, coefficient, coefficient) covariance of store coefficients inside a segment; None is zero.

    Returns
    -------
    (..., store, segment)
    """
    if omega is None:
        squares = sums_of_squares(stats, mu)
        by_segment = np.swapaxes(squares, -1, -2)  # as it lies in memory
        by_segment *= (-0.5 / (sigma * sigma))[..., None]
        by_segment -= (np.log(sigma) + 0.5 * LOG_2PI)[..., None] * stats.n
        return squares
    p = stats.n_coefficients
    variance = (sigma * sigma)[..., None, :]
    root = roots(stats.xtx)
    inner = np.einsum("sab,...kbc,sdc->...skad", root, omega, root, optimize=True)
    inner = inner + variance[..., None, None] * np.eye(p)
    factor = np.linalg.cholesky(inner)
    center = mu if mu.ndim == sigma.ndim + 2 else mu[..., None, :, :]
    z = np.einsum("sab,...skb->...ska", root, center - stats.b[:, None, :])
    whitened = np.linalg.solve(factor, z[..., None])[..., 0]
    log_det = 2.0 * np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)
    n = stats.n[:, None]
    return -0.5 * (
        n * LOG_2PI + (n - p) * np.log(variance) + log_det + stats.rss[:, None] / variance + np.square(whitened).sum(-1)
    )


def roots(xtx: Floats) -> Floats:
    """R with R'R = X'X for every store, also where X'X is singular; (store, coefficient, coefficient).

    Rounding is relative to the largest column, so columns of very different sizes are brought to one before.
    """
    scale = column_sizes(xtx)
    scale = scale if scale.max(initial=1.0) > UNEVEN * scale.min(initial=1.0) else np.ones_like(scale)
    values, vectors = np.linalg.eigh(xtx / (scale[:, :, None] * scale[:, None, :]))
    return np.sqrt(np.clip(values, 0.0, None))[:, :, None] * np.swapaxes(vectors, -1, -2) * scale[:, None, :]


def store_loglik(log_weight: Floats, component: Floats) -> Floats:
    """Log-likelihood of every store with its segment summed out: logsumexp_k(log weight_k + component_k).

    Parameters
    ----------
    log_weight : (..., segment), or (..., store, segment) when weights differ between stores.
    component : (..., store, segment), from `component_loglik`.

    Returns
    -------
    (..., store)
    """
    _, total, top = _weigh(log_weight, component)
    return top + np.log(total)


def membership(log_weight: Floats, component: Floats) -> Floats:
    """Probability that each store belongs to each segment, given its data; (..., store, segment)."""
    return memberships_and_loglik(log_weight, component)[0]


def memberships_and_loglik(log_weight: Floats, component: Floats) -> tuple[Floats, Floats]:
    """`membership` and `store_loglik` from one pass."""
    share, total, top = _weigh(log_weight, component)
    share /= total[..., None]
    return share, top + np.log(total)


def _weigh(log_weight: Floats, component: Floats) -> tuple[Floats, Floats, Floats]:
    """Joint densities over their largest (..., store, segment), their sum and the largest's logarithm (..., store)."""
    joint = component + (log_weight if log_weight.ndim == component.ndim else log_weight[..., None, :])
    top = joint.max(-1)
    joint -= top[..., None]
    # Below this the exponential is zero for every purpose, and its underflow costs ten times an ordinary one.
    np.maximum(joint, -700.0, out=joint)
    share = np.exp(joint, out=joint)
    return share, share.sum(-1), top
