"""Where a mixture of normals starts: from the mixed model taken apart, from finite mixtures, and from random stores."""

from collections.abc import Sequence

import numpy as np

from em.mixed_em import Normals
from em.mixture import MixtureParameters
from em.normal_mixture import NormalMixtureParameters, Several
from em.statistics import Floats, Ints

SPREAD = (0.1, 1.0)  # range of Omega about random stores, as shares of that of all stores


def several(weight: Floats, mu: Floats, root: Floats, v: Floats) -> Several:
    """Starts from weights (start, segment), means, roots and residual variances with the same first two axes."""
    flat = Normals(*(value.reshape(weight.size, *value.shape[2:]) for value in (mu, root, v)))
    return Several(weight, flat)


def choose(starts: Several, index: int) -> Several:
    """One start of several, itself an axis of one."""
    k = starts.weight.shape[1]
    block = slice(index * k, (index + 1) * k)
    return Several(starts.weight[index : index + 1], Normals(*(value[block] for value in starts.normals)))


def join(parts: Sequence[Several]) -> Several:
    """Starts one after the other."""
    weight = np.concatenate([part.weight for part in parts])
    return Several(weight, Normals(*(np.concatenate(v) for v in zip(*(part.normals for part in parts), strict=True))))


def from_continuum(continuum: Several, k: int, random: Ints, p: int) -> Several:
    """The mixed model, taken apart along each of its axes, and into narrow and wide segments about one mean."""
    mu, root, v = (value[0] for value in continuum.normals)
    axes, sd, _ = np.linalg.svd(root)
    places = np.linspace(-1.0, 1.0, k)
    means, roots = [], []
    for a in range(len(sd)):
        shift = np.zeros((k, p))
        shift[:, random] = np.outer(places, sd[a] * axes[:, a])
        means.append(mu + shift)
        # What the means now hold of the variance, the segments no longer do.
        narrowed = sd * np.where(np.arange(len(sd)) == a, 0.5, 1.0)
        roots.append(np.broadcast_to(axes * narrowed, (k, *root.shape)))
    means.append(np.broadcast_to(mu, (k, p)))
    roots.append(root * (4.0**places)[:, None, None])
    shape = (len(means), k)
    return several(np.full(shape, 1.0 / k), np.array(means), np.array(roots), np.full(shape, v))


def from_segments(
    segments: MixtureParameters, membership: Floats, own: Floats, back: Floats, random: Ints, v: float, least: float
) -> Several:
    """A finite mixture, its segments as wide as the own coefficients of their stores are apart.

    Parameters
    ----------
    membership : (store, segment)
    own : (store, coefficient) the stores' own coefficients, a little shrunk, in the coordinates of `back`.
    least : variance added in every direction, lest a segment without any stay so for ever.
    """
    k = segments.n_segments
    mu = np.linalg.solve(back, segments.theta.T).T
    roots = []
    for j in range(k):
        off = (own - mu[j])[:, random]
        spread = (off * membership[:, j, None]).T @ off / max(membership[:, j].sum(), 1.0)
        roots.append(np.linalg.cholesky(0.5 * spread + least * np.eye(random.size)))
    weight = np.maximum(segments.weight, 1e-6)
    root = np.array(roots).reshape(1, k, random.size, random.size)
    return several(weight[None] / weight.sum(), mu[None], root, np.full((1, k), v))


def from_normals(params: NormalMixtureParameters, k: int, back: Floats, random: Ints, least: float) -> Several:
    """A mixture of normals as it is, or with its heaviest segments taken apart into a narrow and a wide one."""
    heaviest = np.argsort(-params.weight)
    index = np.concatenate([np.arange(params.n_segments), np.resize(heaviest, k - params.n_segments)])
    times = np.bincount(index)[index]
    inward = np.linalg.inv(back)
    omega = inward @ params.omega[index] @ inward.T
    block = omega[:, random[:, None], random]
    width = np.where(times > 1, np.where(np.arange(k) < params.n_segments, 0.5, 1.5), 1.0)
    roots = np.linalg.cholesky(block * width[:, None, None] + least * np.eye(random.size))
    mu = params.mu[index] @ inward.T
    v = np.square(params.sigma[index])
    return several((params.weight[index] / times)[None], mu[None], roots[None], v[None])


def from_stores(
    rng: np.random.Generator, starts: int, k: int, own: Floats, continuum: Several, least: float
) -> Several:
    """Segments about the own coefficients of random stores, as wide as a random share of all stores."""
    root, v = continuum.normals.root[0], continuum.normals.v[0]
    chosen = np.array([rng.choice(len(own), size=k, replace=False) for _ in range(starts)]).reshape(starts, k)
    width = np.exp(rng.uniform(np.log(SPREAD[0]), np.log(SPREAD[1]), (starts, k)))
    roots = np.linalg.cholesky(width[..., None, None] * (root @ root.T) + least * np.eye(len(root)))
    return several(np.full((starts, k), 1.0 / k), own[chosen], roots, np.full((starts, k), v))
