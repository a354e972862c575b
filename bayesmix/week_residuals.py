"""What is left of single weeks once each store has its own curve, and what of it is more than chance.

A residual is log sales less x_it' E[theta_i], the posterior mean of the store's coefficients. Standardised, it is
divided by sigma; then it should have mean 0 and standard deviation 1 (a little less in stores of few weeks, whose
curves follow them), whatever is predicted and in every week. The file of a fit holds no weeks, so this takes the panel.

Of another response a residual is the response less its mean, and standardised it is the normal quantile of the
probability that the fitted distribution has below it: of a whole number one drawn evenly from the range that it covers
(randomised quantile residuals; Dunn & Smyth 1996, Journal of Computational and Graphical Statistics 5).
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from bayesmix.fitted import Fit
from bayesmix.segments_of_stores import most_probable
from bayesmix.stores import family_of
from em.errors import InputError
from em.panel import Panel, log_sales
from em.response import Response
from em.statistics import Floats, Ints

LEVELS = (0.055, 0.25, 0.5, 0.75, 0.945)  # quantiles of residuals in a band
IN_A_BIN = 60  # residuals, of which quantiles that far out can be told
MOST_BINS = 30
FEWEST = 100  # residuals of a segment that are drawn
QUANTILES = 161  # of a QQ picture between its ends
ENDS = 20  # residuals at each end that are drawn one by one
SEED = 0  # of the place of a whole number in the range that it covers
SMALLEST = 1e-15  # probability beyond which no residual is told from another
LEAST = 1e-3  # of what is fitted, in a week of which nothing was seen
ALARM = 0.01  # probability that any week is called unusual when none is


class Residuals(NamedTuple):
    """Residuals of all weeks of all stores, (row,) each.

    Attributes
    ----------
    fitted : expected log sales, or the logarithm of the mean of another response.
    left : log sales less that, or the response less its mean.
    z : standardised.
    segment : index of the store's most probable segment; zeros where there are none.
    variance : of the response given its mean; None of log sales.
    """

    fitted: Floats
    left: Floats
    z: Floats
    segment: Ints
    variance: Floats | None = None


class Band(NamedTuple):
    """Quantiles of standardised residuals by what was fitted.

    Attributes
    ----------
    at : (bin,) median fitted log sales of as many rows each.
    quantiles : (level, bin) at `LEVELS`.
    """

    at: Floats
    quantiles: Floats


class Weeks(NamedTuple):
    """Average residual of all stores, week by week.

    Attributes
    ----------
    week : (week,) index of the weeks that have any.
    mean, error : (week,) log sales, or the logarithm of all stores' sum over that fitted, and the standard error if
        weeks of different stores are independent.
    limit : in standard errors; any week is beyond it by chance one time in a hundred.
    trend, trend_error : change of the average residual from one week to the next.
    """

    week: Ints
    mean: Floats
    error: Floats
    limit: float
    trend: float
    trend_error: float

    @property
    def unusual(self) -> Ints:
        """Index, into `week`, of those beyond the limit, the furthest first."""
        size = np.abs(self.mean / self.error)
        order = np.argsort(-size, kind="stable")
        return order[size[order] > self.limit]


def residuals(fit: Fit, panel: Panel) -> Residuals:
    """The residuals of a fit's own panel.

    Raises
    ------
    InputError
        When the panel holds the response of another family.
    """
    theta = np.asarray(fit.by_store["coefficients"].transpose("store", "coefficient"), dtype=float)
    segment = most_probable(fit) if fit.k > 1 and "membership" in fit.by_store else np.zeros(len(theta), dtype=np.intp)
    fitted, of_row = np.einsum("rp,rp->r", panel.x, theta[panel.store]), segment[panel.store]
    sigma, family = fit.draws.sigma.mean(0)[of_row], family_of(fit.statistics)
    if family is not None:
        if panel.response is None or panel.response.family is not family:
            raise InputError(f"{panel.file}: holds other responses than {fit.log_density_of}; expected the fit's panel")
        return _of_family(panel.response, panel.y, fitted, sigma, of_row)
    left = log_sales(panel) - fitted
    return Residuals(fitted, left, left / sigma, of_row)


def _of_family(response: Response, y: Floats, eta: Floats, sigma: Floats, segment: Ints) -> Residuals:
    """Residuals of a response of which `eta` and the response's offset are the linear predictor."""
    family = response.family
    at, log_sigma = eta + response.offset, np.log(sigma)
    mean, high = family.mean(at, response.trials), family.cumulative(y, at, response.trials, log_sigma)
    if family.discrete:
        low = family.cumulative(y - 1.0, at, response.trials, log_sigma)
        high = low + np.random.default_rng(SEED).random(y.size) * (high - low)
    z = ndtri(np.clip(high, SMALLEST, 1.0 - SMALLEST))
    return Residuals(np.log(mean), y - mean, z, segment, family.variance(at, response.trials, log_sigma))


def bands(found: Residuals, k: int) -> dict[int, Band]:
    """Residuals against fitted, by segment; of those with too few rows there is none."""
    parts = {}
    for s in range(k):
        rows = np.flatnonzero(found.segment == s)
        if rows.size < FEWEST:
            continue
        order = rows[np.argsort(found.fitted[rows], kind="stable")]
        bins = np.array_split(order, min(MOST_BINS, rows.size // IN_A_BIN + 1))
        at = np.array([np.median(found.fitted[one]) for one in bins])
        parts[s] = Band(at, np.stack([np.quantile(found.z[one], LEVELS) for one in bins], 1))
    return parts


def against_normal(z: Floats) -> tuple[Floats, Floats]:
    """Quantiles expected of a normal distribution and those found: even ones, and every residual at the ends."""
    n = z.size
    middle = np.linspace(0, n - 1, QUANTILES).astype(np.intp)
    rank = np.unique(np.concatenate([np.arange(min(ENDS, n)), middle, np.arange(max(n - ENDS, 0), n)]))
    return ndtri((rank + 0.5) / n), np.sort(z)[rank]


def by_week(found: Residuals, panel: Panel, sigma: Floats) -> Weeks:
    """Average residual of every week.

    Parameters
    ----------
    sigma : (segment,)
    """
    n_weeks = len(panel.weeks)
    n = np.bincount(panel.week, minlength=n_weeks)
    week = np.flatnonzero(n)
    variance = np.square(sigma)[found.segment] if found.variance is None else found.variance
    scatter = np.sqrt(np.bincount(panel.week, variance, n_weeks)[week])
    left = np.bincount(panel.week, found.left, n_weeks)[week]
    if found.variance is None:
        mean, error = left / n[week], scatter / n[week]
    else:
        fitted = np.bincount(panel.week, np.exp(found.fitted), n_weeks)[week]
        mean, error = np.log(np.maximum(1.0 + left / fitted, LEAST)), scatter / fitted
    trend, trend_error = _trend(week.astype(float), mean, n[week].astype(float))
    return Weeks(week, mean, error, float(-ndtri(0.5 * ALARM / week.size)), trend, trend_error)


def _trend(at: Floats, mean: Floats, weight: Floats) -> tuple[float, float]:
    """Slope of weekly means by weighted least squares, with the error that their own scatter gives."""
    if at.size < 3:
        return 0.0, np.inf
    off = at - np.average(at, weights=weight)
    spread = float(np.sum(weight * off**2))
    slope = float(np.sum(weight * off * mean)) / spread
    rest = mean - np.average(mean, weights=weight) - slope * off
    return slope, float(np.sqrt(np.sum(weight * rest**2) / (at.size - 2) / spread))
