"""Segments of stores of any family: log-densities, weighted regressions by Newton's method, and derivatives.

Segments are evaluated on the distinct designs of the panel only, and brought to the stores by sparse products with
numbers and totals; the weighted regression of a segment sees one row for each distinct design, whatever the stores.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from em.common_coefficients import solve_with_common
from em.design_counts import DesignCounts, by_design, by_value, pooled_designs, with_responses
from em.families.family import Pair
from em.statistics import Floats, solve
from em.store_modes import cells_of, modes

if TYPE_CHECKING:
    from em.mixture import MixtureParameters, Model

NEWTON_STEPS = 2  # of each M-step
LONGEST = 3.0  # a step moves no linear predictor further than this
HALVINGS = 12
TYPICAL_SIGMA = 0.5  # where the dispersion starts
LOWEST_SIGMA = 1e-3  # a rate that varies by a thousandth is not told from one that does not
PRIOR_ROWS = 2.0  # how many average rows of the panel a store's own coefficients are shrunk by
POOLED_STEPS = 40
UNCOUNTED = np.zeros((0, 0))


def family_loglik(stats: DesignCounts, theta: Floats, sigma: Floats) -> Floats:
    """Log-density of every store's data under every segment, (..., store, segment).

    Parameters
    ----------
    theta, sigma : (..., segment, coefficient) and (..., segment).
    """
    shape = theta.shape[:-1]
    log_sigma = np.log(sigma).ravel()
    eta = _predictors(stats, theta)
    terms = stats.family.terms(eta, log_sigma)
    whole = by_design(stats, stats.n) @ np.ascontiguousarray(terms.n)
    if stats.family.canonical:
        sufficient = by_design(stats, stats.total) @ np.column_stack([stats.x, stats.offset])
        whole += sufficient[:, :-1] @ theta.reshape(-1, theta.shape[-1]).T + sufficient[:, -1:]
    else:
        whole += by_design(stats, stats.total) @ np.ascontiguousarray(terms.total)
    if stats.family.dispersed:
        whole += by_value(stats) @ _carrier(stats, log_sigma)
    else:
        whole += (by_value(stats) @ stats.family.carrier(stats.y, stats.trials, 0.0))[:, None]
    # Stores run fastest in memory, as they do for Gaussian stores: what follows is over segments.
    return np.swapaxes(np.ascontiguousarray(whole.T).reshape(*shape, stats.n_stores), -1, -2)


def _predictors(stats: DesignCounts, theta: Floats) -> Floats:
    """Linear predictors (design, start and segment)."""
    return stats.x @ theta.reshape(-1, theta.shape[-1]).T + stats.offset[:, None]


def _carrier(stats: DesignCounts, log_sigma: Floats) -> Floats:
    """Of every distinct response, for each distinct dispersion once; (value, start and segment)."""
    distinct, index = np.unique(log_sigma, return_inverse=True)
    return stats.family.carrier(stats.y[:, None], stats.trials[:, None], distinct)[:, index]


def _carrier_slopes(stats: DesignCounts, log_sigma: Floats) -> tuple[Floats, Floats]:
    """Its first and second derivatives by log sigma."""
    distinct, index = np.unique(log_sigma, return_inverse=True)
    first, second = stats.family.carrier_slopes(stats.y[:, None], stats.trials[:, None], distinct)
    return first[:, index], second[:, index]


def family_regressions(
    stats: DesignCounts, responsibilities: Floats, model: "Model", previous: "MixtureParameters | None"
) -> tuple[Floats, Floats]:
    """Coefficients (..., segment, coefficient) and dispersions (..., segment), two Newton steps further.

    Each step is shortened until the weighted log-density of its start has not fallen.
    """
    lead, k = responsibilities.shape[:-2], responsibilities.shape[-1]
    p = stats.n_coefficients
    flat = np.moveaxis(responsibilities, -2, 0).reshape(stats.n_stores, -1)
    pooled = Pooled(
        by_design(stats, stats.n).T @ flat,
        by_design(stats, stats.total).T @ flat,
        by_value(stats).T @ flat if stats.family.dispersed else UNCOUNTED,
    )
    if previous is None:
        theta, sigma = np.zeros((*lead, k, p)), np.ones((*lead, k))
    else:
        theta, sigma = previous.theta, previous.sigma
    theta, log_sigma = theta.reshape(-1, k, p), np.log(sigma).reshape(-1, k)
    common = np.array(model.common) if any(model.common) else None
    for _ in range(NEWTON_STEPS):
        theta = _step_of_theta(stats, pooled, theta, log_sigma, common)
        if stats.family.dispersed and model.sigma != "fixed":
            lowest = float(np.log(model.sigma_floor))
            log_sigma = _step_of_sigma(stats, pooled, theta, log_sigma, model.sigma == "common", lowest)
    return theta.reshape(*lead, k, p), np.exp(log_sigma).reshape(*lead, k)


class Pooled(NamedTuple):
    """Weighted sums over stores.

    Attributes
    ----------
    n, total : (design, start and segment) numbers and totals.
    count : (value, start and segment) of the distinct responses; empty where no dispersion asks for them.
    """

    n: Floats
    total: Floats
    count: Floats


def _sum_by_segment(amounts: Floats, shape: tuple[int, ...]) -> Floats:
    """Sums over designs or values; (start, segment)."""
    return np.asarray(amounts).sum(0).reshape(shape)


def _value(stats: DesignCounts, pooled: Pooled, theta: Floats, log_sigma: Floats) -> Floats:
    """Weighted log-density of each segment, with the carrier where it matters; (start, segment)."""
    terms = stats.family.terms(_predictors(stats, theta), log_sigma.ravel())
    whole = _sum_by_segment(terms.of(pooled.total, pooled.n), log_sigma.shape)
    if pooled.count.size:
        whole = whole + _sum_by_segment(pooled.count * _carrier(stats, log_sigma.ravel()), log_sigma.shape)
    return whole


def _step_of_theta(
    stats: DesignCounts, pooled: Pooled, theta: Floats, log_sigma: Floats, common: np.ndarray | None
) -> Floats:
    """One Newton step of the coefficients (start, segment, coefficient)."""
    first, second = _first_and_second(stats, pooled, theta, log_sigma)
    score, gram = (first.T @ stats.x).reshape(theta.shape), _grams(stats, -second, theta.shape)
    step = solve(gram, score) if common is None else solve_with_common(gram, score, np.ones(log_sigma.shape), common)
    reach = np.abs(stats.x @ step.reshape(-1, theta.shape[-1]).T).max(0).reshape(log_sigma.shape)
    if common is not None:
        reach = reach.max(1, keepdims=True)
    step = step * np.minimum(1.0, LONGEST / np.maximum(reach, LONGEST * 1e-9))[..., None]
    return _shortened(lambda length: theta + length[:, None, None] * step, theta,
                      lambda at: _value(stats, pooled, at, log_sigma).sum(1))  # fmt: skip


def _first_and_second(stats: DesignCounts, pooled: Pooled, theta: Floats, log_sigma: Floats) -> tuple[Floats, Floats]:
    """Weighted slopes by eta of every design, (design, start and segment)."""
    slopes = stats.family.slopes(_predictors(stats, theta), log_sigma.ravel())
    return slopes[0].of(pooled.total, pooled.n), slopes[1].of(pooled.total, pooled.n)


def _grams(stats: DesignCounts, weight: Floats, shape: tuple[int, ...]) -> Floats:
    """X' diag(weight) X for every column of weights; (..., coefficient, coefficient)."""
    products = (stats.x[:, :, None] * stats.x[:, None, :]).reshape(len(stats.x), -1)
    return (weight.T @ products).reshape(*shape, shape[-1])


