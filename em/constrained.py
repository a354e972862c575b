"""Maxima of the mixed model's likelihood with one of its parameters held, for profiles."""

from typing import NamedTuple

import numpy as np

from em.ascent import climb
from em.covariance_rank import Covariance, best_covariance
from em.designs import DesignSums
from em.mixed_model import MixedFit
from em.mixed_search import pooled
from em.scatter import sigma_floor
from em.statistics import Floats
from em.variance_slice import Slice, evaluate, log_sigma_at, lower_triangle, root_at

OPENED = 1e-2  # least share of its variance that a coefficient starts with beyond those held


class Held(NamedTuple):
    """A constrained maximum: its log-likelihood, and Omega (q, q) and log sigma, from which the next climb starts."""

    value: float
    omega: Floats
    log_sigma: float


class Setting(NamedTuple):
    """What every profile of a fit shares.

    Attributes
    ----------
    sums : by design, in the coordinates of `fit.back`.
    inward : (q, q) takes roots of Omega to those coordinates.
    unit : (q,) natural sizes of the random coefficients.
    least : variance in units of `unit` that a climb starts with where there is none.
    lowest : lower bound of log sigma.
    """

    fit: MixedFit
    sums: DesignSums
    inward: Floats
    unit: Floats
    least: float
    lowest: float


def setting_of(fit: MixedFit) -> Setting:
    """What the profiles of a fit share."""
    inside = np.ix_(fit.random_columns, fit.random_columns)
    inward = np.linalg.inv(fit.back[inside])
    weeks = fit.statistics.n.sum() / fit.statistics.n_stores
    lowest = -np.inf if fit.sigma_rule == "fixed" else float(np.log(sigma_floor(fit.statistics)))
    return Setting(
        fit,
        pooled(fit.statistics, fit.back),
        inward,
        1.0 / np.sqrt(np.square(inward).sum(0)),
        OPENED * fit.parameters.sigma**2 / weeks,
        lowest,
    )


def single(q: int, a: int, c: int) -> Floats:
    """A matrix (q, q) of zeros with a one."""
    one = np.zeros((q, q))
    one[a, c] = 1.0
    return one


def climb_with(
    setting: Setting,
    order: list[int],
    offset: Floats,
    basis: list[Floats],
    free: list[float],
    rest: Floats,
    start: Held,
    positive: int = 0,
) -> Held:
    """Climb with the first coefficients of `order` held as `offset` and `basis` say, the others' K free.

    Parameters
    ----------
    offset, basis, free : of the root of Omega in `order`, columns of the held coefficients.
    rest : what is left of the variance of the other coefficients, where K starts.
    positive : how many of the free numbers, the first, may not go below zero.
    """
    q, m = len(order), len(rest)
    unit = setting.unit[order[q - m :]]
    values, axes = np.linalg.eigh(rest / unit[:, None] / unit)
    values, axes = np.maximum(values, max(OPENED * values[-1], setting.least) if m else 0.0)[::-1], axes[:, ::-1]
    basis, free = list(basis), list(free)
    for j, one in enumerate(lower_triangle(m, m)):
        whole = np.zeros((q, q))
        whole[q - m :, q - m :] = unit[:, None] * (axes @ one)
        basis.append(whole)
        a, c = np.argwhere(lower_triangle(m, m)[j])[0]
        free.append(float(np.sqrt(values[a])) if a == c else 0.0)
    inward = setting.inward[:, order]
    part = setting.fit.summit.part._replace(
        offset=inward @ offset, basis=inward @ np.array(basis).reshape(-1, q, q), mean_offset=None, mean_basis=None
    )
    bounds = np.where(np.arange(len(free)) < positive, 0.0, -np.inf)
    if part.log_sigma is None:
        free, bounds = [*free, start.log_sigma], np.append(bounds, setting.lowest)
    top = climb(lambda at: evaluate(part, setting.sums, at), np.array(free), lower=bounds)
    return _reached(setting, part, top.place, top.point.value)


def _reached(setting: Setting, part: Slice, place: Floats, value: float) -> Held:
    root = np.linalg.solve(setting.inward, root_at(part, place))
    return Held(value, root @ root.T, log_sigma_at(part, place))


def over_covariances(setting: Setting, part: Slice, start: Held) -> Held:
    """The best of all covariances, with mu or sigma held as `part` says."""
    values, axes = np.linalg.eigh(setting.inward @ start.omega @ setting.inward.T)
    root = axes * np.sqrt(np.maximum(values, setting.least))
    best: Covariance = best_covariance(part, setting.sums, root, start.log_sigma, setting.lowest)
    return _reached(setting, best.part, best.summit.place, best.summit.point.value)
