"""The number of segments in use: against enumeration on a tiny panel, and on panels whose number is known."""

import itertools
from math import lgamma

import numpy as np
import pytest
from scipy import stats as distributions

import bayesmix
from bayesmix.priors import Priors
from bayesmix.sparse import _log_weight, _sigma, draw_sparse
from em.mixture import MixtureParameters
from em.panel import Panel
from em.statistics import build

PRIORS = Priors(("intercept", "log_price"), (9.0, -1.0), (3.0, 1.5), concentration=0.5)


def panel(seed=0, stores=40, centers=(8.0, 11.0)):
    rng = np.random.default_rng(seed)
    store = np.repeat(np.arange(stores), 10)
    x = np.column_stack([np.ones(store.size), rng.uniform(0.2, 1.5, store.size)])
    y = np.array(centers)[np.arange(stores) % len(centers)][store] - x[:, 1] + rng.standard_normal(store.size)
    names = tuple(f"store {i + 1}" for i in range(stores))
    return Panel(names, ("1",), ("intercept", "log_price"), store, 0 * store, x, y, "panel.csv", "0" * 64)


def start(k):
    rng = np.random.default_rng(1)
    theta = np.column_stack([rng.normal(9.0, 2.0, k), -np.ones(k)])
    return MixtureParameters(np.full(k, 1.0 / k), theta, np.ones(k))


def test_the_number_in_use_has_the_probabilities_that_enumerating_all_labels_gives():
    rng = np.random.default_rng(3)
    stores, weeks, k = 4, 3, 3
    store = np.repeat(np.arange(stores), weeks)
    x = np.column_stack([np.ones(store.size), rng.uniform(0.2, 1.5, store.size)])
    y = np.array([8.5, 8.5, 9.6, 9.6])[store] - x[:, 1] + rng.standard_normal(store.size)
    stats = build(store, x, y, stores)
    drawn = draw_sparse(stats, start(k), PRIORS, "fixed", draws=1500, tune=200, chains=4, seed=2)
    found = np.array([(drawn.used == number).mean() for number in (1, 2, 3)])
    log_p = np.full(k, -np.inf)
    for labels in itertools.product(range(k), repeat=stores):
        counts = np.bincount(labels, minlength=k)
        total = sum(lgamma(PRIORS.concentration + count) for count in counts)
        for segment in range(k):
            rows = np.isin(store, np.flatnonzero(np.array(labels) == segment))
            if rows.any():
                covariance = x[rows] @ np.diag(np.square(PRIORS.sd)) @ x[rows].T + np.eye(rows.sum())
                total += distributions.multivariate_normal(x[rows] @ PRIORS.mean, covariance).logpdf(y[rows])
        used = (counts > 0).sum() - 1
        log_p[used] = np.logaddexp(log_p[used], total)
    exact = np.exp(log_p - np.logaddexp.reduce(log_p))
    assert exact.min() > 0.01
    np.testing.assert_allclose(found, exact, atol=0.02)


@pytest.mark.parametrize(
    ("centers", "sigma"), [((9.0,), "common"), ((8.0, 11.0), "fixed"), ((7.0, 10.0, 13.0), "segment")]
)
def test_as_many_are_in_use_as_were_drawn(centers, sigma):
    fit = bayesmix.fit_sparse_mixture(
        panel(centers=centers), 6, sigma=sigma, settings=bayesmix.Settings(500, 500, 4, 0)
    )
    share = fit.group("segments_in_use")["probability"]
    assert int(share.values.argmax()) + 1 == len(centers)
    assert float(share.max()) > 0.9
    assert float(share.sum()) == pytest.approx(1.0)
    assert fit.trusted, fit.reasons
    assert fit.name == "mixture K<=6"
    order = np.argsort(fit.tree["em"]["theta"].values[: len(centers), 0])
    mean = fit.posterior["theta"].mean(("chain", "draw")).values[: len(centers), 0]
    np.testing.assert_allclose(mean[order], sorted(fit.tree["em"]["theta"].values[: len(centers), 0]), atol=0.1)
    assert np.isnan(fit.tree["em"]["theta"].values[len(centers) :]).all()


def test_when_all_are_in_use_the_number_is_not_trusted():
    data = panel(centers=(4.0, 7.0, 10.0, 13.0))
    fit = bayesmix.fit_sparse_mixture(data, 3, settings=bayesmix.Settings(200, 200, 4, 0))
    assert "all 3 segments are in use in 100% of draws" in fit.reasons[0]


def test_the_same_seed_gives_the_same_draws():
    stats = build(*(lambda p: (p.store, p.x, p.y, 40))(panel()))
    options = {"draws": 30, "tune": 10, "chains": 2}
    one, two, other = (draw_sparse(stats, start(4), PRIORS, "common", seed=seed, **options) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.quantities["theta"], two.quantities["theta"])
    assert not np.array_equal(one.quantities["theta"], other.quantities["theta"])


def test_weights_are_dirichlet_also_where_they_round_to_zero():
    rng = np.random.default_rng(0)
    shape = np.array([0.01, 0.3, 4.0])
    draws = _log_weight(rng, np.tile(shape, (40_000, 1)))
    np.testing.assert_allclose(np.logaddexp.reduce(draws, axis=1), 0.0, atol=1e-9)
    np.testing.assert_allclose(np.exp(draws).mean(0), shape / shape.sum(), atol=0.004)
    assert draws.min() < -745.0  # a weight below the smallest number
    assert np.isfinite(draws).all()


@pytest.mark.parametrize("rule", ["common", "segment"])
def test_sigma_is_drawn_from_its_conditional(rule):
    rng = np.random.default_rng(0)
    n, squares = np.tile([6.0, 0.0], (20_000, 1)), np.tile([10.0, 0.0], (20_000, 1))
    sigma = np.ones_like(n)
    for _ in range(5):
        sigma = _sigma(rng, sigma, n, squares, PRIORS, rule)
    grid = np.linspace(-4.0, 4.0, 4001)
    log_density = -6.0 * grid - 5.0 * np.exp(-2.0 * grid) - 0.5 * grid**2
    density = np.exp(log_density - log_density.max())
    mean = (grid * density).sum() / density.sum()
    sd = np.sqrt((grid**2 * density).sum() / density.sum() - mean**2)
    assert np.log(sigma[:, 0]).mean() == pytest.approx(mean, abs=4.0 * sd / np.sqrt(20_000))
    assert np.log(sigma[:, 0]).std() == pytest.approx(sd, rel=0.03)
    if rule == "common":
        np.testing.assert_array_equal(sigma[:, 0], sigma[:, 1])
    else:  # no store: the prior
        assert np.log(sigma[:, 1]).std() == pytest.approx(1.0, rel=0.03)
