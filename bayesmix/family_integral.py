"""The likelihood of one store with its coefficients integrated out, and its exact gradient: loops for Numba.

The twin of `em.store_modes` and `em.quadrature` for one store and one segment. With theta = mean + C u, u standard
normal over the directions that vary, and d_c = C'x_c,

    g(u) = sum over cells c of [ total_c a(eta_c) + n_c c(eta_c) ] - u'u / 2,   eta_c = offset_c + x_c'theta,

u* its mode, H = I - sum_c g''_c d_c d_c' there, L L' = H and A = L'^-1, the value is

    log|A| - (r / 2) log pi + log sum_j w_j exp(v_j'v_j + g(u* + sqrt(2) A v_j)).

The gradient goes backwards through it. Shares pi_j of the nodes give u~ = sum_j pi_j g_u(at_j) and
A~ = sqrt(2) sum_j pi_j g_u(at_j) v_j' + L. With P half the upper triangle of A'A~, mirrored, H~ = -A P A'.
H depends on u* by the third slopes; what then falls on u* passes through g_u(u*) = 0 as H^-1 u~ (implicit
differentiation).
"""

import numpy as np

from bayesmix.compiling import kernel
from bayesmix.family_mode import clear, climb, invert

SQRT_2 = np.sqrt(2.0)
LOG_PI = np.log(np.pi)


@kernel
def integrate_store(of, dispersed, with_slopes, data, start, stop, log_sigma, room):
    """Log-likelihood of the store whose cells are start .. stop - 1, without its carrier; nan where there is none.

    `room.mean` and `room.root` say of what segment; eta, slopes, u, L, A, at and share are left for what comes after,
    with slopes also score and by_sigma.
    """
    p, r = room.root.shape
    for c in range(start, stop):
        x = data.x[data.design[c]]
        eta = data.offset[data.design[c]]
        for a in range(p):
            eta += x[a] * room.mean[a]
        room.center[c - start] = eta
        for b in range(r):
            d = 0.0
            for a in range(p):
                d += x[a] * room.root[a, b]
            room.direction[c - start, b] = d
    height = climb(of, data, start, stop, log_sigma, room)
    invert(room.L, room.A)
    size = -0.5 * r * LOG_PI
    for b in range(r):
        size -= np.log(room.L[b, b])
    nodes, top = data.node.shape[0], -np.inf
    for j in range(nodes):
        center = True
        for b in range(r):
            room.at[j, b] = room.u[b]
            for e in range(b, r):
                room.at[j, b] += SQRT_2 * room.A[b, e] * data.node[j, e]
            center = center and data.node[j, b] == 0.0
        if with_slopes:
            clear(room.score[j])
        if center:
            room.share[j] = height
            if with_slopes:
                room.by_sigma[j] = _slope_by_sigma(of, data, start, stop, log_sigma, room) if dispersed else 0.0
                for c in range(start, stop):
                    for a in range(p):
                        room.score[j, a] += data.x[data.design[c], a] * room.first[c - start]
        elif with_slopes:
            room.share[j] = _height_and_score(of, dispersed, data, start, stop, log_sigma, room, j)
        else:
            room.share[j] = _height(of, data, start, stop, log_sigma, room, room.at[j])
        room.share[j] += data.node_weight[j]
        top = max(top, room.share[j])
    whole = 0.0
    for j in range(nodes):
        room.share[j] = np.exp(room.share[j] - top)
        whole += room.share[j]
    for j in range(nodes):
        room.share[j] /= whole
    return size + top + np.log(whole)


@kernel
def _height(of, data, start, stop, log_sigma, room, u):
    """The height g at u."""
    r, value = u.size, 0.0
    for b in range(r):
        value -= 0.5 * u[b] * u[b]
    for c in range(start, stop):
        eta = room.center[c - start]
        for b in range(r):
            eta += room.direction[c - start, b] * u[b]
        terms = of.terms(eta, log_sigma)
        value += data.total[c] * terms.total + data.n[c] * terms.n
    return value


@kernel
def _height_and_score(of, dispersed, data, start, stop, log_sigma, room, j):
    """The height g at node j; its slope by the mean is added to `room.score`, that by log sigma goes to `by_sigma`."""
    u, score = room.at[j], room.score[j]
    r, p, value, by_sigma = u.size, score.size, 0.0, 0.0
    for b in range(r):
        value -= 0.5 * u[b] * u[b]
    for c in range(start, stop):
        eta = room.center[c - start]
        for b in range(r):
            eta += room.direction[c - start, b] * u[b]
        total, n = data.total[c], data.n[c]
        terms = of.terms(eta, log_sigma)
        by_eta = of.slopes(eta, log_sigma)[0]
        value += total * terms.total + n * terms.n
        first = total * by_eta.total + n * by_eta.n
        for a in range(p):
            score[a] += data.x[data.design[c], a] * first
        if dispersed:
            slope = of.dispersion_slopes(eta, log_sigma).first
            by_sigma += total * slope.total + n * slope.n
    room.by_sigma[j] = by_sigma
    return value


