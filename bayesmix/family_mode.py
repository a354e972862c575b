"""The most probable deviation of one store from the mean of its segment, by Newton's method: loops for Numba.

The twin of `em.store_modes` for one store and one segment.
"""

from typing import NamedTuple

import numpy as np

from bayesmix.compiling import allocating, kernel
from em.statistics import Floats
from em.store_modes import MOST, SETTLED

SHORTEST = 1e-30  # share of a Newton step


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
    to_u, to_scale, to_information, scratch : (direction,) and (direction, direction) what falls on u, A and H in the
        gradient.
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
    to_scale: Floats
    to_information: Floats
    scratch: Floats


@allocating
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


@kernel
def clear(array):
    """Fill a vector with zeros."""
    for a in range(array.size):
        array[a] = 0.0


@kernel
def climb(of, data, start, stop, log_sigma, room):
    """Newton's method from zero, its steps halved twice where they lose; g at the mode."""
    r = room.u.size
    clear(room.u)
    value = _bend(of, data, start, stop, log_sigma, room, room.u)
    length = 1.0
    for _ in range(MOST):
        factorise(room.bend, room.L)
        gain = _newton_step(room.L, room.slope, room.step)
        if not np.isfinite(gain):
            return np.nan
        last = gain < SETTLED
        for b in range(r):
            room.ahead[b] = room.u[b] + length * room.step[b]
        ahead = _bend(of, data, start, stop, log_sigma, room, room.ahead)
        while not last and not ahead >= value - 1e-12 * abs(value) and length > SHORTEST:
            length *= 0.25
            for b in range(r):
                room.ahead[b] = room.u[b] + length * room.step[b]
            ahead = _bend(of, data, start, stop, log_sigma, room, room.ahead)
        value, length = ahead, min(1.0, 4.0 * length)
        for b in range(r):
            room.u[b] = room.ahead[b]
        if last:
            break
    factorise(room.bend, room.L)
    return value


@kernel
def _bend(of, data, start, stop, log_sigma, room, u):
    """The height g at u; `room.slope` and `room.bend` get its first derivative and minus its second."""
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


@kernel
def factorise(H, L):
    """Fill the lower triangle of L with the factor of a positive definite H, of which the lower triangle is read."""
    for b in range(H.shape[0]):
        for e in range(b + 1):
            s = H[b, e]
            for m in range(e):
                s -= L[b, m] * L[e, m]
            L[b, e] = np.sqrt(s) if b == e else s / L[e, e]


@kernel
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


@kernel
def invert(L, A):
    """Fill the upper triangle of A = L'^-1."""
    for e in range(L.shape[0]):
        for b in range(e, L.shape[0]):
            s = 1.0 if b == e else 0.0
            for m in range(e, b):
                s -= L[b, m] * A[e, m]
            A[e, b] = s / L[b, b]
