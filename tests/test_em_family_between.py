"""Traits that explain coefficients in models of families: statistics of rows, lme4, and the linear mixed model."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from odd_panels import odd_panels
from traits_by_hand import panel_with_traits

from em.between import centred_traits, contracted, expanded
from em.design_counts import DesignCounts, count_designs
from em.explained_by_traits import differences_explained, effects
from em.families import FAMILIES
from em.glmm import fit_glmm, store_log_likelihoods
from em.mixed_model import fit_mixed_model
from em.panel import statistics_of
from em.response import Response

LME4 = json.loads((Path(__file__).parent / "reference" / "glmm.json").read_text())
OURS = [0, 1, 2, 4, 3, 5]  # where lme4 has our coefficients: it puts the effects on the intercept first


@pytest.fixture(scope="module")
def panels():
    return odd_panels()


@pytest.mark.parametrize("seed", range(5))
def test_statistics_are_those_of_rows_times_traits(seed):
    rng = np.random.default_rng(seed)
    store = rng.integers(6, size=40)
    x = np.column_stack([np.ones(40), rng.integers(0, 3, (40, 2))])
    y, offset = rng.poisson(2.0, 40).astype(float), np.log(rng.integers(1, 3, 40))
    between = centred_traits(("a", "b"), np.column_stack([rng.integers(0, 2, 6), rng.normal(size=6)]))
    plain = count_designs(FAMILIES["poisson"], store, x, y, 6, offset=offset)
    z = np.column_stack([np.ones(6), between.values])[store]
    rows = (z[:, :, None] * x[:, None, :]).reshape(40, 9)
    by_hand = count_designs(FAMILIES["poisson"], store, rows, y, 6, offset=offset)
    for one, other in zip(expanded(plain, between)[1:], by_hand[1:], strict=True):
        assert_array_equal(one, other)
    for one, other in zip(contracted(by_hand, between)[1:], plain[1:], strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "random", "nodes"),
    [("traits", None, 1), ("traits of shares", ["intercept"], 1), ("traits of shares", ["intercept"], 9)],
)
def test_effects_are_those_of_lme4(panels, name, random, nodes):
    fit, theirs = fit_glmm(panels[name], random=random, quadrature=nodes), LME4[name][str(nodes)]
    assert_allclose(fit.parameters.mu, np.array(theirs["mean"])[OURS], atol=2e-6)
    varying = [fit.coefficients.index(one) for one in fit.random]
    assert_allclose(fit.parameters.omega[np.ix_(varying, varying)].ravel(), theirs["omega"], rtol=2e-5)
    assert_allclose(fit.standard_errors, np.array(theirs["se"])[OURS], rtol=1e-3 if nodes > 1 else 5e-3)
    if nodes == 1:
        assert fit.log_likelihood == pytest.approx(theirs["log_likelihood"], abs=1e-6)
    assert fit.warnings == ()


@pytest.mark.parametrize("random", [None, ["log_price"]])
def test_of_a_gaussian_they_are_those_of_the_linear_mixed_model(random):
    panel, _, _ = panel_with_traits(stores=40)
    response = Response(FAMILIES["gaussian"], "y", np.zeros(panel.y.size), np.ones(panel.y.size))
    ours = fit_glmm(replace(panel, response=response), random=random)
    exact = fit_mixed_model(panel, random=random, sigma="common")
    assert ours.coefficients == exact.coefficients
    assert ours.log_likelihood == pytest.approx(exact.log_likelihood, abs=1e-8)
    assert_allclose(effects(ours).estimate, effects(exact).estimate, atol=1e-7)
    assert_allclose(effects(ours).error, effects(exact).error, rtol=1e-3)  # of the latter given Omega
    assert_allclose(ours.store_coefficients.mean, exact.modes.theta, atol=1e-6)
    assert_allclose(ours.store_coefficients.pooling, exact.modes.pooling, atol=1e-6)
    (of_ours, gain), (of_exact, exact_gain) = differences_explained(ours), differences_explained(exact)
    assert [one.coefficient for one in of_ours] == [one.coefficient for one in of_exact]
    assert_allclose([one.share for one in of_ours], [one.share for one in of_exact], atol=1e-6)
    assert_allclose(gain, exact_gain, rtol=1e-6, atol=1e-9)


def test_units_and_origin_of_a_trait_change_only_its_effects(panels):
    panel = panels["traits"]
    fit = fit_glmm(panel)
    values = panel.between.values + panel.between.mean
    for unit, origin in ((1e-4, 0.0), (1e4, -3e6)):
        other = fit_glmm(replace(panel, between=centred_traits(("a", "b"), values * [unit, 1.0] + [origin, 0.0])))
        assert other.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-7)
        assert_allclose(effects(other).estimate * [[unit], [1.0]], effects(fit).estimate, atol=1e-6)
        assert_allclose(other.store_coefficients.mean, fit.store_coefficients.mean, atol=1e-5)
    assert store_log_likelihoods(fit.statistics, fit.parameters, 1).sum() == pytest.approx(fit.log_likelihood)


def test_stores_and_names(panels):
    panel = panels["traits of shares"]
    fit = fit_glmm(panel, random=["intercept"])
    assert fit.coefficients[2:] == ("income:intercept", "income:x1", "competition:intercept", "competition:x1")
    assert isinstance(plain := statistics_of(panel), DesignCounts)
    assert plain.n_coefficients == 2, "the panel's own statistics stay as they are"
    labelled = fit.to_xarray()
    theta = labelled["coefficients"].to_numpy()
    fixed = fit.parameters.mu[1] + panel.between.values @ effects(fit).estimate[:, 1]
    assert_allclose(theta[:, 1], fixed)
    assert float(labelled.gamma.sel(trait="income", coefficient="x1")) == fit.parameters.mu[3]
    assert labelled.omega.shape == (2, 2)
    assert "x1 per unit of income: " in repr(fit)
