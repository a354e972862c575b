"""Separation: coefficients that no finite value fits best, because a covariate tells responses apart without error.

A direction d separates when moving the coefficients along it never lowers the likelihood of any row: x'd = 0 where the
response is inside its range, x'd <= 0 where the total is zero, x'd >= 0 where every trial succeeded, and somewhere
x'd is not zero (Albert & Anderson 1984). Whether there is one is a linear program.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linprog

from em.design_counts import DesignCounts, by_design
from em.statistics import Floats
from em.table import shorten

FAR = 12.0  # linear predictor beyond which an estimate may be infinite
MEMBER = 1e-6  # probability of membership below which a store says nothing about a segment


def separating_direction(x: Floats, n: Floats, total: Floats, infinite_at: tuple[bool, bool]) -> Floats | None:
    """A direction in which the coefficients are infinite, largest element 1; None where all are finite.

    Parameters
    ----------
    x, n, total : (design, coefficient), and numbers and totals (design,).
    infinite_at : whether the lowest and the highest response can be fitted without error.
    """
    scale = np.maximum(np.abs(x).max(0), np.finfo(float).tiny)
    met = n > 0.0
    lowest = met & (total == 0.0) & infinite_at[0]
    highest = met & (total == n) & infinite_at[1]
    sign = np.where(lowest, -1.0, np.where(highest, 1.0, 0.0))
    outward = (sign[:, None] * x / scale)[sign != 0.0]
    inside = (x / scale)[met & (sign == 0.0)]
    if not len(outward):
        return None
    found = linprog(
        -outward.sum(0),
        A_ub=-outward, b_ub=np.zeros(len(outward)),
        A_eq=np.linalg.qr(inside, mode="r") if len(inside) else None,
        b_eq=np.zeros(min(inside.shape)) if len(inside) else None,
        bounds=(-1.0, 1.0),
    )  # fmt: skip
    if not found.success or -found.fun < 1e-6:
        return None
    direction = found.x / scale
    return direction / np.abs(direction).max()


def told_of_infinite_spread(stats: DesignCounts, omega: Floats, names: Sequence[str]) -> list[str]:
    """A sentence where stores' own coefficients tell their responses apart, so that no finite spread is wide enough.

    Parameters
    ----------
    omega : (coefficient, coefficient) covariance between stores.
    """
    rows = np.bincount(stats.design, stats.n, stats.offset.size)
    sd = float(np.sqrt(rows @ np.einsum("dp,pq,dq->d", stats.x, omega, stats.x) / rows.sum()))
    if sd < FAR or not any(stats.family.infinite_at):
        return []
    which = ", ".join(name for name, variance in zip(names, np.diagonal(omega), strict=True) if variance > 0.0)
    return [
        f"separation inside stores: {which} of their own can tell responses of stores apart without error (linear "
        f"predictors differ between stores by {sd:.3g}), so the spread is infinite and the numbers given mean nothing"
    ]


def told_of_separation(
    stats: DesignCounts,
    theta: Floats,
    names: Sequence[str],
    memberships: Floats | None = None,
    stores: Sequence[str] = (),
) -> list[str]:
    """A sentence for each segment whose coefficients are infinite; see `separations`."""
    return [
        f"{found}, so these coefficients are infinite and the numbers given for them mean nothing"
        for found in separations(stats, theta, names, memberships, stores)
    ]


def separations(
    stats: DesignCounts,
    theta: Floats,
    names: Sequence[str],
    memberships: Floats | None = None,
    stores: Sequence[str] = (),
) -> list[str]:
    """In words for each segment whose coefficients are infinite, why they are.

    Parameters
    ----------
    theta : (segment, coefficient) estimates.
    memberships, stores : (store, segment) and names of stores; none when there is one segment of all.
    """
    shares = np.ones((stats.n_stores, 1)) if memberships is None else memberships
    told = []
    for k, coefficients in enumerate(theta):
        eta = stats.x @ coefficients
        if not ((eta < -FAR) & stats.family.infinite_at[0] | (eta > FAR) & stats.family.infinite_at[1]).any():
            continue
        member = (shares[:, k] > MEMBER).astype(float)
        n, total = (by_design(stats, of).T @ member for of in (stats.n, stats.total))
        direction = separating_direction(stats.x, n, total, stats.family.infinite_at)
        if direction is not None:
            infinite = ", ".join(
                f"{name} ({'+' if toward > 0.0 else '-'})"
                for name, toward in zip(names, direction, strict=True)
                if abs(toward) > 1e-4
            )
            where = ""
            if len(theta) > 1:
                own = [name for name, share in zip(stores, shares[:, k], strict=True) if share > 0.5]
                where = f"segment {k + 1} ({shorten(own) or 'no store'}): "
            told.append(f"{where}separation: {_cause(n, total, infinite)}")
    return told


def _cause(n: Floats, total: Floats, infinite: str) -> str:
    """What is told apart by which coefficients, from numbers and totals (design,)."""
    if not total.any():
        return f"every response is zero, which needs {infinite}"
    if np.array_equal(n, total):
        return f"every trial succeeded, which needs {infinite}"
    return f"{infinite} can tell responses apart without error"
