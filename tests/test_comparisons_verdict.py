import numpy as np
import pytest
from fits_for_comparisons import (
    altered,
    continuous,
    hierarchical_tree,
    mixture_tree,
    panel,
    segmented,
    write_fit,
    write_results,
)

from bayesmix.read import load
from bayesmix.store_loo import total
from comparisons.comparison import compare
from comparisons.verdict import verdict
from em.between import centred_traits
from em.results import read_results


def fitted(folder, theta, ks=(2, 3), tried=(1, 2, 3, 4)):
    """results.json, a hierarchical fit and mixtures of one panel."""
    data = panel(theta)
    results = read_results(write_results(data, folder / "results.json", tried))
    hierarchical = load(write_fit(hierarchical_tree(data), folder / "hierarchical.nc"))
    mixtures = [load(write_fit(mixture_tree(data, k), folder / f"mixture-{k}.nc")) for k in ks]
    return results, hierarchical, mixtures


@pytest.fixture(scope="module")
def segments(tmp_path_factory):
    return fitted(tmp_path_factory.mktemp("segments"), segmented(120), ks=(2, 3, 4))


@pytest.fixture(scope="module")
def continuum(tmp_path_factory):
    return fitted(tmp_path_factory.mktemp("continuum"), continuous(120), ks=(4,), tried=(1, 2, 3, 4, 5, 6, 7))


def differing(mixture, store_loglik):
    """A mixture of normals with the segments of a mixture, their stores differing a little, and a given likelihood."""
    draws = mixture.draws
    omega = np.broadcast_to(0.01 * np.eye(2), (*draws.mu.shape, 2))
    name = f"normal-mixture K={mixture.k}"
    posterior = mixture.posterior.rename(theta="mu")
    axes = (*posterior["mu"].dims, "coefficient_2")
    posterior["omega"] = (axes, omega.reshape(*posterior["mu"].shape, 2))
    made = altered(
        mixture,
        model="normal-mixture",
        draws=draws._replace(omega=omega),
        posterior=posterior,
        store_loglik=store_loglik,
    )
    object.__setattr__(made, "name", name)
    return made


def judged(results, *fits):
    comparison = compare(results, fits)
    return comparison, verdict(comparison)


def test_segments_are_found_where_the_stores_have_them(segments):
    results, hierarchical, mixtures = segments
    comparison, said = judged(results, hierarchical, *mixtures)
    assert (said.kind, said.k, said.sure) == ("segments", 3, True)
    assert said.headline == "Three segments, not a continuum."
    assert "Also by BIC, in all its forms, three are best among K = 1, 2, 3 and 4" in said.number
    mixture = next(score for score in comparison.scores if score.fit.k == 3)
    rival = comparison.best_of("hierarchical")
    assert said.difference.elpd_diff == pytest.approx(mixture.elpd - rival.elpd)
    assert said.difference.elpd_diff > 2 * said.difference.dse


def test_a_continuum_is_found_where_there_is_one(continuum):
    results, hierarchical, mixtures = continuum
    comparison, said = judged(results, hierarchical, *mixtures)
    assert (said.kind, said.k, said.sure) == ("continuum", None, True)
    assert said.difference.elpd_diff == pytest.approx(-comparison.scores[1].difference.elpd_diff)
    assert comparison.best.name == "hierarchical"
    assert comparison.best.weight > 0.9


def test_a_continuum_that_more_segments_might_beat_is_not_sure(continuum):
    results, hierarchical, mixtures = continuum
    best_k = results["best_k"]
    assert 4 < best_k < 7
    cut = {**results, "fits": [fit for fit in results["fits"] if fit["k"] <= 4]}
    _, said = judged(cut, hierarchical, *mixtures)
    assert (said.kind, said.sure) == ("continuum", False)
    assert "try --k 5 6" in said.number
    raised = {**results, "fits": [dict(fit) for fit in results["fits"]]}
    raised["fits"][best_k - 1]["log_likelihood"] += 40.0
    _, said = judged(raised, hierarchical, *mixtures)
    assert said.headline.startswith("Not settled")
    assert not said.sure


