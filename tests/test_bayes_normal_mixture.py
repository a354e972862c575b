"""The mixture of normals: its limits are the other two models, and what was drawn is found again."""

import dataclasses

import numpy as np
import pytest
from test_bayes_run import SHORT, as_panel

import bayesmix
import bayesmix.normal_mixture
from bayesmix.centre import centre
from bayesmix.density import compile_density, log_density
from bayesmix.labels import relabel_unconstrained
from bayesmix.normal_mixture import normal_mixture_start
from bayesmix.priors import default_priors
from bayesmix.run import fit_hierarchical, fit_mixture, fit_normal_mixture
from bayesmix.settings import Settings
from bayesmix.store_loo import loo, total
from em.errors import InputError
from em.mixed_model import fit_mixed_model
from em.normal_mixture import NormalMixtureParameters
from em.panel import store_statistics
from em.statistics import build

MU = np.array([[10.0, -1.0], [12.5, -2.5]])
OMEGA = np.array([[[0.20, -0.05], [-0.05, 0.08]], [[0.05, 0.0], [0.0, 0.15]]])
WEIGHT = np.array([0.65, 0.35])


def drawn(seed=0, stores=90, weeks=25, omega=OMEGA):
    """A panel of stores in two segments that differ inside, and the segment and coefficients of each."""
    rng = np.random.default_rng(seed)
    segment = (rng.random(stores) > WEIGHT[0]).astype(int)
    theta = np.array([rng.multivariate_normal(MU[s], omega[s]) for s in segment])
    store = np.repeat(np.arange(stores), weeks)
    x = np.column_stack([np.ones(store.size), rng.uniform(0.2, 2.0, store.size)])
    y = np.einsum("rp,rp->r", x, theta[store]) + 0.5 * rng.standard_normal(store.size)
    return as_panel(store, x, y, stores), segment, theta


@pytest.fixture(scope="module")
def two():
    data, segment, theta = drawn()
    return data, segment, theta, fit_normal_mixture(data, 2, sigma="common", settings=Settings(400, 500, 4, 1))


def values(fit):
    return {str(name): value.to_numpy() for name, value in fit.posterior.items()}


def test_what_was_drawn_is_found(two):
    data, segment, theta, fit = two
    q = values(fit)
    for name, truth in (("mu", MU), ("omega", OMEGA), ("sigma", 0.5), ("weight", WEIGHT)):
        assert np.all(np.abs(q[name].mean((0, 1)) - truth) < 3.5 * q[name].std((0, 1))), name
    assert fit.reasons == ()
    assert (fit.name, fit.k) == ("normal-mixture K=2", 2)
    np.testing.assert_array_equal(fit.by_store["membership"].argmax("segment"), segment)
    own = np.abs(store_statistics(data).b - theta).mean()
    assert np.abs(fit.by_store["coefficients"].to_numpy() - theta).mean() < own


def test_the_posterior_lies_about_the_maximum_of_the_likelihood_which_the_file_keeps(two):
    fit = two[3]
    em, q = fit.group("em"), values(fit)
    for name in ("weight", "mu", "sigma"):
        assert np.all(np.abs(q[name].mean((0, 1)) - em[name].to_numpy()) < 1.2 * q[name].std((0, 1)))
        ratio = em[f"{name}_se"].to_numpy() / q[name].std((0, 1))
        assert np.all((ratio > 0.7) & (ratio < 1.3))
    sd = np.sqrt(np.diagonal(q["omega"], axis1=-2, axis2=-1))
    assert np.all(np.abs(sd.mean((0, 1)) - em["sd"].to_numpy()) < 1.5 * sd.std((0, 1)))


def test_all_that_a_fit_can_be_asked(two, tmp_path):
    data, segment, _, fit = two
    fit.tree.to_netcdf(tmp_path / "fit.nc", engine="netcdf4")
    fit = bayesmix.load(tmp_path / "fit.nc")
    together = fit.co_membership().to_numpy()
    assert together[segment[:, None] == segment].min() > 0.5 > together[segment[:, None] != segment].max()
    table = fit.store_coefficients()
    np.testing.assert_allclose(table["mean"], fit.by_store["coefficients"], atol=1e-6)
    known = fit.predict([2.0, 4.0], stores=[data.stores[0]])
    new = fit.predict([2.0, 4.0], new_store=True)
    width = [float((one["mean_sales_upper"] / one["mean_sales_lower"]).max()) for one in (known, new)]
    assert width[0] < width[1]


def test_one_segment_is_the_hierarchical_model():
    data, _, _ = drawn(1, stores=40)
    one = fit_normal_mixture(data, 1, sigma="common", settings=SHORT)
    continuum = fit_hierarchical(data, sigma="common", settings=SHORT)
    for name in ("mu", "omega", "sigma"):
        np.testing.assert_allclose(one.posterior[name].to_numpy()[:, :, 0], continuum.posterior[name], rtol=1e-9)
    np.testing.assert_allclose(one.store_loglik, continuum.store_loglik, rtol=1e-9)
    np.testing.assert_array_equal(one.posterior["weight"], 1.0)


