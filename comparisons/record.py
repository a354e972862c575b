"""The contents of comparison.json."""

from typing import Any

import numpy as np
import xarray as xr

from bayesmix.store_loo import standard_error, total
from bayesmix.stores import family_of
from comparisons.approximations import Approximation, of_score
from comparisons.comparison import Comparison, Score
from comparisons.convergence import convergence
from comparisons.disagreement import Charged, Disagreement
from comparisons.em_beside_posterior import Beside
from comparisons.number import best_by_bic
from comparisons.verdict import Verdict
from comparisons.week_section import WeekSection
from em.results import software

SCHEMA = "bayesmix-comparison/1"
PACKAGES = ("arviz", "arviz-stats", "numpy", "scipy", "xarray", "matplotlib")


def record(comparison: Comparison, verdict: Verdict, prices: str, weeks: WeekSection | None = None) -> dict[str, Any]:
    """All numbers of the page at full precision, and the pointwise values they are sums of.

    elpd_diff is the model's elpd minus the best one's, so zero or negative; `weight` is the stacking weight.
    """
    moved = comparison.shrinkage
    apart, averaged = comparison.apart, comparison.averaged
    return _plain(
        {
            "schema": SCHEMA,
            "software": software(*PACKAGES),
            "data": comparison.results["data"],
            "question": f"a new store: leave {'folds of stores' if comparison.folds else 'one store'} out",
            "log_density_of": comparison.log_density_of,
            **({} if comparison.scale is None else {"one_scale": _scale(comparison)}),
            "verdict": verdict.sentence,
            "verdict_detail": {**verdict._asdict(), "prices": prices},
            "trusted": not comparison.distrust,
            "warnings": [*comparison.distrust, *comparison.notes],
            "models": [
                {**_model(score, comparison), "weight_pseudo_bma": weight}
                for score, weight in zip(comparison.scores, comparison.pseudo_bma, strict=True)
            ],
            "maximum_likelihood": comparison.results["fits"],
            "best_k": best_by_bic(comparison.of_best_family.results),
            "bic_against_loo": None if apart is None else _apart(apart),
            "em_against_posterior": [_beside(one) for one in comparison.beside],
            "model_average": None if averaged is None else _average(averaged),
            "another_week": None if weeks is None else _another_week(weeks),
            "shrinkage": {
                "coefficients": moved.coefficients,
                "same_information": moved.same_information,
                "pooling": {name: {"mean": share.mean(0), "by_store": share} for name, share in moved.pooling.items()},
                "stores": moved.stores,
                "weeks": moved.n,
                "own": moved.own,
                "own_se": moved.own_se,
                "after": moved.after,
            },
            "pointwise": {
                "stores": moved.stores,
                "models": {
                    score.name: {
                        "elpd_loo": score.loo.elpd_i,
                        "pareto_k": score.loo.khat_i,
                        "exact": _exact(score),
                        "elpd_waic": score.waic.elpd_i,
                        "p_waic": score.waic.p_i,
                    }
                    for score in comparison.scores
                },
            },
        }
    )


def _checked(row: Approximation) -> dict[str, Any]:
    """What was checked of a model; null where it was not."""
    exact = row.left_out > 0
    return {
        "elpd_psis": row.psis,
        "stores_left_out_exactly": row.left_out,
        "folds": row.folds if exact else None,
        "elpd_exact": row.exact if exact else None,
        "elpd_exact_by_psis": row.exact_psis if exact else None,
        "elpd_exact_error": row.error if exact else None,
        "unsettled": row.unsettled,
        "log_evidence": row.log_evidence,
        "log_evidence_se": row.evidence_se,
        "minus_half_bic": row.half_bic,
        "minus_half_bic_stores": row.half_bic_stores,
        "wbic": None if row.minus_wbic is None else -row.minus_wbic,
        "wbic_se": row.wbic_se,
    }


