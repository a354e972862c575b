"""The verdict in words, from the numbers only: segments, a continuum, or segments whose stores differ; how sure.

The simplest description that none beats beyond doubt: segments whose stores differ contain the other two, so they are
the answer only where they beat both.
"""

from dataclasses import replace
from typing import NamedTuple

from bayesmix.axis import price_column
from bayesmix.rounding import by_error, listed, spelt
from comparisons.comparison import Comparison, Score
from comparisons.differences import SMALL, Difference, difference
from comparisons.families_compared import families_sentence
from comparisons.number import (
    best_by_bic,
    chosen_mixture,
    chosen_normals,
    fitted_numbers,
    headroom,
    number_of_normals,
    number_sentence,
)
from em.response import LOG_SALES

CONTINUOUS = ("hierarchical", "normal-mixture")


class Verdict(NamedTuple):
    """What the numbers say.

    Attributes
    ----------
    kind : "segments", "continuum", "both" (segments with variation inside them), "one" (no difference between
        stores), "undecided", or "alone" (nothing to compare with).
    headline : a few words.
    sentence : one sentence that a pricing manager reads.
    number : how many segments, in a sentence or two.
    k : number of segments the sentence speaks of; None without segments.
    difference : elpd of the better side minus the other, with its standard error; None when only one side was fitted.
    sure : whether nothing stands in the way: fits trusted, difference decided, no better number of segments in sight
        that might turn it.
    """

    kind: str
    headline: str
    sentence: str
    number: str
    k: int | None
    difference: Difference | None
    sure: bool


def verdict(comparison: Comparison) -> Verdict:
    """Read the verdict off a comparison; where families differ, off the one that predicts best."""
    of_one = comparison.of_best_family
    said = _owing_to_traits(of_one, _beyond(of_one, _judge(of_one)))
    if said.kind == "both" and said.k is not None:
        number = f"{number_of_normals(of_one, said.k)} Without differences inside: {number_sentence(of_one, None)}"
    else:
        number = number_sentence(of_one, said.k)
        if said.kind == "continuum" and fitted_numbers(of_one):
            number = f"{number} The continuum predicts a new store better than any of those fitted."
    if said.kind == "alone" and len(comparison.families) > 1:
        number = f"{number} What stands beside is of another family, and is compared in the table.".lstrip()
    said = said._replace(number=f"{number} {families_sentence(comparison)}".rstrip())
    if comparison.distrust:
        doubted = f"{said.sentence.rstrip('.')} – but {_doubt(comparison)}, so this is provisional."
        headline = f"Provisional: {said.headline[:1].lower()}{said.headline[1:]}"
        said = said._replace(headline=headline, sentence=doubted, sure=False)
    return said


def _judge(comparison: Comparison) -> Verdict:
    """The verdict on the fits at hand."""
    mixture, continuum, normals = (
        chosen_mixture(comparison),
        comparison.best_of("hierarchical"),
        _beyond_one(comparison),
    )
    if normals is not None and continuum is not None and not _beats(normals, continuum):
        normals = None
    rival = normals or continuum
    if mixture is None and normals is not None and continuum is not None:
        return _inside(comparison, continuum, normals)
    if mixture is None or rival is None:
        return _alone(mixture or rival or comparison.best)
    if (
        normals is not None
        and continuum is not None
        and mixture.fit.k <= normals.fit.k
        and not _beats(normals, mixture)
    ):
        rival = continuum  # segments are simpler than segments whose stores differ, and predict as well
    diff = difference(mixture.loo.elpd_i, rival.loo.elpd_i)
    ahead = diff.elpd_diff > 0.0
    diff = Difference(abs(diff.elpd_diff), diff.dse)
    within = all(score.elpd - mixture.elpd < SMALL for score in comparison.scores)
    if mixture.fit.k == 1 and (within or (ahead and diff.decided)):
        return _alike(comparison, mixture, rival)
    if not diff.decided:
        return _undecided(comparison, mixture, rival, mixture if ahead else rival, diff)
    if ahead:
        return _segments(comparison, mixture, rival, diff)
    return _continuum(comparison, mixture, rival, diff)


def _beyond_one(comparison: Comparison) -> Score | None:
    """The mixture of normals to be judged; with one segment it is the hierarchical model, for which it then stands."""
    normals = chosen_normals(comparison)
    return None if normals and normals.fit.k == 1 and comparison.best_of("hierarchical") else normals


def _beats(score: Score, other: Score) -> bool:
    """Whether a model predicts better than another beyond doubt."""
    diff = difference(score.loo.elpd_i, other.loo.elpd_i)
    return diff.decided and diff.elpd_diff > 0.0


