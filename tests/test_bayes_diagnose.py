"""The gate lets sound draws pass and names what is wrong with others."""

import numpy as np
import pytest
import xarray as xr

from bayesmix.diagnose import bfmi, reasons_for_distrust, summarise


def sound(seed=0, chains=4, draws=500):
    """Independent draws: quantities, log-likelihood, divergences, energy."""
    rng = np.random.default_rng(seed)
    shape = (chains, draws)
    return {
        "quantities": {"theta": rng.normal(size=(*shape, 3, 2)), "sigma": np.ones((*shape, 3))},
        "loglik": -100.0 + rng.normal(size=shape),
        "sampler": xr.Dataset(
            {
                "diverging": (("chain", "draw"), np.zeros(shape, dtype=bool)),
                "energy": (("chain", "draw"), rng.normal(size=shape)),
            }
        ),
        "labels": {"theta": [["segment 1", "segment 2", "segment 3"], ["intercept", "log_price"]]},
    }


def test_sound_draws_are_trusted():
    assert reasons_for_distrust(**sound()) == []


def test_a_fixed_quantity_has_no_r_hat_and_no_say():
    summary = summarise(np.ones((4, 100, 2)))
    assert np.isnan(summary.rhat).all()
    assert (summary.sd == 0.0).all()


def test_chains_in_two_modes_are_seen_by_r_hat_which_names_the_place():
    draws = sound()
    draws["quantities"]["theta"][3, :, 1, 0] += 5.0
    reasons = reasons_for_distrust(**draws)
    assert any("R-hat is" in reason and "theta[segment 2, intercept]" in reason for reason in reasons)


def test_the_log_likelihood_must_mix_as_well():
    draws = sound()
    draws["loglik"][0] += 0.6
    reasons = reasons_for_distrust(**draws)
    assert reasons
    assert all("for log-likelihood" in reason for reason in reasons)


@pytest.mark.parametrize(("count", "trusted"), [(1, True), (2, True), (3, False), (50, False)])
def test_divergences_beyond_one_in_a_thousand_are_a_reason(count, trusted):
    draws = sound()
    draws["sampler"]["diverging"].values.ravel()[:count] = True
    reasons = reasons_for_distrust(**draws)
    assert (reasons == []) is trusted
    assert trusted or f"{count} of 2000 draws diverged" in reasons[0]


def test_few_effective_draws_are_a_reason_in_the_middle_and_in_the_tails():
    draws = sound(draws=80)
    reasons = reasons_for_distrust(**draws)
    assert any("effective draws (bulk)" in reason for reason in reasons)
    assert any("effective draws (tail)" in reason for reason in reasons)
    assert all("400" in reason for reason in reasons if "effective" in reason)


def test_a_slow_energy_is_a_reason():
    draws = sound()
    draws["sampler"]["energy"] = (0.05 * draws["sampler"]["energy"]).cumsum("draw")
    assert any("E-BFMI" in reason for reason in reasons_for_distrust(**draws))
    independent = np.random.default_rng(0).normal(size=(2, 4000))
    np.testing.assert_allclose(bfmi(independent), 2.0, rtol=0.1)


def test_one_chain_is_not_enough():
    (reason,) = reasons_for_distrust(**sound(chains=1))
    assert "one chain" in reason


def test_a_chain_that_stood_still_is_not_trusted():
    draws = sound()
    draws["quantities"]["theta"][:, :, 0, 0] = np.arange(4)[:, None]
    reasons = reasons_for_distrust(**draws)
    assert any("R-hat" in reason and "theta[segment 1, intercept]" in reason for reason in reasons)
    draws["quantities"] = {"theta": np.repeat([0.0, 0.0, 0.0, 1.0], 500).reshape(4, 500)}
    assert any("R-hat" in reason for reason in reasons_for_distrust(**draws))


def test_the_interval_is_the_equal_tailed_one_that_is_announced():
    values = np.linspace(0.0, 1.0, 4000).reshape(4, 1000)
    summary = summarise(values)
    assert float(summary.low) == pytest.approx(0.055, abs=1e-3)
    assert float(summary.high) == pytest.approx(0.945, abs=1e-3)


def test_what_a_sampler_does_not_say_is_not_asked_for():
    draws = sound()
    draws["sampler"] = xr.Dataset()
    assert reasons_for_distrust(**draws) == []
