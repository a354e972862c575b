"""The posterior of 609948 against Stan's, within Monte Carlo error and the rounding of its numbers."""

import json

import numpy as np
import pytest
from arviz_stats.base.array import array_stats

from bayesmix.run import fit_mixture
from bayesmix.settings import Settings
from em.panel import read_panel

ROUNDING = 0.005  # half of the last place given
STAN_DRAWS = 1172  # the smallest bulk ESS of Stan's four thousand
ERRORS = 4.0  # Monte Carlo standard errors; eighteen numbers are compared


@pytest.fixture(scope="module")
def both(shared):
    """Draws (chain, draw, segment) by Stan's names, and Stan's summary."""
    stan = json.loads(shared("reference/reference.json").read_text())["bayes_stan"]["609948|fixed|3"]
    fit = fit_mixture(read_panel(shared("data/609948.csv")), 3, settings=Settings(seed=1))
    assert fit.trusted
    theta = fit.posterior["theta"].to_numpy()
    return {"weight": fit.posterior["weight"].to_numpy(), "alpha": theta[..., 0], "beta": theta[..., 1]}, stan


def mcse(values, method):
    """Monte Carlo standard error of (chain, draw)."""
    return float(array_stats.mcse(values, chain_axis=0, draw_axis=1, method=method))


@pytest.mark.parametrize("segment", range(3))
@pytest.mark.parametrize("name", ["weight", "alpha", "beta"])
def test_means_and_standard_deviations_are_those_of_stan(both, name, segment):
    draws, stan = both
    values = draws[name][:, :, segment]
    mean, sd = stan[name]["mean"][segment], stan[name]["sd"][segment]
    spread = values.std(ddof=1)
    error = np.hypot(mcse(values, "mean"), spread / np.sqrt(STAN_DRAWS))
    assert abs(values.mean() - mean) < ROUNDING + ERRORS * error
    error = np.hypot(mcse(values, "sd"), spread / np.sqrt(2.0 * STAN_DRAWS))
    assert abs(spread - sd) < ROUNDING + ERRORS * error


def test_the_comparison_would_see_another_posterior(both):
    """A fifth of a standard deviation, or a spread a third larger, is more than the errors allow where the last place
    given allows it to be seen at all."""
    draws, stan = both
    for name, segment in (("alpha", 1), ("beta", 1), ("alpha", 2), ("beta", 2)):
        values, spread = draws[name][:, :, segment], stan[name]["sd"][segment]
        error = np.hypot(mcse(values, "mean"), spread / np.sqrt(STAN_DRAWS))
        assert ROUNDING + ERRORS * error < 0.25 * spread
