"""Doubts about a model that could not turn the verdict are notes; the others are reasons to distrust it."""

import pytest
from fits_for_comparisons import (
    altered,
    hierarchical_tree,
    mixture_tree,
    panel,
    segmented,
    write_fit,
    write_results,
)

from bayesmix.read import load
from bayesmix.store_loo import LeftOut, loo
from comparisons import together
from comparisons.approximations import approximations
from comparisons.checks import Checked, check
from comparisons.comparison import compare
from comparisons.doubts import settled
from comparisons.verdict import verdict
from em.results import read_results

DOUBT = {"trusted": False, "reasons": ("chains disagree",)}


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    """results.json, mixtures of 2, 3 and 4 segments and a hierarchical fit, of stores in three segments."""
    folder, data = tmp_path_factory.mktemp("doubts"), panel(segmented(120))
    results = read_results(write_results(data, folder / "results.json"))
    mixtures = [load(write_fit(mixture_tree(data, k), folder / f"mixture-{k}.nc")) for k in (2, 3, 4)]
    return results, [*mixtures, load(write_fit(hierarchical_tree(data), folder / "hierarchical.nc"))]


def judged(results, fits, *doubted):
    given = [altered(fit, **DOUBT) if fit.name in doubted else fit for fit in fits]
    comparison = settled(compare(results, given))
    return comparison, verdict(comparison)


@pytest.mark.parametrize("name", ["mixture K=2", "mixture K=4"])
def test_a_loser_that_could_not_have_won_is_a_note(fits, name):
    comparison, said = judged(*fits, name)
    assert comparison.distrust == ()
    assert said.headline == "Three segments, not a continuum."
    assert next(note for note in comparison.notes if name in note).endswith("does not turn the verdict")
    score = next(score for score in comparison.scores if score.name == name)
    assert "fit not trusted" in score.flags


def test_the_winner_is_what_the_verdict_rests_on(fits):
    comparison, said = judged(*fits, "mixture K=3", "mixture K=4")
    assert [reason.partition(" (")[0] for reason in comparison.distrust] == ["mixture K=3"]
    assert said.headline.startswith("Provisional")
    assert "the mixture K=3 fit is not to be trusted" in said.sentence


def test_a_loser_that_maximum_likelihood_puts_ahead_is_what_the_verdict_rests_on(fits):
    results, every = fits
    better = {ml["k"]: 200.0 if ml["k"] == 4 else 0.0 for ml in results["fits"]}
    changed = [ml | {"log_likelihood": ml["log_likelihood"] + better[ml["k"]]} for ml in results["fits"]]
    comparison, _ = judged({**results, "fits": changed}, every, "mixture K=4")
    assert len(comparison.distrust) == 1


def test_a_model_that_maximum_likelihood_has_not_fitted_could_be_anything(fits):
    comparison, said = judged(*fits, "hierarchical")
    assert len(comparison.distrust) == 1  # results.json here holds mixtures only
    assert said.headline.startswith("Provisional")


def test_the_doubts_in_python_are_those_of_the_page(fits):
    results, every = fits
    given = [altered(fit, **DOUBT) if fit.name == "mixture K=4" else fit for fit in every]
    assert judged(*fits, "mixture K=4")[0].distrust == together.compare(given, results).distrust == ()


def test_exact_values_lift_the_doubt_of_high_pareto_k(fits):
    results, every = fits
    given = [altered(fit, store_loglik=fit.store_loglik * 12.0) for fit in every[1:2]]  # draws far apart
    psis = loo(given[0].store_loglik)
    high = (psis.khat_i > psis.khat_limit).nonzero()[0]
    assert high.size > 0.05 * 120
    assert compare(results, given).distrust
    left = LeftOut(high, psis.elpd_i[high] - 1.0, 0.1 + 0.0 * high, high >= 0, high.size)
    comparison = compare(results, given, {given[0].name: Checked(left, None, None)})
    assert comparison.distrust == ()
    assert comparison.best.elpd == pytest.approx(psis.elpd_i.sum() - high.size)
    assert f"{high.size} of 120 stores left out exactly, one by one" in comparison.notes[-1]
    (row,) = approximations(comparison).rows
    assert row.change == pytest.approx(-high.size)
    assert (row.left_out, row.log_evidence) == (high.size, None)
    assert row.error == pytest.approx(0.1 * high.size**0.5)


def test_draws_of_another_sampler_are_not_checked(fits):
    assert check(fits[1]) == {}
