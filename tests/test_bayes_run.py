"""Posteriors from a panel: against a closed form, repeatable, and what an interruption leaves."""

import dataclasses

import numpy as np
import oracles
import pytest

import bayesmix.mixture
import bayesmix.sample
from bayesmix import judged, modes
from bayesmix.mixture import mixture_start
from bayesmix.normal_mixture import normal_mixture_model, normal_mixture_start
from bayesmix.priors import default_priors
from bayesmix.run import fit_hierarchical, fit_mixture
from bayesmix.settings import Settings
from bayesmix.start import start_of, start_of_mixed
from em.errors import InputError
from em.fit import fit_mixture as maximise
from em.likelihood import component_loglik
from em.mixed_model import fit_mixed_model
from em.panel import Panel, store_statistics
from em.statistics import build

SHORT = Settings(draws=300, tune=300, chains=4, seed=3)


def panel(seed=0, stores=30, k=2):
    rows = oracles.draw_rows(np.random.default_rng(seed), stores, k, weeks=(8, 14), spread=1.5)
    return as_panel(rows.store, rows.x, rows.y, stores)


def as_panel(store, x, y, n_stores):
    names = tuple(f"store {i + 1}" for i in range(n_stores))
    return Panel(names, ("1",), ("intercept", "log_price"), store, 0 * store, x, y, "panel.csv", "0" * 64)


@pytest.fixture(scope="module")
def two_segments():
    data = panel()
    solution = start_of(maximise(data, 2, starts=10))
    return data, solution, fit_mixture(data, 2, start=solution, settings=SHORT)


def test_one_segment_with_sigma_fixed_is_the_conjugate_posterior():
    data = panel(1, k=1)
    stats = store_statistics(data)
    posterior = fit_mixture(data, 1, settings=Settings(draws=1000, tune=500))
    prior = posterior.priors["numbers"]
    mean, sd = np.array(prior["mean"]), np.array(prior["sd"])
    precision = np.diag(sd**-2.0) + stats.xtx.sum(0)
    covariance = np.linalg.inv(precision)
    center = covariance @ (mean / sd**2 + np.einsum("spq,sq->p", stats.xtx, stats.b))
    theta = posterior.posterior["theta"].to_numpy()[:, :, 0].reshape(-1, 2)
    error = np.sqrt(np.diagonal(covariance)) / np.sqrt(1000)
    assert np.all(np.abs(theta.mean(0) - center) < 4.0 * error)
    np.testing.assert_allclose(np.cov(theta.T), covariance, rtol=0.12)
    np.testing.assert_array_equal(posterior.posterior["weight"].to_numpy(), 1.0)
    assert posterior.reasons == ()


def test_segments_keep_the_numbers_of_em_and_lie_about_its_estimates(two_segments):
    _, solution, posterior = two_segments
    theta = posterior.posterior["theta"].to_numpy()
    distance = np.abs(theta.mean((0, 1)) - solution.parameters.theta) / theta.std((0, 1))
    assert distance.max() < 1.0
    assert posterior.by_store["membership"].shape == (30, 2)
    assert (posterior.name, posterior.k) == ("mixture K=2", 2)


def test_chains_whose_labels_are_exchanged_come_back_to_the_numbering_of_em(two_segments, monkeypatch):
    data, solution, posterior = two_segments

    def exchanged(start, sigma):
        return {name: value[::-1] for name, value in mixture_start(start, sigma).items()}

    monkeypatch.setattr(bayesmix.mixture, "mixture_start", exchanged)
    again = fit_mixture(data, 2, start=solution, settings=SHORT)
    assert (posterior.sampler["labels_switched"], again.sampler["labels_switched"]) == (0.0, 1.0)
    for name, values in posterior.posterior.items():
        np.testing.assert_allclose(
            again.posterior[name].mean(("chain", "draw")), values.mean(("chain", "draw")), atol=0.1
        )
    np.testing.assert_allclose(again.by_store["membership"], posterior.by_store["membership"], atol=0.05)


def test_the_same_seed_gives_the_same_draws_and_another_does_not(two_segments):
    data, solution, posterior = two_segments
    again = fit_mixture(data, 2, start=solution, settings=SHORT)
    other = fit_mixture(data, 2, start=solution, settings=dataclasses.replace(SHORT, seed=4))
    np.testing.assert_array_equal(again.posterior["theta"], posterior.posterior["theta"].to_numpy())
    assert not np.array_equal(other.posterior["theta"], posterior.posterior["theta"].to_numpy())


def test_chains_start_apart():
    data = panel()
    priors = default_priors(store_statistics(data), data.coefficients)
    model = normal_mixture_model(store_statistics(data), 1, priors)
    start = normal_mixture_start(start_of_mixed(fit_mixed_model(data)).parameters, priors, "fixed")
    density = bayesmix.sample.compile_density(model, [start, start])

    def at(seed, chain):
        return bayesmix.sample._for_nutpie(density, Settings(seed=seed), chain).initial_point_func(0)

    np.testing.assert_array_equal(at(1, 0), at(1, 0))
    assert not np.allclose(at(1, 0), at(1, 1), atol=1e-3)
    assert not np.allclose(at(1, 0), at(2, 0), atol=1e-3)