def _step_of_sigma(
    stats: DesignCounts, pooled: Pooled, theta: Floats, log_sigma: Floats, shared: bool, lowest: float
) -> Floats:
    """One Newton step of log sigma (start, segment)."""
    by_sigma = stats.family.dispersion_slopes(_predictors(stats, theta), log_sigma.ravel())
    slopes = _carrier_slopes(stats, log_sigma.ravel())
    first, second = (
        _sum_by_segment(pair.of(pooled.total, pooled.n), log_sigma.shape)
        + _sum_by_segment(pooled.count * of_carrier, log_sigma.shape)
        for pair, of_carrier in ((by_sigma.first, slopes[0]), (by_sigma.second, slopes[1]))
    )
    if shared:
        first, second = (np.repeat(of.sum(1, keepdims=True), of.shape[1], axis=1) for of in (first, second))
    step = np.where(second < 0.0, -first / np.where(second < 0.0, second, -1.0), 0.5 * np.sign(first))
    step = np.clip(step, -1.0, 1.0)
    return _shortened(lambda length: np.maximum(log_sigma + length[:, None] * step, lowest), log_sigma,
                      lambda at: _value(stats, pooled, theta, at).sum(1))  # fmt: skip


def _shortened(ahead: Callable[[Floats], Floats], start: Floats, value: Callable[[Floats], Floats]) -> Floats:
    """The longest of the halved steps that does not lose, start by start; no step where none is left."""
    before = value(start)
    length = np.ones(len(start))
    for _ in range(HALVINGS):
        lost = value(ahead(length)) < before - 1e-12 * np.abs(before)
        if not lost.any():
            return ahead(length)
        length = np.where(lost, 0.25 * length, length)
    return ahead(np.where(lost, 0.0, length))


