"""Store log-likelihoods and coefficients of families for many draws, for Numba: the kernel's integral, no gradient."""

import numpy as np

from bayesmix.compiling import allocating, kernel
from bayesmix.family_integral import integrate_store
from bayesmix.family_kernel import add_carriers, carrier_table, fill_terms, most_cells
from bayesmix.family_mode import room_for

NO_PIVOT = 1e-14  # of a variance, below which it follows from those before it


@allocating
def fill_components(of, dispersed, mu, sigma, omega, loglik, mean, covariance, data):
    """Fill log-likelihoods, and means and covariances of store coefficients, draw by draw.

    Parameters
    ----------
    of, dispersed : see `compiled_family.CompiledFamily`.
    mu : (draw, store, segment, coefficient), or one store for all.
    sigma : (draw, segment)
    omega : (draw, segment, coefficient, coefficient); without draws where the stores of a segment do not differ.
    loglik, mean, covariance : (draw, store, segment), (..., coefficient) and (..., coefficient, coefficient); the last
        two are left alone without omega.
    data : a `family_designs.FamilyDesigns`.
    """
    for s in range(mu.shape[0]):
        log_sigma = np.log(sigma[s])
        carrier = carrier_table(of, dispersed, False, log_sigma, data)
        if omega.shape[0] == 0:
            _alike(of, mu[s], log_sigma, carrier, loglik[s], data)
        else:
            _integrated(of, dispersed, mu[s], log_sigma, omega[s], carrier, loglik[s], mean[s], covariance[s], data)


@allocating
def _alike(of, mu, log_sigma, carrier, loglik, data):
    """One draw where the stores of a segment do not differ."""
    K, stores, shared = log_sigma.size, data.first.size - 1, mu.shape[0] == 1
    table = np.empty((data.offset.size if shared else data.design.size, K, 6))
    none = np.zeros(K)
    if shared:
        for d in range(data.offset.size):
            for k in range(K):
                fill_terms(of, False, data.x[d], data.offset[d], mu[0, k], log_sigma[k], table[d, k])
    for i in range(stores):
        for k in range(K):
            loglik[i, k] = 0.0
        add_carriers(data, i, carrier, loglik[i], none)
        for c in range(data.first[i], data.first[i + 1]):
            d = data.design[c]
            for k in range(K):
                row = table[d if shared else c, k]
                if not shared:
                    fill_terms(of, False, data.x[d], data.offset[d], mu[i, k], log_sigma[k], row)
                loglik[i, k] += data.total[c] * row[0] + data.n[c] * row[1]


@allocating
def _integrated(of, dispersed, mu, log_sigma, omega, carrier, loglik, mean, covariance, data):
    """One draw where they differ."""
    K, p, r = log_sigma.size, mu.shape[2], data.varying.size
    room = room_for(most_cells(data), data.node.shape[0], p, r)
    roots, none = np.zeros((K, p, r)), np.zeros(K)
    for k in range(K):
        factor_of(omega[k], data.varying, roots[k])
    for i in range(data.first.size - 1):
        for k in range(K):
            for a in range(p):
                room.mean[a] = mu[min(i, mu.shape[0] - 1), k, a]
                for b in range(r):
                    room.root[a, b] = roots[k, a, b]
            loglik[i, k] = integrate_store(
                of, dispersed, False, data, data.first[i], data.first[i + 1], log_sigma[k], room
            )
            _moments(data, room, mean[i, k], covariance[i, k])
        add_carriers(data, i, carrier, loglik[i], none)


@kernel
def factor_of(omega, varying, root):
    """Fill the Cholesky factor of the block of those that vary; what follows from those before has no direction."""
    for b in range(varying.size):
        for e in range(b + 1):
            s = omega[varying[b], varying[e]]
            for m in range(e):
                s -= root[varying[b], m] * root[varying[e], m]
            if b == e:
                root[varying[b], e] = np.sqrt(s) if s > NO_PIVOT * omega[varying[b], varying[b]] else 0.0
            else:
                pivot = root[varying[e], e]
                root[varying[b], e] = s / pivot if pivot > 0.0 else 0.0


@kernel
def _moments(data, room, mean, covariance):
    """Fill mean and covariance of the coefficients of a store, by the shares of the nodes; Laplace's with one node."""
    (p, r), nodes = room.root.shape, data.node.shape[0]
    for b in range(r):
        room.slope[b] = 0.0
        for j in range(nodes):
            room.slope[b] += room.share[j] * room.at[j, b]
    for b in range(r):
        for e in range(b + 1):
            s = 0.0
            if nodes == 1:
                for m in range(b, r):
                    s += room.A[b, m] * room.A[e, m]
            for j in range(nodes):
                s += room.share[j] * (room.at[j, b] - room.slope[b]) * (room.at[j, e] - room.slope[e])
            room.bend[b, e] = room.bend[e, b] = s
    for a in range(p):
        mean[a] = room.mean[a]
        for b in range(r):
            mean[a] += room.root[a, b] * room.slope[b]
        for c in range(p):
            covariance[a, c] = 0.0
            for b in range(r):
                for e in range(r):
                    covariance[a, c] += room.root[a, b] * room.bend[b, e] * room.root[c, e]
