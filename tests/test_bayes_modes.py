"""Chains that ended apart are told apart, weighed, and never averaged."""

import dataclasses

import numpy as np
import pytest

import bayesmix
from bayesmix.modes import chains_by_mode, starts_of_chains, weigh
from bayesmix.settings import Settings
from em.errors import InputError
from em.mixture import MixtureParameters
from em.panel import Panel


def draws(shift=0.0, chains=(0,), seed=0, draws=400):
    """Four chains of one quantity and the log-likelihood; `chains` lie `shift` away."""
    rng = np.random.default_rng(seed)
    theta, loglik = rng.normal(size=(4, draws, 2)), -100.0 + rng.normal(size=(4, draws))
    theta[list(chains), :, 1] += shift
    return {"theta": theta}, loglik


def groups(*arguments):
    return [list(group) for group in chains_by_mode(*arguments)]


def test_chains_in_one_place_are_one_group():
    assert groups(*draws()) == [[0, 1, 2, 3]]
    assert groups(*draws(shift=1.0)) == [[0, 1, 2, 3]]


def test_a_chain_whose_parameter_is_elsewhere_is_apart():
    assert groups(*draws(shift=8.0, chains=(1,))) == [[0, 2, 3], [1]]
    assert groups(*draws(shift=8.0, chains=(1, 3))) == [[0, 2], [1, 3]]


def test_a_chain_less_than_two_of_its_standard_deviations_lower_is_apart():
    quantities, loglik = draws(draws=4000)
    loglik[2] -= 1.8
    assert groups(quantities, loglik) == [[0, 1, 3], [2]]
    loglik[2] += 1.2
    assert groups(quantities, loglik) == [[0, 1, 2, 3]]


def test_a_chain_on_another_level_is_apart_though_its_parameters_are_not():
    quantities, loglik = draws()
    loglik[2] -= 6.0
    assert groups(quantities, loglik) == [[0, 1, 3], [2]]


def test_a_chain_that_wanders_slowly_is_not_a_mode():
    quantities, loglik = draws()
    quantities["theta"][0, :, 0] = np.cumsum(quantities["theta"][0, :, 0]) * 0.1 + 4.0
    assert groups(quantities, loglik) == [[0, 1, 2, 3]]


def test_half_of_the_chains_and_one_more_start_at_the_best():
    optima = [MixtureParameters(np.ones(1), np.full((1, 1), i), np.ones(1)) for i in range(4)]
    assert [one.theta[0, 0] for one in starts_of_chains(optima, 4)] == [0, 0, 1, 2]
    assert [one.theta[0, 0] for one in starts_of_chains(optima, 5)] == [0, 0, 0, 1, 2]
    assert [one.theta[0, 0] for one in starts_of_chains(optima[:2], 4)] == [0, 0, 1, 1]
    assert [one.theta[0, 0] for one in starts_of_chains(optima[:1], 3)] == [0, 0, 0]
    assert len(starts_of_chains(optima, 1)) == 1


def test_weights_are_shares_of_the_posterior(monkeypatch):
    rng = np.random.default_rng(0)

    def log_density(_, q):  # 0.8 N(0, 1) + 0.2 N(30, 2), unnormalised
        near = np.log(0.8) - 0.5 * q[:, 0] ** 2
        far = np.log(0.1) - 0.5 * ((q[:, 0] - 30.0) / 2.0) ** 2
        return 5.0 + np.logaddexp(near, far)

    monkeypatch.setattr("bayesmix.evidence.log_density", log_density)
    q = np.stack([rng.normal(0.0, 1.0, (800, 1)), rng.normal(30.0, 2.0, (800, 1)), rng.normal(0.0, 1.0, (800, 1))])
    found = weigh(None, q, [np.array([0, 2]), np.array([1])])
    np.testing.assert_allclose(found.weight, [0.8, 0.2], atol=0.02)
    np.testing.assert_allclose(np.exp(found.log_weight), found.weight)


