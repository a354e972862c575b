"""What each draw says of a further week of a known store, as one possible linear predictor and sigma for each draw.

A segment is drawn by the store's membership, then its predictor as normal with the mean and variance that its weeks
leave (`bayesmix.known_stores`): exact for log sales, for other families with the moments of the quadrature.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from bayesmix.evenly_spread import evenly_spread
from bayesmix.known_stores import given_data
from bayesmix.posterior import ParameterDraws
from bayesmix.stores import Stores
from bayesmix.week_density import Weeks
from em.drawn_segments import drawn_segments
from em.statistics import Floats


class SampledWeeks(NamedTuple):
    """Linear predictor, offset included, and sigma; (draw, row)."""

    eta: Floats
    sigma: Floats


def sampled_weeks(
    stores: Stores,
    draws: ParameterDraws,
    weeks: Weeks,
    rng: np.random.Generator,
    traits: Floats | None = None,
    times: int = 1,
) -> SampledWeeks:
    """Sample each week for every draw; its random numbers are spread evenly.

    Parameters
    ----------
    stores : of the weeks already seen, without those to predict.
    traits : (store, trait) see `posterior.store_means`.
    times : samples of each draw.
    """
    known = given_data(stores, draws, traits)
    n, rows = len(draws.weight) * times, weeks.y.size
    draw = np.repeat(np.arange(len(draws.weight)), times)[:, None]
    segment = drawn_segments(known.membership[:, weeks.store][draw[:, 0]], evenly_spread(rng, n, rows))
    store = weeks.store if known.mean.shape[1] > 1 else np.zeros_like(weeks.store)
    mean = np.einsum("drp,rp->dr", known.mean[draw, store, segment], weeks.x)
    store, segments = (np.minimum(weeks.store, known.variance.shape[1] - 1), known.variance.shape[2])
    variance = known.variance[draw, store, np.minimum(segment, segments - 1)]
    spread = np.maximum(np.einsum("drpq,rp,rq->dr", variance, weeks.x, weeks.x), 0.0)
    eta = mean + np.sqrt(spread) * ndtri(evenly_spread(rng, n, rows))
    return SampledWeeks(eta if weeks.offset is None else eta + weeks.offset, draws.sigma[draw, segment])
