"""Writes the comparison as one self-contained page: the verdict, the table, the pictures, how to read them."""

import math
from functools import partial
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from bayesmix import rounding
from bayesmix.axis import axis_of, place, price_column
from bayesmix.fitted import Fit
from bayesmix.pages import environment
from bayesmix.ratios import step
from bayesmix.rounding import shares
from bayesmix.segments_of_stores import joining
from bayesmix.store_loo import standard_error, total
from comparisons.agreement import (
    Estimate,
    effects,
    em_twin,
    estimate_of,
    family_of_entry,
    gap,
    mixtures_of,
    model_of,
    population,
    segments,
)
from comparisons.approximations import approximations
from comparisons.backing import advice
from comparisons.comparison import Comparison, Score
from comparisons.convergence import convergence
from comparisons.differences import difference
from comparisons.gallery import gallery, levels
from comparisons.number import best_by_bic, chosen_mixture, chosen_normals
from comparisons.pictures import frame
from comparisons.record import PACKAGES
from comparisons.sections import sections
from comparisons.verdict import Verdict
from comparisons.week_section import WeekSection
from comparisons.words_of_families import coefficient_name, linear_predictor, ratio_name, scatter_name
from em.response import LOG_SALES
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
    of_one = comparison.of_best_family
    mixture = chosen_mixture(of_one)
    continuum, normals = of_one.best_of("hierarchical"), chosen_normals(of_one)
    fits = mixtures_of(of_one.results)
    fit = comparison.best.fit
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
        lowest=best_by_bic(of_one.results),
        criteria_names=CRITERIA,
        advice=advice(),
        logged=fit.family == LOG_SALES,
        label=partial(coefficient_name, fit),
        scatter=scatter_name(fit),
        linear_predictor=linear_predictor(fit),
        ratio_name=ratio_name(fit),
        ratios=ratios(mixture, continuum),
        average_of=None if comparison.averaged is None else _averaged_number(comparison.averaged, fit),
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


def _averaged_number(averaged: xr.Dataset, fit: Fit) -> str:
    """What of a store the models are averaged on."""
    name = averaged.attrs["coefficient"]
    return "elasticity" if name in fit.coefficients and price_column(fit.coefficients) is not None else name


def ratios(*scores: Score | None) -> list[tuple[str, str, list[Estimate]]]:
    """Ratios that changes of columns go with: fit, segment (empty of a continuum), estimates; none of log sales."""
    found = []
    for score in (one for one in scores if one is not None and ratio_name(one.fit) is not None):
        fit, center = score.fit, "theta" if "theta" in score.fit.posterior else "mu"
        for s in range(fit.k):
            values = fit.posterior[center]
            at = values.isel(segment=s) if "segment" in values.dims else values
            each = []
            for c, name in enumerate(fit.coefficients):
                if name != "intercept":
                    (change, by), slope = step(name), at.isel(coefficient=c)
                    ratio: xr.DataArray = slope.copy(data=np.exp(by * slope.to_numpy()))
                    each.append(estimate_of(change, ratio))
            if each:
                found.append((score.name, str(s + 1) if fit.model == "mixture" else "", each))
    return found


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
    return rows + [Row(_name(em, len(comparison.families) > 1), em, None, None) for em in alone]


def _name(em: dict[str, Any], several: bool) -> str:
    """What a table calls an entry without a posterior; `several` families have log-normal models among them."""
    model, family = model_of(em), family_of_entry(em)
    name = model if model == "hierarchical" else f"{model} K={em['k']}"
    if several and family == LOG_SALES:
        name = f"log-normal {name}"
    if family != LOG_SALES:
        nodes = em.get("quadrature")
        name = f"{family} {name}" + ("" if nodes is None else ", Laplace" if nodes == 1 else f", {nodes} nodes")
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
    if moved.level is not None:
        return _spread_of_levels(comparison, *scores)
    axis = axis_of(fit.coefficients, fit.gaussian)
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


def _spread_of_levels(comparison: Comparison, *scores: Score | None) -> dict[str, Any]:
    """The same of a family's linear predictor in a typical row; pooling is that of the intercept."""
    moved, shown = comparison.shrinkage, [score for score in scores if score]
    one = moved.coefficients.index("intercept") if "intercept" in moved.coefficients else 0
    found = {score.name: levels(moved, score) for score in shown}
    known = np.isfinite(moved.level_se if moved.level_se is not None else moved.n)
    pooled = {score.name: moved.pooling[score.name][:, one] for score in shown if score.name in moved.pooling}
    own = next((own[known] for own, _, _ in found.values()), np.zeros(0))
    return {
        "own": float(own.std()) if own.size else float("nan"),
        "outside": 0,
        "unknown": int((~known).sum()),
        "after": {name: float(after.std()) for name, (_, after, _) in found.items()},
        "pooling": {name: float(share.mean()) for name, share in pooled.items()},
        "range": {name: (float(share.min()), float(share.max())) for name, share in pooled.items()},
    }
