"""The mixture of normals: derivatives, EM, its two limits, brute force, starts, and the developers' panels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from oracles import log_density_by_covariance, mix, posterior, slope
from scipy.special import logsumexp
from test_em_mixed_laws import SUBSETS, panel, statistics
from test_em_mixed_reference import CHEESE

from em.designs import project
from em.errors import InputError
from em.fit import fit_mixture
from em.mixed_em import Normals
from em.mixed_model import fit_mixed_model
from em.mixture import e_step
from em.normal_mixture import NormalMixtureParameters, Several, em_step, memberships
from em.normal_mixture_fit import fit_normal_mixture
from em.normal_mixture_score import Layout, evaluate, n_numbers, pack, unpack
from em.panel import read_panel
from em.simulator import Truth, draw_prices, draw_stores
from em.statistics import build, take
from em.variance_slice import lower_triangle

seeds = st.integers(0, 10_000)
TRUTH = Truth(
    np.array([0.65, 0.35]),
    np.array([[10.8, -1.0], [9.6, -2.2]]),
    np.array([0.7, 0.7]),
    np.array([[[0.10, -0.02], [-0.02, 0.06]], [[0.05, 0.02], [0.02, 0.12]]]),
)


def drawn(seed, stores=150, weeks=26, truth=TRUTH):
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(weeks), np.log(draw_prices(rng, weeks))])
    panel = draw_stores(rng, truth, x, stores)
    return build(np.repeat(np.arange(stores), weeks), np.tile(x, (stores, 1)), panel.y.ravel(), stores)


@settings(max_examples=30)
@given(seeds, st.sampled_from(SUBSETS), st.integers(1, 3), st.booleans(), st.booleans())
def test_score_and_information_are_derivatives(seed, random, k, own_prices, sigma_free):
    stores = project(statistics(panel(seed, p=3, own_prices=own_prices)))
    rng = np.random.default_rng(seed)
    q = len(random)
    bases = tuple(lower_triangle(q, max(q - j % 2, 0)) for j in range(k))
    layout = Layout(np.array(random, dtype=np.intp), bases, sigma_free)
    free = 0.5 * rng.standard_normal(n_numbers(layout, 3))
    several = unpack(layout, free, 3)
    near = several.normals._replace(mu=np.array([10.0, -1.5, 0.5]) + 0.3 * rng.standard_normal((k, 3)))
    free = pack(layout, several._replace(normals=near))
    assert_allclose(unpack(layout, free, 3).normals.root, several.normals.root, atol=1e-12)
    at = evaluate(layout, stores, stores.root, free)
    size = max(1.0, float(np.abs(at.information).max()))
    numeric = slope(lambda place: evaluate(layout, stores, stores.root, place).value, free, 1e-5)
    assert_allclose(at.score, numeric, atol=1e-6 * size)
    by_score = slope(lambda place: evaluate(layout, stores, stores.root, place).score, free, 1e-5)
    assert_allclose(at.information, -by_score, atol=1e-6 * size)


@settings(max_examples=25)
@given(seeds, st.sampled_from(SUBSETS), st.integers(1, 3), st.booleans(), st.booleans())
def test_no_step_of_em_loses_likelihood_and_starts_do_not_meet(seed, random, k, own_prices, sigma_free):
    stats = statistics(panel(seed, p=3, own_prices=own_prices))
    stores, rng, q = project(stats), np.random.default_rng(seed), len(random)
    columns, starts = np.array(random, dtype=np.intp), 3
    mu = np.array([10.0, -1.5, 0.5]) + rng.standard_normal((starts * k, 3))
    v = np.repeat(np.exp(rng.standard_normal(starts)), k)
    several = Several(rng.dirichlet(np.ones(k), starts), Normals(mu, rng.standard_normal((starts * k, q, q)), v))
    lowest = 1e-6 if sigma_free else None
    alone = Several(several.weight[1:2], Normals(*(value[k : 2 * k] for value in several.normals)))
    values = []
    for _ in range(15):
        several, loglik = em_step(stores, stores.root, several, columns, lowest)
        alone, of_one = em_step(stores, stores.root, alone, columns, lowest)
        assert loglik[1] == pytest.approx(float(of_one[0]), rel=1e-10)
        values.append(loglik)
    assert np.all(np.diff(values, axis=0) > -1e-9 * np.abs(values[0]))


def test_em_alone_ends_where_newton_ends():
    stats = drawn(5, stores=100)
    fit = fit_normal_mixture(stats, 2, sigma="common", starts=5)
    stores = project(stats)
    roots = np.broadcast_to(0.3 * np.eye(2), (2, 2, 2))
    now = Several(np.full((1, 2), 0.5), Normals(TRUTH.mu, roots, np.ones(2)))
    for _ in range(1500):
        now, loglik = em_step(stores, stores.root, now, np.array([0, 1]), 1e-6)
    assert float(loglik[0]) == pytest.approx(fit.log_likelihood, abs=1e-5)
    assert_allclose(now.weight[0], fit.parameters.weight, atol=1e-3)


def test_the_likelihood_is_that_of_all_rows():
    rows = panel(2, stores=8, weeks=(3, 6))
    params = NormalMixtureParameters(TRUTH.weight, TRUTH.mu, TRUTH.omega, TRUTH.sigma)
    share, loglik = memberships(params, statistics(rows))
    density = log_density_by_covariance(rows, params.mu, params.sigma, params.omega)
    assert_allclose(loglik, mix(params.weight, density), atol=1e-9)
    assert_allclose(share, posterior(params.weight, density), atol=1e-10)


@pytest.mark.parametrize("sigma", ["fixed", "common"])
def test_one_segment_is_the_mixed_model(sigma):
    stats = drawn(4, stores=60, truth=TRUTH._replace(weight=np.array([1.0, 0.0])))
    one, mixed = fit_normal_mixture(stats, 1, sigma=sigma), fit_mixed_model(stats, sigma=sigma)
    assert one.log_likelihood == pytest.approx(mixed.log_likelihood, abs=1e-10)
    assert_allclose(one.parameters.mu[0], mixed.parameters.mu)
    assert_allclose(one.parameters.omega[0], mixed.parameters.omega)
    assert one.n_parameters == mixed.n_parameters
    assert one.criteria == mixed.criteria
    assert_allclose(one.store_coefficients[0], mixed.modes.theta)
    assert_allclose(one.store_coefficients[1], mixed.modes.covariance, atol=1e-12)
    # And the climb of mixtures, which knows nothing of the mixed model's, ends at the same place.
    stores = project(stats)
    values, vectors = np.linalg.eigh(mixed.parameters.omega)
    root = np.linalg.qr((vectors * np.sqrt(np.clip(values, 0.0, None))).T, mode="r").T
    free = pack(
        layout := Layout(np.array([0, 1]), (lower_triangle(2, 2),), sigma == "common"),
        Several(
            np.ones((1, 1)),
            Normals(
                mixed.parameters.mu[None],
                root[None],
                np.array([mixed.parameters.sigma**2]),
            ),
        ),
    )
    at = evaluate(layout, stores, stores.root, free)
    assert at.value == pytest.approx(mixed.log_likelihood, abs=1e-9)
    assert_allclose(at.score, 0.0, atol=1e-4)


@pytest.mark.parametrize("sigma", ["fixed", "common"])
def test_without_spread_inside_segments_it_is_the_finite_mixture(sigma):
    stats = drawn(1, stores=60)
    segments = fit_mixture(stats, 2, sigma=sigma)
    p = segments.parameters
    point = NormalMixtureParameters(p.weight, p.theta, np.zeros((2, 2, 2)), p.sigma)
    assert memberships(point, stats)[1].sum() == pytest.approx(float(e_step(p, stats)[1]), abs=1e-8)
    narrow = point._replace(omega=1e-10 * np.broadcast_to(np.eye(2), (2, 2, 2)))
    assert memberships(narrow, stats)[1].sum() == pytest.approx(segments.log_likelihood, abs=1e-4)
    none = fit_normal_mixture(stats, 2, random=(), sigma=sigma, starts=10)
    assert none.log_likelihood == pytest.approx(segments.log_likelihood, abs=1e-6)
    assert_allclose(none.parameters.mu, p.theta, atol=1e-4)
    assert none.n_parameters == segments.n_parameters
    assert_allclose(none.standard_errors.mu, segments.standard_errors.theta, rtol=1e-4)
    assert_allclose(none.standard_errors.weight, segments.standard_errors.weight, rtol=1e-4)
    assert_allclose(none.standard_errors.sigma, segments.standard_errors.sigma, rtol=1e-4)
    wide = fit_normal_mixture(stats, 2, sigma=sigma, mixtures=[p])
    assert wide.log_likelihood > segments.log_likelihood - 1e-8


@pytest.mark.parametrize("own_prices", [False, True])
def test_it_is_never_worse_than_what_it_contains(own_prices):
    stats = statistics(panel(8, stores=25, weeks=(5, 9), own_prices=own_prices))
    fits = []
    for k in (1, 2, 3):
        fits.append(
            fit_normal_mixture(
                stats,
                k,
                sigma="common",
                starts=8,
                mixtures=[fit_mixture(stats, k, sigma="common", starts=10).parameters],
                also=[fit.parameters for fit in fits[-1:]],
            )
        )
    values = [fit.log_likelihood for fit in fits]
    assert np.all(np.diff(values) > -1e-6)
    for fit in fits:
        assert fit.converged
        p = fit.parameters
        assert fit.log_likelihood == pytest.approx(memberships(p, stats)[1].sum(), abs=1e-9)
        assert np.all(np.diff(p.weight) <= 0.0)
        assert p.weight.sum() == pytest.approx(1.0, abs=1e-12)
        assert_allclose(p.omega, np.swapaxes(p.omega, 1, 2))
        assert np.linalg.eigvalsh(p.omega).min() > -1e-12
        assert fit.starts_at_best <= fit.starts_tried


def test_the_order_of_stores_and_the_units_of_sales_do_not_matter():
    stats = drawn(3, stores=80)
    fit = fit_normal_mixture(stats, 2, sigma="common", starts=6)
    order = np.random.default_rng(0).permutation(80)
    turned = fit_normal_mixture(take(stats, order), 2, sigma="common", starts=6, seed=5)
    assert turned.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-6)
    assert_allclose(turned.memberships, fit.memberships[order], atol=1e-4)
    shift = np.zeros_like(stats.b)
    shift[:, 0] = 3.0
    shifted = fit_normal_mixture(stats._replace(b=stats.b + shift), 2, sigma="common", starts=6)
    assert shifted.log_likelihood == pytest.approx(fit.log_likelihood, abs=1e-6)
    assert_allclose(shifted.parameters.mu, fit.parameters.mu + np.array([3.0, 0.0]), atol=1e-4)


def test_store_coefficients_average_segments():
    rows = panel(6, stores=10, weeks=(3, 6))
    fit = fit_normal_mixture(statistics(rows), 2, sigma="common", starts=4)
    p = fit.parameters
    for store in range(10):
        x, y = rows.of(store)
        means, seconds = [], []
        for k in range(2):
            v = p.sigma[k] ** 2 * np.eye(len(y)) + x @ p.omega[k] @ x.T
            gain = p.omega[k] @ x.T @ np.linalg.inv(v)
            mean = p.mu[k] + gain @ (y - x @ p.mu[k])
            means.append(mean)
            seconds.append(p.omega[k] - gain @ x @ p.omega[k] + np.outer(mean, mean))
        center = np.einsum("k,ka->a", fit.memberships[store], means)
        spread = np.einsum("k,kab->ab", fit.memberships[store], seconds) - np.outer(center, center)
        assert_allclose(fit.store_coefficients[0][store], center, atol=1e-7)
        assert_allclose(fit.store_coefficients[1][store], spread, atol=1e-7)


def test_standard_errors_are_those_of_a_numeric_hessian():
    """In the parameters themselves: weight of segment 1, mu, and sds with correlations held in atanh."""
    stats = drawn(5, stores=200)
    fit = fit_normal_mixture(stats, 2, sigma="common", starts=6)
    p = fit.parameters
    sd = np.sqrt(np.diagonal(p.omega, axis1=1, axis2=2))
    r = p.omega[:, 0, 1] / sd.prod(1)

    def loglik(at):
        mu, s, across = at[1:5].reshape(2, 2), at[5:9].reshape(2, 2), np.tanh(at[9:11])
        omega = s[:, :, None] * s[:, None, :]
        omega[:, 0, 1] *= across
        omega[:, 1, 0] *= across
        weight = np.array([at[0], 1.0 - at[0]])
        return memberships(NormalMixtureParameters(weight, mu, omega, np.full(2, at[11])), stats)[1].sum()

    at = np.concatenate([p.weight[:1], p.mu.ravel(), sd.ravel(), np.arctanh(r), p.sigma[:1]])
    hessian = slope(lambda place: slope(loglik, place, 1e-4), at, 1e-4)
    errors = np.sqrt(np.diagonal(np.linalg.inv(-hessian)))
    ours = fit.standard_errors
    assert_allclose(ours.weight, errors[0], rtol=2e-3)
    assert_allclose(ours.mu.ravel(), errors[1:5], rtol=2e-3)
    assert_allclose(ours.sd.ravel(), errors[5:9], rtol=2e-3)
    assert_allclose(ours.sigma, errors[11], rtol=2e-3)


def test_segments_that_are_one_stores_are_set_aside():
    """One store far from all others: a segment of its own is likely, but no distribution of stores."""
    stats = drawn(7, stores=40, truth=TRUTH._replace(weight=np.array([1.0, 0.0])))
    b = stats.b.copy()
    b[3] += [9.0, 0.0]
    fit = fit_normal_mixture(stats._replace(b=b), 2, sigma="common", starts=10)
    assert fit.starts_degenerate > 0
    one = fit.parameters.weight.min() * 40 < 1.5
    assert one == any("one store's" in reason for reason in fit.warnings)


def test_few_agreeing_starts_are_told():
    stats = drawn(9, stores=30, truth=TRUTH._replace(weight=np.array([1.0, 0.0])))
    fit = fit_normal_mixture(stats, 3, sigma="common", starts=0)
    assert fit.starts_at_best <= fit.starts_tried == 3
    assert (fit.starts_at_best < 3) == any("starts reached the best" in reason for reason in fit.warnings)


def test_what_cannot_be_asked_is_refused():
    stats = drawn(1, stores=5)
    for wrong, words in (
        ({"k": 0}, "K is 0"),
        ({"k": 6}, "K is 6"),
        ({"k": 2, "starts": -1}, "starts is -1"),
        ({"k": 2, "seed": -1}, "seed is -1"),
        ({"k": 2, "sigma": "segment"}, "sigma is 'segment'"),
        ({"k": 2, "random": ["price"]}, "no coefficient 'price'"),
    ):
        with pytest.raises(InputError, match=words):
            fit_normal_mixture(stats, **wrong)


def test_a_truth_is_found():
    fit = fit_normal_mixture(drawn(11, stores=400), 2, sigma="common", starts=5)
    p, errors = fit.parameters, fit.standard_errors
    assert fit.warnings == ()
    assert np.all(np.abs(p.mu - TRUTH.mu) < 4.0 * errors.mu)
    assert np.all(np.abs(p.weight - TRUTH.weight) < 4.0 * errors.weight)
    sd = np.sqrt(np.diagonal(p.omega, axis1=1, axis2=2))
    assert np.all(np.abs(sd - np.sqrt(np.diagonal(TRUTH.omega, axis1=1, axis2=2))) < 4.0 * errors.sd)


def test_the_developers_panels(shared):
    """As likely as the better of segments and continuum, on both; the optima are those of 120 starts."""
    wide, cheese = read_panel(shared("data/609948.csv")), read_panel(shared("data/cheese.csv"), **CHEESE)
    for data, sigma, known in ((wide, "fixed", -22181.57559), (cheese, "common", -498.46780)):
        segments = fit_mixture(data, 2, sigma=sigma, starts=20)
        fit = fit_normal_mixture(data, 2, sigma=sigma, mixtures=[segments.parameters])
        assert fit.log_likelihood == pytest.approx(known, abs=1e-4)
        assert fit.log_likelihood > max(segments.log_likelihood, fit.continuum.log_likelihood)
        assert fit.warnings == ()
    three = fit_normal_mixture(wide, 3, mixtures=[fit_mixture(wide, 3, starts=20).parameters])
    assert three.log_likelihood == pytest.approx(-22164.52918, abs=1e-4)
    # What spread there is inside segments is next to nothing: the segments are points.
    assert three.singular[1] == (
        "the variance of intercept between stores is zero",
        "the variance of log_price between stores is zero",
    )


@pytest.mark.slow
def test_standard_errors_cover_the_truth():
    inside = []
    for seed in range(100):
        fit = fit_normal_mixture(drawn(1000 + seed), 2, sigma="common", starts=3)
        if fit.standard_errors is not None:
            inside.append(np.abs(fit.parameters.mu - TRUTH.mu) < 1.96 * fit.standard_errors.mu)
    assert len(inside) > 95
    assert_allclose(np.mean(inside, 0), 0.95, atol=0.07)


def test_logsumexp_is_what_is_summed():
    """The terms of the sum are those of `component_loglik` with the logarithms of the weights."""
    stats = drawn(2, stores=20)
    fit = fit_normal_mixture(stats, 2, sigma="common", starts=3)
    p = fit.parameters
    each = [
        memberships(NormalMixtureParameters(np.ones(1), p.mu[[k]], p.omega[[k]], p.sigma[[k]]), stats)[1]
        for k in range(2)
    ]
    total = logsumexp(np.array(each) + np.log(p.weight)[:, None], axis=0).sum()
    assert total == pytest.approx(fit.log_likelihood, abs=1e-9)


def test_other_optima_come_near_the_best_and_are_optima():
    """What else is returned, for a posterior's chains: the score vanishes there, from the best of them down."""
    stats = drawn(3, stores=40, weeks=10)
    fit = fit_normal_mixture(stats, 3, sigma="common", seed=1)
    levels = [memberships(other, stats)[1].sum() for other in fit.others]
    assert levels
    assert all(fit.log_likelihood - 20.0 < level < fit.log_likelihood - 1e-3 for level in levels)
    assert levels == sorted(levels, reverse=True)
    for other in fit.others:
        assert np.all(np.diff(other.weight) <= 0.0)
        again = fit_normal_mixture(stats, 3, sigma="common", starts=0, also=[other])
        assert again.log_likelihood >= memberships(other, stats)[1].sum() - 1e-6
