"""Later weeks of counts: held out, left out, and log sales beside counts on one scale."""

from dataclasses import replace

import numpy as np
import pytest
from fits_for_comparisons import continuous, hierarchical_tree, panel, segmented

from bayesmix.fitted import Fit
from bayesmix.run import fit_hierarchical, fit_mixture
from bayesmix.settings import Settings
from bayesmix.week_density import log_density_further, weeks_of
from comparisons.another_week import another_week
from comparisons.candidates import candidate_of
from comparisons.judged_weeks import judge_posterior
from comparisons.known_weeks import known_weeks_picture
from comparisons.one_scale import density_of_sales
from comparisons.week_loo import week_loo
from comparisons.week_section import week_section
from comparisons.week_table import told
from em.errors import InputError
from em.families import family_named
from em.response import Response
from em.split_weeks import rows_of, split_weeks

FEW = Settings(draws=150, tune=200)


def counts(stores=30, weeks=12, seed=0, name="poisson", **options):
    """Visits whose logarithm of the rate differs by segment, as a panel, with the segment of each store."""
    rng = np.random.default_rng(seed)
    sales = panel(segmented(stores, seed=seed), weeks=weeks, seed=seed, **options)
    segment = rng.integers(0, 2, stores)
    theta = np.array([[0.5, 0.4], [2.0, -0.4]])[segment]
    y = rng.poisson(np.exp((sales.x * theta[sales.store]).sum(1))).astype(float)
    zero = np.zeros(y.size)
    return replace(sales, y=y, response=Response(family_named(name), "visits", zero, zero + 1.0))


@pytest.fixture(scope="module")
def judged():
    data = counts(60, 15)
    return another_week(data, [fit_mixture(data, 1, settings=FEW), fit_mixture(data, 2, settings=FEW)], settings=FEW)


def test_segments_of_counts_predict_their_weeks_best(judged):
    by_name = {one.name: one for one in judged.models}
    two, one, pooled = (
        by_name[name] for name in ("poisson mixture K=2", "poisson mixture K=1", "one regression for all")
    )
    for other in (one, pooled, by_name["own regression"]):
        for score in ("log_score", "crps"):
            better = judged.mean(getattr(two.scores, score) - getattr(other.scores, score))
            assert better.value * (1.0 if score == "log_score" else -1.0) > 0.0, (other.name, score)
        assert two.future_i.mean() > other.future_i.mean()
        assert two.loo.elpd_i.mean() > other.loo.elpd_i.mean()
    np.testing.assert_allclose(one.scores.log_score, pooled.scores.log_score, atol=0.1)
    np.testing.assert_allclose(one.loo.elpd_i, pooled.loo.elpd_i, atol=0.25)
    np.testing.assert_allclose(one.future_i, pooled.future_i, atol=0.15)
    assert 0.8 < two.scores.inside.mean() < 0.97
    assert one.scores.inside.mean() < two.scores.inside.mean()
    assert judged.error(two).value == pytest.approx(np.abs(two.scores.error).mean())


def test_words_are_of_the_response(judged):
    text = repr(judged)
    assert "mean per week of visits" in text
    assert "log score is a probability" in text
    for wrong in ("log sales", "least squares", "elasticit"):
        assert wrong not in text
    section = week_section(judged)
    assert section.words.slopes == "coefficients of log_price"
    assert section.counts
    assert judged.to_xarray()["error"].attrs["long_name"] == "visits less the median predicted"
    assert known_weeks_picture(judged.known).axes[0].get_ylabel() == "Error in visits, median store"
    assert told(judged).startswith("By log score, poisson mixture K=2 predicts the later weeks best")


@pytest.mark.slow
def test_a_week_of_counts_left_out_is_that_of_a_fit_without_it():
    data = counts(12, 8, 1)
    fit = fit_hierarchical(data, random=["intercept"], settings=replace(FEW, draws=400))
    found = week_loo(fit, data)
    assert found.n_doubtful == 0
    row = int(data.y.argmax())
    others = np.arange(data.y.size) != row
    without = fit_hierarchical(rows_of(data, others), random=["intercept"], settings=replace(FEW, draws=400))
    density = log_density_further(without.statistics, without.draws, weeks_of(data).of(np.array([row])))[:, 0]
    assert found.elpd_i[row] == pytest.approx(np.log(np.exp(density).mean()), abs=0.1)
    other = replace(data, response=data.response._replace(family=family_named("negative-binomial")))
    with pytest.raises(InputError, match=r"panel.csv: holds negative-binomial responses; expected poisson responses"):
        week_loo(fit, other)


@pytest.mark.slow
def test_log_sales_and_amounts_stand_on_one_scale(monkeypatch):
    """Log sales judged alone and beside a gamma of the same sales differ by the logarithm of the sales."""
    sales = panel(segmented(15), weeks=8)
    zero = np.zeros(sales.y.size)
    amounts = replace(sales, y=np.exp(sales.y), response=Response(family_named("gamma"), "sales", zero, zero + 1.0))
    logged = fit_mixture(sales, 2, sigma="common", settings=FEW)
    beside = replace(fit_mixture(amounts, 2, settings=FEW), name="gamma K=2")
    monkeypatch.setattr("comparisons.another_week.panel_of", lambda fit: amounts)
    both = {one.name: one for one in another_week(sales, [logged, beside], settings=FEW).models}
    alone = {one.name: one for one in another_week(sales, [logged], settings=FEW).models}
    at, later = alone["mixture K=2"], both["mixture K=2"]
    log_sales = sales.y[sales.week >= 6]
    np.testing.assert_allclose(later.scores.log_score, density_of_sales(at.scores.log_score, log_sales))
    np.testing.assert_allclose(later.future_i, density_of_sales(at.future_i, log_sales))
    np.testing.assert_allclose(later.loo.elpd_i, density_of_sales(at.loo.elpd_i, sales.y))
    assert later.scores.log_score.mean() == pytest.approx(both["gamma K=2"].scores.log_score.mean(), abs=0.5)
    assert later.scores.crps.mean() == pytest.approx(both["gamma K=2"].scores.crps.mean(), rel=0.3)
    assert "least squares, common sigma" not in both


def test_a_posterior_of_log_sales_is_judged_in_units_of_sales():
    sales = panel(continuous(12), weeks=10, seed=3)
    split = split_weeks(sales)
    fit = Fit(hierarchical_tree(split.until(1), draws=250), "hierarchical")
    alone, beside = (
        judge_posterior(split, candidate_of(fit), fit, lambda data: fit, None, sales=of_sales)
        for of_sales in (False, True)
    )
    log_sales = sales.y[split.later]
    for of in (lambda one: one.scores.log_score, lambda one: one.future_i):
        np.testing.assert_allclose(of(beside), of(alone) - log_sales)
    np.testing.assert_array_equal(beside.scores.inside, alone.scores.inside)
    ratio = beside.scores.crps.mean() / (alone.scores.crps * np.exp(log_sales)).mean()
    assert 0.5 < ratio < 1.5  # near the mean a step of log sales is as many sales


def test_a_panel_of_one_price_in_its_first_week_has_no_own_regressions_there(judged):
    known = judged.known.error["own regression"]
    assert np.isnan(known[0])
    assert np.isfinite(known[2:]).all()
