"""What does not depend on the names of segments, against brute force and under random renumbering."""

import fits_for_comparisons as gibbs
import numpy as np
import oracles
import pytest
from fits_by_hand import fit_of
from scipy.stats import norm

import bayesmix.label_free
from bayesmix.label_free import co_membership, quantile_of_normals, quantiles_of_values, store_coefficients
from bayesmix.labels import relabel
from bayesmix.posterior import store_posterior
from em.errors import InputError
from em.statistics import build

NAMES = ("intercept", "log_price")


def panel(seed=0, stores=7):
    rows = oracles.draw_rows(np.random.default_rng(seed), stores, 2, weeks=(1, 5))
    return rows, build(rows.store, rows.x, rows.y, stores)


def segments(n=40, k=3, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "weight": rng.dirichlet(3.0 * np.ones(k), n),
        "theta": np.array([10.0, -1.4]) + rng.normal(size=(n, k, 2)),
        "sigma": rng.uniform(0.5, 1.5, (n, k)),
    }


def continuum(n=40, seed=0):
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(n, 2, 2))
    return {
        "mu": np.array([10.0, -1.4]) + 0.3 * rng.normal(size=(n, 2)),
        "omega": 0.3 * factor @ np.swapaxes(factor, 1, 2),
        "sigma": rng.uniform(0.5, 1.5, n),
    }


def test_pairs_are_those_of_the_memberships_store_by_store():
    rows, stats = panel()
    draws = segments()
    expected = np.zeros((7, 7))
    for d in range(40):
        density = oracles.log_density_by_rows(rows, draws["theta"][d], draws["sigma"][d])
        share = oracles.posterior(draws["weight"][d], density)
        for i in range(7):
            for j in range(7):
                expected[i, j] += 1.0 if i == j else share[i] @ share[j]
    found = co_membership(fit_of(stats, NAMES, **draws))
    np.testing.assert_allclose(found, expected / 40, rtol=1e-9)
    assert found.dims == ("store", "store_2")
    some = fit_of(stats, NAMES, **draws).co_membership(["F", "B"])
    np.testing.assert_allclose(some, found.sel(store=["F", "B"], store_2=["F", "B"]), rtol=1e-12)


def test_renumbering_the_segments_of_any_draw_changes_nothing():
    _, stats = panel()
    draws = segments()
    order = np.array([np.random.default_rng(d).permutation(3) for d in range(40)])
    other = {name: relabel(value, order) for name, value in draws.items()}
    assert not np.allclose(other["theta"].mean(0), draws["theta"].mean(0), atol=0.05)
    one, two = fit_of(stats, NAMES, **draws), fit_of(stats, NAMES, **other)
    np.testing.assert_allclose(co_membership(one), co_membership(two), rtol=1e-12)
    first, second = store_coefficients(one), store_coefficients(two)
    for name in first.data_vars:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-12)


@pytest.mark.parametrize("draws", [segments(), continuum()], ids=["mixture", "hierarchical"])
def test_moments_are_those_of_the_pass_over_all_stores(draws):
    _, stats = panel(1)
    fit = fit_of(stats, NAMES, **draws)
    k = fit.draws.weight.shape[1]
    expected = store_posterior(stats, fit.draws, np.full((7, k), 1.0 / k))
    found = fit.store_coefficients()
    np.testing.assert_allclose(found["mean"], expected.coefficients, rtol=1e-9)
    np.testing.assert_allclose(found["sd"], expected.coefficients_sd, rtol=1e-7)


def test_intervals_of_a_continuum_hold_their_share_exactly():
    rows, stats = panel(2)
    draws = continuum()
    found = store_coefficients(fit_of(stats, NAMES, **draws), interval=0.8)
    for store in range(7):
        x, y = rows.of(store)
        shares = []
        for d in range(40):
            mu, omega, sigma = draws["mu"][d], draws["omega"][d], draws["sigma"][d]
            gain = np.linalg.solve(x @ omega @ x.T + sigma**2 * np.eye(len(y)), x @ omega).T
            mean, sd = mu + gain @ (y - x @ mu), np.sqrt(np.diagonal(omega - gain @ x @ omega))
            shares.append([norm.cdf((found[end].values[store] - mean) / sd) for end in ("lower", "upper")])
        np.testing.assert_allclose(np.mean(shares, axis=0), [[0.1, 0.1], [0.9, 0.9]], atol=2e-8)