def family_slopes(stats: DesignCounts, theta: Floats, sigma: Floats, responsibilities: Floats) -> tuple[Floats, Floats]:
    """Slopes by (theta, log sigma) (store, segment, p + 1), and the weighted sum of minus the second derivatives."""
    k, p = theta.shape
    log_sigma = np.log(sigma)
    n, total = by_design(stats, stats.n), by_design(stats, stats.total)
    eta = _predictors(stats, theta)
    first, second, _ = stats.family.slopes(eta, log_sigma)

    def by_store(pair: Pair, columns: Floats) -> Floats:
        """Sums over a store's designs of a slope times each column; (store, segment, column)."""
        of = [np.broadcast_to(part, eta.shape)[:, :, None] * columns[:, None, :] for part in (pair.total, pair.n)]
        sums = total @ of[0].reshape(len(eta), -1) + n @ of[1].reshape(len(eta), -1)
        return sums.reshape(stats.n_stores, k, -1)

    v = np.zeros((stats.n_stores, k, p + 1))
    v[..., :p] = by_store(first, stats.x)
    pooled = Pooled(n.T @ responsibilities, total.T @ responsibilities, UNCOUNTED)
    of_v = np.zeros((k, p + 1, p + 1))
    of_v[:, :p, :p] = _grams(stats, -second.of(pooled.total, pooled.n), (k, p))
    if stats.family.dispersed:
        by_sigma, carrier = stats.family.dispersion_slopes(eta, log_sigma), _carrier_slopes(stats, log_sigma)
        counts = by_value(stats)
        v[..., p] = by_store(by_sigma.first, np.ones((len(eta), 1)))[..., 0] + counts @ carrier[0]
        cross = by_sigma.of_first.of(pooled.total, pooled.n).T @ stats.x
        of_v[:, :p, p] = of_v[:, p, :p] = -cross
        of_v[:, p, p] = -by_sigma.second.of(pooled.total, pooled.n).sum(0)
        of_v[:, p, p] -= ((counts.T @ responsibilities) * carrier[1]).sum(0)
    return v, of_v


def pooled_regression(stats: DesignCounts) -> tuple[Floats, Floats]:
    """One regression for all stores, a typical dispersion: coefficients (coefficient,) and mean information of a row.

    Returns
    -------
    (coefficient,) and (coefficient, coefficient)
    """
    n, total = pooled_designs(stats)
    pooled = Pooled(n[:, None], total[:, None], UNCOUNTED)
    theta, log_sigma = np.zeros((1, 1, stats.n_coefficients)), np.full((1, 1), np.log(TYPICAL_SIGMA))
    for _ in range(POOLED_STEPS):
        theta = _step_of_theta(stats, pooled, theta, log_sigma, None)
    second = _first_and_second(stats, pooled, theta, log_sigma)[1]
    return theta[0, 0], _grams(stats, -second, theta.shape)[0, 0] / stats.n_observations


def family_anchors(stats: DesignCounts, rows: float = PRIOR_ROWS) -> Floats:
    """Every store's own coefficients, shrunk by so many average rows to the pooled ones; (store, coefficient)."""
    theta, information = pooled_regression(stats)
    scale = np.sqrt(np.maximum(np.diagonal(information), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(information / scale[:, None] / scale)
    root = vectors / np.sqrt(rows * np.maximum(values, 1e-8)) / scale[:, None]
    return theta + modes(cells_of(stats), theta, root, float(np.log(TYPICAL_SIGMA))).u @ root.T


def family_loglik_of_own(stats: DesignCounts, theta: Floats) -> Floats:
    """Log-density of every store under its own theta (store, coefficient) with sigma at 1; (store,)."""
    of = stats.family.terms(_own_predictors(stats, theta), 0.0).of(stats.total, stats.n)
    carrier = by_value(stats) @ stats.family.carrier(stats.y, stats.trials, 0.0)
    return np.bincount(stats.store, of, stats.n_stores) + carrier


def family_drawn(rng: np.random.Generator, stats: DesignCounts, theta: Floats, sigma: Floats) -> DesignCounts:
    """Statistics of responses drawn row by row at the stores' designs, of trials cell by cell.

    How the trials of a cell fall into rows matters to nothing that depends on theta.
    """
    cell, trials = np.arange(stats.store.size), stats.n
    if stats.family.size != "trials":
        cell = np.repeat(cell, stats.n.astype(int))
        trials = np.ones(cell.size)
    eta = _own_predictors(stats, theta)[cell]
    y = stats.family.draw(rng, eta, trials, np.log(sigma)[stats.store[cell]])
    return with_responses(stats, cell, y, trials)


def _own_predictors(stats: DesignCounts, theta: Floats) -> Floats:
    """Linear predictors of cells under theta (store, coefficient); (cell,)."""
    return stats.offset[stats.design] + np.einsum("cp,cp->c", stats.x[stats.design], theta[stats.store])
