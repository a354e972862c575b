"""Estimates on the developers' panels against those of other programs (../shared/reference/reference.json)."""

import json

import numpy as np
import pytest
from conftest import SHARED
from numpy.testing import assert_allclose

from em.fit import fit_mixture
from em.mixture import MixtureParameters, e_step
from em.panel import read_panel, store_statistics
from em.scatter import scatter

REFERENCE = SHARED / "reference" / "reference.json"
COLUMNS = {
    "609948": {},
    "cheese": {"store": "RETAILER", "sales": "VOLUME", "price": "PRICE", "covariates": ["DISP"]},
}
KNOWN = json.loads(REFERENCE.read_text())["mixture_ml"] if REFERENCE.is_file() else {}


@pytest.fixture(scope="module")
def panels(shared):
    return {name: read_panel(shared(f"data/{name}.csv"), **columns) for name, columns in COLUMNS.items()}


def test_there_is_a_reference(shared):
    shared("reference/reference.json")
    assert len(KNOWN) == 20, "entries were added or removed; every one must be tried below"


def test_the_panels_are_read_whole(panels):
    wide, long = panels["609948"], panels["cheese"]
    assert (len(wide.stores), len(wide.weeks), wide.y.size) == (300, 52, 15600)
    assert (len(long.stores), len(long.weeks), long.y.size) == (88, 68, 5555)
    assert long.coefficients == ("intercept", "log_price", "DISP")
    assert wide.stores[:2] == ("Sales1", "Sales2")
    assert long.stores[0] == "LOS ANGELES - LUCKY"


@pytest.mark.parametrize("key", sorted(KNOWN))
def test_the_best_known_estimates_are_found(panels, key):
    name, rule, k = key.split("|")
    known = KNOWN[key]
    fit = fit_mixture(panels[name], int(k), sigma=rule)
    assert fit.log_likelihood > known["ll"] - 1e-4
    assert fit.log_likelihood < known["ll"] + 1e-4, "better than the best known: news, if it is true"
    assert fit.converged
    if "theta" in known:
        theirs = MixtureParameters(*(np.array(known[part]) for part in ("pi", "theta", "sigma")))
        theirs = theirs._replace(weight=theirs.weight / theirs.weight.sum())
        # Six entries of the reference stopped a little before the top, along a flat ridge: there a fiftieth of a
        # standard error has to do.
        short = fit.log_likelihood - float(e_step(theirs, store_statistics(panels[name]))[1])
        ridge = 0.02 if short > 1e-6 else 0.0
        assert -1e-7 < short < 1e-4
        for part in ("theta", "weight", "sigma"):
            off = np.abs(getattr(fit.parameters, part) - getattr(theirs, part))
            assert np.all(off < 1e-4 + ridge * getattr(fit.standard_errors, part)), (part, off)
        assert_allclose(fit.criteria.bic, known["bic_nt"], atol=2e-4)
        assert_allclose(fit.criteria.bic_stores, known["bic_n"], atol=2e-4)


def test_a_fixed_sigma_is_distrusted_where_sales_scatter_less(panels):
    assert any("sigma is fixed at 1" in reason for reason in fit_mixture(panels["cheese"], 2, starts=5).warnings)
    assert fit_mixture(panels["609948"], 3).warnings == ()


def test_residuals_inside_stores_are_those_of_lme4(panels, shared):
    """With a random slope for every store lme4's sigma is close to the pooled residual sd of each store's own line."""
    known = json.loads(shared("reference/reference.json").read_text())["lmm_lme4"]
    assert scatter(store_statistics(panels["609948"])) == pytest.approx(known["609948|ML"]["sigma"], abs=5e-3)
    assert scatter(store_statistics(panels["cheese"])) == pytest.approx(known["cheese|ML"]["sigma"], abs=5e-3)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["common", "segment"])
@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("name", ["609948", "cheese"])
def test_every_seed_finds_the_best_known(panels, name, k, rule):
    known = KNOWN[f"{name}|{rule}|{k}"]["ll"]
    stats = store_statistics(panels[name])
    found = np.array([fit_mixture(stats, k, sigma=rule, seed=seed).log_likelihood for seed in range(20)])
    assert np.all(found > known - 1e-4), f"missed by {int((found <= known - 1e-4).sum())} of 20 seeds: {found}"
