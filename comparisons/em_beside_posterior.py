"""Maximum likelihood beside the posterior of the same model: estimates, how sure each is, and who is in which group."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bayesmix.segments_of_stores import most_probable
from bayesmix.stores import family_of
from comparisons.agreement import Estimate, em_twin, estimate_of, segments
from comparisons.comparison import Comparison, Score
from comparisons.cross_table import adjusted_rand, cross_table
from comparisons.own_likelihood import em_memberships
from em.statistics import Ints

WORDS = {"log_price": "price elasticity", "weight": "share of stores"}


class Memberships(NamedTuple):
    """Stores by their most probable segment: cross table (EM, posterior) of counts, its adjusted Rand index."""

    table: Ints
    adjusted_rand: float


class Beside(NamedTuple):
    """One model by both.

    Attributes
    ----------
    rows : segment (0 for what all stores share) and parameter; those that the posterior moves.
    memberships : None with one segment.
    """

    score: Score
    rows: tuple[tuple[int, Estimate], ...]
    memberships: Memberships | None


def beside(comparison: Comparison) -> list[Beside]:
    """Every model that both have fitted, best by LOO first."""
    twins = [(score, em_twin(score.fit, comparison.results)) for score in comparison.scores]
    return [_beside(score, em) for score, em in twins if em is not None]


def _beside(score: Score, em: dict[str, Any]) -> Beside:
    rows = of_continuum(score, em) if score.fit.model == "hierarchical" else _of_segments(score, em)
    named = tuple((s, e._replace(name=_called(e.name, score))) for s, e in rows if e.sd > 0.0)
    return Beside(score, named, _memberships(score, em) if score.fit.k > 1 else None)


def _called(name: str, score: Score) -> str:
    """What a parameter is called; a price has an elasticity where the link is logarithmic."""
    family = family_of(score.fit.statistics)
    if family is not None and name == "sigma":
        return "dispersion"
    return name if family is not None and family.link != "log" else WORDS.get(name, name)


def _of_segments(score: Score, em: dict[str, Any]) -> list[tuple[int, Estimate]]:
    found, own_sigma, names = [], score.fit.sigma_rule == "segment", score.fit.coefficients
    for row in segments(score.fit, em):
        pairs = zip(score.fit.coefficients, row.spreads, strict=False)  # no spreads where stores are alike
        spreads = tuple(_with_em_spread(e, em, row.segment - 1, names, name) for name, e in pairs)
        found += [(row.segment, e) for e in (row.weight, *row.coefficients, *spreads)]
        if own_sigma or row.segment == score.fit.k:
            found.append((row.segment if own_sigma else 0, row.sigma))
    return found


def of_continuum(score: Score, em: dict[str, Any]) -> list[tuple[int, Estimate]]:
    """Mean, spread and sigma of a hierarchical fit, with EM's."""
    posterior, errors, names = score.fit.posterior, em.get("standard_errors") or {}, score.fit.coefficients
    found = []
    for c, name in enumerate(names):
        error = (errors.get("theta") or [[None] * (c + 1)])[0][c]
        found.append((0, estimate_of(name, posterior["mu"].isel(coefficient=c), em["theta"][0][c], error)))
    for c, name in enumerate(names):
        variance = posterior["omega"].isel(coefficient=c, coefficient_2=c).clip(0.0)
        found.append((0, _with_em_spread(estimate_of(f"spread (sd) of {name}", variance**0.5), em, 0, names, name)))
    error = (errors.get("sigma") or [None])[0]
    return [*found, (0, estimate_of("sigma", posterior["sigma"], em["sigma"][0], error))]


def _with_em_spread(one: Estimate, em: dict[str, Any], s: int, names: Sequence[str], name: str) -> Estimate:
    """The spread of a coefficient inside a segment, with EM's, whose standard errors are of those that vary only."""
    errors, c, random = (em.get("standard_errors") or {}).get("sd"), names.index(name), list(em.get("random", names))
    error = errors[s][random.index(name)] if errors and name in random else None
    return one._replace(em=float(np.sqrt(max(em["omega"][s][c][c], 0.0))), em_se=error)


def _memberships(score: Score, em: dict[str, Any]) -> Memberships:
    by_em = em_memberships(em, score.fit).argmax(1)
    table = cross_table(by_em, most_probable(score.fit), score.fit.k)
    return Memberships(table, adjusted_rand(table))