@kernel
def slopes_of_store(of, dispersed, data, start, stop, log_sigma, room, to_mean, to_root):
    """Fill the slopes of `integrate_store` by mean and root; return that by log sigma, of the carrier none.

    It goes by what `integrate_store` left in the room.
    """
    p, r = room.root.shape
    clear(to_mean)
    clear(room.to_u)
    to_sigma = 0.0
    for b in range(r):
        for a in range(p):
            to_root[a, b] = 0.0
        for e in range(r):
            room.to_scale[b, e] = 0.0
    for j in range(data.node.shape[0]):
        share = room.share[j]
        to_sigma += share * room.by_sigma[j]
        for a in range(p):
            to_mean[a] += share * room.score[j, a]
            for b in range(r):
                to_root[a, b] += share * room.score[j, a] * room.at[j, b]
        for b in range(r):
            slope = -room.at[j, b]
            for a in range(p):
                slope += room.root[a, b] * room.score[j, a]
            room.to_u[b] += share * slope
            for e in range(r):
                room.to_scale[b, e] += SQRT_2 * share * slope * data.node[j, e]
    onto_information(room)
    for c in range(start, stop):
        d, third = room.direction[c - start], room.third[c - start]
        for b in range(r):
            room.to_u[b] -= third * _square(room.to_information, d) * d[b]
    for b in range(r):  # H^-1 to_u = A A' to_u
        room.slope[b] = 0.0
        for e in range(b + 1):
            room.slope[b] += room.A[e, b] * room.to_u[e]
    for b in range(r):
        room.step[b] = 0.0
        for e in range(b, r):
            room.step[b] += room.A[b, e] * room.slope[e]
    for c in range(start, stop):
        x, d = data.x[data.design[c]], room.direction[c - start]
        first, second = room.first[c - start], room.second[c - start]
        square, moved = _square(room.to_information, d), 0.0
        for b in range(r):
            moved += d[b] * room.step[b]
        to_eta = second * moved - room.third[c - start] * square
        for a in range(p):
            to_mean[a] += x[a] * to_eta
        for b in range(r):
            to_direction = to_eta * room.u[b] + first * room.step[b]
            for e in range(r):
                to_direction -= 2.0 * second * room.to_information[b, e] * d[e]
            for a in range(p):
                to_root[a, b] += x[a] * to_direction
        if dispersed:
            by_sigma = of.dispersion_slopes(room.eta[c - start], log_sigma)
            to_sigma += moved * (data.total[c] * by_sigma.of_first.total + data.n[c] * by_sigma.of_first.n)
            to_sigma -= square * (data.total[c] * by_sigma.of_second.total + data.n[c] * by_sigma.of_second.n)
    return to_sigma


@kernel
def _square(H, d):
    """The square d'H d of a symmetric H."""
    whole = 0.0
    for b in range(d.size):
        inner = 0.5 * H[b, b] * d[b]
        for e in range(b):
            inner += H[b, e] * d[e]
        whole += 2.0 * inner * d[b]
    return whole


@kernel
def _slope_by_sigma(of, data, start, stop, log_sigma, room):
    """Slope of g at the mode by log sigma."""
    slope = 0.0
    for c in range(start, stop):
        by_sigma = of.dispersion_slopes(room.eta[c - start], log_sigma).first
        slope += data.total[c] * by_sigma.total + data.n[c] * by_sigma.n
    return slope


@kernel
def onto_information(room):
    """Fill `room.to_information` from `room.to_scale`, to which the slope of log|A| is still to be added; A'L = I."""
    r, A, P = room.u.size, room.A, room.scratch
    for b in range(r):
        for e in range(b, r):
            s = 1.0 if b == e else 0.0
            for m in range(b + 1):
                s += A[m, b] * room.to_scale[m, e]
            P[b, e] = P[e, b] = 0.5 * s
    for b in range(r):
        for e in range(b + 1):
            s = 0.0
            for m in range(b, r):
                for t in range(e, r):
                    s -= A[b, m] * P[m, t] * A[e, t]
            room.to_information[b, e] = room.to_information[e, b] = s
