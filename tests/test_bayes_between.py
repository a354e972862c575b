"""Traits of stores that explain their coefficients, as a posterior."""

import json
from dataclasses import replace

import numpy as np
import pymc as pm
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from traits_by_hand import GAMMA, NAMES, as_file, panel_with_traits

from bayesmix import target
from bayesmix.centre import centre
from bayesmix.density import compile_density, log_density
from bayesmix.fit import command
from bayesmix.labels import relabel_unconstrained
from bayesmix.new_store_traits import new_store_traits
from bayesmix.normal_mixture import normal_mixture_model, normal_mixture_start
from bayesmix.parameters import parameters
from bayesmix.posterior import ParameterDraws, store_means, thinned
from bayesmix.prior_draws import draw_prior, log_prior
from bayesmix.prior_text import override
from bayesmix.priors import default_priors, from_record, statements
from bayesmix.read import load
from bayesmix.report import report
from bayesmix.run import fit_hierarchical, fit_mixture, fit_normal_mixture
from bayesmix.settings import Settings
from bayesmix.week_density import log_density_left_out, weeks_of
from comparisons.agreement import effects, em_twin
from comparisons.average import average
from comparisons.comparison import compare
from comparisons.own_likelihood import em_memberships, entry_of
from comparisons.week_loo import week_loo
from em.between import Between, expanded
from em.errors import InputError
from em.fit import fit_mixture as by_em
from em.likelihood import component_loglik, store_loglik
from em.mixed_model import fit_mixed_model
from em.normal_mixture import NormalMixtureParameters
from em.normal_mixture_fit import fit_normal_mixture as by_em_of_normals
from em.panel import store_statistics

SETTINGS = Settings(800, 600, 4, 1)


@pytest.fixture(scope="module")
def continuum(tmp_path_factory):
    panel, theta, _ = panel_with_traits()
    fit = fit_hierarchical(panel, sigma="common", settings=SETTINGS)
    path = tmp_path_factory.mktemp("between") / "continuum.nc"
    fit.save(path)
    return panel, theta, load(path)


@pytest.fixture(scope="module")
def two():
    panel, theta, segment = panel_with_traits(seed=3, stores=80, k=2)
    return panel, theta, segment, fit_normal_mixture(panel, 2, sigma="common", settings=SETTINGS)


def test_effects_lie_about_the_maximum_of_the_likelihood_and_cover_the_truth(continuum):
    panel, _, fit = continuum
    gamma, em = fit.draws.gamma, fit.group("em")
    mixed = fit_mixed_model(panel, sigma="common")
    assert fit.trusted
    assert_allclose(em["gamma"].to_numpy().ravel(), mixed.parameters.mu[2:], atol=1e-8)
    assert np.all(np.abs(gamma.mean(0) - em["gamma"].to_numpy()) < 0.3 * gamma.std(0))
    assert_allclose(gamma.std(0), em["gamma_se"], rtol=0.15)
    low, high = np.quantile(gamma, [0.005, 0.995], axis=0)
    assert np.all((low < GAMMA) & (high > GAMMA))
    assert np.all(np.sign(low[0]) == np.sign(high[0]))  # income explains
    assert np.all(np.sign(low[1]) != np.sign(high[1]))  # competition is noise


def test_effects_are_those_drawn_in_every_segment(two):
    _, theta, segment, fit = two
    gamma = fit.draws.gamma
    assert np.all(np.abs(gamma.mean(0) - GAMMA) < 3.0 * gamma.std(0))
    found = fit.by_store["membership"].to_numpy().argmax(1)
    assert max((found == segment).mean(), (found != segment).mean()) > 0.97
    off = fit.by_store["coefficients"].to_numpy() - theta
    assert np.abs(off).mean() < np.abs(fit.statistics.b - theta).mean()


def test_stores_are_those_of_the_expanded_statistics(continuum, two):
    for panel, fit in ((continuum[0], continuum[2]), (two[0], two[3])):
        d, chosen = fit.draws, np.arange(0, len(fit.draws.sigma), 190)
        k, m = fit.k, len(chosen)
        mu = np.concatenate([d.mu[chosen], np.tile(d.gamma[chosen].reshape(m, 1, -1), (1, k, 1))], axis=2)
        omega = np.pad(d.omega[chosen], ((0, 0), (0, 0), (0, 4), (0, 4)))
        component = component_loglik(expanded(fit.statistics, panel.between), mu, d.sigma[chosen], omega)
        plain = store_loglik(np.log(d.weight[chosen]), component)
        kept = fit.store_loglik.to_numpy().reshape(-1, len(fit.stores))[chosen]
        assert_allclose(kept, plain, rtol=1e-9)