def test_the_hierarchical_model_finds_what_was_drawn():
    rng = np.random.default_rng(2)
    mu, omega = np.array([10.0, -1.5]), np.array([[0.30, -0.12], [-0.12, 0.20]])
    store = np.repeat(np.arange(80), 25)
    x = np.column_stack([np.ones(store.size), rng.uniform(0.2, 2.0, store.size)])
    theta = rng.multivariate_normal(mu, omega, 80)
    y = np.einsum("rp,rp->r", x, theta[store]) + 0.5 * rng.standard_normal(store.size)
    data = as_panel(store, x, y, 80)
    posterior = fit_hierarchical(data, sigma="common", settings=Settings(draws=500, tune=500))
    q = {name: values.to_numpy() for name, values in posterior.posterior.items()}
    for value, truth in ((q["mu"], mu), (q["omega"], omega), (q["sigma"], 0.5)):
        assert np.all(np.abs(value.mean((0, 1)) - truth) < 3.5 * value.std((0, 1)))
    assert q["sigma"].shape == (4, 500)
    assert posterior.reasons == ()
    own = np.abs(store_statistics(data).b - theta).mean()
    assert np.abs(posterior.by_store["coefficients"].to_numpy() - theta).mean() < own


@pytest.mark.parametrize("sigma", ["fixed", "common"])
def test_the_hierarchical_start_is_where_its_likelihood_is_highest(sigma):
    rows = oracles.draw_rows(np.random.default_rng(5), 60, 1, weeks=(5, 20), sigma=0.7)
    rng = np.random.default_rng(6)
    shift = rng.multivariate_normal(np.zeros(2), [[0.4, -0.1], [-0.1, 0.2]], 60)
    y = rows.y + np.einsum("rp,rp->r", rows.x, shift[rows.store])
    stats = build(rows.store, rows.x, y, 60)

    def loglik(start):
        correlation = 2.0 * start["partial"][0] - 1.0
        a, b = start["scale"]
        omega = np.array([[[a * a, correlation * a * b], [correlation * a * b, b * b]]])
        sd = np.exp(start["log_sigma"]) if start["log_sigma"].size else np.ones(1)
        return component_loglik(stats, start["mu"][None], sd, omega).sum()

    priors = default_priors(stats, ("intercept", "log_price"))
    start = normal_mixture_start(start_of_mixed(fit_mixed_model(stats, sigma=sigma)).parameters, priors, sigma)
    start = {name: value if name in ("log_sigma", "effect") else value[0] for name, value in start.items()}
    for name, value in start.items():
        for factor in (0.98, 1.02):
            if value.size and name != "weight":
                assert loglik(start | {name: value * factor}) < loglik(start)


def test_a_start_exists_where_no_store_has_a_regression_of_its_own():
    rng = np.random.default_rng(0)
    stats = build(np.arange(5), np.column_stack([np.ones(5), rng.uniform(0.2, 2.0, 5)]), rng.normal(10.0, 1.0, 5), 5)
    priors = default_priors(stats, ("intercept", "log_price"))
    best = start_of_mixed(fit_mixed_model(stats, sigma="common")).parameters
    start = normal_mixture_start(best, priors, "common")
    assert (start["scale"] > 0.0).all()
    assert (np.abs(start["partial"] - 0.5) < 0.5).all()
    for value in start.values():
        assert np.isfinite(value).all()


def test_a_chain_that_came_back_short_by_itself_is_told_as_such_and_not_as_an_interruption(monkeypatch, two_segments):
    data, solution, _ = two_segments
    whole = bayesmix.sample.nutpie.sample
    monkeypatch.setattr(
        bayesmix.sample.nutpie, "sample", lambda *args, draws, **options: whole(*args, draws=100, **options)
    )
    with pytest.raises(InputError, match=r"gave 100 of \d+ draws of chain \d, though it was not interrupted"):
        fit_mixture(data, 2, start=solution, settings=SHORT)


def test_modes_are_weighed_on_relabelled_draws(monkeypatch, two_segments):
    """Chains that start with their segments exchanged: as drawn, their draws would be of two images of one mode."""
    data, solution, _ = two_segments
    given, seen = bayesmix.mixture.mixture_start, []

    def exchanged(parameters, rule):
        number = len(seen)
        seen.append(number)
        order = [1, 0] if number % 2 else [0, 1]
        return given(parameters._replace(weight=parameters.weight[order], theta=parameters.theta[order]), rule)

    weighed = []
    monkeypatch.setattr(bayesmix.mixture, "mixture_start", exchanged)
    monkeypatch.setattr(judged, "chains_by_mode", lambda *_: [np.array([0, 2]), np.array([1, 3])])

    def weigh(density, unconstrained, groups, seed):
        weighed.append(unconstrained)
        return modes.weigh(density, unconstrained, groups, seed)

    monkeypatch.setattr(judged, "weigh", weigh)
    fit = fit_mixture(data, 2, start=solution, settings=SHORT)
    assert fit.sampler["labels_switched"] == pytest.approx(0.5, abs=0.05)
    means, sd = weighed[0].mean(1), weighed[0].std(1).mean(0)
    assert (np.ptp(means, axis=0) < 2.0 * sd).all()


def test_settings_without_draws_are_refused():
    data = panel()
    with pytest.raises(InputError, match="draws is 0"):
        fit_hierarchical(data, settings=Settings(draws=0))
