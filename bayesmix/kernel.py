"""The store likelihood and its gradient in one pass over the stores: loops that Numba compiles.

With the notation of `em.likelihood`, a spread C_k of the stores of a segment (Omega_k = C_k C_k') and a root R of X'X
(R'R = X'X), everything that needs a factorisation depends on the segment and on X'X alone:

    M = sigma^2 I + (R C)(R C)',   A = R' M^-1 R,   B = R' M^-2 R,   log|M|,   tr M^-1.

So it is done once for each distinct X'X; a store then costs one quadratic form d' A d with d = mu_k - b_i. For the
gradient the stores of a design need only be summed, weighted by their membership: 1, n, rss, d and d d', since

    d log N / d mu      = -A d
    d log N / d sigma^2 = -1/2 [ (n - p) / sigma^2 + tr M^-1 - rss / sigma^4 - d' B d ]
    d log N / d C       = -(A - A d d' A) C

Where traits z_i explain the coefficients, d = mu_k + Gamma'z_i - b_i; the slope of Gamma is the sum of z_i (-A d)', for
which z_i d' is summed as well. Its cost is that of a few more products a store, and stores share a factorisation where
they share X'X, whatever their traits.

No store is looked at twice and the number of weeks does not enter.
"""

import numpy as np
from numba.extending import register_jitable

from em.likelihood import LOG_2PI

# Logarithm of a share that rounding loses. An exponential that underflows costs ten times an ordinary one, and with
# many weeks most do.
NOTHING = -45.0

kernel = register_jitable(error_model="numpy")


def value_and_gradient(log_weight, mu, sigma, spread, effect, first, root, n, b, rss, traits):
    """Total log-likelihood of all stores, and its gradient with respect to the first five arguments.

    Parameters
    ----------
    log_weight, sigma : (segment,)
    mu : (segment, coefficient)
    spread : (segment, coefficient, coefficient) C with Omega = C C'; (0, coefficient, coefficient) where the stores
        of a segment do not differ.
    effect : (trait, coefficient) Gamma, of all segments.
    first, root, n, b, rss, traits : see `designs.StoresByDesign`.

    Returns
    -------
    The value, of shape (), and arrays of the shapes of log_weight, mu, sigma, spread and effect.
    """
    (K, p), m = mu.shape, effect.shape[0]
    A, B, outer = np.zeros((K, p, p)), np.zeros((K, p, p)), np.zeros((K, p, p))
    constant, trace, sums, sum_d = np.zeros(K), np.zeros(K), np.zeros((K, 3)), np.zeros((K, p))
    precision, level = np.zeros(K), np.zeros(K)  # 1 / sigma^2, and log sigma + 1/2 log 2 pi
    for k in range(K):
        precision[k] = 1.0 / (sigma[k] * sigma[k])
        level[k] = np.log(sigma[k]) + 0.5 * LOG_2PI
    joint, d, H, L = np.zeros(K), np.zeros((K, p)), np.zeros((p, p)), np.zeros((p, p))
    shift, crossed = np.zeros(p), np.zeros((K, m, p))
    to_weight, to_mu, to_sigma, to_spread = np.zeros(K), np.zeros((K, p)), np.zeros(K), np.zeros(spread.shape)
    to_effect = np.zeros(effect.shape)
    inner = np.zeros(spread.shape)  # -d log N / d Omega, doubled: the spread comes in once, at the end
    value = 0.0
    for g in range(first.size - 1):
        if p == 2 and spread.shape[0] > 0:
            _factorise_two(root[g], sigma, spread, A, B, constant, trace)
        else:
            _factorise(root[g], sigma, spread, H, L, A, B, constant, trace)
        for k in range(K):
            constant[k] += log_weight[k]
        value += _pass(
            first[g], first[g + 1], n, b, rss, traits, mu, effect, precision, level, A, constant,
            joint, d, shift, sums, sum_d, outer, crossed,
        )  # fmt: skip
        _collect(sigma, A, B, trace, sums, sum_d, outer, H, to_weight, to_mu, to_sigma, inner)
        for k in range(K):
            for t in range(m):
                for a in range(p):
                    for c in range(p):
                        to_effect[t, a] -= A[k, a, c] * crossed[k, t, c]
    for k in range(spread.shape[0]):
        for a in range(p):
            for c in range(p):
                for e in range(p):
                    to_spread[k, a, c] -= inner[k, a, e] * spread[k, e, c]
    return np.asarray(value), to_weight, to_mu, to_sigma, to_spread, to_effect


