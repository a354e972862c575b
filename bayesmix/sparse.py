"""How many segments are in use: a mixture with too many, under a Dirichlet prior that empties what is not needed.

With a small concentration the prior prefers weights at zero to segments that share what one could hold, so the number
of segments with at least one store is an estimate of the number of segments (Malsiner-Walli, Fruehwirth-Schnatter &
Gruen 2016). The labels of the stores are drawn, for that number is a function of them; everything is conjugate given
the labels, all chains take a step together, and a step looks at no week. A gradient sampler cannot do this: weights of
1e-50 lie hundreds of standard deviations from the others on its scale.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from bayesmix.priors import Priors
from em.likelihood import component_loglik, membership
from em.mixture import MixtureParameters, SigmaRule
from em.statistics import Floats, GaussianStatistics, Ints, pool, sums_of_squares

CONCENTRATION = 0.01  # of the Dirichlet prior; Malsiner-Walli et al. (2016), section 2.3
THIN = 10  # steps for each draw that is kept: a segment seldom fills or empties
NEWTON_STEPS, METROPOLIS_STEPS = 30, 4
Watch = Callable[[Iterator[int]], Iterator[int]]


class SparseDraws(NamedTuple):
    """Draws of an overfitted mixture.

    Attributes
    ----------
    quantities : weight (chain, draw, segment), theta (chain, draw, segment, coefficient), sigma (chain, draw, segment).
    used : (chain, draw) number of segments with at least one store.
    """

    quantities: dict[str, Floats]
    used: Ints


class State(NamedTuple):
    """Where chains are: log_weight (chain, segment), theta (chain, segment, coefficient), sigma (chain, segment)."""

    log_weight: Floats
    theta: Floats
    sigma: Floats


def draw_sparse(
    stats: GaussianStatistics,
    start: MixtureParameters,
    priors: Priors,
    sigma: SigmaRule,
    *,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    watch: Watch = iter,
) -> SparseDraws:
    """Draw by Gibbs steps from the posterior of an overfitted mixture.

    Parameters
    ----------
    start : as many segments as the mixture has, all in use: segments empty sooner than they fill.
    priors : of centred columns, with the small concentration.
    watch : what the numbers of the steps pass through, such as a progress bar.
    """
    rng = np.random.default_rng(seed)
    k, p = start.theta.shape
    with np.errstate(divide="ignore"):
        state = State(
            *(np.repeat(value[None], chains, 0) for value in (np.log(start.weight), start.theta, start.sigma))
        )
    kept = {
        "weight": np.empty((chains, draws, k)),
        "theta": np.empty((chains, draws, k, p)),
        "sigma": np.empty((chains, draws, k)),
    }
    used, in_use = np.empty((chains, draws), dtype=int), np.zeros(chains, dtype=int)
    for draw in watch(iter(range(-tune, draws))):
        for _ in range(THIN if draw >= 0 else 1):
            state, in_use = _step(rng, state, stats, priors, sigma)
        if draw >= 0:
            for name, value in zip(kept, (np.exp(state.log_weight), state.theta, state.sigma), strict=True):
                kept[name][:, draw] = value
            used[:, draw] = in_use
    return SparseDraws(kept, used)


def _step(
    rng: np.random.Generator, state: State, stats: GaussianStatistics, priors: Priors, rule: SigmaRule
) -> tuple[State, Ints]:
    """Labels given parameters, then parameters given labels; the new state and how many segments it uses."""
    share = membership(state.log_weight, component_loglik(stats, state.theta, state.sigma))
    above = np.cumsum(share, axis=-1)
    label = (rng.random((*above.shape[:-1], 1)) * above[..., -1:] > above).sum(-1)
    member = (label[..., None] == np.arange(state.sigma.shape[-1])).astype(float)
    stores = member.sum(1)
    n, xtx, xty = pool(stats, member)
    theta = _coefficients(rng, xtx, xty, state.sigma, priors)
    squares = np.einsum("csk,csk->ck", sums_of_squares(stats, theta), member)
    return (
        State(
            _log_weight(rng, priors.concentration + stores), theta, _sigma(rng, state.sigma, n, squares, priors, rule)
        ),
        (stores > 0).sum(-1),
    )


def _log_weight(rng: np.random.Generator, shape: Floats) -> Floats:
    """Logarithms of Dirichlet draws, also where a weight itself would round to zero.

    log G(a) = log G(a + 1) + log(U) / a for gamma variables (Marsaglia & Tsang 2000, section 6).
    """
    log_gamma = np.log(rng.standard_gamma(shape + 1.0)) + np.log1p(-rng.random(shape.shape)) / shape
    return log_gamma - np.logaddexp.reduce(log_gamma, axis=-1, keepdims=True)


def _coefficients(rng: np.random.Generator, xtx: Floats, xty: Floats, sigma: Floats, priors: Priors) -> Floats:
    """Coefficients of every segment from their normal conditional; an empty segment's come from the prior."""
    precision = np.diag(1.0 / np.square(priors.sd)) + xtx / np.square(sigma)[..., None, None]
    pull = np.asarray(priors.mean) / np.square(priors.sd) + xty / np.square(sigma)[..., None]
    factor = np.linalg.cholesky(precision)
    mean = np.linalg.solve(precision, pull[..., None])
    noise = np.linalg.solve(np.swapaxes(factor, -1, -2), rng.standard_normal(pull.shape)[..., None])
    return (mean + noise)[..., 0]


def _sigma(
    rng: np.random.Generator, current: Floats, n: Floats, squares: Floats, priors: Priors, rule: SigmaRule
) -> Floats:
    """The residual sd of every segment given its rows and their sum of squares, (chain, segment).

    The conditional of log sigma is log-concave: a few Metropolis-Hastings steps from where it stands, with the normal
    at its mode as proposal, nearly all of which are accepted.
    """
    if rule == "fixed":
        return np.ones_like(n)
    shape = n.shape
    if rule == "common":
        n, squares, current = n.sum(-1, keepdims=True), squares.sum(-1, keepdims=True), current[..., :1]
    center, precision = np.log(priors.sigma_median), 1.0 / priors.sigma_log_sd**2
    mode = np.log(current)
    for _ in range(NEWTON_STEPS):
        weight = squares * np.exp(-2.0 * mode)
        mode = mode + np.clip((weight - n - (mode - center) * precision) / (2.0 * weight + precision), -1.0, 1.0)
    spread = 1.0 / np.sqrt(2.0 * squares * np.exp(-2.0 * mode) + precision)

    def log_ratio(z: Floats) -> Floats:
        at = mode + spread * z
        target = -n * at - 0.5 * squares * np.exp(-2.0 * at) - 0.5 * np.square(at - center) * precision
        return target + 0.5 * z * z

    z = (np.log(current) - mode) / spread
    for proposal in rng.standard_normal((METROPOLIS_STEPS, *n.shape)):
        accept = np.log1p(-rng.random(n.shape)) < log_ratio(proposal) - log_ratio(z)
        z = np.where(accept, proposal, z)
    return np.broadcast_to(np.exp(mode + spread * z), shape)
