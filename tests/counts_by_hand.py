"""Panels of counts, choices and amounts with a known truth, and draws of their stores."""

import numpy as np

from em.families import FAMILIES
from em.panel import Panel
from em.response import Response

SIGMA = 0.7


def covariate(stores, weeks, seed=0):
    """Stores of as many weeks each, an intercept and one column; store (row,) and x (row, 2)."""
    store = np.repeat(np.arange(stores), weeks)
    return store, np.column_stack([np.ones(store.size), np.random.default_rng(seed).normal(size=store.size).round(1)])


def stores(count, level=0.8, spread=0.5, seed=0):
    """Coefficients of stores that differ; (store, 2)."""
    return np.random.default_rng(seed).normal([level, 0.3], [spread, 0.1], (count, 2))


def panel_of(name, theta, weeks, *, sizes=(1.0,), exposures=(1.0,), y=None, seed=0):
    """A panel of a family, or of given responses taken for that family's."""
    family, rng = FAMILIES[name], np.random.default_rng(seed + 1)
    store, x = covariate(len(theta), weeks, seed)
    trials = rng.choice(sizes, store.size)
    offset = np.log(rng.choice(exposures, store.size))
    eta = offset + np.einsum("rp,rp->r", x, theta[store])
    y = family.draw(rng, eta, trials, np.log(SIGMA)) if y is None else y
    names = tuple(f"shop {i}" for i in range(len(theta)))
    return Panel(
        names, ("1",), ("intercept", "display"), store, np.zeros(store.size, dtype=np.intp), x, y, "made.csv", "",
        response=Response(family, "visits", offset, trials),
    )  # fmt: skip
