"""How sure maximum likelihood is: from the observed information, and clustered by store (sandwich)."""

from typing import NamedTuple

import numpy as np

from em.accelerate import OBSERVED
from em.mixture import MixtureParameters, Model
from em.regressions import Stores
from em.score import derivatives, expansion, least_share_observed
from em.statistics import Floats


class StandardErrors(NamedTuple):
    """Standard errors in the shapes of the parameters.

    Attributes
    ----------
    theta : (segment, coefficient)
    weight : (segment,), by the delta method; NaN with covariates of membership, where `gamma` has them.
    sigma : (segment,), by the delta method; zero where sigma is fixed.
    gamma : (segment, trait), zero for the first segment; None without covariates of membership.
    """

    theta: Floats
    weight: Floats
    sigma: Floats
    gamma: Floats | None


def standard_errors(
    params: MixtureParameters, stats: Stores, model: Model
) -> tuple[StandardErrors, StandardErrors] | None:
    """Standard errors from the observed information, and from the sandwich with stores as clusters (White 1982).

    Returns
    -------
    Both, or None where the information is not positive definite: segments coincide, or one is empty.
    """
    if not np.all(params.weight > 0.0):
        return None
    at = derivatives(params, stats, model)
    if least_share_observed(at) < OBSERVED:
        return None
    scale = np.sqrt(np.diagonal(at.information))
    scaled = at.information / scale[:, None] / scale
    covariance = np.linalg.inv(scaled) / scale[:, None] / scale
    clusters = stats.n_stores / max(stats.n_stores - 1, 1)
    sandwich = clusters * covariance @ at.outer @ covariance
    return _in_shape(covariance, params, model), _in_shape(sandwich, params, model)


def _in_shape(covariance: Floats, params: MixtureParameters, model: Model) -> StandardErrors:
    k, p = params.theta.shape
    matrix = expansion(k, p, model)
    full = matrix @ covariance @ matrix.T
    sd = np.sqrt(np.clip(np.diagonal(full), 0.0, None))
    q = 1 if model.traits is None else model.traits.shape[1]
    logits = slice(k * p, k * (p + q))
    if model.traits is None:
        jacobian = np.diag(params.weight) - np.outer(params.weight, params.weight)
        weight = np.sqrt(np.clip(np.diagonal(jacobian @ full[logits, logits] @ jacobian.T), 0.0, None))
        gamma = None
    else:
        weight, gamma = np.full(k, np.nan), sd[logits].reshape(k, q)
    return StandardErrors(sd[: k * p].reshape(k, p), weight, params.sigma * sd[k * (p + q) :], gamma)
