"""How well a predicted distribution of a count, a choice or an amount met what came: scores from samples of it.

The log score is exact for the draws (`bayesmix.week_density`), a probability where responses are whole numbers and a
density where they are not. The rest is worked out from one sample of each draw: the CRPS
E|X - y| - E|X - X'| / 2, by all pairs of samples (fair: an average over samples is that of infinitely many; Ferro 2014,
QJRMS 140), and the median. Where a sample has a linear predictor the distribution function is that of its family, so

    low = P(X < y), high = P(X <= y)

are averages over draws. Of a whole number only the range from low to high is known of where it lies (Czado, Gneiting &
Held 2009, Biometrics 65): the PIT is its middle, and it counts as inside the 89 % interval by the share of the range
that lies between 0.055 and 0.945, so that a right model is inside 89 % of the time whatever the counts are.
"""

import numpy as np

from bayesmix.posterior import ParameterDraws
from bayesmix.sampled_weeks import SampledWeeks, sampled_weeks
from bayesmix.stores import CountedStores
from bayesmix.week_density import Weeks, log_density_further
from comparisons.one_scale import density_of_sales
from comparisons.week_scores import Scores, inside
from em.statistics import Floats, GaussianStatistics

SAMPLES = 1000  # of each week where there are fewer draws


def scores_of_family(
    stores: CountedStores, draws: ParameterDraws, weeks: Weeks, rng: np.random.Generator, traits: Floats | None = None
) -> tuple[Scores, Floats]:
    """Scores of further weeks of stores, and each draw's part (draw,) in the sum of the CRPS over weeks.

    Of a single draw, which knows no error but that of its samples, the parts are theirs.
    """
    density = log_density_further(stores, draws, weeks, traits)
    top = density.max(0)
    log_score = top + np.log(np.exp(density - top).mean(0))
    family, sampled = stores.counts.family, _sampled(stores, draws, weeks, rng, traits)
    trials, log_sigma = np.broadcast_to(np.asarray(weeks.trials), sampled.eta.shape), np.log(sampled.sigma)
    seen = family.draw(rng, sampled.eta, trials, log_sigma)
    crps, by_draw, median = crps_of_samples(seen, weeks.y)
    high = family.cumulative(weeks.y, sampled.eta, trials, log_sigma).mean(0)
    low = family.cumulative(weeks.y - 1.0, sampled.eta, trials, log_sigma).mean(0) if family.discrete else high
    return Scores(log_score, crps, weeks.y - median, 0.5 * (low + high), inside(low, high)), _of_draws(by_draw, draws)


def scores_of_sales(
    scores: Scores,
    stats: GaussianStatistics,
    draws: ParameterDraws,
    weeks: Weeks,
    rng: np.random.Generator,
    traits: Floats | None = None,
) -> tuple[Scores, Floats]:
    """Scores of log sales, as those of sales: density, CRPS and distance from the median in units."""
    of = sampled_weeks(stats, draws, weeks, rng, traits, max(1, SAMPLES // len(draws.weight)))
    seen = np.exp(of.eta + of.sigma * rng.standard_normal(of.eta.shape))
    crps, by_draw, median = crps_of_samples(seen, np.exp(weeks.y))
    log_score = density_of_sales(scores.log_score, weeks.y)
    return scores._replace(log_score=log_score, crps=crps, error=np.exp(weeks.y) - median), _of_draws(by_draw, draws)


def _of_draws(by_sample: Floats, draws: ParameterDraws) -> Floats:
    """Means over the samples of each draw, which are alike in it; of a single draw, the samples themselves."""
    n = len(draws.weight)
    return by_sample if n == 1 else by_sample.reshape(n, -1).mean(1)


def sampled_responses(
    stores: CountedStores, draws: ParameterDraws, weeks: Weeks, rng: np.random.Generator, traits: Floats | None = None
) -> Floats:
    """Responses that further weeks may show; (sample, row)."""
    eta, sigma = _sampled(stores, draws, weeks, rng, traits)
    return stores.counts.family.draw(rng, eta, np.broadcast_to(np.asarray(weeks.trials), eta.shape), np.log(sigma))


def _sampled(
    stores: CountedStores, draws: ParameterDraws, weeks: Weeks, rng: np.random.Generator, traits: Floats | None
) -> SampledWeeks:
    return sampled_weeks(stores, draws, weeks, rng, traits, max(1, SAMPLES // len(draws.weight)))


def crps_of_samples(seen: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """CRPS of each row, what each draw adds to their sum, and the medians.

    In rising order x_1 .. x_n, the sum over pairs of |x_i - x_j| is sum_i (2 i - n - 1) x_i, times two.

    Parameters
    ----------
    seen : (draw, row)
    y : (row,)
    """
    n = len(seen)
    order = np.argsort(seen, axis=0)
    rising = np.take_along_axis(seen, order, 0)
    rank = np.arange(1, n + 1)[:, None]
    off = rising - rising[n // 2]  # small numbers to sum
    upto = np.cumsum(off, axis=0)
    apart = ((2 * rank - n) * off + upto[-1] - 2.0 * upto) / (n - 1)  # mean distance of each to the others
    away = np.abs(rising - y)
    of_draw = np.empty_like(seen)
    np.put_along_axis(of_draw, order, away - apart, 0)
    return away.mean(0) - 0.5 * apart.mean(0), of_draw.sum(1), rising[(n - 1) // 2]
