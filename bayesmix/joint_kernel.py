"""The joint density of the responses of stores and of their coefficients, and its gradient in one pass, for Numba.

Where MCMC draws the coefficients of stores with the parameters no integral is approximated, but how they are written
decides how fast that goes. Given store i's data its coefficients theta = m + C u, u standard normal, are far from m
where there are many rows and close to it where there are few. Near a fixed place the log-likelihood of its rows is
about h'theta - theta'W theta / 2 (`bayesmix.store_curvature`), which makes u about normal, with

    L L' = I + C'W C,   A = L'^-1,   mean A A'v,   v = C'(h - W m);

so the sampler has z in u = A (A'v + z) and the density

    log p(y | m + C u) - u'u / 2 + log|A|.

It is exact whatever W and h are; they only decide how nearly z is standard normal, whatever the parameters are. With
W = 0 and h = 0 it is the usual non-centred form (Papaspiliopoulos, Roberts & Skoeld 2007, on such families of forms).
"""

from collections.abc import Callable

import numpy as np

from bayesmix.compiled_family import CompiledFamily, FamilyFunctions
from bayesmix.compiling import kernel
from bayesmix.family_designs import FamilyDesigns
from bayesmix.family_integral import onto_information
from bayesmix.family_kernel import add_carriers, carrier_table, most_cells, store_mean
from bayesmix.family_mode import clear, factorise, invert, room_for


def joint_kernel_of(family: CompiledFamily) -> Callable:
    """The kernel of one family, as Numba compiles it."""
    terms, slopes_of_terms, dispersion_slopes, carrier, carrier_slopes = family.functions
    dispersed = family.dispersed

    def value_and_gradient(mu, sigma, spread, effect, z, bend, pull, *arrays):
        """Total joint log-density of all stores, and its gradient with respect to the first five arguments.

        Parameters
        ----------
        mu, sigma : (1, coefficient) and (1,)
        spread : (1, coefficient, coefficient) C with Omega = C C', zero but for the columns that vary.
        effect : (trait, coefficient)
        z : (store, direction)
        bend, pull : (store, coefficient, coefficient) W and (store, coefficient) h.
        arrays : a `family_designs.FamilyDesigns`.

        Returns
        -------
        The value, of shape (), and arrays of the shapes of mu, sigma, spread, effect and z.
        """
        of = FamilyFunctions(terms, slopes_of_terms, dispersion_slopes, carrier, carrier_slopes)
        data = FamilyDesigns(*arrays)
        p, r = mu.shape[1], data.varying.size
        log_sigma = np.log(sigma)
        carriers = carrier_table(of, dispersed, True, log_sigma, data)
        to_mu, to_spread, to_effect = np.zeros(mu.shape), np.zeros(spread.shape), np.zeros(effect.shape)
        to_z, total, to_sigma = np.zeros(z.shape), np.zeros(1), np.zeros(1)
        room = room_for(most_cells(data), 1, p, r)
        turned, to_root, rest, theta = np.zeros((p, r)), np.zeros((p, r)), np.zeros(p), np.zeros(p)
        for a in range(p):
            for b in range(r):
                room.root[a, b] = spread[0, a, data.varying[b]]
        for i in range(data.first.size - 1):
            store_mean(mu[0], effect, data, i, room.mean)
            total[0] += place_store(z[i], bend[i], pull[i], room, turned, rest, theta)
            total[0] += _rows(of, dispersed, data, i, log_sigma[0], theta, room.score[0], to_sigma)
            add_carriers(data, i, carriers, total, to_sigma)
            _backwards(room, turned, rest, to_root, to_z[i])
            for a in range(p):
                to_mu[0, a] += room.score[0, a]
                for t in range(effect.shape[0]):
                    to_effect[t, a] += data.traits[i, t] * room.score[0, a]
                for b in range(r):
                    to_spread[0, a, data.varying[b]] += to_root[a, b]
        return np.asarray(total[0]), to_mu, to_sigma / sigma, to_spread, to_effect, to_z

    return value_and_gradient


@kernel
def place_store(z, bend, pull, room, turned, rest, theta):
    """Fill u, theta, W C and h - W m of a store, by its z and the mean and root in the room; -u'u / 2 + log|A|."""
    p, r = room.root.shape
    for a in range(p):
        rest[a] = pull[a]
        for c in range(p):
            rest[a] -= bend[a, c] * room.mean[c]
        for b in range(r):
            turned[a, b] = 0.0
            for c in range(p):
                turned[a, b] += bend[a, c] * room.root[c, b]
    for b in range(r):
        room.slope[b] = 0.0
        for a in range(p):
            room.slope[b] += room.root[a, b] * rest[a]
        for e in range(b + 1):
            room.bend[b, e] = 1.0 if b == e else 0.0
            for a in range(p):
                room.bend[b, e] += room.root[a, b] * turned[a, e]
    factorise(room.bend, room.L)
    invert(room.L, room.A)
    value = 0.0
    for b in range(r):
        room.step[b] = z[b]
        for e in range(b + 1):
            room.step[b] += room.A[e, b] * room.slope[e]
    for b in range(r):
        room.u[b] = 0.0
        for e in range(b, r):
            room.u[b] += room.A[b, e] * room.step[e]
        value -= 0.5 * room.u[b] * room.u[b] + np.log(room.L[b, b])
    for a in range(p):
        theta[a] = room.mean[a]
        for b in range(r):
            theta[a] += room.root[a, b] * room.u[b]
    return value


@kernel
def _rows(of, dispersed, data, i, log_sigma, theta, score, to_sigma):
    """Log-likelihood of the rows of a store given its coefficients, and the slope by them in `score`; no carriers."""
    clear(score)
    value = 0.0
    for c in range(data.first[i], data.first[i + 1]):
        x, eta = data.x[data.design[c]], data.offset[data.design[c]]
        for a in range(theta.size):
            eta += x[a] * theta[a]
        total, n = data.total[c], data.n[c]
        terms, by_eta = of.terms(eta, log_sigma), of.slopes(eta, log_sigma)[0]
        value += total * terms.total + n * terms.n
        first = total * by_eta.total + n * by_eta.n
        for a in range(theta.size):
            score[a] += x[a] * first
        if dispersed:
            by_sigma = of.dispersion_slopes(eta, log_sigma).first
            to_sigma[0] += total * by_sigma.total + n * by_sigma.n
    return value


@kernel
def _backwards(room, turned, rest, to_root, to_z):
    """Fill the slopes by root and z from `room.score`, to which that by the mean by way of u is added.

    What falls on u passes to q = A'v + z, to A, to v, and from A by way of L to the root; log|A| is in
    `onto_information`.
    """
    (p, r), score = room.root.shape, room.score[0]
    for b in range(r):
        room.to_u[b] = -room.u[b]
        for a in range(p):
            room.to_u[b] += room.root[a, b] * score[a]
            to_root[a, b] = score[a] * room.u[b]
    for b in range(r):
        to_z[b] = 0.0
        for e in range(b + 1):
            to_z[b] += room.A[e, b] * room.to_u[e]
    for b in range(r):
        room.ahead[b] = 0.0
        for e in range(b, r):
            room.ahead[b] += room.A[b, e] * to_z[e]
        for e in range(r):
            room.to_scale[b, e] = room.to_u[b] * room.step[e] + room.slope[b] * to_z[e]
    onto_information(room)
    for a in range(p):
        for b in range(r):
            to_root[a, b] += rest[a] * room.ahead[b]
            for e in range(r):
                to_root[a, b] += 2.0 * turned[a, e] * room.to_information[e, b]
            score[a] -= turned[a, b] * room.ahead[b]
