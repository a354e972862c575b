"""Writes the comparison as one self-contained page: the verdict, the table, the pictures, how to read them."""

import math
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np

from bayesmix import rounding
from bayesmix.axis import axis_of, place
from bayesmix.pages import environment
from bayesmix.rounding import shares
from bayesmix.segments_of_stores import joining
from bayesmix.store_loo import standard_error, total
from comparisons.agreement import effects, em_twin, gap, mixtures_of, model_of, population, segments
from comparisons.approximations import approximations
from comparisons.backing import advice
from comparisons.comparison import Comparison, Score
from comparisons.convergence import convergence
from comparisons.differences import difference
from comparisons.gallery import gallery
from comparisons.number import best_by_bic, chosen_mixture, chosen_normals
from comparisons.pictures import frame
from comparisons.record import PACKAGES
from comparisons.sections import sections
from comparisons.verdict import Verdict
from comparisons.week_section import WeekSection
from em.results import software

CRITERIA = {
    "aic": "AIC",
    "bic": "BIC",
    "bic_stores": "BIC, log(stores)",
    "bic_hybrid": "BIC, hybrid",
    "icl": "ICL",
}


class Row(NamedTuple):
    """One line of the table of models: a posterior with its weights (stacking, pseudo-BMA+), its EM twin, or both."""

    name: str
    em: dict[str, Any] | None
    score: Score | None
    weights: tuple[str, str] | None


def page(comparison: Comparison, verdict: Verdict, prices: str, weeks: WeekSection | None = None) -> str:
    """The whole page as HTML; without `weeks` it does not speak of another week of a known store."""
    pages = environment("comparisons")
    pages.globals.update(total=total, standard_error=standard_error)
    mixture = chosen_mixture(comparison)
    continuum, normals = comparison.best_of("hierarchical"), chosen_normals(comparison)
    fits = mixtures_of(comparison.results)
    further = sections(comparison, mixture, continuum)
    return pages.get_template("comparison.html").render(
        comparison=comparison,
        verdict=verdict,
        prices=prices,
        data=comparison.results["data"],
        file_name=PurePath(comparison.results["data"]["file"]).name,
        settings=comparison.results.get("settings", {}),
        rows=table(comparison),
        model_of=model_of,
        lowest=best_by_bic(comparison.results),
        criteria_names=CRITERIA,
        advice=advice(),
        least={name: _least(comparison.results, name) for name in CRITERIA},
        times=_times(verdict, comparison),
        icl_k=min(fits, key=lambda em: em["icl"])["k"]
        if fits and all(em.get("icl") is not None for em in fits)
        else None,
        paired=difference(mixture.loo.elpd_i, continuum.loo.elpd_i) if mixture and continuum else None,
        mixture=mixture,
        continuum=continuum,
        normals=normals,
        inside=_segments(comparison, normals) if normals else None,
        segments=_segments(comparison, mixture) if mixture else None,
        population=population(continuum.fit) if continuum else None,
        effects=[(score.name, effects(score.fit)) for score in comparison.scores if score.fit.between is not None],
        joining=joining(mixture.fit) if mixture else None,
        spread=_spread(comparison, mixture, continuum, normals),
        convergence={score.name: convergence(score.fit) for score in comparison.scores},
        pictures=gallery(comparison, mixture, continuum, normals) | further.pop("pictures"),
        approximations=approximations(comparison),
        weeks=weeks,
        **further,
        software=software(*PACKAGES),
    )


def _times(verdict: Verdict, comparison: Comparison) -> str | None:
    """How many times the density one store left out gets from the better side, as a geometric mean over stores."""
    if verdict.difference is None:
        return None
    by_store = verdict.difference.elpd_diff / len(comparison.best.fit.stores)
    if by_store < 3.0:
        return rounding.fixed(math.exp(by_store), 2)
    return "10" + f"{by_store / math.log(10.0):.0f}".translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def table(comparison: Comparison) -> list[Row]:
    """Every model once: posteriors from the best down, each beside its EM twin, then what only EM has fitted."""
    fits = comparison.results["fits"]
    weights = zip(
        shares([score.weight for score in comparison.scores]), shares(comparison.pseudo_bma.tolist()), strict=True
    )
    rows, taken = [], []
    for score, of_score in zip(comparison.scores, weights, strict=True):
        em = em_twin(score.fit, comparison.results)
        rows.append(Row(score.name, em, score, of_score))
        taken.append(em)
    alone = [em for em in fits if not any(em is other for other in taken)]
    return rows + [Row(_name(em), em, None, None) for em in alone]


def _name(em: dict[str, Any]) -> str:
    model = model_of(em)
    name = model if model == "hierarchical" else f"{model} K={em['k']}"
    return f"{name} on {', '.join(em['traits'])}" if em.get("traits") else name


def _least(results: dict[str, Any], name: str) -> float | None:
    """The lowest value of a criterion over all models; None where some have none."""
    values = [em.get(name) for em in results["fits"]]
    return None if not values or any(value is None for value in values) else min(values)


def _segments(comparison: Comparison, mixture: Score) -> dict[str, Any]:
    em = em_twin(mixture.fit, comparison.results)
    rows = segments(mixture.fit, em)
    return {"rows": rows, "em": em, "gap": gap(rows), "sigma_rule": mixture.fit.sigma_rule}


def _spread(comparison: Comparison, *scores: Score | None) -> dict[str, Any] | None:
    """How far the stores' price elasticities spread before and after pooling."""
    moved = comparison.shrinkage
    fit = comparison.best.fit
    axis = axis_of(fit.coefficients, fit.statistics)
    if axis is None:
        return None
    shown = [score.name for score in scores if score]
    known = np.isfinite(moved.own_se[:, axis.price])
    low, high = frame(moved, axis)
    own = place(moved.own, axis)[known]
    pooled = {name: share[:, axis.price] for name, share in moved.pooling.items()}
    return {
        "own": float(own[:, 1].std()) if known.any() else float("nan"),
        "outside": int((~((own >= low) & (own <= high)).all(1)).sum()),
        "unknown": int((~known).sum()),
        "after": {name: float(moved.after[name][:, axis.price].std()) for name in shown},
        "pooling": {name: float(share.mean()) for name, share in pooled.items()},
        "range": {name: (float(share.min()), float(share.max())) for name, share in pooled.items()},
    }
