"""Segments of stores of any family: glm's and flexmix's numbers, derivatives, laws of EM, known truths, separation."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from em.design_counts import count_designs
from em.errors import InputError
from em.families import FAMILIES
from em.family_segments import _shortened
from em.fit import fit_mixture
from em.mixture import MixtureParameters, Model, e_step
from em.regressions import anchors
from em.score import derivatives, pack, unpack
from em.starts import em_steps, random_starts

THETA = np.array([[0.2, 0.5], [1.6, -0.6]])
# flexmix 2.3-18, stepFlexmix(scripts ~ detailing | id, FLXMRglm("poisson"), nrep = 5); K = 1 is R's glm.
FLEXMIX = {1: -110150.70682, 2: -73575.75334, 3: -63099.96609}


def stores_of(name, seed=0, stores=80, weeks=8, theta=THETA, sigma=0.5):
    family, rng = FAMILIES[name], np.random.default_rng(seed)
    store = np.repeat(np.arange(stores), weeks)
    x = np.column_stack([np.ones(store.size), rng.integers(0, 4, store.size) / 2.0])
    trials = np.full(store.size, 6.0 if family.size == "trials" else 1.0)
    segment = (rng.random(stores) < 0.4).astype(int)
    eta = np.einsum("rp,rp->r", x, theta[segment[store]])
    y = family.draw(rng, eta, trials, np.log(sigma))
    return count_designs(family, store, x, y, stores, trials=trials), segment


def rule(name):
    return "common" if FAMILIES[name].dispersed else "fixed"


@pytest.fixture(scope="module")
def detailing(shared):
    frame = pd.read_csv(shared("data/detailing.csv"))
    x = np.column_stack([np.ones(len(frame)), frame.detailing]).astype(float)
    return pd.factorize(frame.id)[0], x, frame.scripts.to_numpy(float)


@pytest.mark.parametrize("k", FLEXMIX)
def test_poisson_mixtures_are_those_of_flexmix(detailing, k):
    store, x, y = detailing
    fit = fit_mixture(count_designs(FAMILIES["poisson"], store, x, y, 1000), k, starts=10)
    assert fit.log_likelihood == pytest.approx(FLEXMIX[k], abs=1e-4)
    assert fit.warnings == ()
    if k == 1:  # R 4.2.2: glm(scripts ~ detailing, poisson)
        assert_allclose(fit.parameters.theta[0], [1.28870099471700, 0.15556903314921], atol=1e-9)
        assert_allclose(fit.standard_errors.theta[0], [0.004534257130, 0.001424019213], rtol=1e-6)


def test_one_negative_binomial_is_that_of_mass(detailing):
    store, x, y = detailing  # MASS 7.3: glm.nb(scripts ~ detailing): coefficients, theta = sigma^-2, log-likelihood
    fit = fit_mixture(count_designs(FAMILIES["negative-binomial"], store, x, y, 1000), 1)
    assert_allclose(fit.parameters.theta[0], [1.21452280754, 0.190079305059], atol=1e-6)
    assert fit.parameters.sigma[0] ** -2.0 == pytest.approx(0.693879032685, abs=1e-6)
    assert fit.log_likelihood == pytest.approx(-60971.1308128, abs=1e-6)


@pytest.mark.parametrize("rule_of_sigma", ["common", "segment"])
@pytest.mark.parametrize("name", FAMILIES)
def test_score_and_information_are_those_of_differences(name, rule_of_sigma):
    stats, _ = stores_of(name, stores=12)
    model = Model(rule_of_sigma if FAMILIES[name].dispersed else "fixed", sigma_floor=1e-3)
    sigma = np.array([0.6, 0.6 if rule_of_sigma == "common" else 0.9]) if FAMILIES[name].dispersed else np.ones(2)
    params = MixtureParameters(np.array([0.7, 0.3]), THETA + 0.2, sigma)
    at, free, h = derivatives(params, stats, model), pack(params, model), 1e-5

    def moved(one):
        return unpack(free + one, 2, 2, model)

    steps = h * np.eye(free.size)
    slopes = [(e_step(moved(s), stats)[1] - e_step(moved(-s), stats)[1]) / (2.0 * h) for s in steps]
    bends = [(derivatives(moved(s), stats, model).score - derivatives(moved(-s), stats, model).score) for s in steps]
    scale = np.abs(at.information).max()
    assert_allclose(at.score, slopes, rtol=1e-6, atol=1e-8 * scale)
    assert_allclose(at.information, -np.array(bends) / (2.0 * h), rtol=1e-5, atol=1e-8 * scale)


@pytest.mark.parametrize("common", [(), (False, True)])
@pytest.mark.parametrize("name", FAMILIES)
def test_no_em_step_loses(name, common):
    stats, _ = stores_of(name, 1)
    model = Model(rule(name), common, 1e-3)
    params = random_starts(np.random.default_rng(0), stats, 3, model, 6, anchors(stats))
    _, before = e_step(params, stats)
    for _ in range(12):
        params, loglik = em_steps(params, stats, model, 1)
        assert np.all(loglik >= before - 1e-9 * np.abs(before))
        before = loglik
    if common:
        assert_allclose(params.theta[..., 1], params.theta[..., :1, 1].repeat(3, axis=-1), rtol=1e-12)


@pytest.mark.parametrize("start", [-30.0, -0.6, 9.0])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_regression_comes_back_from_far_away_without_a_loss(name, start):
    stats, _ = stores_of(name, 6)
    model, one = Model(rule(name), (), 1e-3), np.ones(1)
    params, near = (MixtureParameters(one, np.array([[at, 0.0]]), one) for at in (start, 0.5))
    _, before = e_step(params, stats)
    for _ in range(60):
        params, loglik = em_steps(params, stats, model, 1)
        assert loglik >= before - 1e-9 * abs(before)
        before = loglik
    assert_allclose(params.theta, em_steps(near, stats, model, 40)[0].theta, atol=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_segments_are_recovered(name):
    stats, segment = stores_of(name, 2, stores=300, weeks=60 if name == "bernoulli" else 8)
    fit = fit_mixture(stats, 2, starts=10)
    order = np.argsort(fit.parameters.theta[:, 0])
    assert fit.warnings == ()
    error = fit.standard_errors.theta[order]
    assert np.all(np.abs(fit.parameters.theta[order] - THETA) < 4.0 * error)
    assert np.mean(order[segment] + 1 == fit.segment) > 0.9
    assert fit.n_parameters == 5 + FAMILIES[name].dispersed


def test_an_exposure_moves_the_intercept_alone():
    stats, _ = stores_of("poisson", 3)
    double = stats._replace(offset=stats.offset + np.log(2.0))
    one, other = fit_mixture(stats, 2, starts=10), fit_mixture(double, 2, starts=10)
    assert other.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-8)
    assert_allclose(other.parameters.theta, one.parameters.theta - [np.log(2.0), 0.0], atol=1e-6)


def test_a_store_of_zeros_is_fine_and_a_segment_of_zeros_is_named():
    stats, _ = stores_of("poisson", 4, theta=np.array([[1.0, 0.4], [2.5, -0.3]]))
    none = count_designs(FAMILIES["poisson"], np.zeros(8, int), stats.x[:1].repeat(8, 0), np.zeros(8), 1)
    from em.design_counts import concatenate_stores

    fit = fit_mixture(concatenate_stores([stats, none]), 2, starts=10)
    assert fit.warnings == ()
    three = fit_mixture(concatenate_stores([stats, *[none] * 20]), 3, starts=10)
    assert len(three.warnings) == 1
    assert three.warnings[0].startswith("K=3: segment 3 (81, 82, ")
    assert "20 in all)): separation: every response is zero, which needs intercept (-)" in three.warnings[0]


def test_sigma_goes_with_the_family():
    poisson, gamma = stores_of("poisson")[0], stores_of("gamma")[0]
    with pytest.raises(InputError, match="sigma common does not go with the family poisson, which has no dispersion"):
        fit_mixture(poisson, 1, sigma="common")
    with pytest.raises(InputError, match="sigma fixed does not go with the family gamma"):
        fit_mixture(gamma, 1, sigma="fixed")
    assert len(set(fit_mixture(gamma, 2, sigma="segment", starts=5).parameters.sigma)) == 2


def test_a_step_that_loses_is_shortened_for_its_start_alone():
    start, step = np.zeros(3), np.array([1.0, 30.0, -1.0])  # towards the top of -(x - 1)^2, beyond it, and away from it
    found = _shortened(lambda length: start + length * step, start, lambda at: -np.square(at - 1.0))
    assert_allclose(found, [1.0, 30.0 / 16.0, 0.0])