def test_stores_without_their_traits_are_refused(continuum):
    fit = continuum[2]
    with pytest.raises(ValueError, match="need the traits"):
        store_means(fit.draws, None)
    with pytest.raises(ValueError, match="need the traits"):
        store_means(fit.draws._replace(gamma=None), fit.traits)


def test_a_new_store_is_predicted_by_its_traits(continuum):
    panel, _, fit = continuum
    rng, d = np.random.default_rng(0), fit.draws
    x = np.array([1.0, np.log(2.0)])
    for traits, z in (({"income": 60.0}, [60.0 - panel.between.mean[0], 0.0]), (None, [0.0, 0.0])):
        found = fit.predict([2.0], new_store=True, traits=traits).isel(store=0, price=0)
        chosen = rng.integers(len(d.sigma), size=40_000)
        root = np.linalg.cholesky(d.omega[:, 0])[chosen]
        theta = d.mu[chosen, 0] + z @ d.gamma[chosen] + np.einsum("dpq,dq->dp", root, rng.normal(size=(chosen.size, 2)))
        log_sales = theta @ x
        assert float(found["log_sales"]) == pytest.approx(log_sales.mean(), abs=0.02)
        ends = np.quantile(log_sales, [0.055, 0.945])
        assert_allclose([found["log_sales_lower"], found["log_sales_upper"]], ends, atol=0.06)
        mean = np.exp(log_sales + 0.5 * d.sigma[chosen, 0] ** 2).mean()
        assert float(found["mean_sales"]) == pytest.approx(mean, rel=0.05)
    known = fit.predict([2.0], stores=["Shop 03", "Shop 00"])["log_sales"].to_numpy()[:, 0]
    assert_allclose(known, fit.by_store["coefficients"].to_numpy()[[3, 0]] @ x, atol=1e-6)
    summary = fit.store_coefficients()
    assert_allclose(summary["mean"], fit.by_store["coefficients"], atol=1e-8)
    with pytest.raises(InputError, match="expected new_store=True"):
        fit.predict([2.0], traits={"income": 60.0})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, [0.0, 0.0, 0.0, 0.0]),
        ({"income": 9.0}, [np.log(9.0) - 2.0, 0.0, 0.0, 0.0]),
        ({"region": "north"}, [0.0, 1.0 - 0.25, -0.5, 0.0]),
        ({"region[T.north]": 0, "region[T.south]": 0}, [0.0, -0.25, -0.5, 0.0]),
        ({"size": 2.0, "age": 3.0}, [0.0, 0.0, 0.0, 5.0]),
    ],
)
def test_traits_of_a_new_store_are_worked_out(given, expected):
    names = ("log(income)", "region[T.north]", "region[T.south]", "size:age")
    between = Between(names, np.zeros((1, 4)), np.array([2.0, 0.25, 0.5, 1.0]))
    assert_allclose(new_store_traits(between, given), expected)
    for wrong, message in (
        ({"rent": 1.0}, "no trait 'rent'"),
        ({"region": "nroth"}, "'nroth' is none of north, south"),
        ({"income": "much"}, "is no number"),
        ({"income": -1.0}, "log.income.: is nan"),
        ({"size": 1.0}, "needs age"),
    ):
        with pytest.raises(InputError, match=message):
            new_store_traits(between, wrong)
    with pytest.raises(InputError, match="none explain"):
        new_store_traits(None, {"income": 1.0})


def test_segments_exchanged_leave_effects_as_they_are():
    q = np.arange(18.0).reshape(2, 9)
    shapes = {"weight_logratio__": (1,), "mu": (2, 2), "effect": (2, 2)}
    moved = relabel_unconstrained(q, shapes, np.array([[0, 1], [1, 0]]))
    assert_allclose(moved[:, 5:], q[:, 5:])
    assert_allclose(moved[1, 1:5], q[1, [3, 4, 1, 2]])


