"""Whether the quadrature of a fit is fine enough: its store log-densities by more nodes, at the posterior means.

A posterior of a family whose stores differ rests on integrals over their coefficients (`em.quadrature`); Laplace's
approximation, or few nodes, can be off where stores have few rows. The same integrals are worked out by 2 n + 1 nodes.
"""

from typing import NamedTuple

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.posterior import average, store_means
from bayesmix.stores import CountedStores, segment_loglik
from comparisons.information import Waic
from em.glmm import MOST_DIRECTIONS
from em.likelihood import store_loglik
from em.statistics import Floats


class Finer(NamedTuple):
    """A fit's store log-densities by more nodes, less those by its own.

    Attributes
    ----------
    nodes, more : in each direction.
    change_i : (store,) at the posterior means.
    error : Monte Carlo error of the fit's elpd, for comparison.
    """

    nodes: int
    more: int
    change_i: Floats
    error: float

    @property
    def change(self) -> float:
        """What elpd would move by."""
        return float(self.change_i.sum())

    @property
    def enough(self) -> bool:
        """Whether elpd would move by less than its Monte Carlo error."""
        return abs(self.change) <= self.error

    @property
    def told(self) -> str:
        """What was found, in a few words; empty where the nodes are enough."""
        if self.enough:
            return ""
        by = "Laplace’s approximation" if self.nodes == 1 else f"{self.nodes} nodes"
        return f"{by} too coarse: {self.more} nodes move elpd by {self.change:+.2g}"


def finer(fit: Fit, wide: Waic, reff: float) -> Finer | None:
    """Work out the integrals of a fit by more nodes; None where they are exact, or too many coefficients vary.

    Parameters
    ----------
    wide, reff : its WAIC and the relative efficiency of its store likelihoods, for the Monte Carlo error: the variance
        of a store's log-likelihood over draws is, to first order, that of its likelihood relative to the mean.
    """
    stats, draws = fit.statistics, average(fit.draws)
    if not isinstance(stats, CountedStores) or draws.omega is None:
        return None
    if np.count_nonzero(np.diagonal(draws.omega[0, 0])) > MOST_DIRECTIONS:
        return None
    means = store_means(draws, fit.traits)
    with np.errstate(divide="ignore"):
        log_weight = np.log(draws.weight)
    more = 2 * stats.nodes + 1
    by = [
        store_loglik(log_weight, segment_loglik(stats._replace(nodes=nodes), means, draws.sigma, draws.omega))[0]
        for nodes in (stats.nodes, more)
    ]
    effective = reff * fit.draws.weight.shape[0]
    return Finer(stats.nodes, more, by[1] - by[0], float(np.sqrt(wide.p_i.sum() / effective)))
