"""Simulated panels of families: what is drawn has the moments of its truth, and a file is fitted as its truth says."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from em.between import centred_traits
from em.design_counts import DesignCounts
from em.errors import InputError
from em.estimate import command as estimate
from em.families import FAMILIES
from em.panel import statistics_of
from em.simulate import command
from em.simulator import Truth, draw_stores, finite_mixture, simulate_panel

X = np.column_stack([np.ones(3), [0.0, 0.5, 1.0]])
CONTINUUM = Truth(np.ones(1), np.array([[0.4, -0.7]]), np.array([0.5]), np.diag([0.3, 0.1])[None])
VARIANCES = {  # of a response with this mean, trials 5 and dispersion 0.5
    "gaussian": lambda mean: 0.25 + 0.0 * mean,
    "poisson": lambda mean: mean,
    "negative-binomial": lambda mean: mean + 0.25 * mean**2,
    "bernoulli": lambda mean: mean * (1.0 - mean),
    "binomial": lambda mean: mean * (1.0 - mean / 5.0),
    "gamma": lambda mean: 0.25 * mean**2,
}


@pytest.mark.parametrize("name", FAMILIES)
def test_responses_have_the_mean_and_variance_of_their_stores(name):
    family, stores = FAMILIES[name], 20_000
    exposure = np.where(np.arange(stores) % 2, 3.0, 1.0)[:, None] if family.size == "exposure" else 1.0
    trials = 5.0 if family.size == "trials" else 1.0
    panel, segment, theta = simulate_panel(
        np.random.default_rng(1), family, CONTINUUM, X, stores, exposure=exposure, trials=trials
    )
    assert_allclose(theta.mean(0), CONTINUUM.mu[0], atol=0.02)
    assert_allclose(np.cov(theta.T), CONTINUUM.omega[0], atol=0.01)
    assert not segment.any()
    y, eta = panel.y.reshape(stores, 3), theta @ X.T + np.log(exposure)
    mean = family.mean(eta, np.array(trials))
    off = y - mean
    scale = np.sqrt(VARIANCES[name](mean))
    assert_allclose((off / scale).mean(0), 0.0, atol=4.0 / np.sqrt(stores))
    assert_allclose(np.square(off / scale).mean(), 1.0, atol=0.06)
    assert np.all(family.possible(panel.y, np.full(panel.y.size, trials)))
    if name != "gaussian":
        stats = statistics_of(panel)
        assert isinstance(stats, DesignCounts)
        assert stats.total.sum() == pytest.approx(panel.y.sum())
        assert len(stats.x) == 3 * (2 if family.size == "exposure" else 1)


def test_log_sales_are_those_of_stores_that_share_a_design():
    truth = finite_mixture(np.array([0.6, 0.4]), np.array([[10.0, -1.0], [9.0, -2.0]]), np.array([1.0, 0.5]))
    panel, segment, _ = simulate_panel(np.random.default_rng(5), FAMILIES["gaussian"], truth, X, 9)
    stores = draw_stores(np.random.default_rng(5), truth, X, 9)
    assert panel.response is None
    assert_allclose(panel.y.reshape(9, 3), stores.y, rtol=1e-13)
    assert np.array_equal(segment, stores.segment)


def test_traits_and_designs_of_a_stores_own_shift_its_coefficients():
    between = centred_traits(("size",), np.arange(4.0)[:, None])
    gamma = np.array([[0.5, -1.0]])
    truth = finite_mixture(np.ones(1), np.array([[2.0, 0.3]]), np.ones(1))
    own = X + np.arange(4.0)[:, None, None]
    panel, _, theta = simulate_panel(
        np.random.default_rng(0), FAMILIES["poisson"], truth, own, 4, between=between, gamma=gamma,
        coefficients=("level", "slope"),
    )  # fmt: skip
    assert_allclose(theta - truth.mu, np.outer(np.arange(4.0) - 1.5, gamma[0]))
    assert_allclose(panel.x[3:6], X + 1.0)
    assert panel.between is between
    with pytest.raises(InputError, match="trials does not go with the family poisson"):
        simulate_panel(np.random.default_rng(0), FAMILIES["poisson"], truth, own, 4, trials=8.0)
    assert panel.coefficients == ("level", "slope")


@pytest.mark.parametrize(
    ("how", "read", "sd"),
    [
        (["--family", "poisson", "--exposure", "5", "7"], ["--exposure", "exposure"], 0.6),
        (["--family", "binomial", "--trials", "20", "30"], ["--trials", "trials"], 0.6),
        (["--family", "gamma", "--sigma", "0.3"], [], 0.6),
    ],
)
def test_a_file_is_fitted_as_its_truth_says(ended, tmp_path, how, read, sd):
    out, truth = tmp_path / "panel.csv", tmp_path / "truth.json"
    shape = ["--theta", "1", "-0.8", "--spread", str(sd), "0.2", "--stores", "80", "--weeks", "10", "--seed", "3"]
    assert ended(command, out, *how, *shape, "--truth", truth).code == 0
    record = json.loads(truth.read_text())
    assert (record["model"], record["family"], len(record["coefficients"])) == ("hierarchical", how[1], 80)
    end = ended(estimate, out, *how[:2], *read, "--model", "hierarchical", "--out", tmp_path / "r.json")
    assert end.code == 0, end.err
    fit = json.loads((tmp_path / "r.json").read_text())["fits"][0]
    errors = fit["standard_errors"]
    assert np.all(np.abs(np.subtract(fit["theta"], record["theta"])) < 4.0 * np.array(errors["theta"]))
    assert abs(np.sqrt(fit["omega"][0][0][0]) - sd) < 4.0 * errors["sd"][0][0]
    if how[1] == "gamma":
        assert abs(fit["sigma"][0] - 0.3) < 4.0 * errors["sigma"][0]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (["--family", "poisson", "--trials", "5", "7"], "--trials does not go with --family poisson"),
        (["--family", "binomial", "--trials", "7", "5"], "expected two whole numbers, rising"),
        (["--family", "poisson", "--sigma", "2"], "which has no dispersion"),
        (["--family", "normal"], "no family 'normal'; expected one of"),
        (["--spread", "-1", "0"], "--spread not below it"),
    ],
)
def test_what_cannot_be_drawn_is_refused(ended, tmp_path, how, message):
    end = ended(command, tmp_path / "panel.csv", *how)
    assert end.code == 2
    assert message in end.err
    assert not (tmp_path / "panel.csv").exists()
