"""Posteriors of counts, choices and amounts: the file, what stores show, predictions, and what is refused."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit, logsumexp

import bayesmix
from bayesmix.centre import centre
from bayesmix.fit import command
from bayesmix.posterior import ParameterDraws
from bayesmix.predicted_responses import predicted_responses
from bayesmix.prior_draws import shown_by_stores
from bayesmix.priors import default_priors
from bayesmix.settings import Settings
from bayesmix.stores import CountedStores, given_segments, rows_of_stores, stores_of, with_one_unseen
from bayesmix.target import loglik, parameters, target_of, without
from em.errors import InputError
from em.families import family_named
from em.family_segments import family_loglik
from em.panel import statistics_of
from em.simulator import Truth, finite_mixture, simulate_panel

SETTINGS = Settings(draws=300, tune=300, chains=2, seed=1)
SEGMENTS = finite_mixture(np.array([0.6, 0.4]), np.array([[0.5, 0.4], [1.8, -0.3]]), np.ones(2))


def simulated(name, truth=SEGMENTS, stores=30, weeks=12, seed=3, **given):
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(weeks), rng.integers(0, 3, weeks)])
    return simulate_panel(rng, family_named(name), truth, x, stores, **given)


@pytest.fixture(scope="module")
def segments():
    """A panel of counts in two segments, and its posterior."""
    drawn = simulated("poisson", exposure=2.0)
    return drawn, bayesmix.fit_mixture(drawn.panel, 2, settings=SETTINGS)


@pytest.fixture(scope="module")
def continuum():
    """A panel of counts whose rates vary, and its posterior."""
    truth = Truth(np.ones(1), np.array([[1.0, 0.3]]), np.ones(1), np.diag([0.5, 0.0])[None])
    drawn = simulated("poisson", truth)
    return drawn, bayesmix.fit_hierarchical(drawn.panel, random=["intercept"], settings=SETTINGS)


def test_segments_are_found(segments):
    drawn, fit = segments
    theta = fit.posterior["theta"]
    z = (theta.mean(("chain", "draw")) - SEGMENTS.mu) / theta.std(("chain", "draw"))
    assert np.abs(z).max() < 4.0
    share = fit.by_store["membership"].to_numpy()
    assert (share.argmax(1) == drawn.segment).all()


def test_a_continuum_is_found(continuum):
    drawn, fit = continuum
    sd = np.sqrt(fit.posterior["omega"].to_numpy()[..., 0, 0])
    assert abs(sd.mean() - np.sqrt(0.5)) < 4.0 * sd.std()
    own = fit.by_store["coefficients"].to_numpy()[:, 0]
    assert np.corrcoef(own, drawn.theta[:, 0])[0, 1] > 0.95


@pytest.mark.parametrize("which", ["segments", "continuum"])
def test_a_file_gives_back_the_fit(which, tmp_path, request):
    _, fit = request.getfixturevalue(which)
    fit.save(tmp_path / "fit.nc")
    back = bayesmix.load(tmp_path / "fit.nc")
    assert (back.family, back.log_density_of, back.quadrature) == ("poisson", "response", fit.quadrature)
    for name, held in fit.statistics.counts._asdict().items():
        if name != "family":
            assert_allclose(getattr(back.statistics.counts, name), held, err_msg=name)
    assert back.statistics.nodes == fit.statistics.nodes
    assert_allclose(back.store_loglik, fit.store_loglik)
    with pytest.raises(InputError, match="expected a fit of log sales"):
        _ = back.gaussian


def test_store_log_likelihoods_are_those_of_the_draws(segments):
    drawn, fit = segments
    draws = fit.draws
    loglik_at = family_loglik(statistics_of(drawn.panel), draws.mu, draws.sigma)
    expected = logsumexp(loglik_at + np.log(draws.weight)[:, None], axis=2)
    assert_allclose(fit.store_loglik.to_numpy().reshape(len(expected), -1), expected, rtol=1e-9)


@pytest.mark.parametrize("which", ["segments", "continuum"])
def test_the_density_made_again_is_that_of_the_fit_and_forgets_stores(which, request):
    _, fit = request.getfixturevalue(which)
    target = target_of(fit)
    q = target.draws.reshape(-1, target.draws.shape[-1])[::100]
    kept = fit.store_loglik.to_numpy().reshape(-1, len(fit.stores))[::100]
    # Roots of Omega on other columns have other nodes: equal but for the error of the quadrature.
    assert_allclose(loglik(target, parameters(target, q)), kept, rtol=1e-6)
    left = without(target, np.array([0, 5]))
    assert left.statistics.n_stores == len(fit.stores) - 2
    from bayesmix.density import log_density

    gone = log_density(target.density, q) - log_density(left.density, q)
    assert_allclose(gone, kept[:, [0, 5]].sum(1), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "given", "center"),
    [
        ("poisson", {"exposure": 2.0}, lambda y: np.log(y.mean() / 2.0)),
        ("negative-binomial", {}, lambda y: np.log(y.mean())),
        ("gamma", {}, lambda y: np.log(y.mean())),
        ("bernoulli", {}, lambda y: np.log(y.mean() / (1.0 - y.mean()))),
        ("binomial", {"trials": 5.0}, lambda y: np.log(y.mean() / (5.0 - y.mean()))),
    ],
)
def test_priors_are_centred_on_the_mean_response(name, given, center):
    panel = simulated(name, **given).panel
    centred = centre(stores_of(panel, 0), panel.coefficients)
    assert default_priors(centred.statistics, panel.coefficients).mean[0] == pytest.approx(center(panel.y))
    counts = centred.statistics.counts
    rows = np.bincount(counts.design, counts.n) @ counts.x / counts.n.sum()
    assert_allclose(rows, [1.0, 0.0], atol=1e-12)
    shown = shown_by_stores(stores_of(panel, 0), panel.coefficients)["response"]
    assert_allclose(shown, panel.y.reshape(30, -1).mean(1) / next(iter(given.values()), 1.0))


def test_a_panel_without_events_has_a_finite_prior():
    panel = simulated("bernoulli", finite_mixture(np.ones(1), np.array([[-90.0, 0.0]]), np.ones(1))).panel
    assert not panel.y.any()
    mean = default_priors(centre(stores_of(panel, 0), panel.coefficients).statistics, panel.coefficients).mean[0]
    assert mean == pytest.approx(np.log(0.5 / (panel.y.size - 0.5)))


def test_a_store_not_yet_seen_has_the_moments_of_its_segment():
    stores = with_one_unseen(stores_of(simulated("poisson").panel, 1))
    assert rows_of_stores(stores)[-1] == 0
    mu, omega = np.array([[[0.3, 0.1]]]), np.diag([0.5, 0.0])[None, None]
    given = given_segments(stores, mu, np.ones((1, 1)), omega)
    assert_allclose(given.loglik[0, -1], 0.0, atol=1e-12)
    assert_allclose(given.mean[0, -1], mu[0], atol=1e-10)
    assert_allclose(given.covariance[0, -1], omega[0], atol=1e-8)


def unseen(name):
    return with_one_unseen(stores_of(simulated(name).panel, 1))._replace(nodes=9)


def predicted_at(name, size=1.0, omega=0.5, n=4000):
    draws = ParameterDraws(
        np.ones((n, 1)), np.full((n, 1, 2), [1.0, -0.2]), np.ones((n, 1)), np.tile(np.diag([omega, 0.0]), (n, 1, 1, 1))
    )
    stores = unseen(name)
    only = CountedStores(stores.counts._replace(), stores.nodes)
    index = np.arange(only.n_stores)
    return predicted_responses(only, draws, None, np.array([[1.0, 0.5]]), 0.89, np.array([size]), 0, index)[:, :, -1, 0]


def test_the_mean_response_of_a_new_store_is_the_integral():
    eta, variance = 0.9, 0.5
    found = predicted_at("poisson", size=3.0, n=500)
    assert found[0, 0] == pytest.approx(eta + np.log(3.0))
    assert found[1, 0] == pytest.approx(3.0 * np.exp(eta + variance / 2.0), rel=1e-6)
    at = np.linspace(-8.0, 8.0, 20001)
    density = np.exp(-0.5 * at**2) / np.sqrt(2.0 * np.pi)
    share = np.trapezoid(expit(eta + np.sqrt(variance) * at) * density, at)
    assert predicted_at("bernoulli", n=500)[1, 0] == pytest.approx(share, rel=1e-6)


def test_a_single_row_is_a_count_with_the_scatter_of_its_family():
    found = predicted_at("poisson", omega=1e-12)[2]
    assert (found == np.floor(found)).all()
    from scipy.stats import poisson

    assert_allclose(found, poisson(np.exp(0.9)).ppf([0.5, 0.055, 0.945]))


def test_the_size_of_rows_must_go_with_the_family(segments):
    _, fit = segments
    known = fit.predict({"x1": [1.0]}, "store 1", size=4.0)
    half = fit.predict({"x1": [1.0]}, "store 1", size=2.0)
    assert_allclose(known["mean_response"], 2.0 * half["mean_response"])
    with pytest.raises(InputError, match="expected an exposure"):
        fit.predict({"x1": [1.0]}, "store 1", size=0.0)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (["--family", "poisson", "--k", "3", "--sparse"], "--sparse is for log sales"),
        (["--family", "poisson", "--k", "3", "--model", "normal-mixture"], "normal-mixture is for log sales"),
        (["--family", "poisson", "--k", "3", "--quadrature", "5"], "in a mixture none do"),
        (["--k", "3", "--quadrature", "5"], "the integrals of log sales are exact"),
        (["--family", "poisson", "--sigma", "common", "--k", "2"], "which has no dispersion"),
        (["--family", "gamma", "--sigma", "fixed", "--k", "2"], "a dispersion that has to be estimated"),
    ],
)
def test_what_does_not_go_together_is_refused(call, told, tmp_path):
    data = tmp_path / "visits.csv"
    rows = [f"{store},{week},{1 + (store + week) % 4},{week % 3}" for store in range(6) for week in range(5)]
    data.write_text("\n".join(["store,week,visits,promotion", *rows]) + "\n")
    columns = ["--sales", "visits", "--covariates", "promotion", "--out", str(tmp_path / "fit.nc")]
    with pytest.raises(InputError, match=told):
        command([str(data), *columns, *call])
    assert not (tmp_path / "fit.nc").exists()


def test_the_command_writes_a_posterior_of_counts(segments, tmp_path, capsys):
    panel = segments[0].panel
    lines = [
        f"{panel.stores[s]},{w},{int(y)},{x:g},2"
        for s, w, y, x in zip(panel.store, panel.week, panel.y, panel.x[:, 1], strict=True)
    ]
    data, out = tmp_path / "visits.csv", tmp_path / "fit.nc"
    data.write_text("\n".join(["store,week,visits,promotion,days", *lines]) + "\n")
    call = [
        "--family",
        "poisson",
        "--formula",
        "visits ~ promotion",
        "--exposure",
        "days",
        "--k",
        "2",
        "--draws",
        "300",
    ]
    assert command([str(data), *call, "--tune", "300", "--out", str(out), "--stores", str(tmp_path / "s.csv")]) == 0
    fit = bayesmix.load(out)
    assert fit.log_density_of == "visits"
    assert fit.data["columns"]["family"] == "poisson"
    assert json.loads(fit.tree.attrs["priors"])["statements"]["theta[promotion]"] == "normal(0, 2.5)"
    shown = capsys.readouterr().out
    assert "visits (poisson, log link)" in shown
    assert "% of stores were expected in" in shown
    assert (tmp_path / "s.csv").read_text().count("\n") == 31


@pytest.mark.parametrize("model", ["mixture", "hierarchical"])
def test_complete_separation_is_named_and_bounded_by_the_prior(model):
    panel = simulated("poisson", finite_mixture(np.ones(1), np.array([[-90.0, 45.5]]), np.ones(1)), seed=0).panel
    assert panel.y.any()
    assert not panel.y[panel.x[:, 1] < 2].any()
    if model == "mixture":
        fit = bayesmix.fit_mixture(panel, 1, settings=SETTINGS)
    else:
        fit = bayesmix.fit_hierarchical(panel, random=["intercept"], settings=SETTINGS)
    assert not any("separation" in reason for reason in fit.reasons)
    assert any("separation: " in note and "their prior alone bounds them" in note for note in fit.notes)
    assert np.abs(fit.by_store["coefficients"]).max() < 40.0
    assert "note: separation" in repr(fit)
