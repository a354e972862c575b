"""How many segments: by leaving stores out, by the forms of BIC, and what segments not fitted might still add."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from bayesmix.rounding import listed, spelt
from comparisons.agreement import em_twin, mixtures_of
from comparisons.comparison import Comparison, Score
from comparisons.differences import difference

BIC_NAMES = {"bic": "BIC", "bic_stores": "BIC with log(stores)", "bic_hybrid": "hybrid BIC"}


def chosen_mixture(comparison: Comparison) -> Score | None:
    """The mixture with fewest segments that no other mixture beats beyond doubt; None without mixtures."""
    return fewest_unbeaten([score for score in comparison.scores if score.fit.model == "mixture"])


def chosen_normals(comparison: Comparison) -> Score | None:
    """The mixture of normals with fewest segments that no other beats beyond doubt; None without any."""
    return fewest_unbeaten([score for score in comparison.scores if score.fit.model == "normal-mixture"])


def fewest_unbeaten(scores: Sequence[Score]) -> Score | None:
    """The fit with fewest segments that the first does not beat beyond doubt; None of none.

    Parameters
    ----------
    scores : best first.
    """
    as_good = [s for s in scores if s is scores[0] or not difference(s.loo.elpd_i, scores[0].loo.elpd_i).decided]
    return min(as_good, key=lambda score: score.fit.k, default=None)


def best_by_bic(results: dict[str, Any]) -> dict[str, int]:
    """The K with the lowest value of each form of BIC that results.json holds."""
    fits = mixtures_of(results)
    if not fits:
        return {}
    complete = [name for name in BIC_NAMES if all(ml.get(name) is not None for ml in fits)]
    return {name: min(fits, key=lambda ml, by=name: ml[by])["k"] for name in complete}


def fitted_numbers(comparison: Comparison, model: str = "mixture") -> list[int]:
    """Numbers of segments with a posterior."""
    return sorted({score.fit.k for score in comparison.scores if score.fit.model == model})


class Headroom(NamedTuple):
    """How much elpd other numbers of segments might add to a mixture, judged by maximum likelihood.

    Attributes
    ----------
    known : of the step to the K of lowest BIC: its log-likelihood less its parameters, as AIC has it.
    guessed : where that is the largest K tried, as much again as the last step tried, and infinite where maximum
        likelihood has fitted none; else zero.
    """

    known: float
    guessed: float


def headroom(comparison: Comparison, mixture: Score) -> Headroom:
    """What segments not fitted might add to a mixture.

    `known` is infinite where maximum likelihood has not fitted the mixture's own K under the same rule for sigma.
    """
    by_k = {ml["k"]: ml["log_likelihood"] - ml["n_parameters"] for ml in mixtures_of(comparison.results)}
    if not by_k:
        return Headroom(0.0, math.inf)
    best_k, tried = best_by_bic(comparison.results)["bic"], sorted(by_k)
    guessed = max(by_k[tried[-1]] - by_k[tried[-2]], 0.0) if _at_edge(best_k, tried) else 0.0
    if best_k in fitted_numbers(comparison):
        return Headroom(0.0, guessed)
    if em_twin(mixture.fit, comparison.results) is None:
        return Headroom(math.inf, guessed)
    return Headroom(max(by_k[best_k] - by_k[mixture.fit.k], 0.0), guessed)


def number_sentence(comparison: Comparison, k: int | None) -> str:
    """How many segments: what LOO and the three forms of BIC say, and where they part.

    Parameters
    ----------
    k : the number that the verdict speaks of; None when it speaks of none.
    """
    fitted = fitted_numbers(comparison)
    tried = sorted(ml["k"] for ml in mixtures_of(comparison.results))
    best = best_by_bic(comparison.results)
    if not best:
        return "Maximum likelihood has fitted no mixture here, so BIC says nothing of the number of segments."
    best_k = best["bic"]
    said = _by_bic(best, tried, k)
    if k and len(fitted) > 1:
        said += f"; by leaving stores out, {spelt(k)} among K = {_numbers(fitted)} suffice"
    elif fitted and best_k not in fitted:
        said += f", but the posterior fitted has {spelt(fitted[0])}: fit --k {best_k} too"
    said += "."
    if _at_edge(best_k, tried):
        said += " BIC is best at the largest K tried, so more segments may do better: "
        said += f"try --k {best_k + 1} {best_k + 2}."
    return said


def number_of_normals(comparison: Comparison, k: int) -> str:
    """How many segments whose stores differ, in a sentence."""
    fitted = fitted_numbers(comparison, "normal-mixture")
    if len(fitted) == 1:
        return f"No other number of segments whose stores differ was fitted than {spelt(k)}: try --k {k - 1} {k + 1}."
    more = f" More may do better: try --k {k + 1}." if k == fitted[-1] else ""
    return f"Of segments whose stores differ {spelt(k)} suffice among K = {_numbers(fitted)}.{more}"


def _by_bic(best: dict[str, int], tried: list[int], k: int | None) -> str:
    if len(tried) == 1:
        return f"BIC stands at K = {tried[0]}, the only one tried"
    over = f"among K = {_numbers(tried)}"
    if len(set(best.values())) > 1:
        each = listed([f"{BIC_NAMES[name]} picks {pick}" for name, pick in best.items()])
        return f"The forms of BIC disagree {over}: {each}"
    pick = best["bic"]
    by, are = "Also by" if pick == k else "By", "is" if pick == 1 else "are"
    return f"{by} BIC, in all its forms, {spelt(pick)} {are} best {over}"


def _at_edge(best_k: int, tried: list[int]) -> bool:
    """Whether the best K is the largest tried, and not for want of another."""
    return len(tried) > 1 and best_k == tried[-1]


def _numbers(ks: list[int]) -> str:
    return listed([str(k) for k in ks])
