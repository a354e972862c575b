"""How a continuum is put together: variance explained, standardised deviations, and what the page shows of them."""

import numpy as np
import pytest
from fits_for_comparisons import MU, OMEGA, hierarchical_tree, mixture_tree, panel, segmented
from scipy.stats import kstest

from bayesmix.fitted import Fit
from bayesmix.pooling import explained, pooling, random_effects
from bayesmix.report import report
from em.explained import explained as by_maximum_likelihood
from em.mixed_model import fit_mixed_model
from em.panel import store_statistics


def stores(n, omega=OMEGA, seed=2):
    return np.random.default_rng(seed).multivariate_normal(MU, omega, n)


@pytest.fixture(scope="module")
def continuum():
    data = panel(stores(150), unequal=True)
    return data, Fit(hierarchical_tree(data, draws=150), "hierarchical")


def test_shares_of_variance_lie_about_those_of_maximum_likelihood(continuum):
    data, fit = continuum
    found, expected = explained(fit), by_maximum_likelihood(fit_mixed_model(data))
    for name in ("r2_marginal", "r2_conditional", "intraclass_correlation"):
        draws = getattr(found, name)
        assert draws.shape == (600,)
        assert abs(draws.mean() - getattr(expected, name)) < draws.std()
    assert np.all(found.r2_marginal < found.r2_conditional)


def test_shares_of_variance_are_those_of_the_rows(continuum):
    data, fit = continuum
    d = fit.draws
    fixed = np.var(data.x @ d.mu[0, 0], ddof=1)
    between = np.mean(np.einsum("rp,pq,rq->r", data.x, d.omega[0, 0], data.x))
    expected = fixed / (fixed + between + d.sigma[0, 0] ** 2)
    assert explained(fit).r2_marginal[0] == pytest.approx(expected, rel=1e-9)


def test_deviations_are_standard_normal_where_stores_are_and_not_where_they_are_not(continuum):
    _, fit = continuum
    effects = random_effects(fit)
    assert [one.coefficient for one in effects] == [0, 1]
    for one in effects:
        assert one.z.size == 150
        assert kstest(one.z, "norm").pvalue > 0.01
        assert one.z.std() == pytest.approx(1.0, abs=0.15)
    apart = panel(np.where(np.arange(150)[:, None] % 5, MU, MU + np.array([3.0, -2.0])), unequal=True)
    assert kstest(random_effects(Fit(hierarchical_tree(apart, draws=100), "hierarchical"))[0].z, "norm").pvalue < 1e-3


def test_pooling_of_two_segments_alike_is_that_of_one(continuum):
    _, fit = continuum
    two = Fit(fit.tree, "normal-mixture K=2")
    d = fit.draws
    twice = d._replace(
        weight=np.full((len(d.mu), 2), 0.5),
        mu=np.repeat(d.mu, 2, 1), sigma=np.repeat(d.sigma, 2, 1), omega=np.repeat(d.omega, 2, 1),
    )  # fmt: skip
    by_store = fit.by_store.assign(membership=(("store", "segment"), np.full((150, 2), 0.5)))
    two.__dict__.update(model="normal-mixture", k=2, draws=twice, by_store=by_store)
    np.testing.assert_allclose(pooling(two), pooling(fit), rtol=1e-9)
    assert random_effects(two) == []
    assert explained(two) is None


def test_the_page_of_a_continuum_shows_how_stores_differ(continuum):
    html = report(continuum[1])
    assert "How stores differ" in html
    for name in ("normal-0", "normal-1", "pooling"):
        assert f'class="{name}"' in html
    assert "log sales in a typical week" in html
    mean = explained(continuum[1]).intraclass_correlation.mean()
    row = html[html.index("intraclass correlation") :][:120]
    assert f"{mean:.3f}" in row
    alike = report(Fit(mixture_tree(panel(segmented(20)), 2, draws=60), "mixture K=2"))
    assert 'id="differ"' not in alike


def test_stores_with_one_design_have_one_share_said_in_words():
    data = panel(stores(30))
    html = report(Fit(hierarchical_tree(data, draws=60), "hierarchical"))
    assert "All stores saw the same prices" in html
    assert 'class="pooling"' not in html
    assert store_statistics(data).n_stores == 30
