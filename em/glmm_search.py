"""The maximum of a generalised linear mixed model over means, all covariances and the dispersion.

As for the linear mixed model (`em.covariance_rank`): Newton on roots of Omega, columns that vanish are dropped, and no
direction may be left in which some variance would still gain. Laplace's approximation is climbed first, and quadrature
with more nodes from there.
"""

from typing import NamedTuple

import numpy as np

from em.ascent import BELOW_ROUNDING, Point, Summit, climb
from em.covariance_rank import upward_direction
from em.families.family import Family
from em.quadrature import Rule, integrate, product_rule
from em.statistics import Floats, Ints
from em.store_modes import Cells, modes, squares_by_store
from em.variance_slice import lower_triangle

CLIMBS, STEPS = 12, 50  # climbs, each in the axes of the covariance it starts from, and Newton steps of each
FIRST_SD = 0.5  # of eta, in every random direction, where the climb starts
NO_VARIANCE = 1e-10  # variance of eta below which a direction of Omega counts as zero
DIFFERENCE = 1e-5  # step of the differences of scores that make the information
LOWEST = np.log(1e-3)  # of log sigma: variances within a millionth of those without dispersion, on the scale of eta
ROUNDING = 1e-15  # of what a log-likelihood is the small difference of, such as log y! of a count of a billion
TRIED = 1e-2  # standard deviation of eta with which a direction is tried


class Problem(NamedTuple):
    """What is maximised.

    Attributes
    ----------
    cells : in coordinates in which the columns of the panel are orthogonal.
    random : positions of the random coefficients.
    carrier : what depends on the dispersion alone.
    """

    cells: Cells
    random: Ints
    carrier: "CarrierSum"


class CarrierSum(NamedTuple):
    """Distinct responses of a panel with their counts: what depends on the dispersion alone."""

    family: Family
    y: Floats
    trials: Floats
    count: Floats

    def at(self, log_sigma: float) -> tuple[float, float]:
        """Value and slope by log sigma."""
        value = self.count @ self.family.carrier(self.y, self.trials, log_sigma)
        slope, _ = self.family.carrier_slopes(self.y, self.trials, log_sigma)
        return float(value), float(self.count @ slope)

    def rounding(self, log_sigma: float) -> float:
        """How much rounding can hide in the log-likelihood, whose other part is as large as this one."""
        whole = self.count @ np.abs(self.family.carrier(self.y, self.trials, log_sigma))
        return max(BELOW_ROUNDING, ROUNDING * float(whole))


class Place(NamedTuple):
    """Means (coefficient,), root (random coefficient, direction) of Omega, log sigma, all as `Problem.cells` has it."""

    mu: Floats
    root: Floats
    log_sigma: float


class Top(NamedTuple):
    """A summit.

    Attributes
    ----------
    place : the estimates.
    summit : in free numbers: means, what multiplies `basis`, log sigma where it is free.
    basis : (number, random coefficient, direction)
    nodes, iterations : of the quadrature in each direction; Newton steps altogether.
    """

    place: Place
    summit: Summit
    basis: Floats
    nodes: int
    iterations: int


def best_glmm(problem: Problem, nodes: int) -> Top:
    """Climb from scratch."""
    p, q = problem.cells.x.shape[1], problem.random.size
    without = _climb(problem, Place(np.zeros(p), np.zeros((q, 0)), 0.0), 1)
    if not q:
        return without
    spread = without.place._replace(root=FIRST_SD * np.eye(q))
    top = _over_ranks(problem, spread, 1)
    return top if nodes == 1 else _over_ranks(problem, top.place, nodes, top.iterations)


def _over_ranks(problem: Problem, place: Place, nodes: int, iterations: int = 0) -> Top:
    for _ in range(CLIMBS):
        rank = place.root.shape[1]
        top = _climb(problem, place, nodes)
        iterations += top.summit.iterations
        axes, values, _ = np.linalg.svd(top.place.root)
        kept = int((np.square(values) > NO_VARIANCE).sum())
        place = top.place._replace(root=axes[:, :kept] * values[:kept])
        if kept < rank or not top.summit.converged:
            continue
        direction = _missed_direction(problem, place, axes[:, kept:], nodes)
        if direction is None:
            break
        place = place._replace(root=np.column_stack([place.root, direction]))
    return top._replace(iterations=iterations)


