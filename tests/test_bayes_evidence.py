"""Bridge sampling against integrals that are known."""

import numpy as np
import oracles
import pytest

import bayesmix.evidence
from bayesmix.density import compile_density
from bayesmix.evidence import bridge
from bayesmix.mixture import mixture_model, mixture_start
from bayesmix.priors import Priors
from em.likelihood import component_loglik
from em.mixture import MixtureParameters
from em.statistics import build


def independent(rng, draws, log_density):
    """The bridge as if the density were another function; draws (chain, draw, dimension)."""
    return lambda density, q: log_density(q)


def test_a_skewed_density_with_a_known_integral(monkeypatch):
    rng = np.random.default_rng(0)
    shape = np.array([2.0, 5.0])  # of gamma variables, whose logarithms are drawn
    draws = np.log(rng.gamma(shape, size=(4, 2000, 2)))
    monkeypatch.setattr(bayesmix.evidence, "log_density", lambda _, q: (shape * q - np.exp(q)).sum(-1) + 7.0)
    found = bridge(None, draws)
    exact = 7.0 + np.log(1.0) + np.log(24.0)  # Gamma(2) Gamma(5)
    assert found.log_evidence == pytest.approx(exact, abs=4.0 * found.se)
    assert 0.0 < found.se < 0.02


def test_the_standard_error_is_what_repetitions_show(monkeypatch):
    rng = np.random.default_rng(1)
    monkeypatch.setattr(bayesmix.evidence, "log_density", lambda _, q: (3.0 * q - np.exp(q)).sum(-1))
    found = [bridge(None, np.log(rng.gamma(3.0, size=(2, 400, 3))), seed=seed) for seed in range(40)]
    errors = np.array([one.log_evidence for one in found]) - 3.0 * np.log(2.0)
    assert errors.std() == pytest.approx(np.mean([one.se for one in found]), rel=0.35)
    assert abs(errors.mean()) < 3.0 * errors.std() / np.sqrt(40)


def test_one_segment_with_sigma_fixed_has_a_closed_form():
    rows = oracles.draw_rows(np.random.default_rng(2), 12, 1)
    stats = build(rows.store, rows.x, rows.y, 12)
    priors = Priors(("intercept", "log_price"), (9.0, -1.0), (3.0, 1.5))
    start = MixtureParameters(np.ones(1), stats.b[:1], np.ones(1))
    density = compile_density(mixture_model(stats, 1, priors), [mixture_start(start, "fixed")])
    precision = np.diag(np.square(priors.sd) ** -1.0) + stats.xtx.sum(0)
    pull = np.array(priors.mean) / np.square(priors.sd) + np.einsum("spq,sq->p", stats.xtx, stats.b)
    mean, covariance = np.linalg.solve(precision, pull), np.linalg.inv(precision)
    at_mean = component_loglik(stats, mean[None], np.ones(1)).sum()
    prior = -0.5 * np.square((mean - priors.mean) / np.array(priors.sd)).sum() - np.log(priors.sd).sum()
    exact = at_mean + prior + 0.5 * np.linalg.slogdet(covariance)[1]
    draws = np.random.default_rng(3).multivariate_normal(mean, covariance, (4, 500))
    found = bridge(density, draws)
    assert found.log_evidence == pytest.approx(exact, abs=0.01)
