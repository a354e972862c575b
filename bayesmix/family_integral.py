"""The likelihood of one store with its coefficients integrated out, and its exact gradient: loops for Numba.

The twin of `em.store_modes` and `em.quadrature` for one store and one segment. With theta = mean + C u, u standard
normal over the directions that vary, and d_c = C'x_c,

    g(u) = sum over cells c of [ total_c a(eta_c) + n_c c(eta_c) ] - u'u / 2,   eta_c = offset_c + x_c'theta,

u* its mode, H = I - sum_c g''_c d_c d_c' there, L L' = H and A = L'^-1, the value is

    log|A| - (r / 2) log pi + log sum_j w_j exp(v_j'v_j + g(u* + sqrt(2) A v_j)).

The gradient goes backwards through it. Shares pi_j of the nodes give u~ = sum_j pi_j g_u(at_j) and
A~ = sqrt(2) sum_j pi_j g_u(at_j) v_j' + L, and with P the upper triangle of A'A~, half of it off the diagonal and half of
the diagonal, made symmetric, H~ = -A P A'. H depends on u* by the third slopes; what then falls on u* passes through
g_u(u*) = 0 as H^-1 u~ (implicit differentiation).
"""

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from em.statistics import Floats
from em.store_modes import MOST, SETTLED

SQRT_2 = np.sqrt(2.0)
LOG_PI = np.log(np.pi)

