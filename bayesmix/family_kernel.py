"""The store likelihood of families of responses and its gradient in one pass over the stores, for Numba.

The twin of `em.family_segments` where the stores of a segment do not differ: terms are worked out once for each
distinct design and segment, or for each cell where traits give every store means of its own, and summed over the cells
of each store. Where they differ, each store and segment is integrated (`bayesmix.family_integral`), as `em.quadrature`
does. The cost grows with the cells, times the nodes, and not with the weeks.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from bayesmix.compiled_family import CompiledFamily, FamilyFunctions
from bayesmix.compiling import allocating, kernel
from bayesmix.family_designs import FamilyDesigns
from bayesmix.family_integral import integrate_store, slopes_of_store
from bayesmix.family_mode import room_for
from bayesmix.kernel import NOTHING
from em.statistics import Floats


class Slopes(NamedTuple):
    """Of the total log-likelihood, in the shapes of the parameters; that of sigma by its logarithm at first."""

    log_weight: Floats
    mu: Floats
    sigma: Floats
    spread: Floats
    effect: Floats


@cache
def kernel_of(family: CompiledFamily) -> Callable:
    """The kernel of one family, as Numba compiles it."""
    terms, slopes_of_terms, dispersion_slopes, carrier, carrier_slopes = family.functions
    dispersed = family.dispersed

    def value_and_gradient(log_weight, mu, sigma, spread, effect, *arrays):
        """Total log-likelihood of all stores, and its gradient with respect to the first five arguments.

        Parameters
        ----------
        log_weight, sigma : (segment,)
        mu : (segment, coefficient)
        spread : (segment, coefficient, coefficient) C with Omega = C C', zero but for the columns that vary;
            (0, coefficient, coefficient) where the stores of a segment do not differ.
        effect : (trait, coefficient), of all segments.
        arrays : a `family_designs.FamilyDesigns`.

        Returns
        -------
        The value, of shape (), and arrays of the shapes of log_weight, mu, sigma, spread and effect.
        """
        of = FamilyFunctions(terms, slopes_of_terms, dispersion_slopes, carrier, carrier_slopes)
        data = FamilyDesigns(*arrays)
        log_sigma = np.log(sigma)
        carriers = carrier_table(of, dispersed, True, log_sigma, data)
        slopes = Slopes(
            np.zeros(log_weight.shape), np.zeros(mu.shape), np.zeros(sigma.shape), np.zeros(spread.shape),
            np.zeros(effect.shape),
        )  # fmt: skip
        if spread.shape[0] > 0 and data.varying.size > 0:
            value = _integrated(of, dispersed, log_weight, mu, log_sigma, spread, effect, data, carriers, slopes)
        else:
            value = _alike(of, dispersed, log_weight, mu, log_sigma, effect, data, carriers, slopes)
        for k in range(sigma.size):
            slopes.sigma[k] /= sigma[k]
        return np.asarray(value), slopes.log_weight, slopes.mu, slopes.sigma, slopes.spread, slopes.effect

    return value_and_gradient


@allocating
def carrier_table(of, dispersed, with_slopes, log_sigma, data):
    """Carriers of the distinct responses and their slopes by log sigma, (segment or one for all, value, 2)."""
    K, values = log_sigma.size, data.y.size
    table = np.zeros((K if dispersed else 1, values, 2))
    for k in range(len(table)):
        if k > 0 and log_sigma[k] == log_sigma[k - 1]:
            for v in range(values):
                table[k, v, 0], table[k, v, 1] = table[k - 1, v, 0], table[k - 1, v, 1]
            continue
        level = log_sigma[k] if dispersed else 0.0
        for v in range(values):
            table[k, v, 0] = of.carrier(data.y[v], data.trials[v], level)
            if dispersed and with_slopes:
                table[k, v, 1] = of.carrier_slopes(data.y[v], data.trials[v], level)[0]
    return table


@kernel
def add_carriers(data, i, carrier, joint, by_sigma):
    """Add the carriers of store i, and their slopes, to those of each segment."""
    for s in range(data.first_value[i], data.first_value[i + 1]):
        for k in range(joint.size):
            at = carrier[min(k, carrier.shape[0] - 1), data.value[s]]
            joint[k] += data.count[s] * at[0]
            by_sigma[k] += data.count[s] * at[1]


@kernel
def memberships(joint):
    """Turn log-densities, weights included, into shares; the logarithm of their sum."""
    if joint.size == 1:
        value, joint[0] = joint[0], 1.0
        return value
    top, total = -np.inf, 0.0
    for k in range(joint.size):
        top = max(top, joint[k])
    for k in range(joint.size):
        joint[k] -= top
        if joint[k] <= NOTHING:  # and not where it is no number
            joint[k] = 0.0
        else:
            joint[k] = np.exp(joint[k])
            total += joint[k]
    for k in range(joint.size):
        joint[k] /= total
    return top + np.log(total)


@kernel
def store_mean(mu, effect, data, i, mean):
    """Fill the mean of store i, mu + effect'z."""
    for a in range(mu.size):
        mean[a] = mu[a]
        for t in range(effect.shape[0]):
            mean[a] += effect[t, a] * data.traits[i, t]


