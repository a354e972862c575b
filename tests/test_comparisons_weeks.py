"""Weeks of known stores: importance weights against exact answers, truths that win, the command and its table."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from fits_by_hand import fit_of
from fits_for_comparisons import (
    MU,
    OMEGA,
    PRIOR_MEAN,
    PRIOR_SD,
    altered,
    conjugate,
    continuous,
    hierarchical_tree,
    panel,
    segmented,
)
from scipy.stats import multivariate_normal
from traits_by_hand import panel_with_traits

from bayesmix.fitted import Fit
from bayesmix.settings import Settings
from comparisons import candidates
from comparisons.another_week import another_week, held_out
from comparisons.candidates import Candidate, candidate_of
from comparisons.held_out import command
from comparisons.judged_regressions import COMMON, ONE
from comparisons.known_weeks import known_weeks_picture
from comparisons.leave_future_out import leave_future_out
from comparisons.week_loo import week_loo
from comparisons.week_table import told, week_rows
from em.errors import InputError
from em.likelihood import component_loglik
from em.panel import store_statistics
from em.split_weeks import rows_of, split_weeks, stores_of

FEW = Settings(draws=150, tune=250)


def one_segment(data, n=1000, seed=0):
    """The exact posterior of one regression with sigma 1 under the normal prior of the tests."""
    stats = store_statistics(data)
    m, C = conjugate(stats, np.ones(stats.n_stores, dtype=bool))
    theta = np.random.default_rng(seed).multivariate_normal(m, C, n)
    made = fit_of(stats, data.coefficients, weight=np.ones((n, 1)), theta=theta[:, None], sigma=np.ones((n, 1)))
    loglik = np.random.default_rng(1).normal(size=(1, n, stats.n_stores))
    labelled = xr.DataArray(loglik, dims=("chain", "draw", "store_name"))
    return altered(made, stores=data.stores, store_loglik=labelled)


def log_evidence(x, y):
    """log p(y) of one regression under that prior, from the covariance of all rows."""
    covariance = np.eye(len(y)) + x @ np.diag(PRIOR_SD**2) @ x.T
    return float(multivariate_normal(x @ PRIOR_MEAN, covariance).logpdf(y)) if len(y) else 0.0


def test_a_week_left_out_is_that_of_an_exact_refit():
    """Without approximation: log p(y_it | all other rows) = log p(y) - log p(y without it)."""
    data = panel(segmented(3), weeks=5, seed=3)
    found = week_loo(one_segment(data, 4000), data, most=4000)
    whole = log_evidence(data.x, data.y)
    exact = [
        whole - log_evidence(data.x[others], data.y[others])
        for others in (np.arange(data.y.size) != r for r in range(data.y.size))
    ]
    assert found.n_doubtful == 0
    np.testing.assert_allclose(found.elpd_i, exact, atol=0.12)
    assert found.elpd_i.sum() == pytest.approx(sum(exact), abs=0.3)


def test_order_of_weeks_leaves_each_weeks_value_unchanged():
    data = panel(continuous(20), weeks=12, unequal=True, seed=4)
    fit = Fit(hierarchical_tree(data, draws=100), "hierarchical")
    order = np.lexsort((np.random.default_rng(0).random(data.y.size), data.store))
    other = replace(data, week=data.week[order], x=data.x[order], y=data.y[order])
    np.testing.assert_allclose(week_loo(fit, other).elpd_i, week_loo(fit, data).elpd_i[order], rtol=1e-9)


def test_a_fit_of_another_panel_is_refused():
    data = panel(continuous(10), weeks=8)
    with pytest.raises(InputError, match=r"panel.csv: is not the panel of mixture"):
        week_loo(one_segment(data), rows_of(data, data.week < 7))


def test_one_step_ahead_adds_up_to_the_density_of_the_future():
    """One regression, exact: sum over steps of log p(y_t+1 of all stores | y_1..t), by weighted or new draws."""
    split = split_weeks(panel(segmented(1), weeks=20, seed=6), 0.7)
    data = split.panel
    calls = []

    def refit(part):
        calls.append(part.y.size)
        return one_segment(part, seed=9)

    found = leave_future_out(split, one_segment(split.until(1)), refit)
    exact = []
    for t in range(1, split.n_steps + 1):
        before, now = split.until(t), rows_of(data, split.step == t)
        whole = log_evidence(np.vstack([before.x, now.x]), np.concatenate([before.y, now.y]))
        exact.append(whole - log_evidence(before.x, before.y))
    np.testing.assert_allclose(found.elpd_i, exact, atol=0.05)
    assert np.isnan(found.khat[0])
    assert len(calls) == found.refitted.sum()


def test_one_step_ahead_with_everything_known_is_the_chain_rule():
    """All draws alike: the steps of each store add up to its density less that of its first weeks."""
    split = split_weeks(panel(continuous(8), weeks=15, unequal=True, seed=2))
    whole, first = store_statistics(split.panel), store_statistics(split.until(1))
    draws = {"mu": np.tile(MU, (4, 1)), "omega": np.tile(OMEGA, (4, 1, 1)), "sigma": np.full(4, 0.9)}
    start = altered(fit_of(first, split.panel.coefficients, **draws), stores=split.panel.stores)
    found = leave_future_out(split, start, lambda part: pytest.fail("nothing to fit again"))
    sums = np.bincount(split.panel.store[split.later], weights=found.elpd_i, minlength=8)
    one = MU[None], np.array([0.9]), OMEGA[None]
    np.testing.assert_allclose(sums, (component_loglik(whole, *one) - component_loglik(first, *one))[:, 0], atol=1e-9)


def test_weights_that_carry_no_further_are_renewed_by_a_fit(monkeypatch):
    split = split_weeks(panel(segmented(10), weeks=20, seed=6), 0.7)
    known = []

    def refit(part):
        known.append(part.y.size)
        return one_segment(part, seed=len(known))

    monkeypatch.setattr("comparisons.leave_future_out.khat_limit", lambda draws: -10.0)
    found = leave_future_out(split, one_segment(split.until(1)), refit)
    assert known == [split.until(t).y.size for t in range(2, split.n_steps + 1)]
    np.testing.assert_array_equal(found.refitted, [False] + [True] * (split.n_steps - 1))


@pytest.mark.parametrize("truth", ["segments", "continuum"])
def test_the_truth_wins(truth):
    """Segments of 100 stores, or a continuum wide enough that three segments cannot follow it."""
    theta = segmented(100, seed=3) if truth == "segments" else MU + 2.0 * (continuous(100, seed=3) - MU)
    found = held_out(panel(theta, weeks=12, seed=5), sigma="common", ks=(1, 3), normals=(), share=0.5, settings=FEW)
    by_name = {one.name: one for one in found.models}
    mixture, continuum = by_name["mixture K=3"], by_name["hierarchical"]
    better, worse = (mixture, continuum) if truth == "segments" else (continuum, mixture)
    for other in (worse, by_name[ONE]):
        ahead = found.mean(better.scores.log_score - other.scores.log_score)
        assert ahead.value > 2.0 * ahead.se
    for other in (by_name[COMMON], by_name[ONE]):
        assert better.scores.log_score.mean() > other.scores.log_score.mean()
        assert better.future_i.mean() > other.future_i.mean()
        assert better.scores.crps.mean() < other.scores.crps.mean()
    one, pooled = by_name["mixture K=1"].scores, by_name[ONE].scores
    np.testing.assert_allclose(one.log_score, pooled.log_score, atol=0.02)  # one segment is one regression
    np.testing.assert_allclose(one.crps, pooled.crps, atol=0.02)
    assert told(found).startswith(f"By log score, {found.best.name} predicts the later weeks best")


@pytest.fixture(scope="module")
def judged():
    data = panel(continuous(30), weeks=14, unequal=True, seed=8)
    fit = Fit(hierarchical_tree(data, draws=100), "hierarchical")
    return another_week(data, [fit], settings=FEW)


def test_each_weeks_scores_are_kept_under_their_names(judged):
    found = judged.to_xarray()
    assert found.sizes["row"] == judged.split.later.sum()
    assert list(found["model"].values) == [one.name for one in judged.models]
    rows = week_rows(judged)
    np.testing.assert_allclose(found["log_score"].mean("row"), [row.score.value for row in rows])
    np.testing.assert_allclose(found["mean_crps_se"], [row.crps.se for row in rows])
    at = found["difference"].sel(model=judged.best.name)
    assert float(at) == 0.0
    left_out = found["mean_left_out"].sel(model="hierarchical")
    assert float(left_out) == pytest.approx(next(one for one in judged.models if one.loo is not None).loo.elpd_i.mean())
    assert "Another week of a known store" in repr(judged)


def test_more_known_weeks_are_worth_most_to_least_squares(judged):
    known = judged.known
    own, pooled = known.error["least squares"], known.error["hierarchical"]
    assert np.isnan(own[0])  # one week settles no elasticity
    assert np.nanmax(own) > 1.3 * pooled.max()  # two or three weeks are fitted as if they were exact
    assert own[-1] < np.nanmax(own)
    assert np.nanmax(pooled / own) < 1.02
    later = next(one for one in judged.models if one.name == "hierarchical")
    roots = [np.sqrt(np.square(later.scores.error[judged.store == s]).mean()) for s in np.unique(judged.store)]
    assert pooled[-1] == pytest.approx(float(np.median(roots)), rel=0.02)
    labels = {text.get_text() for text in known_weeks_picture(known).axes[0].texts}
    assert labels == {"least squares", "hierarchical"}


def test_a_fit_says_which_model_it_is_of():
    data = panel(continuous(10), weeks=8)
    tree = hierarchical_tree(data, chains=1, draws=20)
    assert candidate_of(Fit(tree, "mine"))[:4] == ("mine", "hierarchical", 1, "fixed")
    omega = tree["posterior"]["omega"].values.copy()
    omega[..., 1, :] = omega[..., :, 1] = 0.0
    posterior = tree["posterior"].to_dataset()
    posterior["omega"] = (posterior["omega"].dims, omega)
    tree["posterior"].dataset = posterior
    assert candidate_of(Fit(tree, "mine")).random == ("intercept",)


@pytest.mark.parametrize("read_with_traits", [True, False])
def test_a_model_has_its_own_traits_on_the_first_weeks_however_the_panel_was_read(read_with_traits, monkeypatch):
    data, _, _ = panel_with_traits(stores=12)
    plain = replace(data, between=None)
    fit, seen = Fit(hierarchical_tree(plain, draws=30), "hierarchical"), []
    with_traits = altered(fit, between=data.between, stores=data.stores)
    for fitted in ("fit_hierarchical", "fit_mixture"):
        monkeypatch.setattr(candidates, fitted, lambda panel, *_, **__: seen.append(panel))
    kept = np.arange(12) > 2
    some = stores_of(data if read_with_traits else plain, kept)
    for model in (candidate_of(with_traits), candidate_of(fit), Candidate("one", "mixture", 1, "common")):
        model.fit(some, FEW)
    assert [panel.between is not None for panel in seen] == [True, False, False]
    at = data.between.values[kept]
    np.testing.assert_allclose(seen[0].between.values, at - at.mean(0), atol=1e-12)
    np.testing.assert_allclose(seen[0].between.mean, data.between.mean + at.mean(0))
    assert all(panel.stores == some.stores for panel in seen)


def test_traits_of_a_panel_explain_where_stores_differ():
    data, _, _ = panel_with_traits(stores=12)
    found = {model.name: model.between for model in candidates.candidates(data, (1, 2), "common", (2,))}
    assert [name for name, between in found.items() if between is not None] == ["hierarchical", "normal-mixture K=2"]


def test_the_command_prints_the_table_and_writes_the_scores(ended, tmp_path):
    rng = np.random.default_rng(0)
    theta = continuous(12, seed=4)
    price = np.round(np.exp(rng.normal(0.9, 0.4, 12)), 2)
    lines = ["Price," + ",".join(f"Sales{i + 1}" for i in range(12))]
    for p in price:
        sales = np.exp(theta @ [1.0, np.log(p)] + 0.5 * rng.normal(size=12))
        lines.append(",".join([f"{p}", *(f"{s:.3f}" for s in sales)]))
    (tmp_path / "sales.csv").write_text("\n".join(lines))
    out = tmp_path / "weeks.nc"
    options = ["--k", "2", "--sigma", "common", "--draws", "100", "--tune", "200", "--out", out]
    end = ended(command, tmp_path / "sales.csv", *options)
    assert end.code in (0, 3)  # so few draws may not convince
    assert "Another week of a known store" in end.out
    for name in ("least squares, own sigma", ONE, "mixture K=2", "hierarchical", "normal-mixture K=2"):
        assert name in end.out
    scores = xr.load_dataset(out)
    assert scores.sizes == {"model": 6, "row": 24}
    assert scores.attrs["share"] == 0.8


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (["--share", "80"], "--share 80: expected a number between 0 and 1"),
        (["--k", "few"], "--k 'few': expected a number of segments"),
        (["--sigma", "none"], "invalid choice: 'none'"),
    ],
)
def test_wrong_calls_end_in_one_line(ended, options, wrong):
    end = ended(command, *options)
    assert (end.code, end.out) == (2, "")
    assert wrong in end.err
    assert end.err.count("\n") == 1
