"""The prior predictive check: against intervals that are known, and what it says when the prior is wrong."""

import numpy as np
from scipy import stats as distributions

import bayesmix
from bayesmix.expectations import expectations
from em.panel import Panel


def panel(elasticity=-1.0):
    rng = np.random.default_rng(0)
    store = np.repeat(np.arange(30), 40)
    x = np.column_stack([np.ones(store.size), rng.uniform(0.0, 2.0, store.size)])
    y = 10.0 + elasticity * x[:, 1] + rng.standard_normal(store.size)
    names = tuple(f"store {i + 1}" for i in range(30))
    return Panel(names, ("1",), ("intercept", "log_price"), store, 0 * store, x, y, "panel.csv", "0" * 64)


def fitted(**options):
    return bayesmix.fit_mixture(panel(), 1, settings=bayesmix.Settings(30, 100, 2, 0), **options)


def test_the_elasticity_expected_is_the_prior_and_the_noise_of_a_store():
    found = {one.name: one for one in expectations(fitted())}["a store's own price elasticity"]
    spread = np.sqrt(1.5**2 + 1.0 / (40 * 4.0 / 12.0))  # sd of the prior, and of a store's least squares
    np.testing.assert_allclose(found.prior, distributions.norm(-1.0, spread).interval(0.89), atol=0.25)
    assert found.prior[0] < found.observed[0] < -1.0 < found.observed[1] < found.prior[1]
    assert found.outside == 0.0


def test_a_prior_that_rules_out_what_happened_is_seen():
    found = expectations(fitted(priors=["log_price=normal(3, 0.1)"]))
    assert {one.name: one.outside for one in found}["a store's own price elasticity"] > 0.9


def test_a_file_without_them_has_none():
    fit = fitted()
    del fit.tree["prior_predictive"]
    assert expectations(fit) == []
