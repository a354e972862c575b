"""Which doubts about fits the verdict rests on, and which are about models that could not turn it.

A mixture with more segments than the stores need does not mix, and loses; that is no reason to distrust the verdict.
What a doubted model could reach at most is judged by maximum likelihood: its log-likelihood less its parameters, what
its elpd is for many stores (Akaike 1974).
"""

from collections.abc import Iterator
from dataclasses import replace

from comparisons.agreement import em_twin
from comparisons.comparison import Comparison, Score, doubts_about
from comparisons.differences import SMALL, Difference, difference
from comparisons.number import chosen_mixture, chosen_normals
from comparisons.verdict import verdict


def settled(comparison: Comparison) -> Comparison:
    """The comparison with the doubts that cannot turn its verdict among its notes."""
    if not comparison.distrust:
        return comparison
    pillars, winner = _rests_on(comparison)
    matter, told = [], []
    for score in comparison.scores:
        doubts = doubts_about(score)
        if not doubts or _may_turn(score, winner, pillars, comparison):
            matter += doubts
        else:
            told += [f"{doubt}. Whatever it would reach does not turn the verdict" for doubt in doubts]
    return replace(comparison, distrust=tuple(matter), notes=(*comparison.notes, *told))


def _rests_on(comparison: Comparison) -> tuple[list[Score], Score | None]:
    """The scores that the verdict is read from, and the one that it speaks for; None where it speaks for none."""
    of_one = comparison.of_best_family
    mixture, continuum = chosen_mixture(of_one), of_one.best_of("hierarchical")
    normals = chosen_normals(of_one)
    said = verdict(replace(comparison, distrust=()))
    if said.kind in ("undecided", "alone") or said.headline.startswith("Not settled"):
        winner = None
    else:
        winner = {"continuum": continuum or normals, "both": normals}.get(said.kind, mixture)
    return [score for score in (mixture, continuum, normals) if score is not None], winner


def _may_turn(score: Score, winner: Score | None, pillars: list[Score], comparison: Comparison) -> bool:
    """Whether the verdict might be another if this model had been drawn without doubt."""
    if score is winner or (winner is None and any(score is one for one in pillars)):
        return True
    em = em_twin(score.fit, comparison.results)
    if em is None:
        return True
    reach = em["log_likelihood"] - em["n_parameters"]
    against = [winner] if winner is not None else list(_of_its_kind(score, pillars))
    return any(_may_beat(score, reach, one) for one in against or [comparison.best])


def _may_beat(score: Score, reach: float, other: Score) -> bool:
    """Whether a model might beat another beyond doubt, or at least stand level where it is the simpler one."""
    ahead = reach - other.elpd
    if _contains(score, other):
        return ahead >= SMALL
    error = difference(score.loo.elpd_i, other.loo.elpd_i).dse
    behind = Difference(max(ahead, score.elpd - other.elpd), error)
    return not (behind.elpd_diff < 0.0 and behind.decided)


def _contains(score: Score, other: Score) -> bool:
    """Whether a model has another as a special case."""
    if score.fit.family != other.fit.family:
        return False
    return score.fit.k >= other.fit.k and (score.fit.model != "mixture" or other.fit.model == "mixture")


def _of_its_kind(score: Score, pillars: list[Score]) -> Iterator[Score]:
    """The scores that the verdict is read from and that stand for the same kind of model."""
    return (one for one in pillars if (one.fit.model == "mixture") == (score.fit.model == "mixture"))