def _model(score: Score, comparison: Comparison) -> dict[str, Any]:
    fit = score.fit
    return {
        "name": score.name,
        "n_stores": len(fit.stores),
        "elpd_loo": score.elpd,
        **_checked(of_score(score, comparison)),
        "se": score.se,
        "p_loo": total(score.loo.p_i),
        "elpd_waic": total(score.waic.elpd_i),
        "se_waic": standard_error(score.waic.elpd_i),
        "p_waic": total(score.waic.p_i),
        "bad_khat": score.loo.n_doubtful,
        "max_khat": score.loo.khat_i.max(),
        "khat_limit": score.loo.khat_limit,
        "reff": score.loo.reff,
        "high_variance_waic": score.waic.n_doubtful,
        "elpd_diff": score.difference.elpd_diff,
        "dse": score.difference.dse,
        "weight": score.weight,
        "flags": score.flags,
        "model": fit.model,
        "k": fit.k,
        "sigma_rule": fit.sigma_rule,
        **_of_family(score),
        "trusted": fit.trusted,
        "warnings": fit.reasons,
        "convergence": convergence(fit)._asdict(),
        "file": fit.file,
        "sha256": fit.sha256,
    }


def _scale(comparison: Comparison) -> dict[str, Any]:
    """How log sales, counts and amounts came to one scale; null where the data file was not at hand."""
    scale = comparison.scale
    return {} if scale is None else {
        "log_density_of": scale.log_density_of,
        "sum_of_log_sales": scale.log_sales_i,
        "below_10": scale.small,
        "density_to_probability": scale.between,
    }  # fmt: skip


def _of_family(score: Score) -> dict[str, Any]:
    """What a model of another family than log sales has beside."""
    family, found = family_of(score.fit.statistics), score.finer
    if family is None:
        return {}
    finer = None
    if found is not None:
        finer = {"nodes": found.more, "elpd_change": found.change, "largest": float(np.abs(found.change_i).max())}
        finer |= {"elpd_error": found.error, "enough": found.enough}
    return {"family": family.name, "link": family.link, "quadrature": score.fit.quadrature, "more_nodes": finer}


def _apart(apart: Disagreement) -> dict[str, Any]:
    return {
        "agree": apart.agree,
        "bic_first": apart.by_bic.score.name,
        "loo_first": apart.by_loo.score.name,
        "models": [_charged(row) for row in apart.rows],
        "first": apart.first.name,
        "second": apart.second.name,
        "difference": apart.difference,
        "largest": apart.parts,
        "without_largest": apart.rest,
    }


def _charged(row: Charged) -> dict[str, Any]:
    return {"name": row.score.name} | {name: value for name, value in row._asdict().items() if name != "score"}


def _beside(one: Beside) -> dict[str, Any]:
    return {
        "name": one.score.name,
        "parameters": [{"segment": s or None, **e._asdict()} for s, e in one.rows],
        "memberships": one.memberships,
    }


def _another_week(weeks: WeekSection) -> dict[str, Any]:
    """Means per week with standard errors over stores, by model, best first."""
    return {
        "question": "another week of a known store",
        "predicted": weeks.words.what,
        "parted": weeks.parted,
        "models": weeks.rows,
        "warnings": [*weeks.distrust, *weeks.notes],
    }


def _average(averaged: xr.Dataset) -> dict[str, Any]:
    """By store, in the order of `stores`; `by_model` has the means of each model."""
    return {
        **averaged.attrs,
        "stores": averaged["store"].to_numpy(),
        **{name: averaged[name].to_numpy() for name in ("mean", "sd", "lower", "upper", "between")},
        "weight": dict(zip(averaged["model"].to_numpy(), averaged["weight"].to_numpy(), strict=True)),
        "by_model": {str(name): averaged["by_model"].sel(model=name).to_numpy() for name in averaged["model"].values},
    }


def _exact(score: Score) -> np.ndarray:
    """Which stores were left out exactly."""
    left = score.loo.left_out
    return np.isin(np.arange(score.loo.elpd_i.size), [] if left is None else left.stores)


def _plain(value: Any) -> Any:
    """The same as JSON has it: lists for arrays and tuples, null for what is not finite."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