def _inside(comparison: Comparison, continuum: Score, normals: Score) -> Verdict:
    """The verdict on a continuum and segments whose stores differ that beat it, without segments of stores alike."""
    diff, k = difference(normals.loo.elpd_i, continuum.loo.elpd_i), spelt(normals.fit.k)
    sentence = (
        f"The stores form {k} segments and still differ within them: that predicts a store not yet seen better than "
        f"one continuum, {_by(diff, comparison)}. No mixture without differences inside has been fitted beside."
    )
    headline = f"{k.capitalize()} segments, with differences inside them."
    return Verdict("both", headline, sentence, "", normals.fit.k, diff, False)


def _alike(comparison: Comparison, one: Score, rival: Score) -> Verdict:
    """The verdict where nothing predicts better than one response of all stores, which every model contains."""
    diff = difference(one.loo.elpd_i, rival.loo.elpd_i)
    gradual = "gradual differences do" if rival.fit.k == 1 else f"{_of_stores(rival.fit.k)} whose stores differ"
    as_well = "better than" if diff.decided else "as well as"
    sentence = (
        f"No difference between the {len(one.fit.stores)} stores shows: {_one_response(one)} for all predicts a store "
        f"not yet seen {as_well} {gradual} (a difference of {by_error(diff.elpd_diff, diff.dse)} in log-density with a "
        f"standard error of {by_error(diff.dse, diff.dse)}), and nothing fitted predicts better beyond doubt. "
        "Differences too small for these weeks to show are possible."
    )
    return Verdict("one", "No difference between stores shows.", sentence, "", 1, diff, True)


def _one_response(score: Score) -> str:
    """What all stores have in common where none differs."""
    logged = score.fit.family == LOG_SALES or price_column(score.fit.coefficients) is not None
    return "one price response" if logged else "one set of coefficients"


def _segments(comparison: Comparison, mixture: Score, rival: Score, diff: Difference) -> Verdict:
    gradual = "gradual differences do" if rival.fit.k == 1 else f"{_of_stores(rival.fit.k)} whose stores differ"
    k = spelt(mixture.fit.k)
    sentence = (
        f"The stores fall into {k} segments rather than lying along a continuum: {k} segments predict a store not yet "
        f"seen better than {gradual}, {_by(diff, comparison)}{_over(comparison, mixture, rival)}."
        f"{_differing(comparison, mixture) if rival.fit.k == 1 else ''}"
    )
    return Verdict("segments", f"{k.capitalize()} segments, not a continuum.", sentence, "", mixture.fit.k, diff, True)


def _differing(comparison: Comparison, mixture: Score) -> str:
    """What comes of letting the stores of the segments differ; nothing where it was not tried."""
    normals = chosen_normals(comparison)
    if normals is None or normals.fit.k == 1:
        return ""
    diff = difference(normals.loo.elpd_i, mixture.loo.elpd_i)
    return (
        f" Letting the stores of {_of_stores(normals.fit.k)} differ does not predict better beyond doubt: a "
        f"difference of {by_error(diff.elpd_diff, diff.dse)} ± {by_error(diff.dse, diff.dse)}."
    )


def _continuum(comparison: Comparison, mixture: Score, rival: Score, diff: Difference) -> Verdict:
    if rival.fit.k > 1:
        k = spelt(rival.fit.k)
        sentence = (
            f"The stores form {k} segments and still differ within them: that predicts a store not yet seen better "
            f"than {_of_stores(mixture.fit.k)} without differences inside, {_by(diff, comparison)}"
            f"{_over(comparison, rival, mixture)}."
        )
        headline = f"{k.capitalize()} segments, with differences inside them."
        return Verdict("both", headline, sentence, "", rival.fit.k, diff, True)
    sentence = (
        f"The stores differ along a continuum rather than falling into segments: gradual differences predict a store "
        f"not yet seen better than {_of_stores(mixture.fit.k)}, {_by(diff, comparison)}."
        f"{_segments_inside(comparison, rival)}"
    )
    return Verdict("continuum", "A continuum, not segments.", sentence, "", None, diff, True)


def _segments_inside(comparison: Comparison, continuum: Score) -> str:
    """What comes of dividing the continuum into segments; nothing where it was not tried."""
    normals = chosen_normals(comparison)
    if normals is None or normals is continuum or normals.fit.k == 1:
        return ""
    diff = difference(normals.loo.elpd_i, continuum.loo.elpd_i)
    return (
        f" Dividing it into {_of_stores(normals.fit.k)} whose stores differ does not predict better beyond doubt: a "
        f"difference of {by_error(diff.elpd_diff, diff.dse)} ± {by_error(diff.dse, diff.dse)}."
    )


def _over(comparison: Comparison, winner: Score, rival: Score) -> str:
    """By how much the winner beats the continuum too; nothing where that is the rival, or was not fitted."""
    continuum = comparison.best_of("hierarchical")
    if continuum is None or continuum is rival:
        return ""
    diff = difference(winner.loo.elpd_i, continuum.loo.elpd_i)
    return f", and better than one continuum, by {by_error(diff.elpd_diff, diff.dse)} ± {by_error(diff.dse, diff.dse)}"


