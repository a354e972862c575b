"""What was believed before the data: draws from the prior, its density at given draws, what it expects of stores.

The priors stand on centred columns (`bayesmix.centre`); everything here takes and gives the columns as they are, as
the posterior does. Nothing here needs a sampler: every prior is drawn in closed form.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import xlogy

from bayesmix.hierarchical import without_segment
from bayesmix.posterior import parameter_draws
from bayesmix.priors import Priors, partial_correlation_shapes
from bayesmix.stores import CountedStores, Stores
from bayesmix.streams import stream
from em.design_counts import DesignCounts, take_stores
from em.drawn_segments import drawn_segments
from em.likelihood import roots
from em.mixture import SigmaRule
from em.statistics import Floats, GaussianStatistics, Ints, solve, spectrum, take

TINY = float(np.finfo(float).tiny)


def draw_prior(
    priors: Priors, model: str, k: int, sigma_rule: SigmaRule, back: Floats, n: int, seed: int
) -> dict[str, Floats]:
    """Draws from the prior of any of the three models.

    Segments have no order before the data are seen, so each of them has the same prior.

    Parameters
    ----------
    k : number of segments; 1 for the hierarchical model.
    back : (coefficient, coefficient) from centred columns to those as they are.
    n : number of draws.

    Returns
    -------
    By the names and shapes of the posterior: weight (draw, segment), theta (draw, segment, coefficient) and sigma
    (draw, segment); weight, mu, omega (draw, segment, coefficient, coefficient) and sigma; or mu (draw, coefficient),
    omega (draw, coefficient, coefficient) and sigma (draw,); with traits gamma (draw, trait, coefficient).
    """
    rng = np.random.default_rng(stream(seed, "prior"))
    p = len(priors.coefficients)
    center = (np.array(priors.mean) + np.array(priors.sd) * rng.standard_normal((n, k, p))) @ back.T
    free = {"fixed": 0, "common": 1, "segment": k}[sigma_rule]
    log_sigma = np.log(priors.sigma_median) + priors.sigma_log_sd * rng.standard_normal((n, free))
    sigma = np.exp(log_sigma) * np.ones(k) if free else np.ones((n, k))
    weight = rng.dirichlet(np.full(k, priors.concentration), n)
    if model == "mixture":
        return {"weight": weight, "theta": center, "sigma": sigma}
    varying = priors.varying
    scale = np.array(priors.spreads) * np.abs(rng.standard_normal((n, k, p)))
    shape = partial_correlation_shapes(varying.size, priors.lkj)
    partial = 2.0 * rng.beta(shape, shape, (n, k, shape.size)) - 1.0
    factor = back[:, varying] @ (scale[..., varying, None] * correlation_factors(partial, varying.size))
    drawn = {"weight": weight, "mu": center, "omega": factor @ np.swapaxes(factor, -1, -2), "sigma": sigma}
    if priors.traits:
        z = rng.standard_normal((n, len(priors.effects)))
        effect = np.array(priors.effect_mean) + np.array(priors.effect_sd) * z
        drawn["gamma"] = effect.reshape(n, len(priors.traits), p) @ back.T
    return without_segment(drawn, 1) if model == "hierarchical" else drawn


def correlation_factors(partial: Floats, p: int) -> Floats:
    """Cholesky factors of correlation matrices with given canonical partial correlations.

    L_ij = r_ij prod_{m < j} sqrt(1 - r_im^2) with r_ii = 1 (Lewandowski, Kurowicka & Joe 2009).

    Parameters
    ----------
    partial : (..., p (p - 1) / 2) in (-1, 1), of rows 1, 2, ... of the strictly lower triangle.

    Returns
    -------
    (..., p, p), lower triangular.
    """
    r = np.zeros((*partial.shape[:-1], p, p))
    r[(..., *np.tril_indices(p, -1))] = partial
    rest = np.sqrt(np.cumprod(1.0 - np.square(r), axis=-1))
    before = np.concatenate([np.ones((*rest.shape[:-1], 1)), rest[..., :-1]], axis=-1)
    return np.tril(r + np.eye(p)) * before


def log_prior(
    quantities: Mapping[str, Floats], priors: Priors, model: str, sigma_rule: SigmaRule, back: Floats
) -> dict[str, Floats]:
    """Log-density of each prior at draws of the posterior, up to constants, as power scaling takes it.

    Densities are those that the user is told: normal in each coefficient on centred columns, Dirichlet in the weights,
    log-normal in sigma (not in its logarithm), half-normal in the sds of store coefficients and LKJ in their
    correlation matrix. A sampler's transformations have no part in them.

    Parameters
    ----------
    quantities : draws by name, (chain, draw, ...).

    Returns
    -------
    (chain, draw) by theta of a mixture, or mu, spread and (from two varying coefficients on) correlation where stores
    differ inside segments, with traits gamma; by weight unless there is one segment by definition, and by sigma unless
    it is fixed.
    """
    q = quantities
    to_centred = np.linalg.inv(back)
    name = "theta" if model == "mixture" else "mu"
    z = (q[name] @ to_centred.T - np.array(priors.mean)) / np.array(priors.sd)
    parts = {name: -0.5 * _over_draws(np.square(z))}
    if priors.traits:
        effect = (q["gamma"] @ to_centred.T).reshape(*q["gamma"].shape[:2], -1)
        parts["gamma"] = -0.5 * _over_draws(np.square((effect - np.array(priors.effect_mean)) / priors.effect_sd))
    if model != "hierarchical":
        # A segment that is not in use may have a weight too small for a double.
        parts["weight"] = _over_draws(xlogy(priors.concentration - 1.0, np.maximum(q["weight"], TINY)))
    if sigma_rule != "fixed":
        one = q["sigma"][..., :1] if sigma_rule == "common" and model != "hierarchical" else q["sigma"]
        log_sigma = np.log(one)
        of_sigma = -0.5 * np.square((log_sigma - np.log(priors.sigma_median)) / priors.sigma_log_sd) - log_sigma
        parts["sigma"] = _over_draws(of_sigma)
    varying = priors.varying
    if model != "mixture" and varying.size:
        omega = (to_centred @ q["omega"] @ to_centred.T)[..., varying[:, None], varying]
        scale = np.sqrt(np.maximum(np.diagonal(omega, axis1=-2, axis2=-1), TINY))
        parts["spread"] = -0.5 * _over_draws(np.square(scale / np.array(priors.spreads)[varying]))
        if varying.size > 1:
            correlation = omega / (scale[..., :, None] * scale[..., None, :])
            parts["correlation"] = (priors.lkj - 1.0) * _over_draws(np.linalg.slogdet(correlation)[1])
    return parts


def _over_draws(values: Floats) -> Floats:
    """Sum over everything but (chain, draw)."""
    return values.sum(tuple(range(2, values.ndim)))


def prior_predictive(
    draws: Mapping[str, Floats],
    stats: Stores,
    coefficients: Sequence[str],
    seed: int,
    traits: Floats | None = None,
) -> dict[str, Floats]:
    """What the prior expects a store to show, to be set beside what the observed stores do show.

    For each draw a store: as many weeks and the same prices as one of the observed ones, taken at random; segment,
    coefficients and the noise of its weeks from the prior. Of log sales only its least squares are drawn, X'X b =
    R'(R theta + sigma z) with R'R = X'X: its weeks are not needed. Of other families its expected responses are drawn.

    Parameters
    ----------
    draws : from `draw_prior`.
    stats : of the observed stores, on the columns as they are.
    traits : (store, trait) that explain their coefficients; None where nothing does.

    Returns
    -------
    (draw,) by the names of `shown_by_stores`.
    """
    rng = np.random.default_rng(stream(seed, "prior predictive"))
    prior = parameter_draws(draws)
    n, _, p = prior.mu.shape
    rows = np.arange(n)
    segment = drawn_segments(prior.weight, rng.random(n))
    theta = prior.mu[rows, segment]
    if prior.omega is not None:
        values, vectors = np.linalg.eigh(prior.omega[rows, segment])
        theta = theta + np.einsum("dpq,dq->dp", vectors, np.sqrt(np.maximum(values, 0.0)) * rng.standard_normal((n, p)))
    whose = rng.integers(stats.n_stores, size=n)
    if prior.gamma is not None and traits is not None:
        theta = theta + np.einsum("dm,dmp->dp", traits[whose], prior.gamma)
    if isinstance(stats, CountedStores):
        return expected_of_stores(stats.counts, whose, theta)
    like = take(stats, whose)
    root = roots(like.xtx)
    seen = np.einsum("dpq,dq->dp", root, theta) + prior.sigma[rows, segment][:, None] * rng.standard_normal((n, p))
    b = solve(like.xtx, np.einsum("dqp,dq->dp", root, seen))
    return shown_by_stores(like._replace(b=b), coefficients, stats)


def expected_of_stores(counts: DesignCounts, whose: Ints, theta: Floats) -> dict[str, Floats]:
    """Mean response that stores with the weeks of those at `whose` (draw,) have with coefficients theta; by name."""
    like = take_stores(counts, whose)
    eta = like.offset[like.design] + np.einsum("cp,cp->c", like.x[like.design], theta[like.store])
    with np.errstate(over="ignore"):
        mean = like.family.mean(eta, np.ones(eta.size))
    return {"response": _per_row(like, like.n * mean)}


def _per_row(counts: DesignCounts, total: Floats) -> Floats:
    """Total of each store's cells over its rows, trials or exposure; (store,)."""
    whole, size = (
        np.bincount(counts.store, amount, counts.n_stores)
        for amount in (total, counts.n * np.exp(counts.offset[counts.design]))
    )
    return np.divide(whole, size, out=np.full(counts.n_stores, np.nan), where=size > 0.0)


