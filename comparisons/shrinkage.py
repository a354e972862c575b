"""What a model makes of each store's own estimate: drawn to its segment, or partly to the mean of all stores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.pooling import pooling
from bayesmix.stores import mean_row
from comparisons.own_estimates import own_estimates
from em.statistics import Floats, GaussianStatistics


@dataclass(frozen=True)
class Shrinkage:
    """Store coefficients before and after.

    Attributes
    ----------
    stores, coefficients : names.
    n : (store,) observed weeks.
    own : (store, coefficient) each store's own least squares, or of a family its own maximum likelihood.
    own_se : (store, coefficient) their standard errors, infinite where the store alone says nothing.
    after : by model name, (store, coefficient) posterior mean of the store's coefficients.
    pooling : by name of a model whose stores differ, (store, coefficient) share that the other stores have in the
        estimate.
    same_information : whether every store has the same design, and so the same pooling; never of a family.
    level, level_se : (store,) of a family the linear predictor in the panel's mean row by the store's own rows, and its
        standard error; None for log sales.
    row : (coefficient,) that row; None for log sales.
    """

    stores: tuple[str, ...]
    coefficients: tuple[str, ...]
    n: Floats
    own: Floats
    own_se: Floats
    after: dict[str, Floats]
    pooling: dict[str, Floats]
    same_information: bool
    level: Floats | None = None
    level_se: Floats | None = None
    row: Floats | None = None


def shrinkage(fits: Sequence[Fit]) -> Shrinkage:
    """Store coefficients by each of the fits, beside each store's own."""
    first = fits[0]
    stats, own = first.statistics, own_estimates(first)
    logged = isinstance(stats, GaussianStatistics)
    return Shrinkage(
        stores=first.stores,
        coefficients=first.coefficients,
        n=own.rows,
        own=own.theta,
        own_se=own.error,
        after={fit.name: np.asarray(fit.by_store["coefficients"].transpose("store", "coefficient")) for fit in fits},
        pooling={fit.name: pooling(fit) for fit in fits if fit.draws.omega is not None},
        same_information=logged and bool(np.allclose(stats.xtx, stats.xtx[:1], rtol=1e-9)),
        level=own.level,
        level_se=own.level_error,
        row=None if logged else mean_row(stats, 0),
    )
