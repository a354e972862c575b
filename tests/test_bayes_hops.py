"""Hops: they leave a posterior as it is, and give its humps their shares whatever shares the chains found."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest, multivariate_normal

from bayesmix import hops, normal_cover
from bayesmix.diagnose import summarise
from bayesmix.hops import hop
from bayesmix.streams import PURPOSES, stream

DENSITY: Any = None  # the density is put in its place
AT = np.array([[0.0, 0.0, 0.0], [9.0, -7.0, 5.0]])
SPREAD = np.array([[[1.0, 0.5, 0.0], [0.5, 2.0, 0.0], [0.0, 0.0, 0.3]], np.eye(3)])


def two_humps(_, q):
    """Log-density with shares 0.7 and 0.3, up to a constant."""
    parts = [np.log(s) + multivariate_normal(m, c).logpdf(q) for s, m, c in zip((0.7, 0.3), AT, SPREAD, strict=True)]
    return np.logaddexp(*parts) + 3.0


def slow_chains(rng, share, chains=4, n=1000, run=100):
    """Chains that stay `run` draws in a hump, and are in the first for a given share of their runs."""
    first = np.repeat(rng.random((chains, n // run)) < share, run, axis=1)
    humps = [rng.multivariate_normal(m, c, (chains, n)) for m, c in zip(AT, SPREAD, strict=True)]
    return np.where(first[..., None], *humps)


@pytest.mark.parametrize("found", [0.5, 0.9])
def test_humps_get_their_shares_and_effective_draws(found, monkeypatch):
    monkeypatch.setattr(hops, "log_density", two_humps)
    q = slow_chains(np.random.default_rng(1), found)
    moved = hop(DENSITY, q, seed=3)
    before, after = (summarise(values).ess_bulk.min() for values in (q, moved.unconstrained))
    assert before < 150
    assert after > 600
    assert abs((moved.unconstrained[..., 0] < 4.5).mean() - 0.7) < 4.0 * np.sqrt(0.21 / 600)
    np.testing.assert_allclose(moved.lp, two_humps(DENSITY, moved.unconstrained))


def test_a_posterior_stays_as_it_is_where_the_cover_is_poor(monkeypatch):
    monkeypatch.setattr(hops, "log_density", lambda _, q: (2.0 * q - np.exp(q)).sum(1))  # logarithms of gamma(2)
    q = np.log(np.random.default_rng(2).gamma(2.0, size=(4, 2000, 2)))
    moved = hop(DENSITY, q, seed=0)
    assert (moved.unconstrained != q).any(2).mean() > 0.9
    assert kstest(np.exp(moved.unconstrained[..., 0]).ravel(), "gamma", args=(2.0,)).pvalue > 1e-3


def test_a_chain_is_moved_with_what_others_found_only(monkeypatch):
    seen = []
    cover = normal_cover.cover
    monkeypatch.setattr(hops, "log_density", two_humps)
    monkeypatch.setattr(normal_cover, "cover", lambda draws, rng: [seen.append(draws), cover(draws, rng)][1])
    q = slow_chains(np.random.default_rng(5), 0.5)
    hop(DENSITY, q, seed=0)
    missing = [{c for c in range(4) if not (q[c, 0] == draws).all(1).any()} for draws in seen]
    assert sorted(missing, key=min) == [{0}, {1}, {2}, {3}]


def test_chains_that_stand_still_are_refused(monkeypatch):
    monkeypatch.setattr(hops, "log_density", two_humps)
    with pytest.raises(np.linalg.LinAlgError):
        hop(DENSITY, np.zeros((2, 50, 3)), seed=0)


def test_chains_that_are_in_fewer_places_than_normals_are_refused(monkeypatch):
    monkeypatch.setattr(hops, "log_density", two_humps)
    rng = np.random.default_rng(3)
    with pytest.raises(np.linalg.LinAlgError):
        hop(DENSITY, rng.normal(size=(6, 3))[rng.integers(6, size=(2, 400))], seed=0)


def test_the_density_of_a_cover_is_that_of_its_draws():
    rng = np.random.default_rng(0)
    cover = normal_cover.cover(slow_chains(rng, 0.5).reshape(-1, 3), rng)
    assert len(cover.weight) == normal_cover.MOST
    x = normal_cover.draw(cover, 200_000, rng)
    edges = np.linspace(-3.0, 3.0, 13)  # along a line through the first hump, against the share of draws near it
    near = (np.abs(x[:, 1:] - AT[0, 1:]) < 0.25).all(1)
    seen = np.histogram(x[near, 0], edges)[0]
    grid = np.stack(np.meshgrid(edges[:-1] + 0.25, [-0.17, 0.0, 0.17], [-0.17, 0.0, 0.17], indexing="ij"), -1)
    expected = np.exp(normal_cover.log_density(cover, grid.reshape(-1, 3))).reshape(len(seen), -1).mean(1)
    expected *= seen.sum() / expected.sum()
    assert (np.abs(seen - expected) < 5.0 * np.sqrt(expected) + 0.03 * expected).all()


def test_no_two_purposes_share_their_numbers():
    words = [tuple(stream(7, purpose, *n).generate_state(2)) for purpose in PURPOSES for n in ((), (0,), (1,))]
    assert len(set(words)) == len(words)
    assert stream(7, "hops", 1).generate_state(1) == stream(7, "hops", 1).generate_state(1)