@allocating
def _alike(of, dispersed, log_weight, mu, log_sigma, effect, data, carrier, slopes):
    """The value where the stores of a segment do not differ; slopes are added to `slopes`."""
    (K, p), m, stores = mu.shape, effect.shape[0], data.first.size - 1
    rows = data.offset.size if m == 0 else data.design.size
    table = np.empty((rows, K, 6))  # (a, c), their slopes by eta, and by log sigma
    mean, joint, by_sigma = np.zeros(p), np.zeros(K), np.zeros(K)
    if m == 0:
        for d in range(rows):
            for k in range(K):
                fill_terms(of, dispersed, data.x[d], data.offset[d], mu[k], log_sigma[k], table[d, k])
    value = 0.0
    for i in range(stores):
        for k in range(K):
            joint[k], by_sigma[k] = log_weight[k], 0.0
            if m > 0:
                store_mean(mu[k], effect, data, i, mean)
                for c in range(data.first[i], data.first[i + 1]):
                    d = data.design[c]
                    fill_terms(of, dispersed, data.x[d], data.offset[d], mean, log_sigma[k], table[c, k])
        add_carriers(data, i, carrier, joint, by_sigma)
        for c in range(data.first[i], data.first[i + 1]):
            row = data.design[c] if m == 0 else c
            for k in range(K):
                joint[k] += data.total[c] * table[row, k, 0] + data.n[c] * table[row, k, 1]
        value += memberships(joint)
        for k in range(K):
            share = joint[k]
            if share == 0.0:
                continue
            slopes.log_weight[k] += share
            for a in range(p):
                mean[a] = 0.0
            for c in range(data.first[i], data.first[i + 1]):
                at, x = table[data.design[c] if m == 0 else c, k], data.x[data.design[c]]
                by_eta = data.total[c] * at[2] + data.n[c] * at[3]
                for a in range(p):
                    mean[a] += x[a] * by_eta
                if dispersed:
                    by_sigma[k] += data.total[c] * at[4] + data.n[c] * at[5]
            slopes.sigma[k] += share * by_sigma[k]
            _add_of_mean(share, mean, data, i, k, slopes)
    return value


@kernel
def fill_terms(of, dispersed, x, offset, mean, log_sigma, row):
    """Terms of one design under one mean, and their slopes."""
    eta = offset
    for a in range(mean.size):
        eta += x[a] * mean[a]
    terms, by_eta = of.terms(eta, log_sigma), of.slopes(eta, log_sigma)[0]
    row[0], row[1], row[2], row[3] = terms.total, terms.n, by_eta.total, by_eta.n
    if dispersed:
        by_sigma = of.dispersion_slopes(eta, log_sigma).first
        row[4], row[5] = by_sigma.total, by_sigma.n


@kernel
def _add_of_mean(share, to_mean, data, i, k, slopes):
    """Add the slope by the mean of store i in segment k to those by mu and by the effects."""
    for a in range(to_mean.size):
        slopes.mu[k, a] += share * to_mean[a]
        for t in range(slopes.effect.shape[0]):
            slopes.effect[t, a] += share * data.traits[i, t] * to_mean[a]


@kernel
def most_cells(data):
    """Of one store."""
    most = 0
    for i in range(data.first.size - 1):
        most = max(most, data.first[i + 1] - data.first[i])
    return most


@allocating
def _integrated(of, dispersed, log_weight, mu, log_sigma, spread, effect, data, carrier, slopes):
    """The value where the stores of a segment differ; slopes are added to `slopes`."""
    (K, p), r, stores = mu.shape, data.varying.size, data.first.size - 1
    room = room_for(most_cells(data), data.node.shape[0], p, r)
    joint, by_sigma, to_mean, to_root = np.zeros(K), np.zeros(K), np.zeros((K, p)), np.zeros((K, p, r))
    value = 0.0
    for i in range(stores):
        start, stop = data.first[i], data.first[i + 1]
        for k in range(K):
            store_mean(mu[k], effect, data, i, room.mean)
            for a in range(p):
                for b in range(r):
                    room.root[a, b] = spread[k, a, data.varying[b]]
            joint[k] = log_weight[k]
            joint[k] += integrate_store(of, dispersed, True, data, start, stop, log_sigma[k], room)
            by_sigma[k] = slopes_of_store(
                of, dispersed, data, start, stop, log_sigma[k], room, to_mean[k], to_root[k]
            )  # fmt: skip
        add_carriers(data, i, carrier, joint, by_sigma)
        value += memberships(joint)
        for k in range(K):
            share = joint[k]
            if share == 0.0:
                continue
            slopes.log_weight[k] += share
            slopes.sigma[k] += share * by_sigma[k]
            _add_of_mean(share, to_mean[k], data, i, k, slopes)
            for a in range(p):
                for b in range(r):
                    slopes.spread[k, a, data.varying[b]] += share * to_root[k, a, b]
    return value
