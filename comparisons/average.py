"""One number of every store under all models at once, each with its stacking weight: its elasticity, or its level.

A price elasticity is the same thing by log sales and by any family with a logarithmic link. Without a price it is the
linear predictor in the panel's mean row (log of the expected response, or log odds) of families with one link.
"""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.special import ndtri

from bayesmix.axis import price_column
from bayesmix.fitted import Fit
from bayesmix.known_stores import given_data
from bayesmix.label_free import quantiles_of_values
from bayesmix.posterior import ParameterDraws, thinned
from bayesmix.stores import family_of, mean_row, some
from comparisons.comparison import Comparison
from comparisons.words_of_families import linear_predictor
from em.statistics import Floats, Ints

LEAST = 1e-3  # stacking weight below which a model is left out
MOST_DRAWS = 500  # of a model, evenly through its chains
POINTS = 9  # that stand for a normal, at the middles of as many equal parts of its probability
CHUNK = 2_000_000  # weighted points held at once
OF_LOG_SALES = ("weeks", "own_least_squares", "own_standard_error", "elasticity")
OF_FAMILIES = ("rows", "own_maximum_likelihood", "own_standard_error", "average")


def average(comparison: Comparison, interval: float = 0.89) -> xr.Dataset | None:
    """Posterior of each store's number as the mixture of the models' posteriors by stacking weights.

    The mean and sd are those of the mixture, exact given the draws; the ends of the equal-tailed interval are weighted
    quantiles of points. None where the models have no such number in common.

    Returns
    -------
    mean, sd, lower, upper (store); between, the part of sd that is disagreement of models (store); by_model (model,
    store) means; weight (model).
    """
    fits, weight = comparison.fits, np.array([score.weight for score in comparison.scores])
    shown = shown_number(fits)
    if shown is None:
        return None
    taken = np.flatnonzero(weight >= LEAST)
    share = weight[taken] / weight[taken].sum()
    chosen = [(fits[m], thinned(fits[m].draws, MOST_DRAWS)) for m in taken]
    n_stores = fits[0].statistics.n_stores
    points = sum(draws.weight.size * (1 if draws.omega is None else POINTS) for _, draws in chosen)
    size = max(1, CHUNK // points)
    parts = [
        _averaged(np.arange(begin, min(begin + size, n_stores)), chosen, share, shown.along, interval)
        for begin in range(0, n_stores, size)
    ]
    summary, by_model = (np.concatenate(values, axis=1) for values in zip(*parts, strict=True))
    names = ("mean", "sd", "lower", "upper", "between")
    return xr.Dataset(
        {
            **{name: ("store", values) for name, values in zip(names, summary, strict=True)},
            "by_model": (("model", "store"), by_model),
            "weight": ("model", share),
        },
        {"store": list(fits[0].stores), "model": [fits[m].name for m in taken]},
        {"coefficient": shown.name, "interval": interval, "interval_kind": "equal-tailed"},
    )


class ShownNumber(NamedTuple):
    """The number of a store that models are averaged on: its name, and (coefficient,) of which sum of coefficients."""

    name: str
    along: Floats


def shown_number(fits: Sequence[Fit]) -> ShownNumber | None:
    """The number of a store that all fits have; None where there is none."""
    families = [family_of(fit.statistics) for fit in fits]
    links, first = {"log" if family is None else family.link for family in families}, fits[0]
    c = price_column(first.coefficients)
    if c is not None and links == {"log"}:
        return ShownNumber(first.coefficients[c], np.eye(len(first.coefficients))[c])
    if None in families or len(links) > 1 or "intercept" not in first.coefficients:
        return None
    row = mean_row(first.statistics, first.coefficients.index("intercept"))
    return ShownNumber(f"{linear_predictor(first)} in a typical row", row)


def _averaged(
    index: Ints,
    chosen: list[tuple[Fit, ParameterDraws]],
    share: Floats,
    along: Floats,
    interval: float,
) -> tuple[Floats, Floats]:
    """Summary (5, store) and means by model (model, store) of some stores."""
    n, normal = index.size, ndtri((np.arange(POINTS) + 0.5) / POINTS)
    values, weights, means, squares = [], [], [], []
    for (fit, draws), of_model in zip(chosen, share, strict=True):
        known = given_data(some(fit.statistics, index), draws, fit.traits_of(index))
        member = known.membership / len(known.membership)
        center = np.broadcast_to(known.mean @ along, member.shape)
        variance = np.broadcast_to(np.maximum(known.variance @ along @ along, 0.0), member.shape)
        mean = (member * center).sum((0, 2))
        means.append(mean)
        squares.append((member * (center**2 + variance)).sum((0, 2)))
        at = np.zeros(1) if draws.omega is None else normal
        point = center[..., None] + np.sqrt(variance)[..., None] * at
        values.append(np.moveaxis(point, 1, 0).reshape(n, -1))
        weight = np.broadcast_to((of_model * member / at.size)[..., None], point.shape)
        weights.append(np.moveaxis(weight, 1, 0).reshape(n, -1))
    by_model = np.stack(means)
    mean = share @ by_model
    between = np.sqrt(share @ (by_model - mean) ** 2)
    sd = np.sqrt(np.maximum(share @ np.stack(squares) - mean**2, 0.0))
    low, high = 0.5 - 0.5 * interval, 0.5 + 0.5 * interval
    ends = quantiles_of_values(np.concatenate(weights, 1), np.concatenate(values, 1), (low, high))
    return np.stack([mean, sd, *ends, between]), by_model


def as_csv(
    averaged: xr.Dataset, own: Floats, own_se: Floats, weeks: Floats, heads: tuple[str, str, str, str] = OF_LOG_SALES
) -> str:
    """A line for each store: its weeks, its own least squares, the average of models, and each model's mean.

    Parameters
    ----------
    own, own_se, weeks : (store,)
    heads : of the columns of weeks, own estimates, their standard errors, and the average.
    """
    table = averaged[["mean", "sd", "lower", "upper"]].to_dataframe()
    percent = f"{100 * averaged.attrs['interval']:.0f}"
    table.columns = [heads[3], "sd", f"lower_{percent}", f"upper_{percent}"]
    table.insert(0, heads[0], weeks.astype(int))
    table.insert(1, heads[1], own)
    table.insert(2, heads[2], own_se)
    for model, share in zip(averaged["model"].to_numpy(), averaged["weight"].to_numpy(), strict=True):
        table[f"{model} (weight {share:.3f})"] = averaged["by_model"].sel(model=model).to_numpy()
    out = io.StringIO()
    table.to_csv(out, float_format="%.6g", lineterminator="\n")
    return out.getvalue()
