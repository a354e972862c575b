"""Simulated panels whose stores' traits explain their coefficients, with the truth: material for the tests of both."""

import numpy as np
import pandas as pd

from em.between import centred_traits
from em.panel import Panel

NAMES = ("intercept", "log_price")
MU = np.array([[9.0, -1.5], [11.0, -3.0]])
OMEGA = np.array([[0.30, -0.05], [-0.05, 0.10]])
GAMMA = np.array([[0.03, -0.02], [0.0, 0.0]])  # of income; of competition, which is noise
SIGMA = 0.4


def panel_with_traits(seed=0, stores=60, weeks=(8, 25), k=1, unit=1.0, origin=0.0):
    """A panel with income and competition as traits, and theta (store, coefficient) and segment of its stores.

    Income is in units of `unit` from `origin`; everything else is the same whatever they are.
    """
    rng = np.random.default_rng(seed)
    income, competition = rng.normal(40.0, 10.0, stores), rng.poisson(3.0, stores).astype(float)
    z = np.column_stack([income, competition])
    segment = rng.integers(k, size=stores)
    theta = MU[segment] + (z - z.mean(0)) @ GAMMA + rng.multivariate_normal([0.0, 0.0], OMEGA, stores)
    store = np.repeat(np.arange(stores), rng.integers(*weeks, size=stores))
    x = np.column_stack([np.ones(store.size), rng.uniform(0.2, 1.5, store.size)])
    y = np.einsum("rp,rp->r", x, theta[store]) + SIGMA * rng.standard_normal(store.size)
    week = np.arange(store.size) - np.searchsorted(store, store)
    between = centred_traits(("income", "competition"), z * [unit, 1.0] + [origin, 0.0])
    names = tuple(f"Shop {i:02d}" for i in range(stores))
    weeks_named = tuple(str(t + 1) for t in range(int(week.max()) + 1))
    panel = Panel(names, weeks_named, NAMES, store, week, x, y, "traits.csv", "0" * 64, between=between)
    return panel, theta, segment


def as_file(panel, path):
    """The same as a long file, with a region of each store besides."""
    z = panel.between.values + panel.between.mean
    frame = pd.DataFrame(
        {
            "store": np.array(panel.stores)[panel.store],
            "week": panel.week + 1,
            "sales": np.exp(panel.y),
            "price": np.exp(panel.x[:, 1]),
            "income": z[panel.store, 0],
            "competition": z[panel.store, 1],
            "region": np.array(["north", "east", "south"])[panel.store % 3],
        }
    )
    frame.to_csv(path, index=False, float_format="%.17g")
    return frame