def two_modes(seed=0):
    """Three clumps of stores far apart, to be explained by two segments: two modes, one for each pair joined."""
    rng = np.random.default_rng(seed)
    stores, weeks = 18, 4
    store = np.repeat(np.arange(stores), weeks)
    x = np.tile(np.column_stack([np.ones(6 * weeks), rng.uniform(0.5, 1.5, 6 * weeks)]), (3, 1))
    error = np.tile(rng.standard_normal(6 * weeks), 3)
    y = 10.0 + np.array([0.0, 5.0, 10.01])[store // 6] - x[:, 1] + error
    names = tuple(f"store {i + 1}" for i in range(stores))
    return Panel(names, ("1",), ("intercept", "log_price"), store, 0 * store, x, y, "panel.csv", "0" * 64)


@pytest.fixture(scope="module")
def apart():
    return bayesmix.fit_mixture(two_modes(), 2, settings=Settings(500, 500, 4, 1))


def test_a_posterior_of_two_modes_is_flagged_and_both_are_kept_apart(apart):
    assert not apart.trusted
    assert "different modes" in apart.reasons[0]
    modes = apart.group("modes")
    assert modes.sizes["mode"] == 2
    assert float(modes["weight"].sum()) == pytest.approx(1.0)
    assert float(modes["weight"][0]) >= float(modes["weight"][1])
    chains = [set(np.flatnonzero(modes["of_chain"].values == number)) for number in (1, 2)]
    assert chains[0] | chains[1] == {0, 1, 2, 3}
    assert set(apart.posterior["chain"].values) == chains[0]
    second = apart.mode(2)
    assert set(second.posterior["chain"].values) == chains[1]
    assert (
        abs(second.posterior["theta"].mean(("chain", "draw")) - apart.posterior["theta"].mean(("chain", "draw"))).max()
        > 0.5
    )
    for one in (apart, second):
        assert float(one.by_store["membership"].sum("segment").min()) == pytest.approx(1.0)
        spread = one.posterior["theta"].mean("draw").std("chain")
        assert float(spread.max()) < 0.3


def test_a_file_keeps_the_modes(apart, tmp_path):
    apart.save(tmp_path / "two.nc")
    back = bayesmix.load(tmp_path / "two.nc")
    np.testing.assert_array_equal(back.mode(2).posterior["theta"], apart.mode(2).posterior["theta"])
    assert back.mode(2).stores == apart.stores
    with pytest.raises(InputError, match="expected a number from 1 to 2"):
        back.mode(3)


def test_the_weights_of_modes_are_those_of_enumeration(apart):
    """With sigma fixed the evidence of a labelling is closed; modes are sums over the labellings near each."""
    stats, numbers = apart.statistics, apart.priors["numbers"]
    clump = np.arange(18) // 6
    found = {}
    for joined in ((0, 1), (1, 2)):
        label = np.isin(clump, joined).astype(int)
        found[joined] = labelled_evidence(stats, label, numbers, apart.tree["constant_data"]["back"].values)
    exact = abs(found[0, 1] - found[1, 2])
    log_weight = apart.group("modes")["log_weight"].values
    assert log_weight[0] - log_weight[1] == pytest.approx(exact, abs=0.7)


def labelled_evidence(stats, label, numbers, back):
    """Log evidence of stores whose segments are known, with uniform weights of two segments integrated out."""
    from math import lgamma

    mean, sd = np.array(numbers["mean"]), np.array(numbers["sd"])
    total = 0.0
    for k in (0, 1):
        chosen = label == k
        xtx = back.T @ stats.xtx[chosen].sum(0) @ back
        b = stats.b[chosen] @ np.linalg.inv(back).T
        xty = np.einsum("spq,sq->p", back.T @ stats.xtx[chosen] @ back, b)
        precision = np.diag(sd**-2.0) + xtx
        pull = mean / sd**2 + xty
        center = np.linalg.solve(precision, pull)
        squares = stats.rss[chosen].sum() + np.einsum("sp,spq,sq->", b, back.T @ stats.xtx[chosen] @ back, b)
        quadratic = squares + (mean**2 / sd**2).sum() - pull @ center
        total += -0.5 * quadratic - 0.5 * np.linalg.slogdet(precision)[1] - np.log(sd).sum()
        total += lgamma(chosen.sum() + 1.0)
    return total


def test_more_chains_than_optima_do_not_change_what_is_found(apart):
    again = bayesmix.fit_mixture(two_modes(), 2, settings=dataclasses.replace(Settings(500, 500, 4, 1), seed=2))
    first, second = (fit.group("modes")["log_weight"].values for fit in (apart, again))
    np.testing.assert_allclose(first, second, atol=0.3)


def test_a_chain_that_came_over_late_is_not_averaged_with_the_others():
    quantities, loglik = draws()
    quantities["theta"][3, :340] += 6.0
    loglik[3, :340] -= 11.0
    assert groups(quantities, loglik) == [[0, 1, 2], [3]]
