"""Generalised linear mixed models: lme4's numbers, the linear mixed model as a case, singular fits, separation."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from em.design_counts import count_designs
from em.errors import InputError
from em.families import FAMILIES
from em.glmm import fit_glmm, store_log_likelihoods
from em.glmm_search import CarrierSum, Place, Problem, _over_ranks
from em.mixed_model import MixedParameters, fit_mixed_model
from em.statistics import build
from em.store_modes import cells_of

# lme4 1.1-31, glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), binomial, cbpp), tolPwrss = 1e-12 and
# bobyqa to 1e-9: means, sd, log-likelihood, standard errors. (At its default tolerance lme4 stops the Laplace fit at
# -92.026566, where the means are off by 6e-4.) Under nAGQ > 1 its log-likelihood drops a constant.
CBPP = {
    1: ([-1.398532126, -0.992332756, -1.128672074, -1.580313857], 0.642261482, -92.026281871),
    25: ([-1.399230487, -0.991403616, -1.127819432, -1.579470691], 0.647518565, None),
}
CBPP_ERRORS = [0.23351159, 0.30676796, 0.32676834, 0.42759441]  # vcov() at nAGQ = 25


@pytest.fixture(scope="module")
def cbpp(shared):
    frame = pd.read_csv(shared("data/cbpp.csv"))
    x = np.column_stack([np.ones(len(frame)), *(frame.period == period for period in (2, 3, 4))]).astype(float)
    herd = pd.factorize(frame.herd)[0]
    y, trials = (frame[name].to_numpy(float) for name in ("incidence", "size"))
    return count_designs(FAMILIES["binomial"], herd, x, y, 15, trials=trials)


@pytest.fixture(scope="module")
def detailing(shared):
    frame = pd.read_csv(shared("data/detailing.csv"))
    x = np.column_stack([np.ones(len(frame)), frame.detailing, np.log1p(frame.lagged_scripts)]).astype(float)
    return pd.factorize(frame.id)[0], x, frame.scripts.to_numpy(float)


@pytest.mark.parametrize("nodes", CBPP)
def test_cbpp_is_that_of_lme4(cbpp, nodes):
    means, sd, log_likelihood = CBPP[nodes]
    fit = fit_glmm(cbpp, random=["intercept"], quadrature=nodes)
    assert_allclose(fit.parameters.mu, means, atol=2e-6)
    assert_allclose(np.sqrt(fit.parameters.omega[0, 0]), sd, atol=2e-6)
    assert fit.converged
    assert fit.identified
    assert fit.warnings == ()
    if log_likelihood is not None:
        assert fit.log_likelihood == pytest.approx(log_likelihood, abs=1e-6)
    else:
        assert_allclose(fit.standard_errors, CBPP_ERRORS, rtol=1e-3)


def test_detailing_is_that_of_lme4(detailing):
    store, x, y = detailing
    stats = count_designs(FAMILIES["poisson"], store, x, y, 1000)
    laplace = fit_glmm(stats, random=["intercept"])
    assert_allclose(laplace.parameters.mu, [0.656958662, 0.019340712, 0.268498854], atol=2e-5)  # glmer, tolPwrss 1e-12
    assert_allclose(np.sqrt(laplace.parameters.omega[0, 0]), 0.882687373, atol=3e-5)
    assert laplace.log_likelihood == pytest.approx(-53986.77835, abs=1e-3)
    assert laplace.log_likelihood > -53986.77836
    nodes = fit_glmm(stats, random=["intercept"], quadrature=10)
    assert_allclose(nodes.parameters.mu, [0.6569361, 0.0193387, 0.2684677], atol=1e-4)
    assert_allclose(np.sqrt(nodes.parameters.omega[0, 0]), 0.8832551, atol=1e-3)


def test_a_random_slope_is_that_of_lme4(detailing):
    store, x, y = detailing
    fit = fit_glmm(count_designs(FAMILIES["poisson"], store, x[:, :2], y, 1000))
    assert fit.log_likelihood == pytest.approx(-54457.48025, abs=1e-3)
    assert fit.log_likelihood > -54457.48025, "lme4's optimum is not the top"
    assert_allclose(fit.parameters.mu, [0.9894501, 0.0354871], atol=1e-4)
    assert_allclose(np.diagonal(fit.parameters.omega), [1.3223226, 0.0166685], rtol=1e-3)
    assert fit.parameters.omega[0, 1] == pytest.approx(-0.046881, abs=1e-4)


def rows(seed=0, stores=40, weeks=9, sd=(1.0, 0.5, 0.0)):
    rng = np.random.default_rng(seed)
    store = np.repeat(np.arange(stores), weeks)
    x = np.column_stack([np.ones(store.size), rng.normal(size=(store.size, 2))])
    return rng, store, x, rng.normal(size=(stores, 3)) * sd


@pytest.mark.parametrize("random", [["intercept"], ["intercept", "x1"], ["intercept", "x1", "x2"], []])
def test_laplace_of_a_gaussian_is_the_linear_mixed_model(random):
    rng, store, x, deviation = rows()
    y = np.einsum("rp,rp->r", x, deviation[store] + [10.0, -1.0, 0.3]) + 0.4 * rng.standard_normal(store.size)
    ours = fit_glmm(count_designs(FAMILIES["gaussian"], store, x, y, 40), random=random)
    exact = fit_mixed_model(
        build(store, x, y, 40), random=["log_price" if name == "x1" else name for name in random], sigma="common"
    )
    assert ours.log_likelihood == pytest.approx(exact.log_likelihood, abs=1e-9)
    assert_allclose(ours.parameters.mu, exact.parameters.mu, atol=1e-8)
    assert_allclose(ours.parameters.omega, exact.parameters.omega, atol=1e-7)
    assert ours.parameters.sigma == pytest.approx(exact.parameters.sigma, abs=1e-8)
    assert len(ours.singular) == len(exact.singular)
    assert_allclose(ours.store_coefficients.mean, exact.modes.theta, atol=1e-7)
    assert_allclose(ours.store_coefficients.pooling, exact.modes.pooling, atol=1e-6)


def test_the_truth_is_recovered_and_quadrature_beats_laplace():
    rng, store, x, deviation = rows(3, stores=600, weeks=4, sd=(1.5, 0.0, 0.0))
    truth = np.array([-0.5, 0.8, 0.0])
    y = FAMILIES["bernoulli"].draw(rng, np.einsum("rp,rp->r", x, deviation[store] + truth), np.ones(1), 0.0)
    stats = count_designs(FAMILIES["bernoulli"], store, x, y, 600)
    laplace, nodes = (fit_glmm(stats, random=["intercept"], quadrature=q) for q in (1, 15))
    sd = np.sqrt(nodes.parameters.omega[0, 0])
    assert abs(sd - 1.5) < 3.0 * nodes.sd_errors[0]
    assert np.all(np.abs(nodes.parameters.mu - truth) < 3.5 * nodes.standard_errors)
    assert np.sqrt(laplace.parameters.omega[0, 0]) < sd - 0.05, "Laplace is known to be low here"


def test_the_overdispersion_of_counts_is_found():
    rng, store, x, deviation = rows(5, stores=200, weeks=8, sd=(0.6, 0.0, 0.0))
    family = FAMILIES["negative-binomial"]
    y = family.draw(rng, np.einsum("rp,rp->r", x, deviation[store] + [1.0, 0.4, 0.0]), np.ones(1), np.log(0.7))
    fit = fit_glmm(count_designs(family, store, x, y, 200), random=["intercept"], quadrature=7)
    assert abs(fit.parameters.sigma - 0.7) < 3.0 * fit.sigma_error
    assert fit.sigma_error < 0.08
    assert abs(np.sqrt(fit.parameters.omega[0, 0]) - 0.6) < 3.0 * fit.sd_errors[0]


def test_a_climb_without_variance_opens_the_directions_that_it_missed(cbpp):
    cells = cells_of(cbpp)
    count = np.bincount(cbpp.value, cbpp.count, cbpp.y.size)
    problem = Problem(cells, np.array([0]), CarrierSum(cbpp.family, cbpp.y, cbpp.trials, count))
    top = _over_ranks(problem, Place(np.zeros(4), np.zeros((1, 0)), 0.0), 1)
    assert abs(top.place.root[0, 0]) == pytest.approx(CBPP[1][1], abs=1e-6)


def test_standard_errors_are_those_of_a_differenced_likelihood(cbpp):
    fit = fit_glmm(cbpp, random=["intercept"], quadrature=9)
    best = np.append(fit.parameters.mu, np.sqrt(fit.parameters.omega[0, 0]))

    def value(free):
        omega = np.zeros((4, 4))
        omega[0, 0] = free[-1] ** 2
        return store_log_likelihoods(cbpp, MixedParameters(free[:-1], omega, 1.0), 9).sum()

    steps, h = 1e-3 * np.eye(5), 1e-3
    bend = np.array([
        [(value(best + a + b) - value(best + a - b) - value(best - a + b) + value(best - a - b)) / (4 * h * h)
         for b in steps] for a in steps
    ])  # fmt: skip
    errors = np.sqrt(np.diagonal(np.linalg.inv(-bend)))
    assert_allclose(np.append(fit.standard_errors, fit.sd_errors[0]), errors, rtol=1e-3)


def test_log_likelihoods_of_stores_are_those_of_the_fit(cbpp):
    fit = fit_glmm(cbpp, random=["intercept", "x1"], quadrature=5)
    assert store_log_likelihoods(cbpp, fit.parameters, 5).sum() == pytest.approx(fit.log_likelihood, abs=1e-9)


def test_stores_that_do_not_differ_are_told():
    _, store, x, _ = rows(2)
    y = np.round(np.exp(x @ [0.5, 0.3, 0.1]))
    fit = fit_glmm(count_designs(FAMILIES["poisson"], store, x, y, 40), random=["x1"])
    assert fit.singular == ("the variance of x1 between stores is zero",)
    assert fit.parameters.omega[1, 1] == 0.0
    assert np.isfinite(fit.standard_errors).all()
    assert fit.warnings == ()
    without = fit_glmm(count_designs(FAMILIES["poisson"], store, x, y, 40), random=[])
    assert fit.log_likelihood == pytest.approx(without.log_likelihood, abs=1e-9)


def test_counts_without_overdispersion_are_told():
    rng, store, x, _ = rows(0)
    y = np.minimum(rng.poisson(np.exp(x @ [0.5, 0.3, 0.1])), 3).astype(float)
    fit = fit_glmm(count_designs(FAMILIES["negative-binomial"], store, x, y, 40), random=[])
    assert fit.singular == ("the dispersion is zero: responses scatter no more than the family poisson has them",)
    poisson = fit_glmm(count_designs(FAMILIES["poisson"], store, x, y, 40), random=[])
    assert_allclose(fit.parameters.mu, poisson.parameters.mu, atol=1e-4)
    assert np.isfinite(fit.standard_errors).all()


def test_separation_is_named():
    rng, store, x, _ = rows(0)
    x[:, 1] = rng.random(store.size) < 0.2
    y = np.where(x[:, 1] == 1.0, 1.0, (rng.random(store.size) < 0.5).astype(float))
    fit = fit_glmm(count_designs(FAMILIES["bernoulli"], store, x, y, 40), random=["intercept"])
    assert len(fit.warnings) == 1
    assert fit.warnings[0].startswith("separation: x1 (+) can tell responses apart")


def test_stores_of_zeros_are_fine():
    _, store, x, _ = rows(7, stores=60)
    y = FAMILIES["poisson"].draw(np.random.default_rng(1), x @ [0.3, 0.2, 0.0], np.ones(1), 0.0)
    y[store < 5] = 0.0
    fit = fit_glmm(count_designs(FAMILIES["poisson"], store, x, y, 60), random=["intercept"])
    assert fit.warnings == ()
    assert np.all(fit.store_coefficients.mean[:5, 0] < fit.parameters.mu[0])


def test_what_cannot_be_is_refused(cbpp):
    with pytest.raises(InputError, match="no coefficient 'price' to vary"):
        fit_glmm(cbpp, random=["price"])
    with pytest.raises(InputError, match="quadrature is 0; expected 1"):
        fit_glmm(cbpp, quadrature=0)
    with pytest.raises(InputError, match="at most 3 coefficients"):
        fit_glmm(cbpp, quadrature=3)


def test_names_reach_the_dataset_and_the_page(cbpp):
    fit = fit_glmm(cbpp, random=["intercept"], quadrature=3)
    labelled = fit.to_xarray()
    assert float(labelled.omega.sel(coefficient="intercept", coefficient_2="intercept")) == fit.parameters.omega[0, 0]
    assert labelled.attrs["family"] == "binomial"
    assert "binomial mixed model (logit link) of 15 stores" in repr(fit)
