"""Panels with a known truth: every draw from an explicit random generator."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from em.between import Between
from em.errors import InputError
from em.families.family import Family
from em.panel import Columns, Panel
from em.response import LOG_SALES, Response
from em.statistics import Floats, Ints


class Truth(NamedTuple):
    """A mixture, a continuum, or both: theta_i ~ sum_k weight[k] N(mu[k], omega[k]).

    Attributes
    ----------
    weight : (segment,)
    mu : (segment, coefficient)
    sigma : (segment,) residual standard deviations of log sales, or a family's dispersion; ones where it has none.
    omega : (segment, coefficient, coefficient); zero for a finite mixture.
    """

    weight: Floats
    mu: Floats
    sigma: Floats
    omega: Floats


class SimulatedStores(NamedTuple):
    """What the simulator drew: segment (store,), theta (store, coefficient), y (store, week) log sales."""

    segment: Ints
    theta: Floats
    y: Floats


def finite_mixture(weight: Floats, theta: Floats, sigma: Floats) -> Truth:
    """A truth whose stores take one of K values exactly."""
    return Truth(weight, theta, sigma, np.zeros((*theta.shape, theta.shape[1])))


def draw_prices(rng: np.random.Generator, n_weeks: int, *, low: float = 1.2, high: float = 7.5) -> Floats:
    """Prices of a product that is often promoted, log-uniform between `low` and `high`, in cents; (week,)."""
    return np.round(np.exp(rng.uniform(np.log(low), np.log(high), n_weeks)), 2)


def draw_coefficients(rng: np.random.Generator, truth: Truth, n_stores: int) -> tuple[Ints, Floats]:
    """Segments (store,) and coefficients (store, coefficient) of stores from a truth."""
    segment = rng.choice(truth.weight.size, size=n_stores, p=truth.weight)
    values, vectors = np.linalg.eigh(truth.omega)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))[:, None, :]
    deviation = np.einsum("sab,sb->sa", root[segment], rng.standard_normal((n_stores, truth.mu.shape[1])))
    return segment, truth.mu[segment] + deviation


def draw_stores(rng: np.random.Generator, truth: Truth, x: Floats, n_stores: int) -> SimulatedStores:
    """Draw stores that share the design `x`, (week, coefficient), from a truth."""
    segment, theta = draw_coefficients(rng, truth, n_stores)
    noise = rng.standard_normal((n_stores, x.shape[0]))
    return SimulatedStores(segment, theta, theta @ x.T + truth.sigma[segment, None] * noise)


class SimulatedPanel(NamedTuple):
    """A panel and what it was drawn from: segment (store,) and theta (store, coefficient), traits' effects included."""

    panel: Panel
    segment: Ints
    theta: Floats


def simulate_panel(
    rng: np.random.Generator,
    family: Family,
    truth: Truth,
    x: Floats,
    n_stores: int,
    *,
    coefficients: Sequence[str] | None = None,
    exposure: Floats | float = 1.0,
    trials: Floats | float = 1.0,
    between: Between | None = None,
    gamma: Floats | None = None,
) -> SimulatedPanel:
    """Draw a panel of any family, as it would be read from a file.

    Parameters
    ----------
    family : of the response; of the Gaussian, log sales.
    truth : segments, a continuum, or both, on the scale of the linear predictor.
    x : (week, coefficient) shared by all stores, or (store, week, coefficient).
    coefficients : names; the usual ones are intercept, x1, x2, ...
    exposure : of a count or an amount; (store, week), or what broadcasts to it.
    trials : of a binomial; the same.
    between, gamma : traits of the stores and their effects (trait, coefficient), added to the coefficients.

    Raises
    ------
    InputError
        When the family has no such exposure or trials.
    """
    for name, given in (("exposure", exposure), ("trials", trials)):
        if np.any(np.asarray(given) != 1.0) and family.size != name:
            raise InputError(f"{name} does not go with the family {family.name}; expected no {name}")
    segment, theta = draw_coefficients(rng, truth, n_stores)
    if between is not None and gamma is not None:
        theta = theta + between.values @ gamma
    rows = np.broadcast_to(x, (n_stores, *x.shape[-2:]))
    weeks, p = rows.shape[1:]
    offset, number = (
        np.array(np.broadcast_to(np.asarray(given, dtype=float), (n_stores, weeks)))
        for given in (np.log(exposure), trials)
    )
    eta = offset + np.einsum("stp,sp->st", rows, theta)
    y = family.draw(rng, eta, number, np.log(truth.sigma)[segment, None]).ravel()
    response = Response(family, "response", offset.ravel(), number.ravel())
    panel = Panel(
        stores=tuple(f"store {i + 1}" for i in range(n_stores)),
        weeks=tuple(f"{t + 1}" for t in range(weeks)),
        coefficients=tuple(coefficients or ("intercept", *(f"x{i}" for i in range(1, p)))),
        store=np.repeat(np.arange(n_stores), weeks),
        week=np.tile(np.arange(weeks), n_stores),
        x=rows.reshape(-1, p).copy(),
        y=y,
        file="simulated",
        sha256="0" * 64,
        between=between,
        columns=Columns(family=family.name),
        response=None if family.name == LOG_SALES else response,
    )
    return SimulatedPanel(panel, segment, theta)
