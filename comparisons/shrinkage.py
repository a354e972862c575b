"""What a model makes of each store's own estimate: drawn to its segment, or partly to the mean of all stores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.pooling import pooling
from bayesmix.store_summaries import own_standard_errors
from em.statistics import Floats


@dataclass(frozen=True)
class Shrinkage:
    """Store coefficients before and after.

    Attributes
    ----------
    stores, coefficients : names.
    n : (store,) observed weeks.
    own : (store, coefficient) each store's own least squares.
    own_se : (store, coefficient) their standard errors, infinite where the store alone says nothing.
    after : by model name, (store, coefficient) posterior mean of the store's coefficients.
    pooling : by name of a model whose stores differ, (store, coefficient) share that the other stores have in the
        estimate.
    same_information : whether every store has the same design, and so the same pooling.
    """

    stores: tuple[str, ...]
    coefficients: tuple[str, ...]
    n: Floats
    own: Floats
    own_se: Floats
    after: dict[str, Floats]
    pooling: dict[str, Floats]
    same_information: bool


def shrinkage(fits: Sequence[Fit]) -> Shrinkage:
    """Store coefficients by each of the fits, beside each store's own."""
    first = fits[0]
    stats = first.statistics
    return Shrinkage(
        stores=first.stores,
        coefficients=first.coefficients,
        n=stats.n,
        own=stats.b,
        own_se=own_standard_errors(stats),
        after={fit.name: np.asarray(fit.by_store["coefficients"].transpose("store", "coefficient")) for fit in fits},
        pooling={fit.name: pooling(fit) for fit in fits if fit.draws.omega is not None},
        same_information=bool(np.allclose(stats.xtx, stats.xtx[:1], rtol=1e-9)),
    )
