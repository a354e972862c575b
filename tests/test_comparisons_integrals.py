"""The worked example of integrals: its arithmetic by itself, and what its page says against the fits."""

import json

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

pytest.importorskip("statsmodels", reason="the extra `examples` is not installed")

from bayesmix.settings import Settings
from comparisons.examples import integrals
from comparisons.examples.__main__ import command
from comparisons.examples.integrals_panel import Truth, counted, draw
from comparisons.examples.integrals_store import integrand
from comparisons.examples.integrals_study import QUANTITIES, RULES, kept, row, studied
from comparisons.examples.intervals import Z
from em.glmm import store_log_likelihoods
from em.mixed_model import MixedParameters

PARAMETERS = MixedParameters(np.array([-0.4, 0.9]), np.diag([2.5, 0.0]), 1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The example worked by the command, on fewer stores and draws."""
    out = tmp_path_factory.mktemp("integrals")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(integrals, "TRUTH", Truth(stores=60))
        patch.setattr(integrals, "SETTINGS", Settings(200, 200, 2, 0))
        assert command(["integrals", "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize("reordered", [[1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
def test_the_area_under_laplace_is_that_of_the_quadrature_with_one_node(reordered):
    promotion, reordered = np.array([0.0, 1.0, 0.0, 1.0]), np.array(reordered)
    weeks = draw(np.random.default_rng(0), Truth(stores=1))._replace(promotion=promotion, reordered=reordered)
    by_nodes = [store_log_likelihoods(counted(weeks), PARAMETERS, nodes)[0] for nodes in (1, 40)]
    found = integrand(promotion, reordered, PARAMETERS)
    assert found.ratio == pytest.approx(np.exp(by_nodes[0] - by_nodes[1]), rel=1e-6)
    assert found.ratio != pytest.approx(1.0, abs=1e-3)
    assert np.trapezoid(found.height, found.level) == pytest.approx(1.0, abs=5e-3)
    top = found.level[found.height.argmax()]
    assert found.nodes[0][4] == pytest.approx(top, abs=0.05)


def test_a_panel_has_the_share_of_reorders_of_its_truth():
    truth = Truth(stores=4000)
    weeks = draw(np.random.default_rng(1), truth)

    def probability(promotion):
        def weighted(z):
            return expit(truth.intercept + truth.effect * promotion + truth.sd * z) * norm.pdf(z)

        return quad(weighted, -10.0, 10.0)[0]

    for promotion in (0.0, 1.0):
        assert weeks.reordered[weeks.promotion == promotion].mean() == pytest.approx(probability(promotion), abs=0.02)


def test_rows_of_the_study_are_drawn_again():
    table = kept()
    again = row(1)
    assert {name: float(table.loc[1, name]) for name in again} == pytest.approx(again, abs=1e-3)
    for one in studied(table):
        estimates, errors = table[f"{one.quantity}, {one.rule}"], table[f"error of {one.quantity}, {one.rule}"]
        assert one.covered == int(((estimates - one.truth).abs() < Z * errors).sum())


def test_laplace_is_low_in_the_spread_and_nine_nodes_are_not():
    of_sd = {one.rule: one for one in studied(kept()) if one.quantity == "sd"}
    assert set(of_sd) == set(RULES)
    assert of_sd["Laplace"].mean + 4.0 * of_sd["Laplace"].mean_error < of_sd["Laplace"].truth
    assert abs(of_sd["9 nodes"].mean - of_sd["9 nodes"].truth) < 4.0 * of_sd["9 nodes"].mean_error
    assert of_sd["Laplace"].interval[1] < 0.95
    assert of_sd["9 nodes"].interval[1] > 0.95


def test_the_page_tells_what_the_fits_found(folder):
    numbers = json.loads((folder / "integrals.json").read_text(encoding="utf-8"))
    page = (folder / "integrals.html").read_text(encoding="utf-8")
    sd = {one["name"]: one["estimates"]["sd"]["value"] for one in numbers["maximum_likelihood"]}
    assert list(sd) == ["Laplace", "3 nodes", "5 nodes", "9 nodes", "25 nodes"]
    assert sd["Laplace"] < sd["3 nodes"] < sd["25 nodes"]
    assert sd["9 nodes"] == pytest.approx(sd["25 nodes"], abs=0.01)
    means = {one["name"]: one["estimates"]["sd"] for one in numbers["posterior"]}
    assert means["MCMC"]["value"] == pytest.approx(means["9 nodes"]["value"], abs=0.6 * means["9 nodes"]["error"])
    assert means["Laplace"]["value"] < means["9 nodes"]["value"]
    for one in numbers["maximum_likelihood"]:
        assert f"{one['level']:,.2f}".replace("-", "−") in page
    assert page.count("<svg") == 3
    assert {name for one in numbers["posterior"] for name in one["estimates"]} == set(QUANTITIES)
