"""The price elasticity of every store under all models at once, each with its stacking weight."""

import io

import numpy as np
import xarray as xr
from scipy.special import ndtri

from bayesmix.axis import price_column
from bayesmix.fitted import Fit
from bayesmix.known_stores import given_data
from bayesmix.label_free import quantiles_of_values
from bayesmix.posterior import ParameterDraws, thinned
from comparisons.comparison import Comparison
from em.statistics import Floats, GaussianStatistics, Ints, take

LEAST = 1e-3  # stacking weight below which a model is left out
MOST_DRAWS = 500  # of a model, evenly through its chains
POINTS = 9  # that stand for a normal, at the middles of as many equal parts of its probability
CHUNK = 2_000_000  # weighted points held at once


def average(comparison: Comparison, interval: float = 0.89) -> xr.Dataset | None:
    """Posterior of each store's elasticity as the mixture of the models' posteriors by stacking weights.

    The mean and sd are those of the mixture, exact given the draws; the ends of the equal-tailed interval are weighted
    quantiles of points. None where the models have no price.

    Returns
    -------
    mean, sd, lower, upper (store); between, the part of sd that is disagreement of models (store); by_model (model,
    store) means; weight (model).
    """
    fits, weight = comparison.fits, np.array([score.weight for score in comparison.scores])
    c = price_column(fits[0].coefficients)
    if c is None:
        return None
    taken = np.flatnonzero(weight >= LEAST)
    share = weight[taken] / weight[taken].sum()
    chosen = [(fits[m], thinned(fits[m].draws, MOST_DRAWS)) for m in taken]
    stats = fits[0].statistics
    points = sum(draws.weight.size * (1 if draws.omega is None else POINTS) for _, draws in chosen)
    size = max(1, CHUNK // points)
    parts = [
        _averaged(stats, np.arange(begin, min(begin + size, stats.n_stores)), chosen, share, c, interval)
        for begin in range(0, stats.n_stores, size)
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
        {"coefficient": fits[0].coefficients[c], "interval": interval, "interval_kind": "equal-tailed"},
    )


def _averaged(
    stats: GaussianStatistics,
    index: Ints,
    chosen: list[tuple[Fit, ParameterDraws]],
    share: Floats,
    c: int,
    interval: float,
) -> tuple[Floats, Floats]:
    """Summary (5, store) and means by model (model, store) of some stores."""
    stats, n, normal = take(stats, index), index.size, ndtri((np.arange(POINTS) + 0.5) / POINTS)
    values, weights, means, squares = [], [], [], []
    for (fit, draws), of_model in zip(chosen, share, strict=True):
        known = given_data(stats, draws, fit.traits_of(index))
        member = known.membership / len(known.membership)
        center = np.broadcast_to(known.mean[..., c], member.shape)
        variance = np.broadcast_to(np.maximum(known.variance[..., c, c], 0.0), member.shape)
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


def as_csv(averaged: xr.Dataset, own: Floats, own_se: Floats, weeks: Floats) -> str:
    """A line for each store: its weeks, its own least squares, the average of models, and each model's mean.

    Parameters
    ----------
    own, own_se, weeks : (store,)
    """
    table = averaged[["mean", "sd", "lower", "upper"]].to_dataframe()
    percent = f"{100 * averaged.attrs['interval']:.0f}"
    table.columns = ["elasticity", "sd", f"lower_{percent}", f"upper_{percent}"]
    table.insert(0, "weeks", weeks.astype(int))
    table.insert(1, "own_least_squares", own)
    table.insert(2, "own_standard_error", own_se)
    for model, share in zip(averaged["model"].to_numpy(), averaged["weight"].to_numpy(), strict=True):
        table[f"{model} (weight {share:.3f})"] = averaged["by_model"].sel(model=model).to_numpy()
    out = io.StringIO()
    table.to_csv(out, float_format="%.6g", lineterminator="\n")
    return out.getvalue()
