"""Priors: in the user's units, and the distributions they are called by."""

from dataclasses import replace

import numpy as np
import oracles
import pymc as pm
import pytest
from pytensor.compile.maker import function
from pytensor.compile.mode import Mode

from bayesmix.priors import default_priors, partial_correlation_shapes, statements
from bayesmix.spread import correlation_factor, partial_correlations
from bayesmix.weights import LogRatio
from em.statistics import build

PLAIN = Mode(linker="py", optimizer="fast_compile")


def test_the_intercept_is_centred_on_mean_log_sales():
    rows = oracles.draw_rows(np.random.default_rng(0), 9, 2, p=3)
    priors = default_priors(build(rows.store, rows.x, rows.y, 9), ("intercept", "log_price", "display"))
    assert priors.mean[0] == pytest.approx(rows.y.mean(), rel=1e-9)
    assert (priors.mean[1:], priors.sd) == ((-1.0, 0.0), (3.0, 1.5, 2.5))


def test_every_quantity_of_a_model_has_its_statement():
    rows = oracles.draw_rows(np.random.default_rng(0), 4)
    priors = default_priors(build(rows.store, rows.x, rows.y, 4), ("intercept", "log_price"))
    mixture, continuum = statements(priors, "mixture", "common"), statements(priors, "hierarchical", "fixed")
    assert set(mixture) == {"theta[intercept at average prices]", "theta[log_price]", "weight", "sigma"}
    assert mixture["theta[log_price]"] == "normal(-1, 1.5)"
    assert continuum["correlation of store coefficients"] == "LKJ(2)"
    assert continuum["sigma"] == "fixed at 1"
    both = statements(replace(priors, spread=(0.5, 0.0)), "normal-mixture", "common")
    assert {"mu[log_price]", "weight"} <= set(both)
    assert both["sd of store coefficients[intercept at average prices]"] == "half-normal(0.5)"
    assert both["sd of store coefficients[log_price]"] == "0"
    assert "correlation of store coefficients" not in both


@pytest.mark.parametrize("p", [2, 3, 4])
def test_partial_correlations_make_an_lkj_matrix(p):
    """Every correlation of an LKJ(eta) matrix is Beta(a, a) on (-1, 1) with a = eta - 1 + p / 2."""
    eta, draws = 2.0, 20_000
    rng = np.random.default_rng(p)
    shape = partial_correlation_shapes(p, eta)
    partial = 2.0 * rng.beta(shape, shape, (draws, shape.size)) - 1.0
    found = np.array([_factor(row) for row in partial])
    correlation = found @ np.swapaxes(found, 1, 2)
    np.testing.assert_allclose(np.diagonal(correlation, axis1=1, axis2=2), 1.0, rtol=1e-12)
    a = eta - 1.0 + p / 2.0
    variance = 1.0 / (2.0 * a + 1.0)
    for i, j in zip(*np.tril_indices(p, -1), strict=True):
        assert np.var(correlation[:, i, j]) == pytest.approx(variance, rel=0.05)
        assert np.mean(correlation[:, i, j] ** 4) == pytest.approx(3.0 / ((2 * a + 1) * (2 * a + 3)), rel=0.1)


_FACTORS = {}


def _factor(partial):
    """The symbolic factor in numbers."""
    p = int(0.5 + np.sqrt(0.25 + 2.0 * partial.size))
    if p not in _FACTORS:
        with pm.Model():
            symbol = pm.Flat("partial", shape=partial.size)
            _FACTORS[p] = function([symbol], correlation_factor(symbol[None], p)[0], mode=PLAIN)
    return _FACTORS[p](partial)


@pytest.mark.parametrize("p", [1, 2, 3, 5])
def test_partial_correlations_are_found_again(p):
    partial = np.random.default_rng(p).uniform(-0.9, 0.9, p * (p - 1) // 2)
    factor = _factor(partial)
    np.testing.assert_allclose(np.triu(factor, 1), 0.0)
    np.testing.assert_allclose(partial_correlations(factor @ factor.T), partial, atol=1e-4)


def test_log_ratios_lead_back_to_the_weights_and_know_their_volume():
    import pytensor.tensor as pt

    z = pt.dvector()
    transform = LogRatio()
    weights = function([z], transform.backward(z), mode=PLAIN)
    volume = function([z], transform.log_jac_det(z), mode=PLAIN)
    w = pt.dvector()
    ratios = function([w], transform.forward(w), mode=PLAIN)
    at = np.array([0.4, -1.3, 2.0])
    np.testing.assert_allclose(ratios(weights(at)), at, rtol=1e-12)
    assert weights(at).sum() == pytest.approx(1.0)
    jacobian = oracles.slope(lambda value: weights(value)[1:], at)
    assert volume(at) == pytest.approx(np.linalg.slogdet(jacobian)[1], abs=1e-6)
    assert weights(np.zeros(0)) == pytest.approx([1.0])
