"""Families: log-densities against scipy.stats, derivatives against differences, draws against their mean, extremes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from em.families import FAMILIES, family_named
from em.families.family import log_density

SIZES = np.array([1.0, 3.0, 12.0, 40.0])


def frozen(name, eta, trials, sigma):
    mean, share, shape = np.exp(eta), 1.0 / (1.0 + np.exp(-eta)), sigma**-2.0
    return {
        "gaussian": lambda: stats.norm(eta, sigma),
        "poisson": lambda: stats.poisson(mean),
        "negative-binomial": lambda: stats.nbinom(shape, shape / (shape + mean)),
        "bernoulli": lambda: stats.bernoulli(share),
        "binomial": lambda: stats.binom(trials, share),
        "gamma": lambda: stats.gamma(shape, scale=mean / shape),
    }[name]()


def cases(name, seed=0):
    rng = np.random.default_rng(seed)
    family = FAMILIES[name]
    trials = rng.choice(SIZES, 200) if family.size == "trials" else np.ones(200)
    eta, log_sigma = rng.normal(0.5, 1.5, 200), rng.normal(-0.3, 0.6, 200)
    return family, family.draw(rng, eta, trials, log_sigma), eta, trials, log_sigma


@pytest.mark.parametrize("name", FAMILIES)
def test_log_density_is_that_of_scipy(name):
    family, y, eta, trials, log_sigma = cases(name)
    theirs = frozen(name, eta, trials, np.exp(log_sigma))
    expected = theirs.logpdf(y) if hasattr(theirs.dist, "pdf") else theirs.logpmf(y)
    assert_allclose(log_density(family, y, eta, trials, log_sigma), expected, rtol=1e-10, atol=1e-10)
    assert np.all(family.possible(y, trials))
    assert_allclose(family.mean(eta, trials), theirs.mean(), rtol=1e-12)


@pytest.mark.parametrize("name", FAMILIES)
def test_derivatives_are_those_of_differences(name):
    family, y, eta, trials, log_sigma = cases(name, 1)
    h = 1e-5

    def differenced(function, by_eta=True):
        up, down = ((eta + s * h, log_sigma) if by_eta else (eta, log_sigma + s * h) for s in (1, -1))
        return (function(*up) - function(*down)) / (2.0 * h)

    def term(order):
        return lambda e, s: (family.terms(e, s) if order == 0 else family.slopes(e, s)[order - 1]).of(y, trials)

    close = {"rtol": 1e-6, "atol": 1e-6}
    for order in (1, 2, 3):
        assert_allclose(term(order)(eta, log_sigma), differenced(term(order - 1)), **close)
    by_sigma = family.dispersion_slopes(eta, log_sigma)
    carrier_slopes = family.carrier_slopes(y, trials, log_sigma)
    assert_allclose(by_sigma.first.of(y, trials), differenced(term(0), False), **close)
    assert_allclose(by_sigma.of_first.of(y, trials), differenced(term(1), False), **close)
    assert_allclose(by_sigma.of_second.of(y, trials), differenced(term(2), False), **close)
    second = differenced(lambda e, s: family.dispersion_slopes(e, s).first.of(y, trials), False)
    assert_allclose(by_sigma.second.of(y, trials), second, **close)
    assert_allclose(carrier_slopes[0], differenced(lambda e, s: family.carrier(y, trials, s), False), **close)
    assert_allclose(carrier_slopes[1], differenced(lambda e, s: family.carrier_slopes(y, trials, s)[0], False), **close)


@pytest.mark.parametrize("name", FAMILIES)
def test_canonical_means_that_totals_meet_eta_itself(name):
    family, _, eta, _, log_sigma = cases(name, 2)
    natural = family.terms(eta, log_sigma).total
    assert family.canonical == (np.shape(natural) == eta.shape and np.array_equal(natural, eta))


@pytest.mark.parametrize("name", FAMILIES)
def test_draws_have_the_mean_they_should(name):
    family, rng = FAMILIES[name], np.random.default_rng(3)
    eta, trials = np.full(40_000, 0.7), np.full(40_000, 5.0)
    y = family.draw(rng, eta, trials, np.log(0.6))
    error = y.std() / 200.0
    mean = family.mean(eta, trials if family.size == "trials" else np.ones(1))
    assert abs(y.mean() - mean[0]) < 4.0 * error


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("eta", [-800.0, -40.0, 40.0, 800.0])
def test_extremes_stay_numbers(name, eta):
    family, y, _, trials, _ = cases(name, 4)
    at = np.full(y.size, eta)
    assert not np.isnan(log_density(family, y, at, trials, 0.1)).any()
    for pair in (*family.slopes(at, 0.1), *family.dispersion_slopes(at, 0.1)):
        assert np.isfinite(pair.of(y, trials)).all()


def test_a_negative_binomial_without_dispersion_is_poisson():
    y, eta, one = np.array([0.0, 1.0, 7.0, 60.0]), np.array([0.3, -1.0, 2.0, 4.0]), np.ones(4)
    far = log_density(FAMILIES["negative-binomial"], y, eta, one, np.log(1e-3))
    assert_allclose(far, log_density(FAMILIES["poisson"], y, eta, one), atol=2e-3)
    further = log_density(FAMILIES["negative-binomial"], y, eta, one, np.log(1e-5))
    assert_allclose(further, log_density(FAMILIES["poisson"], y, eta, one), atol=2e-7)


@pytest.mark.parametrize(
    ("name", "y", "trials"),
    [
        ("poisson", 1.5, 1.0), ("poisson", -1.0, 1.0), ("negative-binomial", 0.2, 1.0), ("bernoulli", 2.0, 1.0),
        ("bernoulli", 0.5, 1.0), ("binomial", 4.0, 3.0), ("binomial", -1.0, 3.0), ("gamma", 0.0, 1.0),
    ],
)  # fmt: skip
def test_impossible_responses_are_told(name, y, trials):
    assert not FAMILIES[name].possible(np.array([y]), np.array([trials]))[0]


def test_an_unknown_family_is_named():
    with pytest.raises(ValueError, match="no family 'tweedie'; expected one of gaussian, poisson"):
        family_named("tweedie")


@pytest.mark.parametrize("name", FAMILIES)
def test_distribution_functions_and_variances_are_those_of_scipy(name):
    family, y, eta, trials, log_sigma = cases(name, 5)
    theirs = frozen(name, eta, trials, np.exp(log_sigma))
    assert_allclose(family.variance(eta, trials, log_sigma), theirs.var(), rtol=1e-10)
    for at in (y, y - 1.0, y + 0.5, 0.0 * y, 0.0 * y - 1.0, trials):
        assert_allclose(family.cumulative(at, eta, trials, log_sigma), theirs.cdf(at), rtol=1e-9, atol=1e-12)
    if family.discrete:
        step = family.cumulative(y, eta, trials, log_sigma) - family.cumulative(y - 1.0, eta, trials, log_sigma)
        assert_allclose(step, np.exp(log_density(family, y, eta, trials, log_sigma)), rtol=1e-8, atol=1e-13)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("eta", [-800.0, -40.0, 40.0, 800.0])
@pytest.mark.parametrize("log_sigma", [-7.0, 0.1, 3.0])
def test_distribution_functions_at_extremes_are_probabilities_that_rise(name, eta, log_sigma):
    family, y, _, _, _ = cases(name, 4)
    ladder = np.sort(np.concatenate([[-1.0, 0.0, 0.5, 1e3, 1e6], y]))
    found = family.cumulative(ladder, np.full(ladder.size, eta), np.full(ladder.size, 40.0), log_sigma)
    assert np.all((found >= 0.0) & (found <= 1.0) & np.isfinite(found))
    assert np.all(np.diff(found) >= -1e-12)
    assert np.all(family.variance(np.full(9, eta), np.full(9, 40.0), log_sigma) >= 0.0)
    if family.link != "identity":
        assert np.all(found[ladder < 0.0] == 0.0)


def test_the_distribution_of_a_negative_binomial_without_dispersion_is_poisson():
    y, eta, one = np.array([0.0, 1.0, 7.0, 60.0]), np.array([0.3, -1.0, 2.0, 4.0]), np.ones(4)
    expected = FAMILIES["poisson"].cumulative(y, eta, one, 0.0)
    for sigma, close in ((1e-3, 2e-5), (1e-6, 2e-11), (1e-9, 1e-12)):
        found = FAMILIES["negative-binomial"].cumulative(y, eta, one, np.log(sigma))
        assert_allclose(found, expected, rtol=0.0, atol=close)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("eta", [-800.0, 44.0, 800.0])
def test_draws_at_extremes_are_numbers(name, eta):
    family, trials = FAMILIES[name], np.full(50, 5.0)
    y = family.draw(np.random.default_rng(0), np.full(50, eta), trials, np.log(3.0))
    assert np.isfinite(y).all()
