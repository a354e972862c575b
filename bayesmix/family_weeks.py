"""Log-densities of single rows of stores, given the store's other rows, for many draws: loops for Numba.

With I(y) the integral over a store's coefficients (`bayesmix.family_integral`), its nodes theta_j and their shares
pi_j, a further row y_t has density I(y and y_t) / I(y), one of the store's own I(y) / I(y without y_t). Where a row
says little beside the others the nodes of I(y) serve for both,

    I(y and y_t) / I(y) = sum_j pi_j f(y_t | theta_j),   I(y without y_t) / I(y) = sum_j pi_j / f(y_t | theta_j);

where it weighs much, the other integral is taken about a mode of its own.
"""

import numpy as np

from bayesmix.compiling import allocating, kernel
from bayesmix.family_components import factor_of
from bayesmix.family_integral import integrate_store
from bayesmix.family_kernel import add_carriers, carrier_table, most_cells
from bayesmix.family_mode import room_for

APART = 300.0  # of a row's log-densities at two nodes, beyond which shares of nodes may have rounded to nothing


@allocating
def fill_rows(of, dispersed, further, limit, mu, sigma, omega, first_row, cell, y, trials, value, loglik, alone, data):
    """Fill log-likelihoods of stores (draw, store, segment) and log-densities of rows (draw, row, segment).

    Parameters
    ----------
    of, dispersed : see `compiled_family.CompiledFamily`.
    further : whether rows come to those that the cells hold; else they are among these.
    limit : weight of a row, see `_weight_of`, beyond which the nodes are placed anew.
    mu, sigma, omega : as in `family_components.fill_components`, but with omega of every draw.
    first_row : (store + 1,) where the rows of each store begin.
    cell, y, trials, value : (row,) with value the position of the response among those of `data`.
    data : a `family_designs.FamilyDesigns`; its n and total are changed on the way and left as they were.
    """
    K, p, r = sigma.shape[1], mu.shape[3], data.varying.size
    room, none = room_for(most_cells(data), data.node.shape[0], p, r), np.zeros(K)
    sign, weighs = 1.0 if further else -1.0, np.zeros(cell.size)
    for s in range(mu.shape[0]):
        log_sigma = np.log(sigma[s])
        carrier = carrier_table(of, dispersed, False, log_sigma, data)
        for k in range(K):
            factor_of(omega[s, k], data.varying, room.root)
            at = carrier[min(k, carrier.shape[0] - 1)]
            for i in range(data.first.size - 1):
                start, stop = data.first[i], data.first[i + 1]
                for a in range(p):
                    room.mean[a] = mu[s, min(i, mu.shape[1] - 1), k, a]
                whole = integrate_store(of, dispersed, False, data, start, stop, log_sigma[k], room)
                loglik[s, i, k] = whole
                for t in range(first_row[i], first_row[i + 1]):
                    c = cell[t] - start
                    weighs[t] = _weight_of(of, y[t], trials[t], c, log_sigma[k], room)
                    if weighs[t] <= limit:
                        ratio = _over_nodes(of, sign, y[t], trials[t], c, log_sigma[k], room)
                        if np.isfinite(ratio):
                            alone[s, t, k] = at[value[t], 0] + sign * ratio
                        else:
                            weighs[t] = np.inf
                for t in range(first_row[i], first_row[i + 1]):
                    if weighs[t] <= limit:
                        continue
                    n, total = data.n[cell[t]], data.total[cell[t]]
                    data.n[cell[t]], data.total[cell[t]] = n + sign * trials[t], total + sign * y[t]
                    other = integrate_store(of, dispersed, False, data, start, stop, log_sigma[k], room)
                    data.n[cell[t]], data.total[cell[t]] = n, total
                    alone[s, t, k] = at[value[t], 0] + sign * (other - whole)
        for i in range(data.first.size - 1):
            add_carriers(data, i, carrier, loglik[s, i], none)


@kernel
def _weight_of(of, y, trials, c, log_sigma, room):
    """What a row weighs in its store: its share of the information and the square by which it moves the mode.

    With its slopes g' and g'' at the mode and d'H^-1 d the variance of its predictor, (g'^2 - g'') d'H^-1 d.
    """
    first, second, _ = of.slopes(room.eta[c], log_sigma)
    slope, square = y * first.total + trials * first.n, 0.0
    for e in range(room.u.size):
        along = 0.0
        for b in range(e + 1):
            along += room.A[b, e] * room.direction[c, b]
        square += along * along
    return (slope * slope - y * second.total - trials * second.n) * square


@kernel
def _over_nodes(of, sign, y, trials, c, log_sigma, room):
    """Logarithm of the mean over the nodes of a row's density, without its carrier, to the power of the sign.

    It is nan where the row is so much less likely at one node than at another that the node's share may have rounded to
    nothing.
    """
    top, bottom, whole = -np.inf, np.inf, 0.0
    for j in range(room.share.size):
        eta = room.center[c]
        for b in range(room.u.size):
            eta += room.direction[c, b] * room.at[j, b]
        terms = of.terms(eta, log_sigma)
        height = sign * (y * terms.total + trials * terms.n)
        bottom = min(bottom, height)
        if height > top:
            whole = whole * np.exp(top - height) + room.share[j]
            top = height
        else:
            whole += room.share[j] * np.exp(height - top)
    return top + np.log(whole) if top - bottom < APART else np.nan
