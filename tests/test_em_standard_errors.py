"""Standard errors against an information matrix differenced from the rows, in the very parameters they are of."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles import draw_rows, log_density_by_rows, mix, slope

from em.fit import fit_mixture
from em.mixture import MixtureParameters, Model
from em.standard_errors import standard_errors
from em.statistics import build

ROWS = draw_rows(np.random.default_rng(77), 24, 2, weeks=(4, 9), sigma=0.9, spread=0.7)
STATS = build(ROWS.store, ROWS.x, ROWS.y, ROWS.n_stores)


def store_logliks(free, rule):
    """By rows, of theta (2, 2), the first weight, and the free sigmas; (store,)."""
    weight = np.array([free[4], 1.0 - free[4]])
    sigma = {"fixed": np.ones(2), "common": np.full(2, free[-1]), "segment": free[-2:]}[rule]
    return mix(weight, log_density_by_rows(ROWS, free[:4].reshape(2, 2), sigma))


def in_one(parameters, rule):
    n_sigma = {"fixed": 0, "common": 1, "segment": 2}[rule]
    return np.concatenate([parameters.theta.ravel(), parameters.weight[:1], parameters.sigma[:n_sigma]])


@pytest.mark.parametrize("rule", ["fixed", "common", "segment"])
def test_standard_errors_are_those_of_the_differenced_information(rule):
    fit = fit_mixture(STATS, 2, sigma=rule, starts=10)
    free = in_one(fit.parameters, rule)
    scores = slope(lambda at: store_logliks(at, rule), free)
    hessian = slope(lambda at: slope(lambda inner: store_logliks(inner, rule).sum(), at, step=1e-4), free, step=1e-3)
    covariance = np.linalg.inv(-0.5 * (hessian + hessian.T))
    sandwich = covariance @ scores.T @ scores @ covariance * ROWS.n_stores / (ROWS.n_stores - 1)
    for errors, expected in ((fit.standard_errors, covariance), (fit.robust_standard_errors, sandwich)):
        assert_allclose(in_one(errors, rule), np.sqrt(np.diagonal(expected)), rtol=2e-3)
        assert errors.weight[1] == pytest.approx(errors.weight[0])
        if rule == "fixed":
            assert not errors.sigma.any()
        if rule == "common":
            assert errors.sigma[1] == errors.sigma[0]


def test_robust_errors_of_one_segment_are_the_clustered_ones_of_least_squares():
    fit = fit_mixture(STATS, 1)
    bread = np.linalg.inv(ROWS.x.T @ ROWS.x)
    residual = ROWS.y - ROWS.x @ np.linalg.lstsq(ROWS.x, ROWS.y)[0]
    scores = np.array([ROWS.x[ROWS.store == i].T @ residual[ROWS.store == i] for i in range(ROWS.n_stores)])
    clustered = bread @ scores.T @ scores @ bread * ROWS.n_stores / (ROWS.n_stores - 1)
    assert_allclose(fit.robust_standard_errors.theta[0], np.sqrt(np.diagonal(clustered)), rtol=1e-8)


@pytest.mark.parametrize("weight", [[0.5, 0.5], [1.0, 0.0]], ids=["coinciding", "empty"])
def test_segments_that_coincide_or_are_empty_have_no_standard_errors(weight):
    theta = fit_mixture(STATS, 1).parameters.theta.repeat(2, axis=0)
    assert standard_errors(MixtureParameters(np.array(weight), theta, np.ones(2)), STATS, Model()) is None


@pytest.mark.slow
def test_intervals_cover_as_often_as_they_say():
    """Of 300 panels, 95 % intervals for every coefficient and weight hold the truth between 92 and 98 times in 100."""
    theta, weight = np.array([[10.0, -1.0], [11.5, -1.5]]), np.array([0.7, 0.3])
    covered = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        store = np.repeat(np.arange(80), 15)
        x = np.column_stack([np.ones(1200), rng.uniform(0.2, 2.0, 1200)])
        y = np.einsum("rp,rp->r", x, theta[(rng.random(80) < 0.3).astype(int)[store]]) + rng.standard_normal(1200)
        fit = fit_mixture(build(store, x, y, 80), 2, starts=4)
        order = np.argsort(fit.parameters.theta[:, 0])
        for errors in (fit.standard_errors, fit.robust_standard_errors):
            off = np.abs(fit.parameters.theta[order] - theta) / errors.theta[order]
            share = np.abs(fit.parameters.weight[order] - weight) / errors.weight[order]
            covered.append(np.concatenate([off.ravel(), share[:1]]) < 1.96)
    rate = np.array(covered).mean(0)
    assert np.all((rate > 0.92) & (rate < 0.98)), rate
