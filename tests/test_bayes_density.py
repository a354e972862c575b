"""What the sampler is given against PyMC's own log-density, and what is compiled again."""

import ctypes
from dataclasses import replace

import numpy as np
import oracles
import pytest
from pytensor.compile.mode import Mode

from bayesmix.density import compile_density, constrain, log_density
from bayesmix.mixture import QUANTITIES as SEGMENTS
from bayesmix.mixture import mixture_model, mixture_start
from bayesmix.normal_mixture import QUANTITIES as NORMALS
from bayesmix.normal_mixture import normal_mixture_model, normal_mixture_start
from bayesmix.priors import default_priors
from em.mixture import MixtureParameters
from em.normal_mixture import NormalMixtureParameters
from em.statistics import build

NAMES = ("intercept", "log_price", "display")
PLAIN = Mode(linker="py", optimizer="fast_compile")


def statistics(seed=0, stores=8, p=2):
    rows = oracles.draw_rows(np.random.default_rng(seed), stores, 2, p=p)
    return build(rows.store, rows.x, rows.y, stores)


def case(kind, sigma="fixed", p=2, seed=0, varying=None):
    """A model and a start; `kind` is a number of segments, negative where their stores differ."""
    stats = statistics(seed, 8 + seed, p)
    priors = default_priors(stats, NAMES[:p])
    rng = np.random.default_rng(seed)
    sd = np.full(abs(kind), 1.0 if sigma == "fixed" else 0.8)
    if kind < 0:
        k = -kind
        priors = replace(priors, spread=tuple(float(c in (varying or range(p))) for c in range(p)))
        factor = 0.3 * rng.normal(size=(k, p, p)) * np.array(priors.spreads)[:, None]
        omega = factor @ np.swapaxes(factor, 1, 2)
        start = NormalMixtureParameters(rng.dirichlet(5.0 * np.ones(k)), stats.b[:k] + 0.1, omega, sd)
        return normal_mixture_model(stats, k, priors, sigma), normal_mixture_start(start, priors, sigma)
    start = MixtureParameters(rng.dirichlet(5.0 * np.ones(kind)), stats.b[:kind] + 0.1, sd)
    return mixture_model(stats, kind, priors, sigma), mixture_start(start, sigma)


def compiled(*arguments):
    model, start = case(*arguments)
    return compile_density(model, [start])


def evaluate(density, q):
    """Call the C function as a sampler does."""
    slope, value = np.empty_like(q), np.empty(1)
    call = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_uint64, *4 * [ctypes.c_void_p])(density.function.address)
    code = call(q.size, q.ctypes.data, slope.ctypes.data, value.ctypes.data, density.table.ctypes.data)
    return code, value[0], slope