def test_intervals_of_a_mixture_are_those_of_its_draws():
    rows, stats = panel(3)
    draws = segments(60)
    found = store_coefficients(fit_of(stats, NAMES, **draws))
    values, weights = draws["theta"].reshape(-1, 2), []
    for d in range(60):
        density = oracles.log_density_by_rows(rows, draws["theta"][d], draws["sigma"][d])
        weights.append(oracles.posterior(draws["weight"][d], density))
    weight = np.array(weights).transpose(1, 0, 2).reshape(7, -1) / 60
    for end, level in (("lower", 0.055), ("upper", 0.945)):
        at = found[end].values
        for c in range(2):
            upto = (weight * (values[:, c] <= at[:, c, None] + 1e-12)).sum(1)
            below = (weight * (values[:, c] < at[:, c, None] - 1e-12)).sum(1)
            assert (upto >= level - 1e-9).all()
            assert (below < level + 1e-9).all()


def test_quantiles_of_values_by_hand():
    weight = np.array([[0.2, 0.5, 0.3], [0.0, 0.0, 1.0]])
    found = quantiles_of_values(weight, np.array([3.0, 1.0, 2.0]), (0.4, 0.6, 0.9))
    np.testing.assert_array_equal(found, [[1.0, 2.0], [2.0, 2.0], [3.0, 2.0]])


@pytest.mark.parametrize("seed", range(5))
def test_quantiles_of_normals_are_inverse_to_their_distribution(seed):
    """Components from points to wide ones, near and far."""
    rng = np.random.default_rng(seed)
    weight = rng.dirichlet(0.3 * np.ones(8), 20)
    mean, sd = rng.normal(0.0, 10.0, (20, 8)), 10.0 ** rng.uniform(-6, 1, (20, 8))
    for level in (0.01, 0.055, 0.5, 0.945):
        at = quantile_of_normals(weight, mean, sd, level)
        below, above = ((weight * norm.cdf((at[:, None] + step - mean) / sd)).sum(1) for step in (-1e-8, 1e-8))
        assert (below <= level + 2e-8).all()
        assert (above >= level - 2e-8).all()
    points = quantile_of_normals(weight, mean[:1] * np.ones((20, 1)), np.zeros((20, 8)), 0.3)
    np.testing.assert_allclose(points, quantiles_of_values(weight, mean[0], (0.3,))[0], atol=1e-6)


def test_intervals_cover_the_coefficients_of_stores():
    """Stores drawn from the parameters that every draw has."""
    rng, n = np.random.default_rng(8), 3000
    theta = gibbs.continuous(n, seed=4)
    store = np.repeat(np.arange(n), 4)
    x = np.column_stack([np.ones(store.size), rng.normal(0.9, 0.5, store.size)])
    y = np.einsum("rp,rp->r", x, theta[store]) + 0.8 * rng.standard_normal(store.size)
    draws = {"mu": gibbs.MU, "omega": gibbs.OMEGA, "sigma": np.float64(0.8)}
    fit = fit_of(build(store, x, y, n), NAMES, **{name: np.repeat(v[None], 3, 0) for name, v in draws.items()})
    found = store_coefficients(fit)
    inside = (found["lower"].values <= theta) & (theta <= found["upper"].values)
    assert np.abs(inside.mean(0) - 0.89).max() < 3.5 * np.sqrt(0.89 * 0.11 / n)


def test_too_many_stores_and_none_that_share_are_refused(monkeypatch):
    _, stats = panel()
    monkeypatch.setattr(bayesmix.label_free, "MOST_STORES", 6)
    with pytest.raises(InputError, match="7 stores are too many to pair; expected the names of at most 6"):
        co_membership(fit_of(stats, NAMES, **segments()))
    assert co_membership(fit_of(stats, NAMES, **segments()), ["A", "C"]).shape == (2, 2)
    with pytest.raises(InputError, match="no store 'Q'"):
        co_membership(fit_of(stats, NAMES, **segments()), ["A", "Q"])
    with pytest.raises(InputError, match="has no segments"):
        co_membership(fit_of(stats, NAMES, **continuum()))


def test_chunks_of_draws_do_not_matter(monkeypatch):
    _, stats = panel()
    fit = fit_of(stats, NAMES, **segments())
    whole = co_membership(fit)
    monkeypatch.setattr(bayesmix.label_free, "CHUNK", 1)
    np.testing.assert_allclose(co_membership(fit), whole, rtol=1e-12)
