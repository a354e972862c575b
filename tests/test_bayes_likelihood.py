"""The kernel and its operation against the NumPy twin, finite differences and the rows themselves."""

from functools import partial

import numpy as np
import oracles
import pymc as pm
import pytensor.tensor as pt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from pytensor.compile.maker import function
from pytensor.compile.mode import Mode

from bayesmix.designs import by_design
from bayesmix.kernel import value_and_gradient
from bayesmix.likelihood import store_data, total_loglik
from em.likelihood import component_loglik, store_loglik
from em.statistics import GaussianStatistics, build, concatenate

compiled = njit(value_and_gradient, error_model="numpy")


def problem(seed, spread, own_prices=True):
    """Stores by design, of one week and of one price among them, the kernel's twin for them, and parameters."""
    rng = np.random.default_rng(seed)
    p, k = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    rows = oracles.draw_rows(rng, 6, k, p=p, weeks=(1, 9), own_prices=own_prices)
    constant = rows.store == 2
    rows.x[constant] = rows.x[np.flatnonzero(constant)[0]]  # a store whose X'X is singular
    stats = build(rows.store, rows.x, rows.y, rows.n_stores)
    factor = rng.normal(size=(k, p, p)) if spread else np.zeros((0, p, p))
    mu = stats.b.mean(0) + rng.normal(size=(k, p))
    traits = rng.normal(size=(6, int(rng.integers(0, 3))))
    effect = rng.normal(size=(traits.shape[1], p))
    parameters = [np.log(rng.dirichlet(np.ones(k))), mu, rng.uniform(0.3, 2.0, k), factor, effect]
    return by_design(stats, traits), partial(twin, stats, traits), parameters


def twin(stats, traits, log_weight, mu, sigma, factor, effect):
    omega = factor @ np.swapaxes(factor, 1, 2) if len(factor) else np.zeros((len(mu), *2 * (mu.shape[1],)))
    return store_loglik(log_weight, component_loglik(stats, mu + (traits @ effect)[:, None], sigma, omega)).sum()


@given(st.integers(0, 10**6), st.booleans(), st.booleans())
def test_value_is_that_of_the_numpy_twin(seed, spread, own_prices):
    stores, plain, parameters = problem(seed, spread, own_prices)
    assert compiled(*parameters, *stores)[0] == pytest.approx(plain(*parameters), rel=1e-9, abs=1e-9)


@given(st.integers(0, 10**6), st.booleans())
def test_gradient_is_that_of_finite_differences(seed, spread):
    stores, plain, parameters = problem(seed, spread)
    gradients = compiled(*parameters, *stores)[1:]
    for j, gradient in enumerate(gradients):

        def along(flat, j=j):
            moved = [*parameters[:j], flat.reshape(parameters[j].shape), *parameters[j + 1 :]]
            return plain(*moved)

        if parameters[j].size:
            slope = oracles.slope(along, parameters[j].ravel(), step=1e-5)
            scale = 1.0 + np.abs(slope).max()
            np.testing.assert_allclose(gradient.ravel() / scale, slope / scale, atol=1e-6)


def test_value_is_that_of_the_full_covariance_of_the_weeks():
    rng = np.random.default_rng(5)
    rows = oracles.draw_rows(rng, 5, 2, p=3)
    factor = rng.normal(size=(2, 3, 3))
    mu, sigma, weight = rng.normal(size=(2, 3)), np.array([0.7, 1.4]), np.array([0.3, 0.7])
    stats = build(rows.store, rows.x, rows.y, 5)
    density = oracles.log_density_by_covariance(rows, mu, sigma, factor @ np.swapaxes(factor, 1, 2))
    value = compiled(np.log(weight), mu, sigma, factor, np.zeros((0, mu.shape[1])), *by_design(stats))[0]
    assert value == pytest.approx(oracles.mix(weight, density).sum(), rel=1e-10)


