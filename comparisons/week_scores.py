"""How well a predicted distribution of log sales met the sales that came: log score and CRPS, week by week.

The log score is log p(y); higher is better. The CRPS, E|X - y| - E|X - X'| / 2 in units of log sales, is the distance
between distribution and outcome; lower is better, and of a point it is the absolute error (Gneiting & Raftery 2007,
JASA 102). A posterior predicts with the average of its draws, each a mixture of normals, and both expectations are
closed forms of normals. Of sales in units the CRPS would be infinite for a Student t of log sales. The PIT, the
probability below what came, is even between 0 and 1 for a right model, which is inside the interval from 0.055 to 0.945
of it 89 % of the time. Other families are in `comparisons.response_scores`.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import betaln, ndtr, stdtr
from scipy.stats import t as student

from bayesmix.week_density import NormalMixtures, log_density
from em.likelihood import LOG_2PI
from em.statistics import Floats, Ints

LOWEST, HIGHEST = 0.055, 0.945  # probabilities below the ends of an 89 % interval


class Scores(NamedTuple):
    """Of each week, (row,).

    Attributes
    ----------
    log_score : log predictive density of log sales, or probability of a count.
    crps : continuous ranked probability score, in the unit of the response.
    error : log sales less the mean predicted; response of another family less the median.
    pit : predicted probability below what came, with half of that of what came.
    inside : whether it lies in the equal-tailed 89 % interval; of a count on the edge, to what share.
    """

    log_score: Floats
    crps: Floats
    error: Floats
    pit: Floats
    inside: Floats


def inside(low: Floats, high: Floats) -> Floats:
    """Which share of a range of probabilities is in the 89 % interval; of a single one whether it is."""
    width = high - low
    within = np.minimum(high, HIGHEST) - np.maximum(low, LOWEST)
    share = np.divide(np.maximum(within, 0.0), width, out=np.zeros_like(width), where=width > 0.0)
    return np.where(width > 0.0, share, (low >= LOWEST) & (low <= HIGHEST))


class Mean(NamedTuple):
    """A mean over weeks and its standard error over stores."""

    value: float
    se: float


def mean_over_stores(value: Floats, store: Ints) -> Mean:
    """Mean over weeks, its standard error with stores as the unit: weeks of a store go together.

    With m the mean, S_i the sum over the n_i weeks of store i, and n weeks of N stores in all, the variance is
    N / (N - 1) sum_i (S_i - m n_i)^2 / n^2.
    """
    _, index = np.unique(store, return_inverse=True)
    n_i = np.bincount(index)
    mean = float(value.mean())
    off = np.bincount(index, weights=value) - mean * n_i
    n = n_i.size
    se = np.sqrt(n / (n - 1) * np.square(off).sum()) / value.size if n > 1 else np.nan
    return Mean(mean, float(se))


def root_mean_square(error: Floats, store: Ints) -> Mean:
    """Root of the mean squared error, its standard error by the delta method."""
    mean, se = mean_over_stores(np.square(error), store)
    root = float(np.sqrt(mean))
    return Mean(root, se / (2.0 * root) if root > 0.0 else float("nan"))


def scores_of_draws(of: NormalMixtures, y: Floats) -> tuple[Scores, Floats]:
    """Scores of the average over draws of mixtures of normals.

    The first expectation of the CRPS is exact over the draws. The second, over pairs of independent draws, is the mean
    over as many pairs as there are draws, each with one a third of all draws away; no noise but that of the draws.

    Returns
    -------
    The scores, and each draw's part (draw,) in the sum of the CRPS over weeks, which tells its simulation error.
    """
    density = log_density(of, y)
    top = density.max(0)
    log_score = top + np.log(np.exp(density - top).mean(0))
    other = NormalMixtures(*(np.roll(values, len(values) // 3, axis=0) for values in of))
    k = of.weight.shape[-1]
    apart = np.zeros_like(density)
    away = np.zeros_like(density)
    for a in range(k):
        away += of.weight[..., a] * _mean_distance(of.mean[..., a] - y, of.sd[..., a])
        for b in range(k):
            both = np.hypot(of.sd[..., a], other.sd[..., b])
            distance = _mean_distance(of.mean[..., a] - other.mean[..., b], both)
            apart += of.weight[..., a] * other.weight[..., b] * distance
    crps = away - 0.5 * apart
    center = np.einsum("drk,drk->r", of.weight, of.mean) / len(density)
    pit = np.einsum("drk,drk->r", of.weight, ndtr((y[:, None] - of.mean) / of.sd)) / len(density)
    return Scores(log_score, crps.mean(0), y - center, pit, inside(pit, pit)), crps.sum(1)


def _mean_distance(mean: Floats, sd: Floats) -> Floats:
    """E|X| of X ~ N(mean, sd^2)."""
    z = mean / sd
    return 2.0 * sd * np.exp(-0.5 * np.square(z) - 0.5 * LOG_2PI) + mean * (2.0 * ndtr(z) - 1.0)


def scores_of_student(location: Floats, scale: Floats, degrees: Floats, y: Floats) -> Scores:
    """Scores of Student's t with more than one degree of freedom; all (row,).

    CRPS by Jordan, Krueger & Lerch 2019, Journal of Statistical Software 90(12), appendix A.
    """
    z = (y - location) / scale
    density = student.pdf(z, degrees)
    constant = 2.0 * np.sqrt(degrees) / (degrees - 1.0)
    constant *= np.exp(betaln(0.5, degrees - 0.5) - 2.0 * betaln(0.5, 0.5 * degrees))
    crps = z * (2.0 * stdtr(degrees, z) - 1.0) + 2.0 * density * (degrees + z * z) / (degrees - 1.0) - constant
    pit = stdtr(degrees, z)
    return Scores(student.logpdf(z, degrees) - np.log(scale), scale * crps, y - location, pit, inside(pit, pit))
