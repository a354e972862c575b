"""What stores of a family show by themselves: their mean response with its score interval.

The total of a store's rows has a mean and a variance at every constant rate; the interval holds the rates from which
the total is no more than z standard deviations away. Of successes among trials that is Wilson's (1927, JASA 22), of
counts its analogue; neither fails where all rows are zero, and both take the variance of the family, dispersion
included. The rows of a store may have other covariates: the rate is their mean, as if it were one.
"""

from typing import NamedTuple

import numpy as np

from bayesmix.in_words import Z
from em.design_counts import DesignCounts
from em.statistics import Floats

REACH, HALVINGS = 60.0, 80  # of the bracket of a linear predictor


class OwnRates(NamedTuple):
    """All (store,).

    Attributes
    ----------
    total : sum of the responses.
    size : exposure, trials or rows, whichever the family has.
    rate : total per unit of it; nan in a store without rows.
    low, high : ends of the 89 % interval, infinite where the total excludes no large rate.
    """

    total: Floats
    size: Floats
    rate: Floats
    low: Floats
    high: Floats


def own_rates(counts: DesignCounts, sigma: Floats) -> OwnRates:
    """The stores' own rates.

    Parameters
    ----------
    sigma : (store,) dispersion; of no account where the family has none.
    """
    total, size = sums(counts, counts.total), sizes(counts)
    log_sigma, offset = np.log(sigma)[counts.store], counts.offset[counts.design]

    def apart(eta: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the totals at one linear predictor for each store."""
        of_cell, one = offset + eta[counts.store], np.ones(counts.store.size)
        mean = sums(counts, counts.n * counts.family.mean(of_cell, one))
        variance = sums(counts, counts.n * counts.family.variance(of_cell, one, log_sigma))
        return mean, np.sqrt(np.maximum(variance, 0.0))

    def end(side: float) -> Floats:
        """Lower end (1) or upper end (-1)."""
        below, above = np.full(total.size, -REACH), np.full(total.size, REACH)
        for _ in range(HALVINGS):
            middle = 0.5 * (below + above)
            mean, sd = apart(middle)
            short = mean + side * Z * sd < total
            # Above the total the distance need not grow evenly: what is below it is never the upper end.
            short |= (side < 0.0) & (mean <= total)
            below, above = np.where(short, middle, below), np.where(short, above, middle)
        rate = counts.family.mean(0.5 * (below + above), np.ones(total.size))
        rate = np.where(below > REACH - 1e-6, 1.0 if counts.family.link == "logit" else np.inf, rate)
        return np.where(above < 1e-6 - REACH, 0.0, rate)

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        rate = np.where(size > 0.0, total / size, np.nan)
        return OwnRates(total, size, rate, end(1.0), end(-1.0))


def expected_rates(counts: DesignCounts, theta: Floats) -> Floats:
    """Mean response of every store's own rows at given coefficients, per unit of exposure, trial or row.

    Parameters
    ----------
    theta : (draw, store, coefficient)

    Returns
    -------
    (draw, store)
    """
    x, offset, size = counts.x[counts.design], counts.offset[counts.design], sizes(counts)
    found = np.empty(theta.shape[:2])
    for draw, of_stores in enumerate(theta):
        eta = offset + np.einsum("cp,cp->c", x, of_stores[counts.store])
        found[draw] = sums(counts, counts.n * counts.family.mean(eta, np.ones(eta.size)))
    return np.divide(found, size, out=np.full_like(found, np.nan), where=size > 0.0)


def information(counts: DesignCounts, theta: Floats, sigma: Floats) -> Floats:
    """Fisher information of the store's rows on the level of its linear predictor; (store,).

    Parameters
    ----------
    theta, sigma : (store, coefficient) and (store,).
    """
    eta = counts.offset[counts.design] + np.einsum("cp,cp->c", counts.x[counts.design], theta[counts.store])
    _, second, _ = counts.family.slopes(eta, np.log(sigma)[counts.store])
    mean = counts.family.mean(eta, np.ones(eta.size))
    return sums(counts, counts.n * -second.of(mean, np.ones(eta.size)))


def sums(counts: DesignCounts, amount: Floats) -> Floats:
    """Sums of (cell,) over the cells of each store."""
    return np.bincount(counts.store, amount, counts.n_stores)


def sizes(counts: DesignCounts) -> Floats:
    """Exposure, trials or rows of each store."""
    return sums(counts, counts.n * np.exp(counts.offset[counts.design]))
