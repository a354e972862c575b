"""The maximum over all covariances, singular ones included: Newton on roots, and a check that no direction was missed.

Where the best Omega is singular a column of its root goes to zero; it is then set to zero, which leaves fewer numbers
and a well-conditioned summit. That a singular Omega is best can be proved on the spot: no direction in its null space
may have an upward slope (the Karush-Kuhn-Tucker condition on positive semidefinite matrices). Where one has, the
direction is opened and the climb goes on. What is singular is told in words.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from em.ascent import Summit, climb
from em.designs import DesignSums
from em.marginal import precision, residual_products, restrict, slopes
from em.statistics import Floats, Ints
from em.variance_slice import Slice, best_mean, embedded, evaluate, log_sigma_at, lower_triangle, root_at

CLIMBS, STEPS = 12, 20  # climbs, each in the axes of the covariance it starts from, and Newton steps of each
NO_VARIANCE = 1e-10  # share of sigma^2, in panel units, below which a direction of Omega counts as zero
PERFECT = 1e-8  # distance of a correlation from 1 or -1 below which it counts as perfect
WORTHLESS = 1e-7  # predicted gain in log-likelihood below which a direction of Omega is not opened


class Covariance(NamedTuple):
    """A summit over all covariances of the random coefficients.

    Attributes
    ----------
    part : the slice it was found on, with as many columns in its root as Omega has rank.
    summit : its place in the free numbers of that slice, and the derivatives there.
    rank : of Omega.
    iterations : Newton steps, all climbs together.
    """

    part: Slice
    summit: Summit
    rank: int
    iterations: int


def best_covariance(part: Slice, sums: DesignSums, root: Floats, log_sigma: float, lowest: float) -> Covariance:
    """Climb from a root (q, q) to the best covariance.

    Parameters
    ----------
    part : what else is held; its offset and basis are replaced.
    root : where to start; its columns should not vanish.
    log_sigma, lowest : start and lower bound of log sigma where that is free.
    """
    q = root.shape[0]
    rank, iterations = q, 0
    for _ in range(CLIMBS):
        # Triangular in the axes of the present Omega, largest first: were the first diagonal element to vanish, the
        # columns of L could turn into each other and the summit would be a long ridge.
        axes, values, _ = np.linalg.svd(root)
        part = part._replace(offset=np.zeros((q, q)), basis=axes @ lower_triangle(q, rank))
        start = np.einsum("jab,ab->j", part.basis, axes * values)
        bounds = np.full(start.size, -np.inf)
        if part.log_sigma is None:
            start, bounds = np.append(start, log_sigma), np.append(bounds, lowest)
        summit = climb(lambda free, part=part: evaluate(part, sums, free), start, lower=bounds, most=STEPS)
        iterations += summit.iterations
        root, log_sigma = root_at(part, summit.place), log_sigma_at(part, summit.place)
        axes, values, _ = np.linalg.svd(root)
        kept = int((np.square(values) > NO_VARIANCE * np.exp(2.0 * log_sigma)).sum())
        if kept < rank:
            rank, root = kept, axes * np.where(np.arange(q) < kept, values, 0.0)
            continue
        if not summit.converged:
            continue
        direction = _missed_direction(part, sums, summit.place, axes[:, rank:])
        if direction is None:
            break
        root, rank = axes * values, rank + 1
        root[:, rank - 1] = direction
    return Covariance(part, summit, rank, iterations)


def _missed_direction(part: Slice, sums: DesignSums, free: Floats, null: Floats) -> Floats | None:
    """A direction of zero variance in which some variance would gain; None where none is."""
    if not null.shape[1]:
        return None
    p = sums.root.shape[-1]
    v = np.exp(2.0 * np.array([log_sigma_at(part, free)]))
    at = precision(sums.root, embedded(root_at(part, free), part.random, p)[None], v)
    z, products = residual_products(sums, best_mean(part, sums, at))
    slope = slopes(sums, at, z, products, v)
    if part.restricted:
        slope = restrict(sums, at, slope)[1]
    inside = at.full[:, 0][:, part.random[:, None], part.random]
    return upward_direction(null, slope.omega[0][np.ix_(part.random, part.random)], inside, sums.weight[:, 0])


def upward_direction(null: Floats, slope: Floats, information: Floats, weight: Floats) -> Floats | None:
    """The direction of a null space in which variance would gain most, as long as its best sd; None where none gains.

    Parameters
    ----------
    null : (q, directions) orthonormal directions in which Omega is zero.
    slope : (q, q) of the log-likelihood by Omega.
    information, weight : (design, q, q) and (design,), W of the stores and how many there are.
    """
    if not null.shape[1]:
        return None
    values, vectors = np.linalg.eigh(null.T @ slope @ null)
    direction = null @ vectors[:, -1]
    about = np.einsum("dab,a,b->d", information, direction, direction)
    bend = 0.5 * float(weight @ np.square(about))
    if values[-1] <= 0.0 or bend <= 0.0 or 0.5 * values[-1] ** 2 / bend < WORTHLESS:
        return None
    return direction * np.sqrt(values[-1] / bend)


def singularities(omega: Floats, rank: int, random: Ints, names: Sequence[str]) -> tuple[str, ...]:
    """Sentences that name zero variances, perfect correlations, or else combinations that do not vary.

    Parameters
    ----------
    omega : (coefficient, coefficient), exactly of the given rank on the random coefficients.
    rank : how many independent directions the stores' coefficients vary in.
    random : positions of the random coefficients.
    """
    if rank == random.size:
        return ()
    sd = np.sqrt(np.diagonal(omega))
    # A variance is zero next to the largest only by rounding: rank tells how many directions there are at all.
    varies = [a for a in random if rank and sd[a] > 0.0]
    told = [f"the variance of {names[a]} between stores is zero" for a in random if a not in varies]
    pairs = 0
    for j, a in enumerate(varies):
        for c in varies[:j]:
            correlation = float(omega[a, c] / (sd[a] * sd[c]))
            if 1.0 - abs(correlation) < PERFECT:
                told.append(f"{names[c]} and {names[a]} of stores are perfectly correlated ({round(correlation):+d})")
                pairs += 1
    if len(varies) > rank and not pairs:
        told.append(
            f"stores differ in {rank} directions only: a combination of {', '.join(str(names[a]) for a in varies)} "
            "does not vary between them"
        )
    return tuple(told)
