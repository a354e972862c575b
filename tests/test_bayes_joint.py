"""Coefficients of stores drawn with the parameters: the joint density, its gradient, and the posterior it gives."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from oracles import slope
from scipy.stats import multivariate_normal

import bayesmix
from bayesmix.compiled_family import compiled_family
from bayesmix.diagnose import summarise
from bayesmix.family_designs import family_designs
from bayesmix.fit import command
from bayesmix.joint_kernel import joint_kernel_of
from bayesmix.joint_model import drawn_coefficients
from bayesmix.judged import judge
from bayesmix.priors import Priors
from bayesmix.run import fit_hierarchical
from bayesmix.settings import Settings
from bayesmix.store_curvature import StoreCurvature, curvature_at
from bayesmix.stores import CountedStores
from bayesmix.target import parameters, target_of
from em.command import SAMPLE
from em.design_counts import count_designs
from em.errors import InputError
from em.families import family_named
from em.families.family import log_density
from em.panel import read_panel

STORES, VARYING = 4, np.array([0, 2])
PRIORS = Priors(("intercept", "x1", "x2"), (0.0,) * 3, (1.0,) * 3, spread=(1.0, 0.0, 1.0))


def problem(name, seed=0):
    """Rows, statistics, traits and parameters by name; stores differ in two coefficients of three."""
    rng, family = np.random.default_rng(seed), family_named(name)
    store = np.sort(rng.integers(0, STORES, 14))
    x = np.column_stack([np.ones(14), rng.normal(size=(14, 2))])
    y = family.draw(rng, 0.3 * x[:, 1], np.ones(14), np.log(0.6))
    spread = np.zeros((1, 3, 3))
    spread[0, 0, 0], spread[0, 2, 0], spread[0, 2, 2] = 0.8, 0.3, 0.5
    traits = rng.normal(size=(STORES, 1))
    at = {
        "mu": 0.3 * rng.normal(size=(1, 3)), "sigma": np.array([0.6]), "spread": spread,
        "effect": 0.3 * rng.normal(size=(1, 3)), "z": rng.normal(size=(STORES, 2)),
    }  # fmt: skip
    return family, (store, x, y), CountedStores(count_designs(family, store, x, y, STORES), 1), traits, at


def elsewhere(seed=1):
    """Curvature that has nothing to do with the data."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(STORES, 3, 3))
    return StoreCurvature(root @ np.swapaxes(root, 1, 2), rng.normal(size=(STORES, 3)))


def joint(family, stores, traits, curvature):
    """The kernel in plain Python as a function of its five arguments by name."""
    data = family_designs(stores.counts, traits, 1, VARYING)
    kernel = joint_kernel_of(compiled_family(family))
    return lambda at: kernel(*at.values(), *curvature, *data)


def theta_at(at, curvature, traits):
    """Coefficients of stores (store, coefficient)."""
    quantities = {"mu": at["mu"], "z": at["z"], "spread_root": at["spread"], "gamma": at["effect"]}
    one_draw = {name: value[None] for name, value in quantities.items()}
    return drawn_coefficients(one_draw, curvature, PRIORS, traits)[0]


@pytest.mark.parametrize("name", ["bernoulli", "negative-binomial", "gamma"])
def test_gradient_is_that_of_finite_differences(name):
    family, _, stores, traits, at = problem(name)
    density = joint(family, stores, traits, elsewhere())
    for argument, gradient in zip(at, density(at)[1:], strict=True):

        def value(values, argument=argument):
            return density({**at, argument: values.reshape(at[argument].shape)})[0]

        moves = at[argument].ravel() != 0.0  # of a factor only its lower triangle
        np.testing.assert_allclose(gradient.ravel()[moves], slope(value, at[argument].ravel())[moves], rtol=1e-5)


@pytest.mark.parametrize("name", ["poisson", "gamma"])
def test_density_is_that_of_rows_and_coefficients_by_change_of_variables(name):
    family, (store, x, y), stores, traits, at = problem(name)
    curvature = elsewhere()
    root = at["spread"][0][:, VARYING]

    def u(z):
        off = theta_at({**at, "z": z}, curvature, traits) - at["mu"] - traits @ at["effect"]
        return np.linalg.lstsq(root, off.T, rcond=None)[0].T

    theta = theta_at(at, curvature, traits)
    rows = log_density(family, y, np.einsum("rp,rp->r", x, theta[store]), np.ones(y.size), np.log(at["sigma"][0]))
    expected = rows.sum() + multivariate_normal(np.zeros(2)).logpdf(u(at["z"])).sum() + STORES * np.log(2.0 * np.pi)
    h = 1e-6
    for i in range(STORES):
        jacobian = np.empty((2, 2))
        for b in range(2):
            step = np.zeros((STORES, 2))
            step[i, b] = h
            jacobian[:, b] = (u(at["z"] + step)[i] - u(at["z"] - step)[i]) / (2.0 * h)
        expected += np.log(np.abs(np.linalg.det(jacobian)))
    np.testing.assert_allclose(joint(family, stores, traits, curvature)(at)[0], expected, rtol=1e-7)


