"""Hops between humps of a posterior that a gradient sampler crosses too seldom.

Segments that overlap give a posterior humps: two stores that change segments together, or a segment that a draw can do
without. Chains pass between them, but once in tens of draws. Each draw is moved on by further steps of a Metropolis
chain that proposes from a density fitted to the other chains (`bayesmix.normal_cover`), which reaches every hump in one
step. A step leaves the posterior as it is whatever it proposes from (Tierney 1994, section 2.3.3), and what a chain is
moved with does not depend on it, so shares of humps come out right and draws that do not move are no worse than before.
Where no chain has been, none will hop.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from bayesmix import normal_cover
from bayesmix.density import Density, log_density
from bayesmix.streams import stream
from em.command import CORES, watched
from em.statistics import Floats

LEFT = 0.05  # share of draws that may stay where they were
MOST = 25  # steps for each draw


class Hops(NamedTuple):
    """Draws after hops.

    Attributes
    ----------
    unconstrained : (chain, draw, dimension)
    lp : (chain, draw) their log-density.
    accepted : share of proposals that were accepted.
    steps : for each draw.
    """

    unconstrained: Floats
    lp: Floats
    accepted: float
    steps: int


def hop(density: Density, unconstrained: Floats, seed: int) -> Hops:
    """Move every draw by independent proposals.

    As many steps are made as leave `LEFT` of the draws unmoved, by the acceptance of the first, and at most `MOST`.

    Parameters
    ----------
    unconstrained : (chain, draw, dimension) of two chains or more, labels in one order.

    Raises
    ------
    numpy.linalg.LinAlgError
        When a chain's others lie in fewer dimensions than they have.
    """
    chains, n, dimension = unconstrained.shape
    streams = [np.random.default_rng(stream(seed, "hops", chain)) for chain in range(chains)]
    q = unconstrained.copy()
    lp = log_density(density, q.reshape(-1, dimension)).reshape(chains, n)

    def fitted(chain: int) -> normal_cover.Cover:
        others = np.delete(unconstrained, chain, axis=0)
        return normal_cover.cover(others.reshape(-1, dimension), streams[chain])

    def step(chain: int) -> int:
        """Propose once for every draw of a chain; how many moved."""
        rng, given = streams[chain], covers[chain]
        proposal = normal_cover.draw(given, n, rng)
        there = log_density(density, proposal)
        ratio = (
            there - lp[chain] + normal_cover.log_density(given, q[chain]) - normal_cover.log_density(given, proposal)
        )
        accept = np.log1p(-rng.random(n)) < ratio
        q[chain, accept], lp[chain, accept] = proposal[accept], there[accept]
        return int(accept.sum())

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(CORES) as pool:
        covers = list(pool.map(fitted, range(chains)))
        accepted = sum(pool.map(step, range(chains)))
        left = 1.0 - accepted / (chains * n + 1)
        steps = int(np.clip(np.ceil(np.log(LEFT) / np.log(left)), 1, MOST)) if accepted else 1
        for _ in watched(range(1, steps), "hops between humps", steps - 1):
            accepted += sum(pool.map(step, range(chains)))
    return Hops(q, lp, accepted / (chains * n * steps), steps)
