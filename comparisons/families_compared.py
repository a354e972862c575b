"""Which family of the response predicts a new store best, and whether a dispersion does what segments seem to do."""

from bayesmix.rounding import by_error, listed, spelt
from comparisons.comparison import Comparison, Score
from comparisons.differences import Difference, difference
from comparisons.number import fewest_unbeaten
from em.families import family_named


def families_sentence(comparison: Comparison) -> str:
    """How the best model of each family stands to the best of all; empty where there is one family."""
    if len(comparison.families) < 2:
        return ""
    best, told = comparison.best, []
    for family in comparison.families[1:]:
        other = comparison.of_family(family).best
        diff = difference(other.loo.elpd_i, best.loo.elpd_i)
        sure = "" if diff.decided else ", which decides nothing"
        told.append(f"{other.name} is behind by {_apart(Difference(abs(diff.elpd_diff), diff.dse))}{sure}")
    return (
        f"Of the families fitted, {best.name} predicts a new store best, and the verdict is read off the models of its "
        f"family; {listed(told)} in log-density. {dispersion_sentence(comparison)}"
    ).rstrip()


def dispersion_sentence(comparison: Comparison) -> str:
    """Whether one dispersion for all stores predicts what segments without one seem to find; empty without both.

    Rows that scatter more than a family has them look like stores of several kinds: segments then stand in for the
    scatter. The family that this one is without dispersion says which segments these are.
    """
    dispersed = next((one for one in _mixtures(comparison) if one.fit.k == 1 and _limit(one)), None)
    if dispersed is None:
        return ""
    segments = fewest_unbeaten(
        [one for one in _mixtures(comparison) if one.fit.k > 1 and one.fit.family == _limit(dispersed)]
    )
    if segments is None:
        return ""
    diff = difference(segments.loo.elpd_i, dispersed.loo.elpd_i)
    apart, k = _apart(Difference(abs(diff.elpd_diff), diff.dse)), spelt(segments.fit.k)
    of = f"{k} {segments.fit.family} segments"
    if not diff.decided:
        return (
            f"One {dispersed.fit.family} dispersion for all stores predicts as well as {of} (a difference of {apart}), "
            "so these segments may be no more than rows that scatter."
        )
    if diff.elpd_diff < 0.0:
        return (
            f"One {dispersed.fit.family} dispersion for all stores predicts better than {of}, by {apart}: scatter "
            "of rows is part of what these segments find."
        )
    return (
        f"{of.capitalize()} predict better than one {dispersed.fit.family} dispersion for all stores, by {apart}: "
        "scatter of rows alone is not what they find."
    )


def _mixtures(comparison: Comparison) -> list[Score]:
    return [score for score in comparison.scores if score.fit.model == "mixture"]


def _limit(score: Score) -> str | None:
    """The family that a score's is without dispersion; None where there is none."""
    return family_named(score.fit.family).limit


def _apart(diff: Difference) -> str:
    return f"{by_error(diff.elpd_diff, diff.dse)} ± {by_error(diff.dse, diff.dse)}"
