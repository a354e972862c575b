"""Families at their edges: R's numbers on odd panels, and panels for which there is no answer, told in words."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from odd_panels import odd_panels

from em.design_counts import count_designs
from em.families import FAMILIES
from em.fit import fit_mixture
from em.glmm import fit_glmm
from em.panel import statistics_of
from em.variance_components import wald_intervals

R = json.loads((Path(__file__).parent / "reference" / "glmm.json").read_text())
PANELS = odd_panels()
PLAIN = [name for name in PANELS if not name.startswith("traits")]
BY_LME4 = [(name, nodes) for name in PLAIN for nodes in (1, 9) if str(nodes) in R[name]]


@pytest.mark.parametrize("name", PLAIN)
def test_one_segment_is_that_of_glm(name):
    fit = fit_mixture(statistics_of(PANELS[name]), 1)
    assert_allclose(fit.parameters.theta[0], R[name]["glm"]["mean"], rtol=1e-6)
    assert fit.log_likelihood == pytest.approx(R[name]["glm"]["log_likelihood"], rel=1e-10)


@pytest.mark.parametrize(("name", "nodes"), BY_LME4)
def test_a_random_intercept_is_that_of_lme4(name, nodes):
    """lme4's own tolerance is in the file; where counts are huge it only finds its way with a wide one."""
    theirs = R[name][str(nodes)]
    slack = 3e-5 if theirs["tol"] > 1e-12 or nodes == 1 else 3e-6
    fit = fit_glmm(PANELS[name], random=["intercept"], quadrature=nodes)
    assert_allclose(fit.parameters.mu, theirs["mean"], rtol=slack)
    assert_allclose(np.sqrt(fit.parameters.omega[0, 0]), np.sqrt(theirs["omega"][0]), rtol=10.0 * slack)
    if nodes == 1:
        assert fit.log_likelihood > theirs["log_likelihood"] - 1e-7
        assert fit.log_likelihood == pytest.approx(theirs["log_likelihood"], abs=2e-4)
    assert fit.converged
    assert fit.warnings == ()


def test_where_lme4_fails_the_integral_hardly_matters():
    """Exposures up to a billion: every store is known, so its own regressions have the spread of the fit."""
    name = "exposures from 0.001 to a billion"
    assert list(R[name]) == ["glm"]
    one, nine = (fit_glmm(PANELS[name], random=["intercept"], quadrature=nodes) for nodes in (1, 9))
    assert one.log_likelihood == pytest.approx(nine.log_likelihood, abs=1e-4)
    own = one.store_coefficients.mean[:, 0]
    assert np.sqrt(one.parameters.omega[0, 0]) == pytest.approx(own.std(), rel=1e-3)
    assert one.parameters.mu[0] == pytest.approx(own.mean(), abs=1e-4)
    assert one.warnings == ()


def stores_of(family, y, trials=None):
    x = np.column_stack([np.ones(120), np.sin(np.arange(120.0))])
    return count_designs(FAMILIES[family], np.repeat(np.arange(20), 6), x, y, 20, trials=trials)


@pytest.mark.parametrize(
    ("family", "y", "trials", "cause"),
    [
        ("poisson", 0.0, None, "every response is zero, which needs intercept (-)"),
        ("negative-binomial", 0.0, None, "every response is zero, which needs intercept (-)"),
        ("bernoulli", 0.0, None, "every response is zero, which needs intercept (-)"),
        ("bernoulli", 1.0, None, "every trial succeeded, which needs intercept (+)"),
        ("binomial", 0.0, 1e6, "every response is zero, which needs intercept (-)"),
        ("gamma", 1.0, None, "the dispersion fell to its lower bound, 0.001: responses are fitted without error"),
    ],
)
def test_a_panel_of_one_response_is_told(family, y, trials, cause):
    stats = stores_of(family, np.full(120, y), None if trials is None else np.full(120, trials))
    one, continuum = fit_mixture(stats, 1), fit_glmm(stats, random=["intercept"])
    assert len(one.warnings) == len(continuum.warnings) == 1
    assert cause in one.warnings[0]
    assert cause in continuum.warnings[0]
    assert wald_intervals(continuum)[0].kind == "sd"


def test_a_store_of_zeros_among_billions_is_a_segment_told_by_its_name():
    rng, store = np.random.default_rng(0), np.repeat(np.arange(20), 6)
    stats = stores_of("poisson", np.where(store == 2, 0, rng.poisson(1e9, 120)).astype(float))
    fit = fit_mixture(stats, 2, starts=5)
    assert np.flatnonzero(fit.segment == 2).tolist() == [2]
    assert fit.warnings[0].startswith(
        "K=2: segment 2 (3): separation: every response is zero, which needs intercept (-)"
    )


def test_stores_told_apart_without_error_have_no_finite_spread():
    stats = stores_of("bernoulli", (np.repeat(np.arange(20), 6) % 2).astype(float))
    fit = fit_glmm(stats, random=["intercept"])
    assert fit.warnings[0].startswith("separation inside stores: intercept of their own can tell responses of stores")
    mixed = fit_glmm(PANELS["stores of zeros and of ones"], random=["intercept"])
    assert mixed.warnings == (), "some stores of each kind are no separation"


def test_a_dispersion_without_end_leaves_numbers():
    one = np.ones(3)
    slopes = FAMILIES["negative-binomial"].carrier_slopes(np.array([0.0, 1.0, 1e9]), one, 400.0 * one)
    assert np.isfinite(slopes).all()
