"""Is one segment more than chance would give? The parametric bootstrap of the likelihood ratio (McLachlan 1987).

The likelihood ratio of K against K + 1 segments has no chi-squared limit, so its distribution is drawn: panels from the
fit with K, both numbers of segments fitted to each. A panel is drawn as its statistics: a store's least squares is
normal about its segment's coefficients and its residual sum is chi-squared, so that no week is ever made.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from em.errors import InputError
from em.fit import MixtureFit
from em.mixture import MixtureParameters, log_weights
from em.optimum import best_optimum
from em.starts import widened
from em.statistics import Floats, GaussianStatistics, spectrum

STARTS = 10  # of each fit to a drawn panel, besides the parameters it was drawn from


class LikelihoodRatioTest(NamedTuple):
    """K against K + 1 segments.

    Attributes
    ----------
    k : the smaller number of segments.
    statistic : twice the gain in log-likelihood.
    p_value : share of drawn panels, the observed one included, whose statistic is at least as large.
    p_value_se : its standard error from the finite number of panels.
    replicates : (panel,) statistics of the drawn panels.
    """

    k: int
    statistic: float
    p_value: float
    p_value_se: float
    replicates: Floats


def draw_statistics(
    rng: np.random.Generator, params: MixtureParameters, stats: GaussianStatistics, traits: Floats | None = None
) -> GaussianStatistics:
    """Statistics of a panel with the same designs, drawn from a mixture.

    Where X_i has not full rank only its row space is drawn; the rest of b_i is what it was, and carries no weight.
    """
    log_weight = np.broadcast_to(log_weights(params, traits), (stats.n_stores, params.n_segments))
    segment = (np.cumsum(np.exp(log_weight), axis=1) < rng.random((stats.n_stores, 1))).sum(1)
    segment = np.minimum(segment, params.n_segments - 1)
    values, vectors, unit, seen = spectrum(stats.xtx)
    root = np.where(seen, 1.0 / np.sqrt(np.where(seen, values, 1.0)), 0.0)
    noise = np.einsum("sab,sb->sa", vectors, root * rng.standard_normal(root.shape)) / unit
    sigma = params.sigma[segment]
    noise *= sigma[:, None]
    left = stats.n - seen.sum(1)
    rss = np.square(sigma) * np.where(left > 0, rng.chisquare(np.maximum(left, 1.0)), 0.0)
    return stats._replace(b=params.theta[segment] + noise, rss=rss)


def likelihood_ratio_test(smaller: MixtureFit, larger: MixtureFit, replicates: Sequence[float]) -> LikelihoodRatioTest:
    """The test from statistics of drawn panels, as `draw_replicates` yields them.

    Raises
    ------
    InputError
        When the two fits do not differ by one segment.
    """
    if larger.k != smaller.k + 1:
        raise InputError(f"the likelihood-ratio test takes K and K + 1 segments; got {smaller.k} and {larger.k}")
    statistic = 2.0 * (larger.log_likelihood - smaller.log_likelihood)
    drawn = np.asarray(replicates, dtype=float)
    p_value = (1.0 + float((drawn >= statistic).sum())) / (drawn.size + 1.0)
    return LikelihoodRatioTest(
        smaller.k, statistic, p_value, float(np.sqrt(p_value * (1.0 - p_value) / (drawn.size + 1.0))), drawn
    )


def draw_replicates(
    smaller: MixtureFit, stats: GaussianStatistics, number: int, *, seed: int = 0, jobs: int = -1
) -> Iterator[float]:
    """Likelihood-ratio statistics of panels drawn from the smaller fit, one after the other, on all cores.

    Parameters
    ----------
    number : of panels.
    seed : of everything drawn; the values do not depend on the number of jobs.
    """
    from joblib import Parallel, delayed

    seeds = np.random.SeedSequence(seed).spawn(number)
    tasks = (delayed(_replicate)(smaller, stats, child) for child in seeds)
    yield from Parallel(n_jobs=jobs, return_as="generator")(tasks)  # pyright: ignore[reportReturnType]


def _replicate(smaller: MixtureFit, stats: GaussianStatistics, seed: np.random.SeedSequence) -> float:
    rng = np.random.default_rng(seed)
    model = smaller.model
    drawn = draw_statistics(rng, smaller.parameters, stats, model.traits)
    with threadpool_limits(1, user_api="blas"):
        null = best_optimum(rng, drawn, smaller.k, model, STARTS, [smaller.parameters]).best
        one_more = best_optimum(
            rng, drawn, smaller.k + 1, model, STARTS, [widened(null.parameters, smaller.k + 1)]
        ).best
    return max(2.0 * (one_more.log_likelihood - null.log_likelihood), 0.0)