def shown_by_stores(
    stats: Stores, coefficients: Sequence[str], panel: GaussianStatistics | None = None
) -> dict[str, Floats]:
    """Three numbers of each store of log sales that a user knows, or its mean response; (store,) by name.

    log_sales is the mean of log sales over the store's weeks, elasticity its own least squares' and sales what these
    say it sells at the average prices of all stores; response is the mean of a row, of a trial or of a unit of
    exposure. Elasticity and sales are nan where its weeks do not settle them; without
    an intercept or a price there is none.

    Parameters
    ----------
    panel : the stores whose averages are meant; None is these.
    """
    if isinstance(stats, CountedStores):
        return {"response": _per_row(stats.counts, stats.counts.total)}
    panel = stats if panel is None else panel
    settled = spectrum(stats.xtx).seen.all(-1)
    shown = {}
    if "intercept" in coefficients:
        one = list(coefficients).index("intercept")
        shown["log_sales"] = np.einsum("sp,sp->s", stats.xtx[:, one], stats.b) / stats.n
        average = panel.xtx[:, one].sum(0) / panel.n.sum()
        with np.errstate(over="ignore"):
            shown["sales"] = np.where(settled, np.exp(stats.b @ average), np.nan)
    if "log_price" in coefficients:
        shown["elasticity"] = np.where(settled, stats.b[:, list(coefficients).index("log_price")], np.nan)
    return shown
