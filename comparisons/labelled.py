"""A comparison under names: as an xarray Dataset, and as a table in plain text."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from bayesmix.rounding import by_error, fixed, shares
from bayesmix.store_loo import standard_error, total
from comparisons.agreement import em_twin
from comparisons.differences import difference

if TYPE_CHECKING:
    from comparisons.comparison import Comparison

CLASSICAL = ("log_likelihood", "n_parameters", "aic", "bic", "bic_stores", "bic_hybrid", "icl")


def dataset(comparison: "Comparison") -> xr.Dataset:
    """Every number of a comparison.

    Dimensions: model, from the best elpd down; store; and model_2, for differences in pairs (model minus model_2).
    What maximum likelihood has not fitted is NaN. elpd and all in its unit are log-densities of the response.
    """
    scores = comparison.scores
    names = [score.name for score in scores]
    twins = [em_twin(score.fit, comparison.results) or {} for score in scores]
    pairs = [[difference(a.loo.elpd_i, b.loo.elpd_i) for b in scores] for a in scores]
    by_model = {
        "elpd_loo": [score.elpd for score in scores],
        "elpd_loo_se": [score.se for score in scores],
        "p_loo": [total(score.loo.p_i) for score in scores],
        "elpd_waic": [total(score.waic.elpd_i) for score in scores],
        "elpd_waic_se": [standard_error(score.waic.elpd_i) for score in scores],
        "p_waic": [total(score.waic.p_i) for score in scores],
        "elpd_diff": [score.difference.elpd_diff for score in scores],
        "elpd_diff_se": [score.difference.dse for score in scores],
        "weight_stacking": [score.weight for score in scores],
        "weight_pseudo_bma": comparison.pseudo_bma,
        "high_pareto_k": [score.loo.n_doubtful for score in scores],
        "high_waic_variance": [score.waic.n_doubtful for score in scores],
        "trusted": [score.fit.trusted for score in scores],
        "flags": np.array(["; ".join(score.flags) for score in scores], dtype=object),
        **{name: [twin.get(name, np.nan) for twin in twins] for name in CLASSICAL},
    }
    by_store = {
        "elpd_loo_of_store": [score.loo.elpd_i for score in scores],
        "p_loo_of_store": [score.loo.p_i for score in scores],
        "pareto_k": [score.loo.khat_i for score in scores],
        "elpd_waic_of_store": [score.waic.elpd_i for score in scores],
        "p_waic_of_store": [score.waic.p_i for score in scores],
    }
    return xr.Dataset(
        {
            **{name: ("model", np.asarray(values)) for name, values in by_model.items()},
            **{name: (("model", "store"), np.stack(values)) for name, values in by_store.items()},
            "difference": (("model", "model_2"), [[pair.elpd_diff for pair in row] for row in pairs]),
            "difference_se": (("model", "model_2"), [[pair.dse for pair in row] for row in pairs]),
        },
        {"model": names, "model_2": names, "store": list(comparison.best.fit.stores)},
        {"unit": comparison.best.fit.unit, "log_density_of": comparison.log_density_of},
    )


def describe(comparison: "Comparison") -> str:
    """The table in plain text, best model first."""
    heads = ("model", "elpd LOO", "se", "p", "difference", "se of it", "stacking", "log-lik.", "par.", "BIC")
    rows: list[tuple[str, ...]] = [heads]
    for score, weight in zip(comparison.scores, shares([s.weight for s in comparison.scores]), strict=True):
        em, (diff, dse) = em_twin(score.fit, comparison.results) or {}, score.difference
        best = score is comparison.best
        rows.append(
            (
                score.name,
                by_error(score.elpd, score.se),
                by_error(score.se, score.se),
                fixed(total(score.loo.p_i), 1),
                "0" if best else by_error(diff, dse),
                "" if best else by_error(dse, dse),
                weight,
                fixed(em.get("log_likelihood"), 1),
                str(em.get("n_parameters", "")),
                fixed(em.get("bic"), 1),
            )
        )
    width = [max(len(row[c]) for row in rows) for c in range(len(heads))]
    lines = [
        "  ".join(
            cell.ljust(w) if c == 0 else cell.rjust(w) for c, (cell, w) in enumerate(zip(row, width, strict=True))
        )
        for row in rows
    ]
    n = len(comparison.best.fit.stores)
    title = f"A new store, each of {n} left out in turn; log-density of {comparison.log_density_of}"
    flags = [f"{score.name}: {flag}" for score in comparison.scores for flag in score.flags]
    return "\n".join([title, *lines, *flags, *(f"note: {note}" for note in comparison.notes)])
