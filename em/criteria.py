"""Information criteria and how well segments are told apart, from a fit's log-likelihood and memberships."""

from typing import NamedTuple

import numpy as np

from em.statistics import Floats


class Criteria(NamedTuple):
    """Smaller is better for all but `relative_entropy` (1: every store's segment is certain; 0: none is).

    `bic` counts rows (weeks x stores), `bic_stores` counts stores, `bic_hybrid` counts stores for the weights and
    rows for the rest. `icl` is `bic` plus twice the entropy of the memberships (Biernacki, Celeux & Govaert 2000).
    """

    aic: float
    bic: float
    bic_stores: float
    bic_hybrid: float
    icl: float
    entropy: float
    relative_entropy: float
    smallest_segment: float


def criteria(
    log_likelihood: float, n_parameters: int, n_weights: int, stores: int, observations: int, memberships: Floats
) -> Criteria:
    """All criteria of one fit.

    Parameters
    ----------
    n_weights : how many of the parameters describe membership: K - 1, or more with covariates.
    memberships : (store, segment) posterior probabilities.
    """
    deviance = -2.0 * log_likelihood
    positive = memberships[memberships > 0.0]
    entropy = abs(float(-(positive * np.log(positive)).sum()))
    k = memberships.shape[1]
    bic = n_parameters * np.log(observations) + deviance
    return Criteria(
        aic=2.0 * n_parameters + deviance,
        bic=float(bic),
        bic_stores=float(n_parameters * np.log(stores) + deviance),
        bic_hybrid=float(n_weights * np.log(stores) + (n_parameters - n_weights) * np.log(observations) + deviance),
        icl=float(bic + 2.0 * entropy),
        entropy=entropy,
        relative_entropy=1.0 - entropy / (stores * np.log(k)) if k > 1 else 1.0,
        smallest_segment=float(memberships.mean(0).min()),
    )
