"""What each store's own rows say of its coefficients, without the other stores: least squares, or maximum likelihood.

Of a family the estimate may be infinite (a store of all zeros), so each coefficient has a normal prior of its own that
is nearly flat: a standard deviation of `VAGUE` in the linear predictor at the column's usual size. Where a store's own
rows do not narrow that, they say nothing, and the standard error is infinite.
"""

from typing import NamedTuple

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.store_summaries import own_standard_errors
from bayesmix.stores import CountedStores, mean_row, rows_of_stores
from em.design_counts import pooled_designs
from em.statistics import Floats
from em.store_modes import cells_of, modes

VAGUE = 10.0
NARROWED = 0.2  # share of the prior's standard deviation above which nothing is known: a factor of 7 either way


class OwnEstimates(NamedTuple):
    """Stores by themselves.

    Attributes
    ----------
    rows : (store,)
    theta, error : (store, coefficient) estimates and standard errors.
    level, level_error : (store,) linear predictor in a typical row, the panel's mean row; None for log sales.
    """

    rows: Floats
    theta: Floats
    error: Floats
    level: Floats | None
    level_error: Floats | None


def own_estimates(fit: Fit) -> OwnEstimates:
    """Every store of a fit by its own rows; a family's dispersion is at its posterior mean."""
    stats = fit.statistics
    if not isinstance(stats, CountedStores):
        return OwnEstimates(stats.n, stats.b, own_standard_errors(stats), None, None)
    counts, n = stats.counts, pooled_designs(stats.counts)[0]
    prior = VAGUE / np.sqrt(n @ counts.x**2 / n.sum())
    at = modes(cells_of(counts), np.zeros(prior.size), np.diag(prior), float(np.log(fit.draws.sigma.mean())))
    covariance = prior[:, None] * np.linalg.inv(at.information) * prior
    theta, error = at.u * prior, np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    row = mean_row(stats, 0)
    level_error = np.sqrt(np.einsum("p,spq,q->s", row, covariance, row))
    return OwnEstimates(
        rows_of_stores(stats).astype(float),
        theta,
        np.where(error > NARROWED * prior, np.inf, error),
        theta @ row,
        np.where(level_error > NARROWED * VAGUE, np.inf, level_error),
    )
