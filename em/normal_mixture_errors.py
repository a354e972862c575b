"""Standard errors of a mixture of normals, from the observed information by the delta method."""

from typing import NamedTuple

import numpy as np

from em.normal_mixture_climb import Top
from em.normal_mixture_score import blocks
from em.statistics import Floats, Ints

FLAT = 1e-8  # eigenvalue of the scaled information below which the data do not identify a direction


class NormalMixtureErrors(NamedTuple):
    """Standard errors in the shapes of the parameters.

    Attributes
    ----------
    weight : (segment,)
    mu : (segment, coefficient)
    sd : (segment, random) of the standard deviations inside segments; NaN where a covariance is singular.
    sigma : (segment,); zero where sigma is fixed.
    """

    weight: Floats
    mu: Floats
    sd: Floats
    sigma: Floats


def standard_errors(top: Top, back: Floats, order: Ints) -> NormalMixtureErrors | None:
    """Standard errors with segments in `order`; None where the information is not positive definite."""
    information, free = top.summit.point.information, ~top.summit.held
    inside = information[np.ix_(free, free)]
    if np.any(np.diagonal(inside) <= 0.0):
        return None
    scale = 1.0 / np.sqrt(np.diagonal(inside))
    values, vectors = np.linalg.eigh(inside * scale[:, None] * scale)
    if values[0] < FLAT:
        return None
    half = np.zeros((len(information), len(values)))
    half[free] = scale[:, None] * vectors / np.sqrt(values)  # half half' is the covariance of the free numbers
    weight, (_, roots, v) = top.several.weight[0], top.several.normals
    k, p, q = len(weight), len(back), roots.shape[-1]
    random = top.layout.random
    mu, sd = np.zeros((k, p)), np.full((k, q), np.nan)
    places = blocks(top.layout, p)
    turn = back[np.ix_(random, random)]
    for j, (mean, own) in enumerate(places):
        mu[j] = _lengths(back @ half[mean])
        if q and top.ranks[j] == q:
            root, moves = turn @ roots[j], turn @ top.layout.bases[j]
            by_variance = 2.0 * np.einsum("jab,ab->aj", moves, root)
            sd[j] = _lengths(by_variance @ half[own]) / (2.0 * np.sqrt(np.square(root).sum(1)))
    end = places[-1][1].stop
    jacobian = np.diag(weight) - np.outer(weight, weight)
    of_weight = _lengths(jacobian[:, 1:] @ half[end : end + k - 1])
    of_sigma = np.sqrt(v) * (np.linalg.norm(half[-1]) if top.layout.sigma_free else 0.0)
    return NormalMixtureErrors(of_weight[order], mu[order], sd[order], of_sigma)


def _lengths(rows: Floats) -> Floats:
    return np.sqrt(np.square(rows).sum(-1))
