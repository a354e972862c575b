"""WAIC and PSIS-LOO against R's loo, whose numbers and script stand in tests/reference/."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.special import logsumexp, ndtri

from bayesmix.store_loo import smoothed, standard_error, total
from comparisons.information import waic

REFERENCE = Path(__file__).parent / "reference" / "loo.json"


@pytest.fixture(scope="module")
def reference():
    return json.loads(REFERENCE.read_text())


@pytest.fixture(scope="module")
def loglik():
    """(draw, store), by the formula of loo.R."""
    draw, store = np.arange(1, 1601)[:, None], np.arange(1, 13)
    at = ((draw * 0.6180339887498949 + store * 0.4142135623730951) % 1) * 0.998 + 0.001
    scale, z = 0.05 * 1.35**store, ndtri(at)
    return -70 - store / 3 + scale * z - 0.15 * scale * z**2


def test_waic_is_that_of_r_store_by_store(loglik, reference):
    found = waic(xr.DataArray(loglik.reshape(4, 400, 12), dims=("chain", "draw", "store_name")))
    np.testing.assert_allclose(found.elpd_i, reference["elpd_waic"], rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.p_i, reference["p_waic"], rtol=0, atol=1e-8)
    estimates = [total(found.elpd_i), standard_error(found.elpd_i), total(found.p_i), standard_error(found.p_i)]
    np.testing.assert_allclose(estimates, reference["totals_waic"], rtol=0, atol=1e-8)


def test_psis_is_that_of_r_store_by_store(loglik, reference):
    """At 1600 draws, where the tail of 3 sqrt(draws) is whole: R rounds it up and ArviZ down, worth up to 3e-4 here."""
    log_weight, khat = smoothed(np.ascontiguousarray(loglik.T), 1.0)
    elpd_i = logsumexp(log_weight + loglik.T, axis=1)
    lppd_i = logsumexp(loglik, axis=0) - np.log(len(loglik))
    np.testing.assert_allclose(elpd_i, reference["elpd_loo"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(lppd_i - elpd_i, reference["p_loo"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(khat, reference["pareto_k"], rtol=0, atol=1e-6)
    assert total(elpd_i) == pytest.approx(reference["totals_loo"][0], abs=1e-6)
    assert standard_error(elpd_i) == pytest.approx(reference["totals_loo"][1], abs=1e-6)
