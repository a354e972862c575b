"""The kernel of families against `em`, differences and laws, in plain Python; and compiled, as an operation."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from numba import njit
from numpy.testing import assert_allclose
from oracles import slope as differences
from pytensor.compile.maker import function
from pytensor.compile.mode import Mode
from scipy.special import betaln, digamma, expit, log_expit, logsumexp, polygamma

from bayesmix import special_functions
from bayesmix.compiled_family import compiled_family
from bayesmix.family_designs import family_designs
from bayesmix.family_kernel import kernel_of
from bayesmix.likelihood import store_data, total_loglik
from bayesmix.stores import CountedStores
from em.design_counts import by_value, count_designs, take_stores
from em.families import FAMILIES
from em.family_segments import family_loglik
from em.quadrature import integrate, product_rule
from em.store_modes import cells_of

# Segments, coefficients that vary, nodes, traits.
CASES = [
    (1, [], 1, 0), (3, [], 1, 0), (2, [], 1, 2),
    (1, [0], 1, 0), (2, [1], 9, 1), (1, [0, 2], 5, 0), (3, [0], 5, 0), (1, [0, 1, 2], 2, 0),
]  # fmt: skip
P = 3


def panel(name, seed=0, stores=4, weeks=5):
    family, rng = FAMILIES[name], np.random.default_rng(seed)
    store = np.repeat(np.arange(stores), weeks)
    x = np.column_stack([np.ones(store.size), rng.integers(0, 2, store.size), rng.integers(-1, 2, store.size) / 2.0])
    trials = np.full(store.size, 4.0 if family.size == "trials" else 1.0)
    offset = 0.1 * rng.integers(0, 2, store.size)
    y = family.draw(rng, x @ [0.3, 0.5, -0.2] + rng.normal(size=stores)[store] + offset, trials, -0.3)
    return count_designs(family, store, x, y, stores, offset=offset, trials=trials)


def drawn(case, stores=4, seed=1):
    """Parameters and traits."""
    (k, varying, _, m), rng = case, np.random.default_rng(seed)
    spread = np.zeros((k if varying else 0, P, P))
    for factor in spread:
        factor[np.ix_(varying, varying)] = np.tril(0.8 * rng.normal(size=(len(varying), len(varying))))
    mu = np.array([0.2, 0.4, -0.1]) + 0.4 * rng.normal(size=(k, P))
    parameters = [
        np.log(rng.dirichlet(np.ones(k))),
        mu,
        rng.uniform(0.5, 1.2, k),
        spread,
        0.3 * rng.normal(size=(m, P)),
    ]
    return parameters, rng.normal(size=(stores, m))


def kernel(stats, case, traits):
    _, varying, nodes, _ = case
    data = family_designs(stats, traits, nodes, np.array(varying, dtype=int))
    call = kernel_of(compiled_family(stats.family))
    return lambda *parameters: call(*parameters, *data)


def twin(stats, case, traits):
    """Stores of every segment as `em.quadrature` integrates them; traits shift the offsets."""
    _, varying, nodes, _ = case
    cells, columns = cells_of(stats), np.array(varying, dtype=int)

    def value(log_weight, mu, sigma, spread, effect):
        loglik = np.empty((stats.n_stores, len(mu)))
        shifted = cells._replace(offset=cells.offset + np.einsum("cp,cp->c", cells.x, (traits @ effect)[cells.store]))
        for k, mean in enumerate(mu):
            root = spread[k][:, columns] if len(spread) else np.zeros((P, 0))
            rule = product_rule(nodes, len(varying))
            loglik[:, k] = integrate(shifted, mean, root, columns, np.log(sigma[k]), rule).value
            loglik[:, k] += by_value(stats) @ stats.family.carrier(stats.y, stats.trials, np.log(sigma[k]))
        return logsumexp(log_weight + loglik, axis=1).sum()

    return value


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", FAMILIES)
def test_value_and_gradient_are_those_of_the_numpy_twin(name, case):
    stats = panel(name)
    parameters, traits = drawn(case)
    plain = twin(stats, case, traits)
    value, *gradients = kernel(stats, case, traits)(*parameters)
    assert float(value) == pytest.approx(plain(*parameters), rel=1e-9)
    for j, gradient in enumerate(gradients):
        assert gradient.shape == parameters[j].shape
        if j == 2 and not stats.family.dispersed:
            assert_allclose(gradient, 0.0)
            continue
        free = np.ones(parameters[j].shape, dtype=bool)
        if j == 3:  # columns of coefficients that do not vary stay zero
            free[:] = np.isin(np.arange(P), case[1])

        def along(flat, j=j, free=free):
            moved = parameters[j].copy()
            moved[free] = flat
            return plain(*parameters[:j], moved, *parameters[j + 1 :])

        if free.any() and (j < 3 or name in ("poisson", "negative-binomial")):
            assert_allclose(gradient[free], differences(along, parameters[j][free], step=1e-5), atol=3e-6, rtol=1e-6)
        assert_allclose(gradient[~free], 0.0)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(("varying", "nodes"), [([0], 1), ([0, 2], 3)])
def test_gradient_is_the_slope_of_the_quadrature_in_em(name, varying, nodes):
    stats, case = panel(name), (1, varying, nodes, 0)
    (log_weight, mu, sigma, spread, effect), traits = drawn(case)
    _, _, by_mu, by_sigma, by_spread, _ = kernel(stats, case, traits)(log_weight, mu, sigma, spread, effect)
    rule, r = product_rule(nodes, len(varying)), len(varying)
    slope = integrate(cells_of(stats), mu[0], spread[0][:, varying], np.array(varying), np.log(sigma[0]), rule).slope
    slope = slope.sum(0)
    assert_allclose(by_mu[0], slope[:P], rtol=1e-8, atol=1e-8)
    assert_allclose(by_spread[0][np.ix_(varying, varying)], slope[P:-1].reshape(r, r), rtol=1e-8, atol=1e-8)
    if stats.family.dispersed:
        count = np.bincount(stats.value, stats.count)
        carrier = count @ stats.family.carrier_slopes(stats.y, stats.trials, np.log(sigma[0]))[0]
        assert by_sigma[0] * sigma[0] == pytest.approx(slope[-1] + carrier, rel=1e-8)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_mixture_is_that_of_family_segments(name):
    stats, (parameters, traits) = panel(name), drawn(CASES[1])
    log_weight, mu, sigma, *_ = parameters
    expected = logsumexp(log_weight + family_loglik(stats, mu, sigma), axis=1).sum()
    assert float(kernel(stats, CASES[1], traits)(*parameters)[0]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("case", [CASES[2], CASES[4]])
def test_the_order_of_stores_is_no_matter(case):
    stats, (parameters, traits) = panel("poisson"), drawn(case)
    order = np.array([2, 0, 3, 1])
    one = kernel(stats, case, traits)(*parameters)
    other = kernel(take_stores(stats, order), case, traits[order])(*parameters)
    for a, b in zip(one, other, strict=True):
        assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", [CASES[1], CASES[6]])
def test_a_store_met_twice_counts_twice_and_a_cell_in_two_parts_once(case):
    stats, (parameters, _) = panel("negative-binomial", stores=1), drawn(case)
    none = np.zeros((1, 0))
    once = kernel(stats, case, none)(*parameters)
    twice = kernel(take_stores(stats, np.zeros(2, dtype=int)), case, np.zeros((2, 0)))(*parameters)
    data = family_designs(stats, none, case[2], np.array(case[1], dtype=int))
    parts = data._replace(
        first=2 * data.first,
        design=np.repeat(data.design, 2),
        n=np.repeat(data.n, 2) * np.tile([0.3, 0.7], data.n.size),
        total=np.repeat(data.total, 2) * np.tile([0.6, 0.4], data.n.size),
    )
    split = kernel_of(compiled_family(stats.family))(*parameters, *parts)
    for a, b, c in zip(once, twice, split, strict=True):
        assert_allclose(b, 2.0 * a, rtol=1e-9, atol=1e-9)
        assert_allclose(c, a, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", [(2, [], 1, 1), (2, [0], 5, 1)])
def test_a_trait_that_all_stores_share_shifts_the_means(case):
    stats, ((log_weight, mu, sigma, spread, effect), _) = panel("gamma"), drawn(case)
    with_trait = kernel(stats, case, np.ones((4, 1)))(log_weight, mu, sigma, spread, effect)
    shifted = kernel(stats, case, np.zeros((4, 0)))(log_weight, mu + effect, sigma, spread, np.zeros((0, P)))
    for a, b in zip(with_trait[:5], shifted[:5], strict=True):
        assert_allclose(a, b, rtol=1e-10)
    assert_allclose(with_trait[5][0], shifted[2].sum(0), rtol=1e-10)


@pytest.mark.parametrize("nodes", [1, 4])
def test_a_spread_of_zero_is_no_spread(nodes):
    stats, ((log_weight, mu, sigma, none, effect), traits) = panel("binomial"), drawn(CASES[1])
    without = kernel(stats, CASES[1], traits)(log_weight, mu, sigma, none, effect)
    zero = kernel(stats, (3, [0, 1], nodes, 0), traits)(log_weight, mu, sigma, np.zeros((3, P, P)), effect)
    for a, b in zip(without[:4], zero[:4], strict=True):
        assert_allclose(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", [CASES[1], CASES[6]])
def test_what_is_no_number_makes_the_value_none(case):
    stats, (parameters, traits) = panel("poisson"), drawn(case)
    for j in range(2):
        broken = [values.copy() for values in parameters]
        broken[j].flat[-1] = np.nan
        assert np.isnan(kernel(stats, case, traits)(*broken)[0])


@pytest.mark.parametrize("far", [-30.0, 12.0])
def test_far_from_the_data_the_mode_is_still_found(far):
    stats, case = panel("poisson"), (1, [0], 5, 0)
    spread = np.zeros((1, P, P))
    spread[0, 0, 0] = 3.0
    parameters = [np.zeros(1), np.array([[far, 0.0, 0.0]]), np.ones(1), spread, np.zeros((0, P))]
    value, *gradients = kernel(stats, case, np.zeros((4, 0)))(*parameters)
    assert float(value) == pytest.approx(twin(stats, case, np.zeros((4, 0)))(*parameters), rel=1e-9)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("mode", [Mode(linker="py", optimizer="fast_compile"), "NUMBA"], ids=["python", "numba"])
def test_the_operation_hands_on_value_and_gradient(mode):
    stats, case = panel("poisson"), CASES[4]
    parameters, traits = drawn(case)
    expected = kernel(stats, case, traits)(*parameters)
    symbols = [pt.tensor(dtype="float64", shape=(None,) * value.ndim) for value in parameters]
    with pm.Model():
        data = store_data(CountedStores(stats, case[2]), traits, np.array(case[1], dtype=int))
        total = total_loglik(data, *symbols, family=stats.family)
    known = symbols[:2] + symbols[3:]  # a Poisson sigma is ignored
    outputs = function(symbols, [total, *pt.grad(2.0 * total, known)], mode=mode, on_unused_input="ignore")(*parameters)
    assert float(outputs[0]) == pytest.approx(float(expected[0]), rel=1e-12)
    for gradient, plain in zip(outputs[1:], (*expected[1:3], *expected[4:]), strict=True):
        assert_allclose(gradient, 2.0 * plain, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", FAMILIES)
def test_compiled_functions_of_a_family_are_its_own(name):
    terms, slopes, dispersion_slopes, carrier, carrier_slopes = compiled_family(FAMILIES[name]).functions

    def all_of(eta, y, trials, log_sigma):
        first, second, third = slopes(eta, log_sigma)
        by_sigma = dispersion_slopes(eta, log_sigma)
        pairs = (terms(eta, log_sigma), first, second, third, by_sigma.first, by_sigma.second, by_sigma.of_first)
        return pairs, by_sigma.of_second, carrier(y, trials, log_sigma), carrier_slopes(y, trials, log_sigma)

    one = njit(all_of, error_model="numpy")
    for eta, y, log_sigma in [(0.3, 1.0, -0.2), (-40.0, 0.0, -3.0), (9.0, 1.0, 1.5)]:
        y = max(y, 0.5) if name == "gamma" else y
        found, expected = one(eta, y, 1.0, log_sigma), all_of(eta, y, 1.0, log_sigma)
        for a, b in zip(flat(found), flat(expected), strict=True):
            assert a == pytest.approx(b, rel=1e-11, abs=1e-13)


def flat(nested):
    return [x for part in nested for x in flat(part)] if isinstance(nested, tuple) else [float(nested)]


def test_keys_tell_families_apart():
    assert len({compiled_family(family).key for family in FAMILIES.values()}) == len(FAMILIES)


def test_special_functions_are_those_of_scipy():
    numbers = np.logspace(-6, 7, 200)
    for found, expected in (
        (special_functions.psi, digamma),
        (special_functions.psi_slope, lambda x: polygamma(1, x)),
        (special_functions.share_of_log_odds, expit),
        (lambda x: special_functions.share_of_log_odds(-x), lambda x: expit(-x)),
        (special_functions.log_share_of_log_odds, log_expit),
        (lambda x: special_functions.log_share_of_log_odds(-x), lambda x: log_expit(-x)),
        (lambda x: special_functions.log_beta(x, 2.5), lambda x: betaln(x, 2.5)),
    ):
        wanted = expected(numbers[numbers < 700.0] if expected is not digamma else numbers)
        values = [found(float(x)) for x in numbers[: wanted.size]]
        assert_allclose(values, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("a", "b"), [(3e6, 40.0), (0.02, 200.0), (11.9, 13.0), (1e4, 1.0)])
def test_the_beta_function_does_not_cancel(a, b):
    """Against the product of which it consists for a whole b."""
    exact = np.sum(np.log(np.arange(1.0, b) / (a + np.arange(1.0, b)))) - np.log(a)
    assert special_functions.log_beta(a, b) == pytest.approx(exact, rel=1e-13)