@kernel
def _factorise(R, sigma, spread, H, L, A, B, constant, trace):
    """Fill A, B, tr M^-1 and constant = -1/2 log(|M| / sigma^2p) of every segment; H and L are scratch."""
    K, p = A.shape[:2]
    for k in range(K):
        variance = sigma[k] * sigma[k]
        constant[k], trace[k] = 0.0, 0.0
        if spread.shape[0] == 0:  # M = sigma^2 I
            _gram(R, 1.0 / variance, A[k])
            _gram(R, 1.0 / (variance * variance), B[k])
            trace[k] = p / variance
            continue
        for a in range(p):  # H = R C
            for c in range(p):
                H[a, c] = 0.0
                for e in range(p):
                    H[a, c] += R[a, e] * spread[k, e, c]
        for a in range(p):  # L L' = sigma^2 I + H H'
            for c in range(a + 1):
                s = variance if a == c else 0.0
                for e in range(p):
                    s += H[a, e] * H[c, e]
                for e in range(c):
                    s -= L[a, e] * L[c, e]
                L[a, c] = np.sqrt(s) if a == c else s / L[c, c]
            constant[k] += 0.5 * np.log(variance) - np.log(L[a, a])
        for c in range(p):  # the trace, from L^-1
            for a in range(c, p):
                s = 1.0 if a == c else 0.0
                for e in range(c, a):
                    s -= L[a, e] * H[e, c]
                H[a, c] = s / L[a, a]
                trace[k] += H[a, c] * H[a, c]
        for c in range(p):  # H = L^-1 R, A = H'H
            for a in range(p):
                s = R[a, c]
                for e in range(a):
                    s -= L[a, e] * H[e, c]
                H[a, c] = s / L[a, a]
        _gram(H, 1.0, A[k])
        for c in range(p):  # H = L'^-1 L^-1 R = M^-1 R, B = H'H
            for a in range(p - 1, -1, -1):
                s = H[a, c]
                for e in range(a + 1, p):
                    s -= L[e, a] * H[e, c]
                H[a, c] = s / L[a, a]
        _gram(H, 1.0, B[k])


@kernel
def _factorise_two(R, sigma, spread, A, B, constant, trace):
    """The same for two coefficients, in closed form: a third of the time, and no term a difference of larger ones.

    |M| = sigma^4 + sigma^2 |R C|^2 + |R|^2 |C|^2,   |M| A = sigma^2 R'R + |R|^2 adj(C C'),   B = (M^-1 R)'(M^-1 R)
    """
    determinant = R[0, 0] * R[1, 1] - R[0, 1] * R[1, 0]
    W00 = R[0, 0] * R[0, 0] + R[1, 0] * R[1, 0]
    W01 = R[0, 0] * R[0, 1] + R[1, 0] * R[1, 1]
    W11 = R[0, 1] * R[0, 1] + R[1, 1] * R[1, 1]
    for k in range(A.shape[0]):
        variance = sigma[k] * sigma[k]
        C00, C01, C10, C11 = spread[k, 0, 0], spread[k, 0, 1], spread[k, 1, 0], spread[k, 1, 1]
        H00, H01 = R[0, 0] * C00 + R[0, 1] * C10, R[0, 0] * C01 + R[0, 1] * C11
        H10, H11 = R[1, 0] * C00 + R[1, 1] * C10, R[1, 0] * C01 + R[1, 1] * C11
        M00, M01, M11 = H00 * H00 + H01 * H01, H00 * H10 + H01 * H11, H10 * H10 + H11 * H11
        volume = determinant * (C00 * C11 - C01 * C10)
        whole = variance * (variance + M00 + M11) + volume * volume
        scale = 1.0 / whole
        constant[k] = -0.5 * np.log(whole / (variance * variance))
        trace[k] = (2.0 * variance + M00 + M11) * scale
        square = determinant * determinant
        A[k, 0, 0] = (variance * W00 + square * (C10 * C10 + C11 * C11)) * scale
        A[k, 0, 1] = (variance * W01 - square * (C00 * C10 + C01 * C11)) * scale
        A[k, 1, 0] = A[k, 0, 1]
        A[k, 1, 1] = (variance * W11 + square * (C00 * C00 + C01 * C01)) * scale
        U00 = ((variance + M11) * R[0, 0] - M01 * R[1, 0]) * scale  # M^-1 R
        U01 = ((variance + M11) * R[0, 1] - M01 * R[1, 1]) * scale
        U10 = ((variance + M00) * R[1, 0] - M01 * R[0, 0]) * scale
        U11 = ((variance + M00) * R[1, 1] - M01 * R[0, 1]) * scale
        B[k, 0, 0] = U00 * U00 + U10 * U10
        B[k, 0, 1] = U00 * U01 + U10 * U11
        B[k, 1, 0] = B[k, 0, 1]
        B[k, 1, 1] = U01 * U01 + U11 * U11