def _climb(problem: Problem, place: Place, nodes: int) -> Top:
    """Newton from a place, in the axes of its root; the rank stays as it is."""
    q, rank = place.root.shape
    axes, values, _ = np.linalg.svd(place.root)
    basis = (axes @ lower_triangle(q, rank))[:, :, :rank] if rank else np.zeros((0, q, 0))
    start = np.concatenate([place.mu, np.einsum("jab,ab->j", basis, axes[:, :rank] * values)])
    lower = np.full(start.size, -np.inf)
    if problem.cells.family.dispersed:
        start, lower = np.append(start, place.log_sigma), np.append(lower, LOWEST)
    rule, start_modes = product_rule(nodes, rank), np.zeros((problem.cells.n_stores, rank))

    def evaluate(free: Floats) -> Point:
        nonlocal start_modes
        value, score, start_modes = _value_and_score(problem, placed(problem, free, basis), basis, rule, start_modes)
        information = np.empty((free.size, free.size))
        for j, one in enumerate(np.eye(free.size)):
            ahead = placed(problem, free + DIFFERENCE * one, basis)
            information[j] = (score - _value_and_score(problem, ahead, basis, rule, start_modes)[1]) / DIFFERENCE
        return Point(value, score, 0.5 * (information + information.T))

    summit = climb(evaluate, start, lower=lower, most=STEPS, rounding=problem.carrier.rounding(place.log_sigma))
    return Top(placed(problem, summit.place, basis), summit, basis, nodes, summit.iterations)


def placed(problem: Problem, free: Floats, basis: Floats) -> Place:
    """The place of free numbers."""
    p = problem.cells.x.shape[1]
    root = np.einsum("j,jab->ab", free[p : p + len(basis)], basis)
    return Place(free[:p], root, float(free[-1]) if problem.cells.family.dispersed else 0.0)


def embedded_root(root: Floats, random: Ints, p: int) -> Floats:
    """A root among all p coefficients: zero rows for those that do not vary."""
    whole = np.zeros((p, root.shape[1]))
    whole[random] = root
    return whole


def _value_and_score(
    problem: Problem, place: Place, basis: Floats, rule: Rule, start: Floats
) -> tuple[float, Floats, Floats]:
    """Log-likelihood of the panel, its slope by the free numbers, and the stores' modes."""
    cells, p = problem.cells, place.mu.size
    root = embedded_root(place.root, problem.random, p)
    at = integrate(cells, place.mu, root, problem.random, place.log_sigma, rule, start)
    slope = at.slope.sum(0)
    score = np.concatenate([slope[:p], basis.reshape(len(basis), basis[0].size if len(basis) else 0) @ slope[p:-1]])
    value, by_sigma = problem.carrier.at(place.log_sigma)
    if cells.family.dispersed:
        score = np.append(score, slope[-1] + by_sigma)
    return float(at.value.sum()) + value, score, at.u


def _missed_direction(problem: Problem, place: Place, null: Floats, nodes: int) -> Floats | None:
    """A direction in which Omega is zero and some variance would gain; None where there is none.

    The slope by Omega comes from the score by a short column that is added to the root.
    """
    if not null.shape[1]:
        return None
    cells, random, p = problem.cells, problem.random, place.mu.size
    rank = place.root.shape[1] + 1
    slope = np.zeros((null.shape[1], null.shape[1]))
    for j, direction in enumerate(null.T):
        root = embedded_root(np.column_stack([place.root, TRIED * direction]), random, p)
        at = integrate(cells, place.mu, root, random, place.log_sigma, product_rule(nodes, rank))
        slope[:, j] = null.T @ at.slope[:, p:-1].sum(0).reshape(random.size, rank)[:, -1] / (2.0 * TRIED)
    root = embedded_root(place.root, random, p)
    found = modes(cells, place.mu, root, place.log_sigma)
    theta = place.mu + found.u @ root.T
    eta = cells.offset + np.einsum("cp,cp->c", cells.x, theta[cells.store])
    second = cells.family.slopes(eta, place.log_sigma)[1].of(cells.total, cells.n)
    known = -squares_by_store(cells, second, cells.x[:, random])
    across = known @ place.root
    known = known - across @ np.linalg.solve(found.information, np.swapaxes(across, -1, -2))
    return upward_direction(null, null @ (0.5 * (slope + slope.T)) @ null.T, known, np.ones(len(known)))
