"""One mixture of normals climbed to the top of its hill, singular covariances included, and how sure that top is."""

from typing import NamedTuple

import numpy as np

from em.ascent import Summit, climb
from em.covariance_rank import NO_VARIANCE, upward_direction
from em.designs import Projections, sum_by_design
from em.likelihood import memberships_and_loglik
from em.marginal import precision, residual_products, slopes
from em.mixed_em import covariances
from em.normal_mixture import Several, residuals
from em.normal_mixture_score import Layout, blocks, evaluate, pack, ties, unpack
from em.statistics import Floats, Ints
from em.variance_slice import lower_triangle

CLIMBS, STEPS = 12, 25  # climbs, each in the axes of the covariances it starts from, and Newton steps of each
FLAT = 1e-8  # eigenvalue of the scaled information below which the data do not identify a direction


class Top(NamedTuple):
    """Where a climb ended.

    Attributes
    ----------
    several : the mixture, as one start.
    layout, summit : its free numbers and the derivatives there.
    ranks : (segment,) of the covariances.
    iterations : Newton steps.
    """

    several: Several
    layout: Layout
    summit: Summit
    ranks: tuple[int, ...]
    iterations: int

    @property
    def log_likelihood(self) -> float:
        """Of the mixture."""
        return self.summit.point.value


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


def best_mixture(
    stores: Projections, root: Floats, several: Several, random: Ints, *, lowest: float | None, tied: int = 0
) -> Top:
    """Climb from a start; `root` in the coordinates of mu, `lowest` the lower bound of log sigma or None to hold it.

    The last `tied` coefficients are the same in all segments.
    """
    k, q = several.weight.shape[1], random.size
    ranks, iterations = [q] * k, 0
    for _ in range(CLIMBS):
        turned = [np.linalg.svd(one) for one in several.normals.root]
        bases = tuple(axes @ lower_triangle(q, rank) for (axes, _, _), rank in zip(turned, ranks, strict=True))
        layout = Layout(random, bases, lowest is not None, tied)
        roots = np.array([axes * values for axes, values, _ in turned]).reshape(k, q, q)
        start = pack(layout, several._replace(normals=several.normals._replace(root=roots)))
        bounds = np.full(start.size, -np.inf)
        if lowest is not None:
            bounds[-1] = lowest
        summit = climb(
            lambda free, layout=layout: evaluate(layout, stores, root, free), start, lower=bounds, most=STEPS
        )
        iterations += summit.iterations
        several = unpack(layout, summit.place, root.shape[-1])
        turned = [np.linalg.svd(one) for one in several.normals.root]
        least = NO_VARIANCE * several.normals.v[0]
        kept = [int((np.square(values) > least).sum()) for _, values, _ in turned]
        if kept != ranks:
            ranks = kept
            roots = [
                axes * np.where(np.arange(q) < rank, values, 0.0)
                for (axes, values, _), rank in zip(turned, ranks, strict=True)
            ]
            several = several._replace(normals=several.normals._replace(root=np.array(roots).reshape(k, q, q)))
            continue
        if not summit.converged:
            continue
        opened = _opened(stores, root, several, random, ranks)
        if opened is None:
            break
        several, ranks = opened
    return Top(several, layout, summit, tuple(ranks), iterations)


def _opened(
    stores: Projections, root: Floats, several: Several, random: Ints, ranks: list[int]
) -> tuple[Several, list[int]] | None:
    """The mixture with a direction of variance more in each segment where one would gain; None where none would."""
    mu, roots, v = several.normals
    at = precision(root, covariances(roots, random, root.shape[-1]), v)
    with np.errstate(divide="ignore"):
        r, _ = memberships_and_loglik(np.log(several.weight[0]), residuals(stores, root, mu, v, at).log_density)
    sums = sum_by_design(stores, r)._replace(root=root)
    slope = slopes(sums, at, *residual_products(sums, mu), v)
    ranks, roots, any_opened = list(ranks), roots.copy(), False
    for j, rank in enumerate(ranks):
        axes, values, _ = np.linalg.svd(roots[j])
        information = at.full[:, j][:, random[:, None], random]
        direction = upward_direction(
            axes[:, rank:], slope.omega[j][np.ix_(random, random)], information, sums.weight[:, j]
        )
        if direction is not None:
            roots[j] = axes * values
            roots[j][:, rank] = direction
            ranks[j], any_opened = rank + 1, True
    return (several._replace(normals=several.normals._replace(root=roots)), ranks) if any_opened else None


def standard_errors(top: Top, back: Floats, order: Ints) -> NormalMixtureErrors | None:
    """Standard errors with segments in `order`, from the observed information by the delta method.

    None where the information is not positive definite.
    """
    information, free = top.summit.point.information, ~top.summit.held
    inside = information[np.ix_(free, free)]
    if np.any(np.diagonal(inside) <= 0.0):
        return None
    scale = 1.0 / np.sqrt(np.diagonal(inside))
    values, vectors = np.linalg.eigh(inside * scale[:, None] * scale)
    if values[0] < FLAT:
        return None
    half = np.zeros((len(information), len(values)))
    half[free] = scale[:, None] * vectors / np.sqrt(values)
    half = ties(top.layout, len(back)) @ half  # half half' is the covariance of the numbers of all segments
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
