"""Traits of stores that explain their coefficients, by maximum likelihood."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from oracles import Rows, draw_rows, log_density_by_covariance, mix, slope
from traits_by_hand import GAMMA, NAMES, as_file, panel_with_traits

from em.between import centred_traits, contracted, effect_names, expanded
from em.designs import project
from em.errors import InputError
from em.estimate import command
from em.explained_by_traits import differences_explained, effects
from em.fit import fit_mixture
from em.likelihood import component_loglik
from em.mixed_em import Normals
from em.mixed_model import fit_mixed_model
from em.normal_mixture import Several, em_step
from em.normal_mixture_fit import fit_normal_mixture
from em.normal_mixture_score import Layout, evaluate, n_numbers, ties, unpack
from em.panel import read_panel, store_statistics
from em.profile import profile_intervals
from em.results import read_results
from em.statistics import build
from em.variance_slice import lower_triangle

seeds = st.integers(0, 10**6)
# R 4.2.2, lme4 1.1.31, panel_with_traits() with traits centred over stores:
# lmer(log(sales) ~ lp * (i + c) - i:c + (lp | store), optimizer bobyqa, rhoend 1e-10)
LME4 = {
    "ML": {
        "log_likelihood": -614.746014124,
        "mean": [9.0080211146531, -1.5346110266104],
        "effect": [[0.0335760417153, -0.0193275446445], [0.0009381655483, 0.0134235140302]],
        "se": [0.0795996556, 0.0512031533, 0.0089097465, 0.0057880723, 0.0463959223, 0.0298504027],
        "omega": [[0.3017995413, 0.0075587849], [0.0075587849, 0.0668930883]],
        "sigma": 0.410886407,
    },
    "REML": {
        "log_likelihood": -631.240252899,
        "mean": [9.0091455975126, -1.5360114938096],
        "effect": [[0.0334872747945, -0.0192793974298], [0.0005979200384, 0.0135566451328]],
        "se": [0.0817267814, 0.0527768470, 0.0091444484, 0.0059590226, 0.0476340928, 0.0307623040],
        "omega": [[0.3218392082, 0.0032750094], [0.0032750094, 0.0761377262]],
        "sigma": 0.410818836,
    },
}


@pytest.fixture(scope="module")
def panel():
    return panel_with_traits()[0]


@pytest.fixture(scope="module")
def two():
    panel = panel_with_traits(seed=3, k=2)[0]
    return panel, fit_normal_mixture(panel, 2, sigma="common")


@pytest.mark.parametrize("method", ["ML", "REML"])
def test_the_mixed_model_is_that_of_lme4(panel, method):
    fit, theirs = fit_mixed_model(panel, sigma="common", reml=method == "REML"), LME4[method]
    found = fit.restricted_log_likelihood if fit.restricted else fit.log_likelihood
    assert found == pytest.approx(theirs["log_likelihood"], abs=1e-4)
    assert_allclose(fit.parameters.mu[:2], theirs["mean"], atol=1e-5)
    assert_allclose(effects(fit).estimate, theirs["effect"], atol=1e-5)
    assert_allclose(fit.standard_errors, theirs["se"], rtol=1e-4)
    assert_allclose(fit.parameters.omega[:2, :2], theirs["omega"], rtol=1e-3, atol=1e-5)
    assert fit.parameters.sigma == pytest.approx(theirs["sigma"], rel=1e-4)
    assert fit.n_parameters == 10
    assert fit.coefficients[2:] == effect_names(("income", "competition"), NAMES)


@given(seeds, st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_the_likelihood_is_that_of_the_rows(seed, p, m, own_prices):
    """By the expanded statistics, by a mean for every store, and by the (week, week) covariance about it."""
    rng = np.random.default_rng(seed)
    rows = draw_rows(rng, 6, 2, p=p, weeks=(1, 9), own_prices=own_prices)
    stats = build(rows.store, rows.x, rows.y, 6)
    between = centred_traits([f"t{j}" for j in range(m)], rng.normal(size=(6, m)) * 10.0 ** rng.integers(-2, 3, m))
    gamma = 0.3 * rng.normal(size=(m, p)) / between.sd[:, None]
    mu, root = stats.b.mean(0) + rng.normal(size=(2, p)), rng.normal(size=(2, p, p))
    omega, sigma = root @ np.swapaxes(root, 1, 2), np.array([0.6, 1.5])
    shift = between.values @ gamma
    left = Rows(rows.store, rows.x, rows.y - np.einsum("rp,rp->r", rows.x, shift[rows.store]), 6)
    plain = log_density_by_covariance(left, mu, sigma, omega)
    assert_allclose(component_loglik(stats, mu + shift[:, None], sigma, omega), plain, rtol=1e-9)
    whole = np.concatenate([mu, np.tile(gamma.ravel(), (2, 1))], axis=1)
    padded = np.pad(omega, ((0, 0), *2 * ((0, m * p),)))
    assert_allclose(component_loglik(expanded(stats, between), whole, sigma, padded), plain, rtol=1e-9)
    back = contracted(expanded(stats, between), between)
    for one, other in zip(back, stats, strict=True):
        assert_allclose(one, other, rtol=1e-9, atol=1e-12 * np.abs(other).max())


def test_units_and_origin_of_a_trait_change_only_its_effects(panel):
    fit = fit_mixed_model(panel, sigma="common")
    for unit, origin in ((1e-4, 0.0), (1e5, -3e7), (1.0, 1e4)):
        other = fit_mixed_model(panel_with_traits(unit=unit, origin=origin)[0], sigma="common")
        assert other.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-7)
        assert_allclose(other.parameters.mu[:2], fit.parameters.mu[:2], atol=1e-6)
        assert_allclose(effects(other).estimate * [[unit], [1.0]], effects(fit).estimate, atol=1e-6)
        assert_allclose(effects(other).error * [[unit], [1.0]], effects(fit).error, rtol=1e-5)
        assert_allclose(other.modes.theta, fit.modes.theta, atol=1e-5)


def test_what_was_drawn_is_found_and_noise_explains_nothing(panel, two):
    for fit in (fit_mixed_model(panel, sigma="common"), two[1]):
        found = effects(fit)
        assert np.all(np.abs(found.estimate - GAMMA) < 3.0 * found.error)
        assert np.all(found.estimate[0] / found.error[0] * np.sign(GAMMA[0]) > 3.0)


def test_stores_have_the_coefficients_of_stores_with_their_traits(panel):
    fit = fit_mixed_model(panel, sigma="common")
    (mu, omega, sigma), gamma = fit.parameters, effects(fit).estimate
    for i in (0, 7, 31):
        x, y = panel.x[panel.store == i], panel.y[panel.store == i]
        mean = mu[:2] + panel.between.values[i] @ gamma
        covariance = sigma**2 * np.eye(len(y)) + x @ omega[:2, :2] @ x.T
        gain = omega[:2, :2] @ x.T @ np.linalg.inv(covariance)
        assert_allclose(fit.modes.theta[i], mean + gain @ (y - x @ mean), atol=1e-8)
        assert_allclose(fit.modes.covariance[i], omega[:2, :2] - gain @ x @ omega[:2, :2], atol=1e-9)
    data = fit.to_xarray()
    assert data["mu"].shape == (2,)
    assert_allclose(data["gamma"].sel(trait="income", coefficient="log_price"), gamma[0, 1])


def test_the_share_explained_is_against_the_fit_without_traits(panel):
    fit = fit_mixed_model(panel, sigma="common")
    plain = fit_mixed_model(store_statistics(panel), sigma="common")
    told, gain = differences_explained(fit)
    assert gain.statistic == pytest.approx(2.0 * (fit.log_likelihood - plain.log_likelihood), abs=1e-8)
    assert gain.parameters == 4
    for c, one in enumerate(told):
        assert one.share == pytest.approx(1.0 - fit.parameters.omega[c, c] / plain.parameters.omega[c, c], rel=1e-8)
    assert told[0].share > 0.1


def test_profile_intervals_hold_the_effects(panel):
    fit = fit_mixed_model(panel, sigma="common")
    found = {one.of[0]: one for one in profile_intervals(fit, kinds=("mean",))}
    one, error = found["income:log_price"], fit.standard_errors[3]
    assert one.estimate == pytest.approx(effects(fit).estimate[0, 1])
    assert_allclose([one.lower, one.upper], one.estimate + error * np.array([-1.96, 1.96]), atol=0.2 * error)


@settings(max_examples=25)
@given(seeds, st.integers(1, 3), st.integers(1, 2), st.booleans())
def test_score_and_information_of_tied_coefficients_are_derivatives(seed, k, tied, sigma_free):
    rng = np.random.default_rng(seed)
    rows = draw_rows(rng, 8, 2, p=3)
    stores = project(build(rows.store, rows.x, rows.y, 8))
    layout = Layout(np.array([0]), (lower_triangle(1, 1),) * k, sigma_free, tied)
    free = 0.5 * rng.standard_normal(n_numbers(layout, 3) - (k - 1) * tied)
    assert ties(layout, 3).shape == (n_numbers(layout, 3), free.size)
    free[:3] += [10.0, -1.5, 0.5]
    mu = unpack(layout, free, 3).normals.mu
    assert_allclose(mu[:, 3 - tied :], np.broadcast_to(mu[0, 3 - tied :], (k, tied)))
    at = evaluate(layout, stores, stores.root, free)
    size = max(1.0, float(np.abs(at.information).max()))
    numeric = slope(lambda place: evaluate(layout, stores, stores.root, place).value, free, 1e-5)
    assert_allclose(at.score, numeric, atol=1e-6 * size)
    by_score = slope(lambda place: evaluate(layout, stores, stores.root, place).score, free, 1e-5)
    assert_allclose(at.information, -by_score, atol=1e-6 * size)


@settings(max_examples=25)
@given(seeds, st.integers(1, 3), st.integers(1, 2))
def test_no_step_of_em_loses_likelihood_with_tied_coefficients(seed, k, tied):
    rng = np.random.default_rng(seed)
    rows = draw_rows(rng, 9, 2, p=3)
    stores, random = project(build(rows.store, rows.x, rows.y, 9)), np.array([0])
    mu = np.array([10.0, -1.5, 0.5]) + rng.standard_normal((2, k, 3))
    mu[:, :, 3 - tied :] = mu[:, :1, 3 - tied :]
    now = Several(
        rng.dirichlet(np.ones(k), 2), Normals(mu.reshape(-1, 3), rng.standard_normal((2 * k, 1, 1)), np.ones(2 * k))
    )
    before = np.full(2, -np.inf)
    for _ in range(6):
        now, loglik = em_step(stores, stores.root, now, random, 1e-6, tied)
        assert np.all(loglik >= before - 1e-8 * np.abs(loglik))
        before = loglik
        mu = now.normals.mu.reshape(2, k, 3)
        assert_allclose(mu[:, :, 3 - tied :], np.broadcast_to(mu[:, :1, 3 - tied :], (2, k, tied)), rtol=1e-12)


def test_effects_are_common_to_the_segments_of_normals(two):
    panel, fit = two
    p, gamma = fit.parameters, effects(fit).estimate
    shift = panel.between.values @ gamma
    left = Rows(panel.store, panel.x, panel.y - np.einsum("rp,rp->r", panel.x, shift[panel.store]), len(panel.stores))
    plain = mix(p.weight, log_density_by_covariance(left, p.mu[:, :2], p.sigma, p.omega[:, :2, :2]))
    assert fit.log_likelihood == pytest.approx(plain.sum(), rel=1e-10)
    assert_allclose(p.mu[1, 2:], p.mu[0, 2:], rtol=1e-12)
    assert fit.n_parameters == 2 * 2 + 2 * 3 + 4 + 1 + 1
    # Around the maximum nothing is higher, in any effect.
    for j in range(4):
        for step in (-1e-4, 1e-4):
            moved = gamma.copy()
            moved.flat[j] += step * np.abs(gamma).max()
            mu = p.mu[:, :2] + (panel.between.values @ moved)[:, None]
            component = component_loglik(store_statistics(panel), mu, p.sigma, p.omega[:, :2, :2])
            assert np.logaddexp.reduce(np.log(p.weight) + component, axis=1).sum() < fit.log_likelihood
    one = fit_normal_mixture(panel, 1, sigma="common")
    mixed = fit_mixed_model(panel, sigma="common")
    assert one.log_likelihood == pytest.approx(mixed.log_likelihood, abs=1e-8)
    assert_allclose(one.store_coefficients.mean, mixed.modes.theta, atol=1e-8)


def test_levels_of_a_trait_are_told_against_the_first(panel, tmp_path):
    frame = as_file(panel, tmp_path / "long.csv")
    read = read_panel(tmp_path / "long.csv", between="region + log(income)")
    assert read.between.names == ("region[T.north]", "region[T.south]", "log(income)")
    first = frame.drop_duplicates("store")
    assert read.between.mean[2] == pytest.approx(np.log(first["income"]).mean())
    assert_allclose(read.between.values.mean(0), 0.0, atol=1e-12)
    fit = fit_mixed_model(read, sigma="common")
    assert fit.coefficients[2] == "region[T.north]:intercept"


def spoilt(frame, what):
    frame = frame.copy()
    if what == "varies":
        frame.loc[4, "income"] += 1.0
    elif what == "missing":
        frame.loc[4, "income"] = np.nan
    elif what == "no number":
        frame["income"] = frame["income"].astype(object)
        frame.loc[4, "income"] = "?"
    elif what == "constant":
        frame["income"] = 7.0
    elif what == "collinear":
        frame["income"] = 2.0 * frame["competition"] + 1.0
    return frame


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("varies", r"long.csv: income, store Shop 00, line 6: differs between weeks of the store.*trait of --between"),
        ("missing", r"long.csv: column income, store Shop 00, line 6: is missing"),
        ("no number", r"long.csv: column income, line 6"),
        ("constant", r"long.csv: between 'competition \+ income': income is the same in all stores"),
        ("collinear", r"long.csv: between 'competition \+ income': income is .* a combination of others"),
    ],
)
def test_traits_that_cannot_be_used_are_named(panel, tmp_path, what, message):
    spoilt(as_file(panel, tmp_path / "long.csv"), what).to_csv(tmp_path / "long.csv", index=False)
    with pytest.raises(InputError, match=message):
        read_panel(tmp_path / "long.csv", between="competition + income")


def test_traits_need_a_model_and_a_file_that_have_stores_that_differ(panel, tmp_path, ended):
    with pytest.raises(InputError, match="fit_mixed_model or fit_normal_mixture"):
        fit_mixture(panel, 2)
    with pytest.raises(InputError, match=r"--between.* need a long file"):
        read_panel("data/sample.csv", between="income")
    end = ended(command, "--between", "income", "--out", tmp_path / "r.json")
    assert end.code == 2
    assert "--between does not go with --model mixture" in end.err
    frame = as_file(panel, tmp_path / "long.csv")
    frame["alike"] = frame["income"]
    frame.to_csv(tmp_path / "long.csv", index=False)
    doubled = read_panel(tmp_path / "long.csv", covariates=["alike"], between="income")
    with pytest.raises(
        InputError, match="do not identify the coefficients intercept, log_price, alike, income:intercept"
    ):
        fit_mixed_model(doubled, sigma="common")


@pytest.mark.parametrize("model", ["hierarchical", "normal-mixture"])
def test_the_command_tells_effects(panel, tmp_path, ended, model):
    as_file(panel, tmp_path / "long.csv")
    out, stores = tmp_path / "r.json", tmp_path / "stores.csv"
    words = ["--k", "1..2", "--starts", "5"] if model == "normal-mixture" else ["--intervals", "wald"]
    end = ended(
        command, tmp_path / "long.csv", "--model", model, *words, "--sigma", "common",
        "--between", "income + competition", "--out", out, "--stores", stores,
    )  # fmt: skip
    assert "which income, competition explain" in end.out
    assert "income:log_price" in end.out
    record = read_results(out, ("hierarchical", "normal-mixture"))
    assert record["settings"]["between"] == "income + competition"
    for fit in json.loads(out.read_text())["fits"]:
        assert fit["traits"] == ["income", "competition"]
        assert np.array(fit["theta"]).shape == (fit["k"], 2)
        assert np.array(fit["gamma"]).shape == np.array(fit["standard_errors"]["gamma"]).shape == (2, 2)
        if fit["k"] == 1:
            assert_allclose(fit["gamma"], LME4["ML"]["effect"], atol=1e-5)
            assert fit["n_parameters"] == 10
    header = stores.read_text().splitlines()[0]
    assert "theta_log_price_pooling" in header
    assert "income" not in header
