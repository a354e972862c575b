"""The evidence of a model as a whole, all numberings of its segments counted; WBIC against what it is exactly."""

import math

import numpy as np
import pytest
from fits_for_comparisons import panel, segmented
from scipy.special import logsumexp

from bayesmix.density import log_density
from bayesmix.evidence import Evidence, _images, _log_average, bridge, evidence_of
from bayesmix.priors import from_record
from bayesmix.run import fit_mixture
from bayesmix.settings import Settings
from bayesmix.target import target_of
from bayesmix.wbic import wbic
from em.likelihood import component_loglik
from em.panel import Panel

DRAWN = Settings(draws=1500, tune=500, chains=4, seed=1)


def intercepts(levels, weeks=2, seed=0):
    """A panel without a price: every store has a level, and a few weeks about it."""
    rng = np.random.default_rng(seed)
    n = len(levels)
    store = np.repeat(np.arange(n), weeks)
    return Panel(
        stores=tuple(f"S{i}" for i in range(n)),
        weeks=tuple(str(t) for t in range(weeks)),
        coefficients=("intercept",),
        store=store,
        week=np.tile(np.arange(weeks), n),
        x=np.ones((store.size, 1)),
        y=np.asarray(levels)[store] + rng.normal(size=store.size),
        file="levels.csv",
        sha256="b" * 64,
    )


def brute_force(fit):
    """Log evidence of two segments of levels, sigma = 1, on a grid over both levels and the weight."""
    priors, stats = from_record(fit.priors), fit.statistics
    level = np.linspace(priors.mean[0] - 7.0 * priors.sd[0], priors.mean[0] + 7.0 * priors.sd[0], 801)
    step, nodes = level[1] - level[0], np.polynomial.legendre.leggauss(60)
    log_prior = -0.5 * np.square((level - priors.mean[0]) / priors.sd[0]) - np.log(priors.sd[0] * math.sqrt(2 * np.pi))
    density = np.exp(component_loglik(stats, level[:, None], np.ones(len(level))))  # (store, level)
    slices = []
    for weight, mass in zip(0.5 * (nodes[0] + 1.0), 0.5 * nodes[1], strict=True):
        total = np.zeros((len(level), len(level)))
        for one in density:
            total += np.log(weight * one[:, None] + (1.0 - weight) * one[None])
        slices.append(np.log(mass) + logsumexp(total + log_prior[:, None] + log_prior[None]))
    return logsumexp(slices) + 2.0 * np.log(step)


@pytest.mark.parametrize("apart", [0.0, 1.5])
def test_segments_that_overlap_are_counted_as_often_as_they_are_there(apart):
    fit = fit_mixture(intercepts([5.0, 5.0, 5.0, 5.0 + apart, 5.0 + apart, 5.0 + apart]), 2, settings=DRAWN)
    target = target_of(fit)
    exact, found = brute_force(fit), evidence_of(target)
    assert found.log_evidence == pytest.approx(exact, abs=max(0.01, 4.0 * found.se))
    assert found.se < 0.02
    one_copy = bridge(target.density, target.draws).log_evidence + math.log(2.0)
    assert abs(one_copy - exact) > 0.05  # where the copies run into each other a factorial is no answer


def test_segments_far_apart_have_a_copy_for_each_numbering():
    fit = fit_mixture(intercepts([0.0, 0.0, 40.0, 40.0, 80.0, 80.0], weeks=5), 3, settings=DRAWN)
    target = target_of(fit)
    one = bridge(target.density, target.draws)
    assert evidence_of(target).log_evidence == pytest.approx(one.log_evidence + math.log(6.0), abs=1e-6)


def test_the_bridge_goes_to_what_is_as_symmetric_as_the_density():
    fit = fit_mixture(intercepts([0.0, 0.0, 6.0, 6.0], weeks=5), 2, settings=Settings(200, 200, 2, 1))
    target = target_of(fit)
    swapped = target.draws[0] * [-1.0, 1.0, 1.0]  # log weight[2] / weight[1], and both levels
    swapped = swapped[:, [0, 2, 1]]
    at = log_density(target.density, target.draws[0])
    np.testing.assert_allclose(log_density(target.density, swapped), at, rtol=1e-12)
    center, factor = target.draws[0].mean(0), 0.3 * np.eye(3)
    images = _images(target.density, 2, 3)
    at = _log_average(target.draws[0], center, factor, images)
    np.testing.assert_allclose(_log_average(swapped, center, factor, images), at, rtol=1e-10)


@pytest.fixture(scope="module")
def one():
    """One segment, sigma fixed, with two coefficients: everything about it is known."""
    return fit_mixture(panel(segmented(30), weeks=10, unequal=True), 1, settings=DRAWN)


def gaussian(fit, power):
    """Mean and covariance of theta under the posterior at a power of the likelihood."""
    priors, stats = from_record(fit.priors), fit.statistics
    back = fit.tree["constant_data"]["back"].to_numpy()
    prior = np.linalg.inv(back @ np.diag(np.square(priors.sd)) @ back.T)
    pull = prior @ back @ np.array(priors.mean)
    cov = np.linalg.inv(prior + power * stats.xtx.sum(0))
    return cov @ (pull + power * np.einsum("spq,sq->p", stats.xtx, stats.b)), cov


def test_the_evidence_of_one_segment_has_a_closed_form(one):
    priors = from_record(one.priors)
    back = one.tree["constant_data"]["back"].to_numpy()
    mean, cov = gaussian(one, 1.0)
    at_mean = component_loglik(one.statistics, mean[None], np.ones(1)).sum()
    off = np.linalg.solve(back, mean) - priors.mean
    prior = -0.5 * np.square(off / np.array(priors.sd)).sum() - np.log(priors.sd).sum()
    exact = at_mean + prior + 0.5 * np.linalg.slogdet(cov)[1]
    found = evidence_of(target_of(one))
    assert found.log_evidence == pytest.approx(exact, abs=0.01)
    assert 0.0 < found.se < 0.01


def test_wbic_of_one_segment_is_a_gaussian_expectation(one):
    stats = one.statistics
    mean, cov = gaussian(one, 1.0 / np.log(stats.n_stores))
    exact = -component_loglik(stats, mean[None], np.ones(1)).sum() + 0.5 * np.trace(stats.xtx.sum(0) @ cov)
    found = wbic(target_of(one))
    assert found.wbic == pytest.approx(exact, abs=5.0 * found.se)
    assert found.se < 0.15


def test_modes_apart_add_up():
    fit = fit_mixture(intercepts([0.0, 0.0, 6.0, 6.0], weeks=5), 2, settings=Settings(300, 300, 2, 1))
    target = target_of(fit)
    alone, twice = evidence_of(target), evidence_of(target, [target.draws])
    assert isinstance(twice, Evidence)
    assert twice.log_evidence == pytest.approx(alone.log_evidence + math.log(2.0))