def test_priors_of_effects_are_scaled_told_replaced_and_drawn():
    panel = panel_with_traits(unit=1000.0)[0]
    centred = centre(store_statistics(panel), NAMES)
    priors = default_priors(centred.statistics, NAMES, panel.between)
    assert_allclose(priors.effect_sd[:2], np.array([3.0, 1.5]) / panel.between.sd[0])
    given = override(priors, ["income:log_price=normal(-0.1, 0.5)"], "hierarchical", "common")
    assert (given.effect_mean[1], given.effect_sd[1]) == (-0.1, 0.5)
    assert statements(given, "hierarchical", "common")["income:log_price"] == "normal(-0.1, 0.5)"
    kept = json.loads(json.dumps({"numbers": vars(given)}))
    assert from_record(kept) == given
    with pytest.raises(InputError, match=r"nothing is called 'rent:log_price'.*income:log_price"):
        override(priors, ["rent:log_price=normal(0, 1)"], "hierarchical", "common")
    drawn = draw_prior(given, "hierarchical", 1, "common", centred.back, 20_000, 0)
    on_centred = drawn["gamma"] @ np.linalg.inv(centred.back).T
    assert_allclose(on_centred.mean(0)[0, 1], -0.1, atol=0.02)
    assert_allclose(on_centred.std(0).ravel(), given.effect_sd, rtol=0.03)
    quantities = {name: value[None] for name, value in drawn.items()}
    density = log_prior(quantities, given, "hierarchical", "common", centred.back)["gamma"][0]
    with pm.Model():
        theirs = pm.logp(pm.Normal.dist(given.effect_mean, given.effect_sd), on_centred.reshape(-1, 4)).eval().sum(1)
    assert_allclose(density - density[0], theirs - theirs[0], atol=1e-9)


def test_a_narrow_prior_holds_an_effect(continuum):
    panel = continuum[0]
    fit = fit_hierarchical(panel, sigma="common", priors=["income:log_price=normal(0, 1e-4)"], settings=SETTINGS)
    assert abs(float(fit.posterior["gamma"].sel(trait="income", coefficient="log_price").mean())) < 3e-4
    assert fit.priors["statements"]["income:log_price"] == "normal(0, 0.0001)"


def test_what_traits_explain_is_the_variance_they_add(continuum):
    fit, names = continuum[2], continuum[2].coefficients
    d = fit.draws
    of = np.einsum("sm,dm->ds", fit.traits, d.gamma[:, :, 1]).var(1)
    share = of / (of + d.omega[:, 0, 1, 1])
    told = fit.explained_by_traits()
    assert float(told["mean"].sel(coefficient="log_price")) == pytest.approx(share.mean(), rel=1e-9)
    assert names[1] == "log_price"
    assert float(told["lower"][1]) > 0.05


def test_the_pages_and_the_comparison_tell_effects(continuum):
    panel, _, fit = continuum
    labels = [one.name for one in parameters(fit)]
    assert "price elasticity per unit of income" in labels
    page = report(fit)
    assert "What explains the differences" in page
    assert "Stores with the same income and competition differ" in page
    plain = replace(panel, between=None)
    without = fit_hierarchical(plain, sigma="common", settings=SETTINGS)
    segments = by_em(plain, 2, sigma="common")
    results = {"fits": [], "settings": {"sigma": "common"}}
    assert segments.k == 2
    compared = compare(results, [fit, without])
    assert compared.best.fit is fit
    assert compared.best.name == "hierarchical on income, competition"
    assert any("also differ in the traits" in note for note in compared.notes)
    assert not any("traits" in note for note in compare(results, [fit]).notes)
    told = {(trait, name): one for trait, name, one in effects(fit)}
    assert told["income", "log_price"].mean == pytest.approx(fit.draws.gamma[:, 0, 1].mean())
    assert effects(without) == []


def test_stores_are_left_out_with_their_traits(continuum, two):
    """The density without some stores is less by their likelihood, which their traits are part of."""
    left = np.array([0, 7])
    for fit in (continuum[2], two[3]):
        whole = target.target_of(fit)
        q = whole.draws.reshape(-1, whole.draws.shape[-1])[::160]
        loglik = (
            fit.store_loglik.transpose("chain", "draw", "store_name").to_numpy().reshape(-1, len(fit.stores))[::160]
        )
        change = log_density(whole.density, q) - log_density(target.without(whole, left).density, q)
        assert_allclose(change, loglik[:, left].sum(1), rtol=1e-8)
        assert_allclose(target.loglik(whole, target.parameters(whole, q)), loglik, rtol=1e-8)
        change = log_density(whole.density, q) - log_density(target.tempered(whole, 0.25).density, q)
        assert_allclose(change, 0.75 * loglik.sum(1), rtol=1e-8)