def test_a_spread_of_zero_is_no_spread():
    stores, _, (log_weight, mu, sigma, _, effect) = problem(3, False)
    k, p = mu.shape
    without = compiled(log_weight, mu, sigma, np.zeros((0, p, p)), effect, *stores)
    zero = compiled(log_weight, mu, sigma, np.zeros((k, p, p)), effect, *stores)
    for one, other in zip((*without[:4], without[5]), (*zero[:4], zero[5]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10)


def test_stores_of_one_design_are_factorised_once_in_any_order():
    rows = oracles.draw_rows(np.random.default_rng(0), 7, 2, own_prices=False)
    common = build(rows.store, rows.x, rows.y, 7)
    rows = oracles.draw_rows(np.random.default_rng(1), 6, 2)
    own = build(rows.store, rows.x, rows.y, 6)
    both = concatenate([own, common])
    order, traits = np.random.default_rng(2).permutation(len(both.n)), np.random.default_rng(3).normal(size=(13, 1))
    shuffled = GaussianStatistics(*(field[order] for field in both))
    assert len(by_design(common).root) == 1
    assert len(by_design(shuffled).root) == own.n_stores + 1
    mu, effect = np.array([[10.0, -1.0], [9.0, -2.0]]), np.array([[0.5, -0.2]])
    parameters = [np.log([0.4, 0.6]), mu, np.ones(2), np.ones((2, 2, 2)), effect]
    parts = sum(compiled(*parameters, *by_design(*part))[0] for part in ((own, traits[:6]), (common, traits[6:])))
    assert compiled(*parameters, *by_design(shuffled, traits[order]))[0] == pytest.approx(parts, rel=1e-12)


def test_a_sigma_that_overflows_is_not_an_error_but_no_number():
    stores, _, (log_weight, mu, sigma, factor, effect) = problem(4, True)
    assert not np.isfinite(compiled(log_weight, mu, 0.0 * sigma, factor, effect, *stores)[0])


@pytest.mark.parametrize("mode", [Mode(linker="py", optimizer="fast_compile"), "NUMBA"], ids=["python", "numba"])
def test_the_operation_hands_on_value_and_gradient(mode):
    rng = np.random.default_rng(8)
    rows, traits = oracles.draw_rows(rng, 6, 2), rng.normal(size=(6, 2))
    stats = build(rows.store, rows.x, rows.y, 6)
    parameters = [np.log([0.4, 0.6]), stats.b[:2], np.array([0.5, 1.5]), rng.normal(size=(2, 2, 2)), np.eye(2)]
    expected = compiled(*parameters, *by_design(stats, traits))
    symbols = [pt.tensor(dtype="float64", shape=(None,) * value.ndim) for value in parameters]
    with pm.Model():
        total = total_loglik(store_data(stats, traits), *symbols)
    outputs = function(symbols, [total, *pt.grad(2.0 * total, symbols)], mode=mode)(*parameters)
    assert float(outputs[0]) == pytest.approx(float(expected[0]), rel=1e-12)
    for gradient, kernel in zip(outputs[1:], expected[1:], strict=True):
        np.testing.assert_allclose(gradient, 2.0 * kernel, rtol=1e-10, atol=1e-10)


def test_shares_lost_in_rounding_change_neither_value_nor_gradient():
    rows = oracles.draw_rows(np.random.default_rng(0), 12, 2, weeks=(300, 301))
    stats = build(rows.store, rows.x, rows.y, 12)
    mu = np.array([[9.0, -1.0], [9.2, -1.1], [14.0, -3.0]])  # most stores are thousands below in one segment or two
    parameters = [np.log([0.5, 0.3, 0.2]), mu, np.array([1.0, 0.8, 1.0]), np.zeros((0, 2, 2)), np.zeros((0, 2))]
    value, *gradients = compiled(*parameters, *by_design(stats))
    plain = partial(twin, stats, np.zeros((12, 0)))
    assert value == pytest.approx(plain(*parameters), rel=1e-12)
    for j, gradient in enumerate(gradients[:3]):

        def along(flat, j=j):
            return plain(*parameters[:j], flat.reshape(parameters[j].shape), *parameters[j + 1 :])

        slope = oracles.slope(along, parameters[j].ravel(), step=1e-5)
        np.testing.assert_allclose(gradient.ravel(), slope, rtol=1e-5, atol=1e-3)


def test_a_segment_that_is_no_number_makes_the_value_none():
    stores, _, parameters = problem(0, spread=False)
    for j in range(3):
        broken = [values.copy() for values in parameters]
        broken[j].flat[-1] = np.nan
        assert np.isnan(compiled(*broken, *stores)[0])


def test_one_segment_that_is_no_number_makes_the_value_none():
    stores, _, (log_weight, mu, sigma, factor, effect) = problem(0, spread=False)
    value = compiled(log_weight[:1], np.full_like(mu[:1], np.nan), sigma[:1], factor, effect, *stores)[0]
    assert np.isnan(value)


@pytest.mark.parametrize(("narrow", "lost"), [(1.0, 1e-11), (1e-4, 1e-7)])
@pytest.mark.parametrize("flat", [1.0, 1e-5])
def test_two_coefficients_are_three_of_which_one_is_absent(narrow, lost, flat):
    """The closed form for two against the factorisation for any number, also where prices or stores hardly differ."""
    rng = np.random.default_rng(1)
    rows = oracles.draw_rows(rng, 20, 2, weeks=(1, 60))
    x = np.column_stack([rows.x[:, 0], 0.3 + narrow * rows.x[:, 1]])
    data = by_design(build(rows.store, x, rows.y, 20))
    factor = rng.normal(size=(2, 2, 2)) * [1.0, flat]
    mu, sigma, effect = data.b[5:7] + rng.normal(size=(2, 2)), np.array([0.3, 1.1]), np.zeros((0, 2))
    parameters = [np.log([0.6, 0.4]), mu, sigma, factor, effect]

    def wider(array, axes):
        return np.pad(array, [(0, 0)] + [(0, 1)] * axes)

    more = data._replace(root=wider(data.root, 2), b=wider(data.b, 1))
    two = compiled(*parameters, *data)
    three = compiled(parameters[0], wider(mu, 1), sigma, wider(factor, 2), np.zeros((0, 3)), *more)
    assert two[0] == pytest.approx(three[0], rel=lost)
    for found, expected in zip(two[1:], three[1:], strict=True):
        expected = expected[tuple(slice(n) for n in found.shape)]
        np.testing.assert_allclose(found, expected, atol=10.0 * lost * np.abs(expected).max(initial=0.0))