kernel = register_jitable(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
borrowing = register_jitable(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False)  # allocates nothing


class Room(NamedTuple):
    """Room to work in, for one store and one segment at a time; `cell` counts from the store's first.

    Attributes
    ----------
    mean, root : (coefficient,) and (coefficient, direction) of the segment, C without its columns of zeros.
    center, direction : (cell,) eta where u is zero, and (cell, direction) how it moves with u.
    eta, first, second, third : (cell,) linear predictor, and slopes of the log-density by it.
    u, ahead, slope, step : (direction,) the mode, a place to try, slope of g and Newton step.
    bend, L, A : (direction, direction)
    at, share : (node, direction) and (node,) where g is evaluated, and shares of the integral.
    score : (node, coefficient) slope by the mean.
    by_sigma : (node,) slope by log sigma.
    to_u, to_A, to_H, scratch : (direction,) and (direction, direction) what falls on u, A and H in the gradient.
    """

    mean: Floats
    root: Floats
    center: Floats
    direction: Floats
    eta: Floats
    first: Floats
    second: Floats
    third: Floats
    u: Floats
    ahead: Floats
    slope: Floats
    step: Floats
    bend: Floats
    L: Floats
    A: Floats
    at: Floats
    share: Floats
    score: Floats
    by_sigma: Floats
    to_u: Floats
    to_A: Floats
    to_H: Floats
    scratch: Floats


@kernel
def room_for(cells, nodes, p, r):
    """Room for stores of at most so many cells."""
    return Room(
        np.zeros(p), np.zeros((p, r)), np.zeros(cells), np.zeros((cells, r)),
        np.zeros(cells), np.zeros(cells), np.zeros(cells), np.zeros(cells),
        np.zeros(r), np.zeros(r), np.zeros(r), np.zeros(r),
        np.zeros((r, r)), np.zeros((r, r)), np.zeros((r, r)),
        np.zeros((nodes, r)), np.zeros(nodes), np.zeros((nodes, p)), np.zeros(nodes),
        np.zeros(r), np.zeros((r, r)), np.zeros((r, r)), np.zeros((r, r)),
    )  # fmt: skip


@borrowing
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
    height = _climb(of, data, start, stop, log_sigma, room)
    _invert(room.L, room.A)
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
            _clear(room.score[j])
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


@borrowing
def _clear(array):
    for a in range(array.size):
        array[a] = 0.0


@borrowing
def _climb(of, data, start, stop, log_sigma, room):
    """Newton's method from zero, its steps halved twice where they lose; g at the mode."""
    r = room.u.size
    _clear(room.u)
    value = _bend(of, data, start, stop, log_sigma, room, room.u)
    length = 1.0
    for _ in range(MOST):
        _factorise(room.bend, room.L)
        gain = _newton_step(room.L, room.slope, room.step)
        if not np.isfinite(gain):
            return np.nan
        last = gain < SETTLED
        for b in range(r):
            room.ahead[b] = room.u[b] + length * room.step[b]
        ahead = _bend(of, data, start, stop, log_sigma, room, room.ahead)
        while not last and not ahead >= value - 1e-12 * abs(value) and length > 1e-30:
            length *= 0.25
            for b in range(r):
                room.ahead[b] = room.u[b] + length * room.step[b]
            ahead = _bend(of, data, start, stop, log_sigma, room, room.ahead)
        value, length = ahead, min(1.0, 4.0 * length)
        for b in range(r):
            room.u[b] = room.ahead[b]
        if last:
            break
    _factorise(room.bend, room.L)
    return value


@borrowing
def _bend(of, data, start, stop, log_sigma, room, u):
    """g at u; `room.slope` and `room.bend` get its first derivative and minus its second."""
    r, value = u.size, 0.0
    for b in range(r):
        room.slope[b] = -u[b]
        value -= 0.5 * u[b] * u[b]
        for e in range(b):
            room.bend[b, e] = 0.0
        room.bend[b, b] = 1.0
    for c in range(start, stop):
        d, eta = room.direction[c - start], room.center[c - start]
        for b in range(r):
            eta += d[b] * u[b]
        total, n = data.total[c], data.n[c]
        terms = of.terms(eta, log_sigma)
        by_eta, second, third = of.slopes(eta, log_sigma)
        value += total * terms.total + n * terms.n
        first, bend = total * by_eta.total + n * by_eta.n, total * second.total + n * second.n
        room.eta[c - start], room.first[c - start], room.second[c - start] = eta, first, bend
        room.third[c - start] = total * third.total + n * third.n
        for b in range(r):
            room.slope[b] += first * d[b]
            for e in range(b + 1):
                room.bend[b, e] -= bend * d[b] * d[e]
    return value


@borrowing
def _factorise(H, L):
    """Fill the lower triangle of L with the factor of a positive definite H, of which the lower triangle is read."""
    for b in range(H.shape[0]):
        for e in range(b + 1):
            s = H[b, e]
            for m in range(e):
                s -= L[b, m] * L[e, m]
            L[b, e] = np.sqrt(s) if b == e else s / L[e, e]


@borrowing
def _newton_step(L, slope, step):
    """Fill the step H^-1 slope; its product with the slope."""
    r, gain = slope.size, 0.0
    for b in range(r):
        s = slope[b]
        for e in range(b):
            s -= L[b, e] * step[e]
        step[b] = s / L[b, b]
        gain += step[b] * step[b]
    for b in range(r - 1, -1, -1):
        s = step[b]
        for e in range(b + 1, r):
            s -= L[e, b] * step[e]
        step[b] = s / L[b, b]
    return gain


@borrowing
def _invert(L, A):
    """Fill the upper triangle of A = L'^-1."""
    for e in range(L.shape[0]):
        for b in range(e, L.shape[0]):
            s = 1.0 if b == e else 0.0
            for m in range(e, b):
                s -= L[b, m] * A[e, m]
            A[e, b] = s / L[b, b]


@borrowing
def _height(of, data, start, stop, log_sigma, room, u):
    """g at u."""
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


@borrowing
def _height_and_score(of, dispersed, data, start, stop, log_sigma, room, j):
    """g at node j; its slope by the mean is added to `room.score`, that by log sigma put into `room.by_sigma`."""
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


@borrowing
def slopes_of_store(of, dispersed, data, start, stop, log_sigma, room, to_mean, to_root):
    """Fill the slopes of `integrate_store` by mean and root; return that by log sigma, of the carrier none.

    It goes by what `integrate_store` left in the room.
    """
    p, r = room.root.shape
    _clear(to_mean)
    _clear(room.to_u)
    to_sigma = 0.0
    for b in range(r):
        for a in range(p):
            to_root[a, b] = 0.0
        for e in range(r):
            room.to_A[b, e] = 0.0
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
                room.to_A[b, e] += SQRT_2 * share * slope * data.node[j, e]
    _onto_information(room)
    for c in range(start, stop):
        d, third = room.direction[c - start], room.third[c - start]
        for b in range(r):
            room.to_u[b] -= third * _square(room.to_H, d) * d[b]
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
        square, moved = _square(room.to_H, d), 0.0
        for b in range(r):
            moved += d[b] * room.step[b]
        to_eta = second * moved - room.third[c - start] * square
        for a in range(p):
            to_mean[a] += x[a] * to_eta
        for b in range(r):
            to_direction = to_eta * room.u[b] + first * room.step[b]
            for e in range(r):
                to_direction -= 2.0 * second * room.to_H[b, e] * d[e]
            for a in range(p):
                to_root[a, b] += x[a] * to_direction
        if dispersed:
            by_sigma = of.dispersion_slopes(room.eta[c - start], log_sigma)
            to_sigma += moved * (data.total[c] * by_sigma.of_first.total + data.n[c] * by_sigma.of_first.n)
            to_sigma -= square * (data.total[c] * by_sigma.of_second.total + data.n[c] * by_sigma.of_second.n)
    return to_sigma


@borrowing
def _square(H, d):
    """d'H d of a symmetric H."""
    whole = 0.0
    for b in range(d.size):
        inner = 0.5 * H[b, b] * d[b]
        for e in range(b):
            inner += H[b, e] * d[e]
        whole += 2.0 * inner * d[b]
    return whole


@borrowing
def _slope_by_sigma(of, data, start, stop, log_sigma, room):
    """Slope of g at the mode by log sigma."""
    slope = 0.0
    for c in range(start, stop):
        by_sigma = of.dispersion_slopes(room.eta[c - start], log_sigma).first
        slope += data.total[c] * by_sigma.total + data.n[c] * by_sigma.n
    return slope


@borrowing
def _onto_information(room):
    """Fill `room.to_H` from `room.to_A`, to which the slope of log|A| is still to be added; A'L = I."""
    r, A, P = room.u.size, room.A, room.scratch
    for b in range(r):
        for e in range(b, r):
            s = 1.0 if b == e else 0.0
            for m in range(b + 1):
                s += A[m, b] * room.to_A[m, e]
            P[b, e] = P[e, b] = 0.5 * s
    for b in range(r):
        for e in range(b + 1):
            s = 0.0
            for m in range(b, r):
                for t in range(e, r):
                    s -= A[b, m] * P[m, t] * A[e, t]
            room.to_H[b, e] = room.to_H[e, b] = s