def test_a_continuum_that_wins_with_traits_alone_is_not_sure(continuum):
    results, hierarchical, mixtures = continuum
    z = np.random.default_rng(0).normal(size=(len(hierarchical.stores), 1))
    n, _, p = hierarchical.draws.mu.shape
    with_effects = hierarchical.draws._replace(gamma=np.zeros((n, 1, p)))
    with_traits = altered(hierarchical, between=centred_traits(("income",), z), draws=with_effects)
    object.__setattr__(with_traits, "name", "hierarchical on income")
    _, said = judged(results, with_traits, *mixtures)
    assert (said.kind, said.sure) == ("continuum", False)
    assert "only by models that know traits" in said.sentence
    _, said = judged(results, with_traits, hierarchical, *mixtures)
    assert (said.kind, said.sure) == ("continuum", True)
    level = altered(hierarchical, store_loglik=mixtures[0].store_loglik)
    _, said = judged(results, with_traits, level, *mixtures)
    assert (said.kind, said.sure) == ("continuum", False)


def test_the_number_is_the_smallest_that_no_other_beats(segments):
    results, hierarchical, mixtures = segments
    four, three = mixtures[2], mixtures[1]
    better = altered(four, store_loglik=three.store_loglik + 2.0 / len(three.stores))
    comparison, said = judged(results, hierarchical, three, better)
    assert comparison.best.fit.k == 4
    assert said.k == 3
    much_better = altered(four, store_loglik=three.store_loglik + 20.0 / len(three.stores))
    assert judged(results, hierarchical, three, much_better)[1].k == 4


def test_a_small_difference_is_said_to_decide_nothing(segments):
    results, hierarchical, mixtures = segments
    alike = altered(hierarchical, store_loglik=mixtures[1].store_loglik - 3.0 / len(hierarchical.stores))
    _, said = judged(results, alike, mixtures[1])
    assert (said.kind, said.sure) == ("undecided", False)
    assert "do not decide" in said.sentence
    assert said.difference.elpd_diff == pytest.approx(3.0, abs=1e-6)


def test_a_large_but_noisy_difference_is_said_to_decide_nothing(segments):
    results, hierarchical, mixtures = segments
    noise = np.where(np.arange(len(hierarchical.stores)) % 2, 3.0, -2.9)
    noisy = altered(hierarchical, store_loglik=mixtures[1].store_loglik + noise)
    comparison, said = judged(results, noisy, mixtures[1])
    assert abs(comparison.scores[1].difference.elpd_diff) > 4
    assert (said.kind, said.sure) == ("undecided", False)


def test_stores_that_all_respond_alike(tmp_path):
    results, hierarchical, mixtures = fitted(tmp_path, np.tile([10.8, -1.1], (110, 1)), ks=(1,))
    _, said = judged(results, hierarchical, *mixtures)  # a continuum without spread predicts alike
    assert abs(said.difference.elpd_diff) < 4.0
    assert (said.kind, said.k, said.sure) == ("one", 1, True)
    assert "as well as" in said.sentence
    tighter = altered(hierarchical, store_loglik=mixtures[0].store_loglik - 0.1)
    _, said = judged(results, tighter, *mixtures)
    assert (said.kind, said.k) == ("one", 1)
    assert "better than" in said.sentence
    noise = np.where(np.arange(110) % 2, 3.0, -2.9)  # ahead by 5.5, and not beyond doubt
    noisy = altered(hierarchical, store_loglik=mixtures[0].store_loglik + noise)
    _, said = judged(results, noisy, *mixtures)
    assert (said.kind, said.sure) == ("undecided", False)


def test_one_side_alone_is_not_a_verdict(segments):
    results, hierarchical, mixtures = segments
    _, said = judged(results, *mixtures)
    assert (said.kind, said.k, said.sure, said.difference) == ("alone", 3, False, None)
    assert "no continuum" in said.sentence
    _, said = judged(results, hierarchical)
    assert (said.kind, said.k, said.sure) == ("alone", None, False)
    assert "no mixture" in said.sentence