def test_a_week_left_out_is_that_of_the_expanded_statistics(continuum):
    panel, _, fit = continuum
    draws, weeks = thinned(fit.draws), weeks_of(panel)
    found = log_density_left_out(fit.statistics, draws, weeks, fit.traits)
    z = np.column_stack([np.ones(len(fit.stores)), fit.traits])[weeks.store]
    wide = weeks._replace(x=np.einsum("rm,rp->rmp", z, weeks.x).reshape(len(z), -1))
    mu = np.concatenate([draws.mu, draws.gamma.reshape(len(draws.mu), 1, -1)], axis=2)
    every = ParameterDraws(draws.weight, mu, draws.sigma, np.pad(draws.omega, ((0, 0), (0, 0), (0, 4), (0, 4))))
    assert_allclose(log_density_left_out(expanded(fit.statistics, fit.between), every, wide), found, atol=1e-7)
    plain = np.log(len(found)) - logsumexp(-found, axis=0)
    assert_allclose(week_loo(fit, panel).elpd_i, plain, atol=0.1)


def test_maximum_likelihood_in_a_file_is_that_of_em(continuum, two):
    (panel, _, one), (other, _, _, both) = continuum, two
    mixed = fit_mixed_model(panel, sigma="common")
    normals = by_em_of_normals(other, 2, sigma="common", seed=SETTINGS.seed)
    for fit, em in ((one, mixed), (both, normals)):
        entry = entry_of(fit)
        assert entry["n_parameters"] == em.n_parameters
        assert entry["bic"] == pytest.approx(em.criteria.bic, abs=1e-6)
        assert em_twin(fit, {"fits": [entry]}) is entry
        assert em_twin(fit, {"fits": [entry | {"traits": ["income"]}]}) is None
    assert_allclose(em_memberships(entry_of(both), both), normals.memberships, atol=1e-8)


def test_the_average_of_models_with_traits_is_of_stores_with_theirs(continuum):
    _, _, fit = continuum
    mean = average(compare(None, [fit]))["mean"]
    of = fit.by_store.sel(coefficient="log_price")
    assert np.all(np.abs(mean.to_numpy() - of["coefficients"].to_numpy()) < 0.25 * of["coefficients_sd"].to_numpy())


def test_the_command_takes_traits(tmp_path, ended):
    as_file(panel_with_traits(stores=20)[0], tmp_path / "long.csv")
    short = ("--draws", "120", "--tune", "200", "--chains", "2", "--sigma", "common")
    end = ended(
        command, tmp_path / "long.csv", "--model", "hierarchical", "--between", "income + region", *short,
        "--prior", "income:intercept=normal(0, 1)", "--out", tmp_path / "h.nc",
    )  # fmt: skip
    assert "income:intercept at average prices ~ normal(0, 1)" in end.out
    assert "traits explain" in end.out
    fit = load(tmp_path / "h.nc")
    assert fit.between.names == ("income", "region[T.north]", "region[T.south]")
    assert fit.tree["posterior"]["gamma"].dims == ("chain", "draw", "trait", "coefficient")
    end = ended(command, tmp_path / "long.csv", "--k", "2", "--between", "income", "--out", tmp_path / "m.nc")
    assert end.code == 2
    assert "--between is for models in which the stores of a segment differ" in end.err


def test_a_mixture_refuses_traits(continuum):
    with pytest.raises(InputError, match="fit_hierarchical or fit_normal_mixture"):
        fit_mixture(continuum[0], 2)


def test_one_compiled_function_serves_with_and_without_traits():
    panel = panel_with_traits(stores=12)[0]
    stats, plain = store_statistics(panel), default_priors(store_statistics(panel), NAMES)
    priors = default_priors(stats, NAMES, panel.between)
    at = NormalMixtureParameters(np.ones(1), stats.b[:1], np.eye(2)[None], np.ones(1))
    with_traits = compile_density(
        normal_mixture_model(stats, 1, priors, "common", panel.between),
        [normal_mixture_start(at._replace(gamma=np.zeros((2, 2))), priors, "common", panel.between)],
    )
    without = compile_density(
        normal_mixture_model(stats, 1, plain, "common"), [normal_mixture_start(at, plain, "common")]
    )
    difference = log_density(with_traits, with_traits.starts) - log_density(without, without.starts)
    sd = np.array(priors.effect_sd).reshape(2, 2) * panel.between.sd[:, None]
    assert_allclose(difference, -np.log(sd * np.sqrt(2.0 * np.pi)).sum(), rtol=1e-9)