def _undecided(comparison: Comparison, mixture: Score, rival: Score, better: Score, diff: Difference) -> Verdict:
    of_rival = "a continuum" if rival.fit.k == 1 else f"{_of_stores(rival.fit.k)} whose stores differ"
    if better.fit.model in CONTINUOUS:
        ahead = "the continuum predicts" if rival.fit.k == 1 else "the latter predict"
    else:
        ahead = f"{_of_stores(mixture.fit.k)} predict{'s' if mixture.fit.k == 1 else ''}"
    sentence = (
        f"The data do not decide between {_of_stores(mixture.fit.k)} and {of_rival}: {ahead} a store not yet seen "
        f"better, but only {_by(diff, comparison)}."
    )
    headline = "Undecided between segments and a continuum."
    if rival.fit.k > 1:
        headline = "Undecided whether the stores of a segment differ."
    return Verdict("undecided", headline, sentence, "", mixture.fit.k, diff, False)


def _alone(score: Score) -> Verdict:
    """The verdict when only segments, or only a continuum, were fitted."""
    if score.fit.k > 1 and score.fit.model != "mixture":
        sentence = (
            f"Only {_of_stores(score.fit.k)} whose stores differ have been fitted, and neither a continuum nor a "
            "mixture beside them, so these numbers cannot say which the stores need."
        )
        headline = f"{spelt(score.fit.k).capitalize()} segments whose stores differ, with nothing to compare with."
        return Verdict("alone", headline, sentence, "", score.fit.k, None, False)
    if score.fit.model != "mixture":
        sentence = (
            "Only a continuum has been fitted, and no mixture beside it, so these numbers cannot say whether the "
            "stores fall into segments."
        )
        return Verdict("alone", "A continuum, with nothing to compare it with.", sentence, "", None, None, False)
    k = score.fit.k
    sentence = (
        f"No mixture fitted predicts a store not yet seen better than {_of_stores(k)}, but no continuum has been "
        "fitted beside, so these numbers cannot say whether the segments are real."
    )
    headline = "All stores alike" if k == 1 else f"{spelt(k).capitalize()} segments"
    return Verdict("alone", f"{headline}, with no continuum to compare with.", sentence, "", k, None, False)


def _beyond(comparison: Comparison, said: Verdict) -> Verdict:
    """Take back what a number of segments that was not fitted might turn."""
    mixture = chosen_mixture(comparison)
    if said.kind not in ("continuum", "both") or mixture is None or said.difference is None:
        return said
    lead, room = said.difference, headroom(comparison, mixture)
    if _survives(lead, room.known + room.guessed):
        return said
    if _survives(lead, room.known):
        return said._replace(sure=False)
    best_k = best_by_bic(comparison.results)["bic"]
    missing = f"BIC prefers {_of_stores(best_k)}, of which there is no posterior yet"
    sentence = f"{said.sentence.rstrip('.')} – but {missing}, and that may turn the verdict."
    return said._replace(headline=f"Not settled: K = {best_k} is still to fit.", sentence=sentence, sure=False)


def _owing_to_traits(comparison: Comparison, said: Verdict) -> Verdict:
    """Doubt what only models with traits of the stores show: mixtures have none, and so may lose for want of them."""
    without = tuple(score for score in comparison.scores if score.fit.between is None)
    if said.kind not in ("continuum", "both") or len(without) == len(comparison.scores):
        return said
    if without and _judge(replace(comparison, scores=without)).kind == said.kind:
        return said
    sentence = (
        f"{said.sentence.rstrip('.')} – but that is shown only by models that know traits of the stores, which the "
        "others do not; fits without traits would tell whether it is owing to these."
    )
    return said._replace(sentence=sentence, sure=False)


def _survives(lead: Difference, loss: float) -> bool:
    """Whether a lead that loses so much is a lead still."""
    return lead.elpd_diff > loss and Difference(lead.elpd_diff - loss, lead.dse).decided


def _by(diff: Difference, comparison: Comparison) -> str:
    """The difference, its standard error and its unit, in words."""
    n = len(comparison.best.fit.stores)
    how = f"left out in {comparison.folds} folds" if comparison.folds else "each left out in turn"
    return (
        f"by {by_error(diff.elpd_diff, diff.dse)} in log-density with a standard error of "
        f"{by_error(diff.dse, diff.dse)} (over {n} stores, {how})"
    )


def _of_stores(k: int) -> str:
    return "one segment of all stores" if k == 1 else f"{spelt(k)} segments"


def _doubt(comparison: Comparison) -> str:
    doubted = [said.partition(" (")[0] for said in comparison.distrust]
    untrusted = [score.name for score in comparison.scores if not score.fit.trusted and score.name in doubted]
    if untrusted:
        are = "is" if len(untrusted) == 1 else "are"
        return f"{listed([f'the {name} fit' for name in untrusted])} {are} not to be trusted"
    return "too many stores are hard to leave out"