def test_a_number_of_segments_that_bic_rejects_is_not_settled(segments):
    results, hierarchical, mixtures = segments
    comparison, said = judged(results, hierarchical, mixtures[0])
    assert comparison.best.name == "hierarchical"
    assert comparison.scores[1].difference.decided
    assert "--k 3" in said.number
    assert "BIC prefers three segments, of which there is no posterior yet" in said.sentence
    assert not said.sure


def test_forms_of_bic_that_disagree_are_named(segments):
    results, hierarchical, mixtures = segments
    twisted = {**results, "fits": [dict(fit) for fit in results["fits"]]}
    twisted["fits"][1]["bic_stores"] = 0.0
    _, said = judged(twisted, hierarchical, mixtures[1])
    assert "disagree" in said.number
    assert "BIC picks 3, BIC with log(stores) picks 2" in said.number


def test_bic_at_the_largest_k_tried_says_so(segments):
    results, hierarchical, mixtures = segments
    short = {**results, "fits": results["fits"][:3]}
    assert "try --k 4 5" in judged(short, hierarchical, mixtures[1])[1].number


def test_a_fit_that_is_not_trusted_makes_the_verdict_provisional(segments):
    results, hierarchical, mixtures = segments
    doubtful = altered(hierarchical, trusted=False, reasons=("R-hat of omega is 1.4",))
    comparison, said = judged(results, doubtful, mixtures[1])
    assert not said.sure
    assert said.headline.startswith("Provisional: ")
    assert "hierarchical" in said.sentence
    assert any("R-hat of omega is 1.4" in reason for reason in comparison.distrust)
    assert "fit not trusted" in next(s for s in comparison.scores if s.name == "hierarchical").flags


def test_many_high_khat_make_the_verdict_provisional(segments):
    results, hierarchical, mixtures = segments
    loglik = mixtures[1].store_loglik.copy(deep=True)
    loglik[:, :, :10] = loglik[:, :, :10].mean() + 60.0 * (
        loglik[:, :, :10] - loglik[:, :, :10].mean(("chain", "draw"))
    )
    comparison, said = judged(results, hierarchical, altered(mixtures[1], store_loglik=loglik))
    assert not said.sure
    assert any("Pareto k" in reason for reason in comparison.distrust)


def test_the_order_of_fits_and_of_labels_changes_no_number(segments, tmp_path):
    results, hierarchical, mixtures = segments
    three = mixtures[1]
    permuted = altered(
        three,
        posterior=three.posterior.isel(segment=[2, 0, 1]),
        by_store=three.by_store.isel(segment=[2, 0, 1]),
    )
    comparison, said = judged(results, hierarchical, three)
    other, said_other = judged(results, permuted, hierarchical)
    assert said == said_other
    assert [s.name for s in comparison.scores] == [s.name for s in other.scores]
    for a, b in zip(comparison.scores, other.scores, strict=True):
        np.testing.assert_array_equal(a.loo.elpd_i, b.loo.elpd_i)
        np.testing.assert_array_equal(a.waic.elpd_i, b.waic.elpd_i)
        assert (a.difference, a.weight) == (b.difference, pytest.approx(b.weight, abs=1e-6))


def test_fewer_than_a_hundred_stores_are_mentioned(tmp_path):
    results, hierarchical, mixtures = fitted(tmp_path, segmented(30), ks=(2,))
    comparison, _ = judged(results, hierarchical, *mixtures)
    assert any("30 stores" in note for note in comparison.notes)


def test_different_rules_for_sigma_are_mentioned(segments):
    results, hierarchical, mixtures = segments
    comparison, _ = judged(results, altered(hierarchical, sigma_rule="common"), mixtures[1])
    assert any("sigma" in note for note in comparison.notes)
    assert not any("sigma" in note for note in judged(results, hierarchical, mixtures[1])[0].notes)


def test_totals_are_sums_over_stores(segments):
    results, hierarchical, mixtures = segments
    comparison, _ = judged(results, hierarchical, mixtures[1])
    best = comparison.best
    assert best.elpd == pytest.approx(total(best.loo.elpd_i))
    assert best.difference == (0.0, 0.0)
    assert sum(score.weight for score in comparison.scores) == pytest.approx(1.0)