@pytest.mark.parametrize(
    ("kind", "sigma", "p"),
    [
        *[(1, "fixed", 2), (2, "segment", 3), (3, "common", 2)],
        *[(-1, "fixed", 2), (-1, "common", 3), (-1, "fixed", 1), (-3, "common", 2), (-2, "fixed", 3)],
    ],
)
def test_it_is_the_density_that_pymc_states(kind, sigma, p):
    model, start = case(kind, sigma, p)
    density = compile_density(model, [start])
    logp, dlogp = model.compile_logp(mode=PLAIN), model.compile_dlogp(vars=list(model.free_RVs), mode=PLAIN)
    rng = np.random.default_rng(1)
    for _ in range(3):
        q = density.starts[0] + 0.3 * rng.standard_normal(density.starts[0].size)
        cuts = np.cumsum([int(np.prod(shape)) for shape in density.shapes.values()])[:-1]
        point = {
            name: piece.reshape(shape)
            for (name, shape), piece in zip(density.shapes.items(), np.split(q, cuts), strict=True)
        }
        code, value, slope = evaluate(density, q)
        assert code == 0
        assert value == pytest.approx(float(logp(point)), rel=1e-10)
        np.testing.assert_allclose(slope, dlogp(point), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(("kind", "sigma"), [(3, "segment"), (3, "common"), (-1, "common"), (-2, "common")])
def test_quantities_at_the_start_are_the_start(kind, sigma):
    model, start = case(kind, sigma)
    density = compile_density(model, [start])
    found = constrain(model, density, np.tile(density.starts[0], (4, 1)), list(SEGMENTS if kind > 0 else NORMALS))
    np.testing.assert_allclose(found["weight"], np.tile(start["weight"], (4, 1)), rtol=1e-10)
    center = "theta" if kind > 0 else "mu"
    np.testing.assert_allclose(found[center][3], start[center], rtol=1e-12)
    if kind < 0:
        sd = np.sqrt(np.diagonal(found["omega"][0], axis1=1, axis2=2))
        np.testing.assert_allclose(sd, start["scale"], rtol=1e-10)
        correlation = found["omega"][0, :, 0, 1] / sd.prod(1)
        np.testing.assert_allclose(correlation, 2.0 * start["partial"][:, 0] - 1.0, rtol=1e-10)
    expected = np.broadcast_to(np.exp(start["log_sigma"]), found["sigma"][2].shape)
    np.testing.assert_allclose(found["sigma"][2], expected, rtol=1e-10)


def test_a_fixed_sigma_is_one_in_every_draw():
    model, start = case(2)
    density = compile_density(model, [start])
    assert density.shapes["log_sigma"] == (0,)
    np.testing.assert_array_equal(
        constrain(model, density, np.zeros((5, density.starts[0].size)), ["sigma"])["sigma"], 1.0
    )


def test_nothing_compiles_again_for_another_panel_rule_or_number_of_segments():
    compiled(2)
    for kind, sigma, p, seed in [(3, "fixed", 2, 1), (1, "segment", 2, 2), (4, "common", 3, 3)]:
        assert compiled(kind, sigma, p, seed).function.cache_hits == 1


def test_nothing_compiles_again_for_another_number_of_segments_whose_stores_differ():
    compiled(-1)
    for kind, sigma, p, seed, varying in [
        (-2, "fixed", 2, 1, None), (-3, "common", 3, 2, None), (-1, "common", 1, 3, None), (-2, "fixed", 3, 1, [0, 2]),
    ]:  # fmt: skip
        assert compiled(kind, sigma, p, seed, varying).function.cache_hits == 1


@pytest.mark.parametrize("varying", [[0, 2], [1]])
def test_coefficients_that_do_not_vary_have_no_spread_and_the_others_are_a_model_of_their_own(varying):
    model, start = case(-2, "fixed", 3, varying=varying)
    assert start["scale"].shape == (2, len(varying))
    density = compile_density(model, [start])
    omega = constrain(model, density, density.starts, ["omega"])["omega"][0]
    fixed = np.setdiff1d(np.arange(3), varying)
    assert not omega[:, fixed].any()
    assert not omega[:, :, fixed].any()
    sd = np.sqrt(np.diagonal(omega, axis1=1, axis2=2))[:, varying]
    np.testing.assert_allclose(sd, start["scale"], rtol=1e-10)
    if len(varying) > 1:
        correlation = omega[:, varying[0], varying[1]] / sd.prod(1)
        np.testing.assert_allclose(correlation, 2.0 * start["partial"][:, 0] - 1.0, rtol=1e-10)


def test_a_place_without_density_is_told_to_the_sampler():
    model, start = case(2, "common")
    density = compile_density(model, [start])
    q = density.starts[0].copy()
    q[-1] = -1e4  # log sigma
    assert evaluate(density, q)[0] > 0
    assert log_density(density, q[None])[0] == -np.inf


def test_many_places_at_once_are_what_each_is_alone():
    density = compiled(3, "common", 3)
    q = density.starts[0] + 0.3 * np.random.default_rng(2).standard_normal((5, density.starts.shape[1]))
    np.testing.assert_array_equal(log_density(density, q[:, ::-1][:, ::-1]), [evaluate(density, one)[1] for one in q])


def test_every_start_has_a_vector_of_its_own():
    model, start = case(2)
    other = {**start, "theta": start["theta"] + 1.0}
    density = compile_density(model, [start, other])
    found = constrain(model, density, density.starts, ["theta"])["theta"]
    np.testing.assert_allclose(found, [start["theta"], other["theta"]])
