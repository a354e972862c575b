"""Segments keep their numbers whatever the sampler calls them."""

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayesmix.density import compile_density, constrain, log_density
from bayesmix.labels import match, relabel, relabel_unconstrained, share_switched
from bayesmix.mixture import mixture_model, mixture_start
from bayesmix.priors import default_priors
from em.mixture import MixtureParameters
from em.statistics import build


def memberships(rng, stores, k, certainty=4.0):
    scores = rng.normal(size=(stores, k)) + certainty * np.eye(k)[rng.integers(k, size=stores)]
    scores[:k] += 3.0 * certainty * np.eye(k)  # every segment has a store of its own
    return np.exp(scores) / np.exp(scores).sum(1, keepdims=True)


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_relabelling_undoes_any_permutation(seed, k):
    rng = np.random.default_rng(seed)
    reference = memberships(rng, 40, k)
    draws = np.exp(np.log(reference) + 0.3 * rng.normal(size=(20, 40, k)))
    draws /= draws.sum(-1, keepdims=True)
    theta = np.arange(k) + 0.1 * rng.normal(size=(20, k))
    mixed = np.array([rng.permutation(k) for _ in range(20)])
    permutation = match(reference, relabel(draws, mixed, axis=2))
    np.testing.assert_array_equal(relabel(relabel(draws, mixed, axis=2), permutation, axis=2), draws)
    np.testing.assert_array_equal(relabel(relabel(theta, mixed), permutation), theta)
    moved = (mixed != np.arange(k)).any(1).mean()
    assert share_switched(permutation) == pytest.approx(moved)


def test_draws_in_the_reference_order_stay():
    rng = np.random.default_rng(0)
    reference = memberships(rng, 30, 3)
    permutation = match(reference, np.tile(reference, (5, 1, 1)))
    np.testing.assert_array_equal(permutation, np.tile(np.arange(3), (5, 1)))
    assert share_switched(permutation) == 0.0


def test_of_all_labellings_the_one_of_least_disagreement_is_taken():
    import itertools

    rng = np.random.default_rng(1)
    reference, draw = rng.dirichlet(np.ones(4), 12), rng.dirichlet(np.ones(4), 12)
    agreement = {p: (reference * draw[:, p]).sum() for p in itertools.permutations(range(4))}
    assert tuple(match(reference, draw[None])[0]) == max(agreement, key=agreement.get)


@pytest.mark.parametrize("sigma", ["fixed", "common", "segment"])
def test_draws_on_the_scale_of_the_sampler_are_relabelled_as_their_quantities_are(sigma):
    rows = oracles.draw_rows(np.random.default_rng(0), 10, 3)
    stats = build(rows.store, rows.x, rows.y, 10)
    model = mixture_model(stats, 3, default_priors(stats, ("intercept", "log_price")), sigma)
    start = MixtureParameters(np.array([0.5, 0.3, 0.2]), stats.b[:3], np.full(3, 1.0 if sigma == "fixed" else 0.8))
    density = compile_density(model, [mixture_start(start, sigma)])
    rng = np.random.default_rng(1)
    q = density.starts + 0.3 * rng.standard_normal((6, density.starts.shape[1]))
    order = np.array([rng.permutation(3) for _ in q])
    moved = relabel_unconstrained(q, density.shapes, order)
    np.testing.assert_allclose(log_density(density, moved), log_density(density, q), rtol=1e-10)
    before, after = (constrain(model, density, values, ["weight", "theta", "sigma"]) for values in (q, moved))
    for name, values in before.items():
        np.testing.assert_allclose(after[name], relabel(values, order), rtol=1e-10)
