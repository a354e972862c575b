"""Sampling on centred columns: the same likelihood, and a posterior that does not know the currency."""

from dataclasses import replace

import numpy as np
import oracles
import pytest
from test_bayes_run import panel

from bayesmix.centre import centre, centred_parameters
from bayesmix.run import fit_hierarchical
from bayesmix.settings import Settings
from em.likelihood import component_loglik
from em.mixture import MixtureParameters
from em.panel import store_statistics
from em.statistics import build


def test_centred_columns_are_centred_and_carry_the_same_likelihood():
    rng = np.random.default_rng(1)
    rows = oracles.draw_rows(rng, 12, 2, weeks=(3, 9))
    stats = build(rows.store, rows.x, rows.y, 12)
    centred = centre(stats, ("intercept", "log_price"))
    total = centred.statistics.xtx.sum(0)
    assert np.abs(total[0, 1:]).max() < 1e-9 * total[0, 0]
    params = MixtureParameters(np.array([0.4, 0.6]), rng.normal(size=(2, 2)), np.array([0.7, 1.3]))
    moved = centred_parameters(params, centred)
    np.testing.assert_allclose(moved.theta @ centred.back.T, params.theta, atol=1e-12)
    np.testing.assert_allclose(
        component_loglik(centred.statistics, moved.theta, moved.sigma),
        component_loglik(stats, params.theta, params.sigma),
        rtol=1e-10,
    )


def test_without_an_intercept_nothing_moves():
    stats = store_statistics(panel())
    assert centre(stats, ("one", "log_price")).statistics is stats


def test_the_posterior_of_the_elasticity_does_not_depend_on_the_currency():
    data = panel()
    million = data.x.copy()
    million[:, 1] += np.log(1e6)
    settings = Settings(draws=300, tune=500, chains=2, seed=1)
    first = fit_hierarchical(data, settings=settings).posterior
    second = fit_hierarchical(replace(data, x=million), settings=settings).posterior
    first, second = ({name: values.to_numpy() for name, values in q.items()} for q in (first, second))
    error = first["mu"][..., 1].std() / np.sqrt(100.0)
    assert second["mu"][..., 1].mean() == pytest.approx(first["mu"][..., 1].mean(), abs=4.0 * error)
    spread = [np.sqrt(q["omega"][..., 1, 1]) for q in (first, second)]
    assert spread[1].mean() == pytest.approx(spread[0].mean(), abs=4.0 * spread[0].std() / np.sqrt(100.0))
    at_average = [q["mu"] @ x.mean(0) for q, x in ((first, data.x), (second, million))]
    assert at_average[1].mean() == pytest.approx(at_average[0].mean(), abs=4.0 * at_average[0].std() / np.sqrt(100.0))