@kernel
def _gram(H, scale, out):
    """Fill out = scale H'H."""
    p = H.shape[0]
    for a in range(p):
        for c in range(p):
            s = 0.0
            for e in range(p):
                s += H[e, a] * H[e, c]
            out[a, c] = scale * s


@kernel
def _pass(
    first, last, n, b, rss, traits, mu, effect, precision, level, A, constant,
    joint, d, shift, sums, sum_d, outer, crossed,
):  # fmt: skip
    """Log-likelihood of the stores first .. last - 1 of one design.

    Filled in are their sums of 1, n and rss (`sums`), d, d d' and z d' (`crossed`), weighted by membership; joint, d
    and shift are scratch.
    """
    (K, p), m = mu.shape, effect.shape[0]
    for k in range(K):
        for a in range(3):
            sums[k, a] = 0.0
        for a in range(p):
            sum_d[k, a] = 0.0
            for c in range(p):
                outer[k, a, c] = 0.0
            for t in range(m):
                crossed[k, t, a] = 0.0
    value = 0.0
    for i in range(first, last):
        top = -np.inf
        for a in range(p):
            shift[a] = -b[i, a]
            for t in range(m):
                shift[a] += traits[i, t] * effect[t, a]
        for k in range(K):
            square = 0.0
            for a in range(p):
                d[k, a] = mu[k, a] + shift[a]
                inner = 0.5 * A[k, a, a] * d[k, a]
                for c in range(a):
                    inner += A[k, a, c] * d[k, c]
                square += 2.0 * inner * d[k, a]
            joint[k] = constant[k] - n[i] * level[k] - 0.5 * (rss[i] * precision[k] + square)
            top = max(top, joint[k])
        total = 0.0
        if K == 1:
            value += joint[0]
            joint[0], total = 1.0, 1.0
        else:
            for k in range(K):
                joint[k] -= top
                if joint[k] <= NOTHING:  # and not where it is no number
                    joint[k] = 0.0
                else:
                    joint[k] = np.exp(joint[k])
                    total += joint[k]
            value += top + np.log(total)
        for k in range(K):
            if joint[k] == 0.0:
                continue
            membership = joint[k] / total
            sums[k, 0] += membership
            sums[k, 1] += membership * n[i]
            sums[k, 2] += membership * rss[i]
            for a in range(p):
                weighted = membership * d[k, a]
                sum_d[k, a] += weighted
                for c in range(p):
                    outer[k, a, c] += weighted * d[k, c]
                for t in range(m):
                    crossed[k, t, a] += weighted * traits[i, t]
    return value


@kernel
def _collect(sigma, A, B, trace, sums, sum_d, outer, H, to_weight, to_mu, to_sigma, inner):
    """Add what the stores of one design contribute to the gradient; H is scratch."""
    K, p = A.shape[:2]
    for k in range(K):
        precision = 1.0 / (sigma[k] * sigma[k])
        share = sums[k, 0]
        to_variance = (sums[k, 1] - p * share - sums[k, 2] * precision) * precision + share * trace[k]
        for a in range(p):
            for c in range(p):
                to_variance -= B[k, a, c] * outer[k, a, c]
                to_mu[k, a] -= A[k, a, c] * sum_d[k, c]
        to_weight[k] += share
        to_sigma[k] -= to_variance * sigma[k]
        if inner.shape[0] > 0:  # share A - A outer A
            for a in range(p):  # H = outer A
                for c in range(p):
                    H[a, c] = 0.0
                    for e in range(p):
                        H[a, c] += outer[k, a, e] * A[k, e, c]
            for a in range(p):
                for c in range(a + 1):
                    s = share * A[k, a, c]
                    for e in range(p):
                        s -= A[k, a, e] * H[e, c]
                    inner[k, a, c] += s
                    if c < a:
                        inner[k, c, a] += s