def test_without_room_inside_segments_it_is_the_finite_mixture():
    data, _, _ = drawn(2, stores=40, omega=np.zeros((2, 2, 2)))
    tight = fit_normal_mixture(data, 2, sigma="common", priors=["spread=halfnormal(0.001)"], settings=SHORT)
    alike = fit_mixture(data, 2, sigma="common", settings=SHORT)
    for name, other in (("weight", "weight"), ("mu", "theta"), ("sigma", "sigma")):
        found, expected = tight.posterior[name].to_numpy(), alike.posterior[other].to_numpy()
        np.testing.assert_allclose(found.mean((0, 1)), expected.mean((0, 1)), atol=0.2 * expected.std((0, 1)).max())
        np.testing.assert_allclose(found.std((0, 1)), expected.std((0, 1)), rtol=0.2)
    np.testing.assert_allclose(tight.by_store["membership"], alike.by_store["membership"], atol=0.01)
    elpd = [total(loo(fit.store_loglik).elpd_i) for fit in (tight, alike)]
    assert elpd[0] == pytest.approx(elpd[1], abs=1.0)


def test_chains_whose_labels_are_exchanged_come_back_to_the_numbering_of_em(two, monkeypatch):
    data, _, _, fit = two

    def exchanged(*given):
        start = normal_mixture_start(*given)
        return {name: value if name == "log_sigma" else value[::-1] for name, value in start.items()}

    monkeypatch.setattr(bayesmix.normal_mixture, "normal_mixture_start", exchanged)
    again = fit_normal_mixture(data, 2, sigma="common", settings=SHORT)
    assert (fit.sampler["labels_switched"], again.sampler["labels_switched"]) == (0.0, 1.0)
    for name, found in values(fit).items():
        np.testing.assert_allclose(values(again)[name].mean((0, 1)), found.mean((0, 1)), atol=0.12)


@pytest.mark.parametrize("random", [["intercept"], ["log_price"], []])
def test_only_chosen_coefficients_vary(random):
    data, _, _ = drawn(3, stores=60)
    fit = fit_hierarchical(data, random=random, sigma="common", settings=SHORT)
    mixed = fit_mixed_model(data, random=random, sigma="common").parameters
    q = values(fit)
    varies = np.array([name in random for name in data.coefficients])
    assert not q["omega"][..., ~varies, :].any()
    assert not q["omega"][..., ~varies].any()
    sd = np.sqrt(np.diagonal(q["omega"], axis1=-2, axis2=-1))[..., varies]
    assert np.all(np.abs(sd.mean((0, 1)) - np.sqrt(np.diagonal(mixed.omega))[varies]) < sd.std((0, 1)) + 1e-12)
    assert np.all(np.abs(q["mu"].mean((0, 1)) - mixed.mu) < 0.5 * q["mu"].std((0, 1)))
    assert fit.sampler["divergences"] == 0
    assert ("spread" in fit.group("log_prior")) == bool(random)


def test_columns_of_slopes_that_vary_are_not_centred_where_the_intercept_does_not():
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(40), rng.normal(1.0, 0.3, 40), rng.normal(2.0, 0.3, 40)])
    stats = build(np.repeat(np.arange(4), 10), x, rng.normal(size=40), 4)
    names = ("intercept", "log_price", "display")
    np.testing.assert_allclose(centre(stats, names, ["log_price"]).back[0], [1.0, 0.0, -x[:, 2].mean()])
    np.testing.assert_allclose(centre(stats, names, ["intercept", "display"]).back, centre(stats, names).back)


def test_a_start_with_singular_covariances_is_off_the_edge():
    data, _, _ = drawn(4, stores=30, omega=np.zeros((2, 2, 2)))
    fit = fit_normal_mixture(data, 2, sigma="common", settings=Settings(300, 400, 2, 0))
    assert (fit.group("em")["sd"].to_numpy() < 1e-6).any()
    sd = np.sqrt(np.diagonal(values(fit)["omega"], axis1=-2, axis2=-1))
    assert np.median(sd) < 0.15
    assert fit.sample_stats["diverging"].sum() <= 3


def test_what_is_not_possible_is_refused():
    data, _, _ = drawn(5, stores=10)
    for options, message in (
        ({"random": ["prize"]}, "no coefficient 'prize'"),
        ({"k": 11}, "K is 11"),
        ({"sigma": "segment"}, "sigma is 'segment'"),
    ):
        with pytest.raises(InputError, match=message):
            fit_normal_mixture(data, **({"k": 2} | options), settings=dataclasses.replace(SHORT, draws=4))


def test_renumbered_draws_have_the_density_of_those_drawn():
    rng = np.random.default_rng(0)
    data, _, _ = drawn(6, stores=12)
    stats = store_statistics(data)
    priors = default_priors(stats, data.coefficients)
    params = NormalMixtureParameters(
        np.array([0.5, 0.3, 0.2]), rng.normal(size=(3, 2)), np.tile(np.eye(2), (3, 1, 1)), np.ones(3)
    )
    model = bayesmix.normal_mixture.normal_mixture_model(stats, 3, priors, "common")
    density = compile_density(model, [normal_mixture_start(params, priors, "common")])
    q = density.starts + 0.5 * rng.standard_normal((5, density.starts.shape[1]))
    moved = relabel_unconstrained(q, density.shapes, np.tile([2, 0, 1], (5, 1)))
    assert not np.allclose(moved, q)
    np.testing.assert_allclose(log_density(density, moved), log_density(density, q), rtol=1e-10)
