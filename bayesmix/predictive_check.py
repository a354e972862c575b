"""Posterior predictive check by segment: whether its stores look like stores that the segment would make.

A store counts in each segment by its membership r_ik, so that the stores between two segments are not cut off:
averaged over stores, r_ik f(T_i) has the expectation of f under segment k times the segment's share. For each of a
number of draws every store is replicated in every segment, with its own weeks and prices, and the weighted mean and
standard deviation of the replicates stand beside those observed (Gelman, Meng & Stern 1996).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bayesmix.diagnose import INTERVAL
from bayesmix.posterior import ParameterDraws, thinned
from bayesmix.store_summaries import Summary, predictive
from em.statistics import Floats

DRAWS = 300  # of the posterior: enough for intervals that are read to two digits
POINTS = 81  # of a predicted density


class Against(NamedTuple):
    """One number observed, and what it is in replicates: mean and ends of the equal-tailed interval."""

    observed: float
    predicted: float
    low: float
    high: float

    @property
    def outside(self) -> bool:
        """Whether the observed number is beyond the interval."""
        return not self.low <= self.observed <= self.high


class SegmentCheck(NamedTuple):
    """One summary of the stores of one segment.

    Attributes
    ----------
    stores : sum of memberships.
    weight : (store,) memberships.
    mean, sd : of the summary over the stores; None for fewer than two stores.
    at, density : (point,) predicted density of a store of the segment.
    """

    stores: float
    weight: Floats
    mean: Against | None
    sd: Against | None
    at: Floats
    density: Floats


def check_segments(
    summary: Summary, draws: ParameterDraws, membership: Floats, seed: int = 0, traits: Floats | None = None
) -> list[SegmentCheck]:
    """A check of one summary in every segment.

    Parameters
    ----------
    membership : (one, segment) of the stores of the summary.
    traits : (store, trait) of all stores of the fit, see `posterior.store_means`.
    """
    rng = np.random.default_rng(seed)
    mean, sd = predictive(summary, thinned(draws, DRAWS), traits)
    replicate = mean + sd * rng.standard_normal(mean.shape)
    return [
        _check(summary, membership[:, k], mean[..., k], sd[..., k], replicate[..., k]) for k in range(mean.shape[2])
    ]


def _check(summary: Summary, weight: Floats, mean: Floats, sd: Floats, replicate: Floats) -> SegmentCheck:
    stores = float(weight.sum())
    at = _grid(summary.observed[weight > 0.5], mean, sd)
    if stores < 2.0:
        return SegmentCheck(stores, weight, None, None, at, _density(at, mean, sd, weight))
    observed, replicated = moments(summary.observed[None], weight), moments(replicate, weight)
    both = [against(float(one[0]), many) for one, many in zip(observed, replicated, strict=True)]
    return SegmentCheck(stores, weight, both[0], both[1], at, _density(at, mean, sd, weight))


def moments(values: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Weighted mean and sd over stores of (draw, store); both (draw,)."""
    share = weight / weight.sum()
    mean = values @ share
    return mean, np.sqrt(np.square(values - mean[:, None]) @ share)


def against(observed: float, replicated: Floats) -> Against:
    """One number beside what it is in replicates; (replicate,)."""
    low, high = np.quantile(replicated, [0.5 - 0.5 * INTERVAL, 0.5 + 0.5 * INTERVAL])
    return Against(observed, float(replicated.mean()), float(low), float(high))


def extent(checks: Sequence[SegmentCheck]) -> tuple[float, float]:
    """Ends of a picture of all segments."""
    return min(float(check.at[0]) for check in checks), max(float(check.at[-1]) for check in checks)


def _grid(observed: Floats, mean: Floats, sd: Floats) -> Floats:
    """Values that hold nearly all that is predicted, and what is observed unless it is far from that."""
    low, high = np.quantile(mean - 3.0 * sd, 0.2), np.quantile(mean + 3.0 * sd, 0.8)
    near = observed[np.abs(observed - 0.5 * (low + high)) < 0.8 * (high - low)]
    return np.linspace(min(low, near.min(initial=low)), max(high, near.max(initial=high)), POINTS)


def _density(at: Floats, mean: Floats, sd: Floats, weight: Floats, stores: int = 60, draws: int = 60) -> Floats:
    """Density of the mixture of normals over some of the draws and an even selection of the stores; (point,)."""
    order = np.argsort(-weight, kind="stable")[: max(1, int((weight > 0.01).sum()))]
    chosen = order[np.linspace(0, order.size - 1, min(stores, order.size)).astype(np.intp)]
    share = weight[chosen] + 1e-12
    mean, sd = (values[:: max(1, len(values) // draws), chosen] for values in (mean, sd))
    z = (at[:, None, None] - mean) / sd
    return (np.exp(-0.5 * z * z) / sd @ (share / share.sum())).mean(1) / np.sqrt(2.0 * np.pi)
