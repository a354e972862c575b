"""Panels with a known truth: every draw from an explicit random generator."""

from typing import NamedTuple

import numpy as np

from em.statistics import Floats, Ints


class Truth(NamedTuple):
    """A mixture, a continuum, or both: theta_i ~ sum_k weight[k] N(mu[k], omega[k]).

    Attributes
    ----------
    weight : (segment,)
    mu : (segment, coefficient)
    sigma : (segment,) residual standard deviations of log sales.
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


def draw_stores(rng: np.random.Generator, truth: Truth, x: Floats, n_stores: int) -> SimulatedStores:
    """Draw stores that share the design `x`, (week, coefficient), from a truth."""
    segment = rng.choice(truth.weight.size, size=n_stores, p=truth.weight)
    values, vectors = np.linalg.eigh(truth.omega)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))[:, None, :]
    deviation = np.einsum("sab,sb->sa", root[segment], rng.standard_normal((n_stores, truth.mu.shape[1])))
    theta = truth.mu[segment] + deviation
    noise = rng.standard_normal((n_stores, x.shape[0]))
    return SimulatedStores(segment, theta, theta @ x.T + truth.sigma[segment, None] * noise)