def test_z_is_standard_normal_where_the_response_is_gaussian_whatever_the_parameters():
    family, (store, x, y), stores, traits, at = problem("gaussian")
    curvature = curvature_at(stores, np.ones((STORES, 3)), at["sigma"][0])
    mean, omega = at["mu"] + traits @ at["effect"], at["spread"][0] @ at["spread"][0].T
    expected = -0.5 * np.square(at["z"]).sum()
    for i in range(STORES):
        rows = x[store == i]
        covariance = at["sigma"][0] ** 2 * np.eye(len(rows)) + rows @ omega @ rows.T
        expected += multivariate_normal(rows @ mean[i], covariance).logpdf(y[store == i])
    np.testing.assert_allclose(joint(family, stores, traits, curvature)(at)[0], expected, rtol=1e-10)


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    """Forty stores with four yes or no each."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 4))
    y = rng.random((40, 4)) < 1.0 / (1.0 + np.exp(0.5 - x - 1.5 * rng.normal(size=(40, 1))))
    path = tmp_path_factory.mktemp("joint") / "yes.csv"
    names = np.repeat([f"store {i + 1}" for i in range(40)], 4)
    pd.DataFrame({"store": names, "week": np.tile(range(4), 40), "x": x.ravel(), "yes": y.ravel().astype(int)}).to_csv(
        path, index=False
    )
    return read_panel(path, store="store", week="week", family="bernoulli", formula="yes ~ x")


@pytest.fixture(scope="module")
def fits(panel):
    """The same posterior by quadrature and by MCMC, and what the latter was judged by."""
    found = {}

    def judged(*given):
        found["judged"] = given
        return judge(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bayesmix.run.judge", judged)
        for integral in ("quadrature", "mcmc"):
            found[integral] = fit_hierarchical(
                panel, random=["intercept"], integral=integral, settings=Settings(500, 300, 4, 3)
            )
    return found


def test_both_integrals_give_one_posterior(fits):
    for name in ("mu", "omega"):
        both = [summarise(fits[integral].posterior[name].to_numpy()) for integral in ("quadrature", "mcmc")]
        moves = both[0].sd > 0.0
        sd, draws = both[0].sd[moves], np.minimum(both[0].ess_bulk, both[1].ess_bulk)[moves]
        error = 4.0 * sd * np.sqrt(2.0 / draws)
        assert (np.abs(both[0].mean - both[1].mean)[moves] < error).all()
        assert (np.abs(both[0].sd - both[1].sd)[moves] < 2.0 * error).all()
    stores = [fits[integral].by_store for integral in ("quadrature", "mcmc")]
    for name, most in (("coefficients", 0.1), ("coefficients_sd", 0.1)):
        assert np.abs(stores[0][name] - stores[1][name]).max() < most
    assert np.std(stores[1]["coefficients"][:, 0]) > 0.3
    looked = [fits[integral].psis.elpd_i.sum() for integral in ("quadrature", "mcmc")]
    assert looked[0] == pytest.approx(looked[1], abs=0.5)


def test_a_file_says_how_the_coefficients_of_stores_were_treated(fits, tmp_path):
    fits["mcmc"].save(tmp_path / "mcmc.nc")
    read = bayesmix.load(tmp_path / "mcmc.nc")
    assert (read.integral, fits["quadrature"].integral) == ("mcmc", "quadrature")
    assert read.name == "bernoulli hierarchical by MCMC"
    assert read.quadrature == 9
    assert read.trusted


def test_the_marginal_density_goes_on_from_the_joint_draws(fits):
    fit = fits["mcmc"]
    target = target_of(fit)
    q = target.draws.reshape(-1, target.draws.shape[-1])[:50]
    back = fit.tree["constant_data"]["back"].to_numpy()
    np.testing.assert_allclose(parameters(target, q).mu[:, 0] @ back.T, fit.draws.mu[:50, 0], rtol=1e-10)
    np.testing.assert_allclose(parameters(target, q).omega[:, 0, 0, 0], fit.draws.omega[:50, 0, 0, 0], rtol=1e-10)


def test_a_store_about_which_chains_disagree_is_named(fits):
    problem, drawn, reference = fits["judged"]
    apart = drawn.coefficients.copy()
    apart[0, :, 7, 0] += 1.0
    run = judge(problem, replace(drawn, coefficients=apart), reference)
    assert any("coefficients of stores[store 8, intercept]" in reason for reason in run.reasons)
    assert not judge(problem, drawn, reference).reasons


def test_log_sales_have_no_integral():
    with pytest.raises(InputError, match="the integrals of log sales are exact"):
        fit_hierarchical(read_panel(SAMPLE), integral="mcmc")


def test_stores_that_do_not_vary_have_no_integral(panel):
    with pytest.raises(InputError, match="expected one or more of them"):
        fit_hierarchical(panel, random=(), integral="mcmc")


def test_an_integral_that_is_none_is_refused(panel):
    with pytest.raises(InputError, match=re.escape("no integral 'laplace'; expected one of quadrature, mcmc")):
        fit_hierarchical(panel, integral="laplace")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "hierarchical"], "--integral is for other families; the integrals of log sales are exact"),
        (
            ["--k", "2", "--family", "poisson", "--formula", "y ~ x"],
            "--integral is for coefficients that vary between stores; in a mixture none do",
        ),
    ],
)
def test_the_command_refuses_an_integral_where_there_is_none(ended, arguments, told):
    end = ended(command, *arguments, "--integral", "mcmc")
    assert end.code == 2
    assert told in end.err