def gaining(fit, elpd, *, noise=0.0):
    """Store likelihoods of a fit with more elpd in all, as much from every store unless there is noise."""
    signs = np.where(np.arange(len(fit.stores)) % 2, 1.0, -1.0)
    return fit.store_loglik + (elpd / len(fit.stores) + noise * signs)


def test_segments_stay_the_answer_where_letting_their_stores_differ_gains_nothing(segments):
    results, hierarchical, mixtures = segments
    three = mixtures[1]
    for gain in (-2.6, 2.6):
        comparison, said = judged(results, hierarchical, three, differing(three, gaining(three, gain)))
        assert (said.kind, said.k, said.sure) == ("segments", 3, True)
        assert "does not predict better beyond doubt" in said.sentence
        assert len(comparison.scores) == 3


def test_segments_whose_stores_differ_are_the_answer_where_they_beat_both(segments):
    results, hierarchical, mixtures = segments
    three = mixtures[1]
    both = differing(three, gaining(three, 40.0))
    comparison, said = judged(results, hierarchical, three, both)
    assert (said.kind, said.k, said.sure) == ("both", 3, True)
    assert said.headline == "Three segments, with differences inside them."
    assert "and better than one continuum" in said.sentence
    assert said.difference.elpd_diff == pytest.approx(40.0, abs=1e-6)
    assert "No other number of segments whose stores differ was fitted than three" in said.number
    assert "three are best" in said.number
    assert set(comparison.shrinkage.pooling) == {"hierarchical", "normal-mixture K=3"}
    _, alone = judged(results, hierarchical, both)
    assert (alone.kind, alone.sure) == ("both", False)
    _, alone = judged(results, both)
    assert (alone.kind, alone.k) == ("alone", 3)


def test_a_continuum_stays_the_answer_where_segments_inside_it_are_not_sure_to_gain(continuum):
    results, hierarchical, mixtures = continuum
    unsure = differing(mixtures[0], gaining(hierarchical, 33.0, noise=1.8))
    comparison, said = judged(results, hierarchical, *mixtures, unsure)
    assert comparison.best.name == "normal-mixture K=4"
    assert (said.kind, said.k, said.sure) == ("continuum", None, True)
    assert "Dividing it into four segments whose stores differ does not predict better" in said.sentence


def test_more_segments_against_fewer_whose_stores_differ_is_undecided_where_neither_wins(segments):
    results, hierarchical, mixtures = segments
    two, three = mixtures[:2]
    _, said = judged(results, hierarchical, three, differing(two, gaining(three, 1.0)))
    assert (said.kind, said.sure) == ("undecided", False)
    assert "three segments and two segments whose stores differ" in said.sentence
    assert said.headline == "Undecided whether the stores of a segment differ."


def test_mixtures_of_normals_by_maximum_likelihood_do_not_count_as_mixtures(segments):
    results, hierarchical, mixtures = segments
    best = {**results["fits"][2], "model": "normal-mixture", "bic": -1e9, "bic_stores": -1e9, "bic_hybrid": -1e9}
    more = {**results, "fits": [*results["fits"], {**best, "k": 9}]}
    _, said = judged(more, hierarchical, *mixtures)
    assert said == judged(results, hierarchical, *mixtures)[1]


def test_the_verdict_names_the_rival_that_its_difference_is_from(segments):
    results, hierarchical, mixtures = segments
    two, three = mixtures[:2]
    nearer = differing(two, gaining(hierarchical, 6.0))
    comparison, said = judged(results, hierarchical, three, nearer)
    scores = {score.name: score.elpd for score in comparison.scores}
    assert (said.kind, said.k) == ("segments", 3)
    assert said.difference.elpd_diff == pytest.approx(scores["mixture K=3"] - scores["normal-mixture K=2"])
    assert "better than two segments whose stores differ, by" in said.sentence
    assert "and better than one continuum, by" in said.sentence
    assert "gradual differences" not in said.sentence
