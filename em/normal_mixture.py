"""A mixture of normals: EM steps for stores whose coefficients come from one of K normal distributions.

    theta_i ~ sum_k weight[k] N(mu[k], Omega[k]),   y_i = X_i theta_i + e_i,   e_i ~ N(0, sigma^2 I)

(Verbeke & Lesaffre 1996; Rossi, Allenby & McCulloch 2005). Omega = 0 is the finite mixture, K = 1 the mixed model.
sigma is one for all segments, so that no density of a store exceeds (2 pi sigma^2)^(-n/2): unlike a mixture of normals
on observed points this likelihood has no infinities, and no penalty is needed.
"""

from typing import NamedTuple

import numpy as np

from em.designs import Projections, sum_by_design
from em.likelihood import LOG_2PI, component_loglik, memberships_and_loglik
from em.marginal import Precision, precision
from em.mixed_em import Normals, covariances, ecme_step
from em.statistics import Floats, GaussianStatistics, Ints


class NormalMixtureParameters(NamedTuple):
    """Parameters of a mixture of normals.

    Attributes
    ----------
    weight : (segment,) shares.
    mu : (segment, coefficient) mean coefficients.
    omega : (segment, coefficient, coefficient) covariance of store coefficients inside a segment.
    sigma : (segment,) residual standard deviations of log sales, all the same.
    gamma : (trait, coefficient) effects of traits where they stand apart from mu; None where nothing explains the
        coefficients, and while fitting, where they are the last coefficients of every mu.
    """

    weight: Floats
    mu: Floats
    omega: Floats
    sigma: Floats
    gamma: Floats | None = None

    @property
    def n_segments(self) -> int:
        """Number of segments K."""
        return self.mu.shape[-2]


class Several(NamedTuple):
    """Mixtures that take steps together: weight (start, segment), and normals with starts x segments on one axis."""

    weight: Floats
    normals: Normals


def memberships(params: NormalMixtureParameters, stats: GaussianStatistics) -> tuple[Floats, Floats]:
    """Posterior membership (store, segment) and log-likelihood (store,) of every store."""
    with np.errstate(divide="ignore"):
        log_weight = np.log(params.weight)
    return memberships_and_loglik(log_weight, component_loglik(stats, params.mu, params.sigma, params.omega))


class Residuals(NamedTuple):
    """What each segment leaves of each store.

    Attributes
    ----------
    z : (store, segment, coefficient) R mu - e.
    solved : (store, segment, coefficient) N z.
    log_density : (store, segment)
    """

    z: Floats
    solved: Floats
    log_density: Floats


def residuals(stores: Projections, root: Floats, mu: Floats, v: Floats, at: Precision) -> Residuals:
    """Residuals and log-densities; `root` is that of `stores`, or the same in other coordinates."""
    p = mu.shape[-1]
    z = np.einsum("dab,kb->dka", root, mu)[stores.design] - stores.e[:, None, :]
    solved = np.einsum("skab,skb->ska", at.inner[stores.design], z)
    squares = np.einsum("ska,ska->sk", z, solved)
    n = stores.n[:, None]
    log_density = -0.5 * (
        n * LOG_2PI + (n - p) * np.log(v) + at.log_det[stores.design] + stores.rss[:, None] / v + squares
    )
    return Residuals(z, solved, log_density)


def em_step(
    stores: Projections, root: Floats, several: Several, random: Ints, lowest_v: float | None, tied: int = 0
) -> tuple[Several, Floats]:
    """One step for every start; and the log-likelihoods (start,) of the parameters it started from."""
    starts, k = several.weight.shape
    normals, p = several.normals, root.shape[-1]
    at = precision(root, covariances(normals.root, random, p), normals.v)
    density = residuals(stores, root, normals.mu, normals.v, at).log_density.reshape(-1, starts, k)
    r, loglik = memberships_and_loglik(np.log(several.weight), density.transpose(1, 0, 2))
    flat = r.transpose(1, 0, 2).reshape(-1, starts * k)
    sums = sum_by_design(stores, flat)._replace(root=root)
    moved = ecme_step(sums, normals, random, lowest_v=lowest_v, fits=starts, tied=tied).normals
    return Several(np.maximum(r.mean(1), np.finfo(float).tiny), moved), loglik.sum(-1)
