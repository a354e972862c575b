"""Is one segment more than chance would give? The parametric bootstrap of the likelihood ratio (McLachlan 1987).

The likelihood ratio of K against K + 1 segments has no chi-squared limit, so its distribution is drawn: panels from the
fit with K, both numbers of segments fitted to each. A panel is drawn as its statistics, which for log sales means that
no week is ever made: a store's least squares is normal about its segment's coefficients and its residual sum is
chi-squared.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from em.drawn_segments import drawn_segments
from em.errors import InputError
from em.fit import MixtureFit
from em.mixture import MixtureParameters, log_weights
from em.optimum import best_optimum
from em.regressions import Stores, drawn
from em.starts import widened
from em.statistics import Floats

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
    rng: np.random.Generator, params: MixtureParameters, stats: Stores, traits: Floats | None = None
) -> Stores:
    """Statistics of a panel with the same designs, exposures and trials, drawn from a mixture."""
    log_weight = np.broadcast_to(log_weights(params, traits), (stats.n_stores, params.n_segments))
    segment = drawn_segments(np.exp(log_weight), rng.random(stats.n_stores))
    segment = np.minimum(segment, params.n_segments - 1)
    return drawn(rng, stats, params.theta[segment], params.sigma[segment])


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
    values = np.asarray(replicates, dtype=float)
    p_value = (1.0 + float((values >= statistic).sum())) / (values.size + 1.0)
    return LikelihoodRatioTest(
        smaller.k, statistic, p_value, float(np.sqrt(p_value * (1.0 - p_value) / (values.size + 1.0))), values
    )


def draw_replicates(
    smaller: MixtureFit, stats: Stores, number: int, *, seed: int = 0, jobs: int = -1
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


def _replicate(smaller: MixtureFit, stats: Stores, seed: np.random.SeedSequence) -> float:
    rng = np.random.default_rng(seed)
    model = smaller.model
    panel = draw_statistics(rng, smaller.parameters, stats, model.traits)
    with threadpool_limits(1, user_api="blas"):
        null = best_optimum(rng, panel, smaller.k, model, STARTS, [smaller.parameters]).best
        one_more = best_optimum(
            rng, panel, smaller.k + 1, model, STARTS, [widened(null.parameters, smaller.k + 1)]
        ).best
    return max(2.0 * (one_more.log_likelihood - null.log_likelihood), 0.0)
