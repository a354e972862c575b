"""The generalised linear mixed model by maximum likelihood: stores of any family, coefficients drawn from one normal.

    y_i | theta_i ~ family with linear predictor offset + X_i theta_i,   theta_i ~ N(mu, Omega),

Omega a full covariance over a chosen subset of coefficients and zero for the others, and mu that of a store's traits
where these explain coefficients (`em.between`). The integral over theta_i is Laplace's approximation or adaptive
Gauss-Hermite quadrature (`em.quadrature`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from em.between import Between, contracted, separated
from em.conditional import StoreCoefficients, left_open
from em.covariance_rank import singularities
from em.criteria import Criteria, criteria
from em.design_counts import DesignCounts, by_value, pooled_designs
from em.designs import orthogonal_coordinates
from em.errors import InputError
from em.glmm_search import LOWEST, CarrierSum, Problem, Top, best_glmm, embedded_root
from em.mixed_model import NO_INFORMATION, Described, MixedParameters, MixedSigmaRule, described, of_stores, positions
from em.panel import Panel, statistics_of
from em.quadrature import integrate, product_rule
from em.separation import told_of_infinite_spread, told_of_separation
from em.spread import Spread, spread
from em.statistics import Floats, Ints
from em.store_modes import cells_of, modes

if TYPE_CHECKING:
    import xarray

MOST_DIRECTIONS = 3  # that quadrature with more than one node takes
MOST_NODES = 100


@dataclass(frozen=True)
class GlmmFit:
    """A fitted generalised linear mixed model.

    Attributes
    ----------
    parameters : the estimates: mu and Omega on the scale of the linear predictor, sigma the family's dispersion (1
        where it has none).
    log_likelihood : of exactly these parameters, over all stores, by the quadrature used.
    mu_covariance : (coefficient, coefficient) of the estimate of mu, Omega and sigma estimated too.
    spread : standard deviations and correlations between stores, and how well they are known.
    sigma_rule, sigma_error : whether the family has a dispersion, which is common to all stores; its standard error,
        zero where there is none, NaN where it is at its bound.
    n_parameters, criteria : how many were free, and the information criteria.
    random : names of the coefficients that vary between stores.
    quadrature : nodes in each direction; 1 is Laplace's approximation.
    singular : what is singular about Omega, or that there is no dispersion, in words; empty when nothing is.
    converged, identified : whether another step would gain nothing, over all covariances, and whether the data hold
        information about every direction.
    iterations : Newton steps.
    statistics, stores, coefficients : what was fitted, and labels; with traits the last coefficients are their effects.
    between : the traits that explain the stores' coefficients; None where nothing does.
    warnings : why the result is not to be trusted; empty when it is.
    """

    parameters: MixedParameters
    log_likelihood: float
    mu_covariance: Floats = field(repr=False)
    spread: Spread = field(repr=False)
    sigma_rule: MixedSigmaRule
    sigma_error: float
    n_parameters: int
    criteria: Criteria
    random: tuple[str, ...]
    quadrature: int
    singular: tuple[str, ...]
    converged: bool
    identified: bool
    iterations: int
    statistics: DesignCounts = field(repr=False)
    stores: tuple[str, ...] = field(repr=False)
    coefficients: tuple[str, ...] = field(repr=False)
    between: Between | None = field(repr=False)
    warnings: tuple[str, ...]

    @property
    def standard_errors(self) -> Floats:
        """Of mu; (coefficient,)."""
        return np.sqrt(np.diagonal(self.mu_covariance))

    @property
    def sd_errors(self) -> Floats:
        """Of the standard deviations between stores, NaN where these are zero; (coefficient,)."""
        errors = np.full(len(self.coefficients), np.nan)
        errors[[self.coefficients.index(name) for name in self.random]] = self.spread.sd_error
        return errors

    @property
    def of_stores(self) -> tuple[str, ...]:
        """Names of the coefficients that a store has: all but the effects of traits."""
        return of_stores(self.coefficients, self.between)

    @cached_property
    def store_coefficients(self) -> StoreCoefficients:
        """Most probable coefficients of each store given its data, with the curvature there as their precision."""
        mu, omega, sigma = self.parameters
        at = modes(cells_of(self.statistics), mu, _root_of(omega), float(np.log(sigma)))
        n = len(self.of_stores)
        root, center = _root_of(omega)[:n], mu[:n]
        if self.between is not None:
            center = center + self.between.values @ separated(mu, self.between)[1]
        covariance = root @ np.linalg.solve(at.information, np.broadcast_to(root.T, (len(at.u), *root.T.shape)))
        return StoreCoefficients(center + at.u @ root.T, covariance, left_open(covariance, np.diagonal(omega)[:n]))

    def to_xarray(self) -> "xarray.Dataset":
        """Estimates, standard errors and store coefficients under their names."""
        from em.glmm_labelled import dataset

        return dataset(self)

    def __repr__(self) -> str:
        """The estimates in plain text."""
        from em.glmm_labelled import describe

        return describe(self)


def fit_glmm(
    data: Panel | DesignCounts,
    *,
    random: Sequence[str] | None = None,
    quadrature: int = 1,
    stats: DesignCounts | None = None,
) -> GlmmFit:
    """Fit by Newton's method on exact scores of the approximated likelihood, Laplace's first.

    Parameters
    ----------
    data : a panel with a family, whose traits (`read_panel(..., between=)`) explain the coefficients, or the statistics
        of its stores.
    random : names of the coefficients that vary between stores; None is all, an empty sequence none.
    quadrature : nodes in each random direction; 1 is Laplace's approximation.
    stats : the statistics of the panel, when they are already at hand.

    Raises
    ------
    InputError
        When a name or number is not possible, or the stores together do not identify every coefficient.
    """
    given = described(data, stats, _statistics)
    own = of_stores(given.coefficients, given.between)
    columns = positions(own if random is None else random, own)
    if not 1 <= quadrature <= MOST_NODES:
        raise InputError(f"quadrature is {quadrature}; expected 1 (Laplace) to {MOST_NODES} nodes")
    if quadrature > 1 and columns.size > MOST_DIRECTIONS:
        raise InputError(
            f"quadrature takes at most {MOST_DIRECTIONS} coefficients that vary between stores, not {columns.size}; "
            "expected fewer, or 1 node (Laplace)"
        )
    return _fit(given, columns, quadrature)


def refitted(fit: GlmmFit, random: Sequence[str]) -> GlmmFit:
    """The model of the same stores with other random coefficients, by the same quadrature."""
    given = Described(fit.statistics, fit.stores, fit.coefficients, fit.between)
    return _fit(given, positions(random, fit.of_stores), fit.quadrature)


def without_traits(fit: GlmmFit) -> GlmmFit:
    """The model of the same stores in which no traits explain the coefficients."""
    if fit.between is None:
        return fit
    given = Described(contracted(fit.statistics, fit.between), fit.stores, fit.of_stores, None)
    return _fit(given, positions(fit.random, fit.of_stores), fit.quadrature)


def _statistics(panel: Panel) -> DesignCounts:
    found = statistics_of(panel)
    if not isinstance(found, DesignCounts):
        raise InputError("log sales are fitted by the linear mixed model, which needs no quadrature")
    return found


def _fit(given: Described[DesignCounts], columns: Ints, quadrature: int) -> GlmmFit:
    with threadpool_limits(1, user_api="blas"):
        return _fitted(given, columns, quadrature)


def _fitted(given: Described[DesignCounts], columns: Ints, quadrature: int) -> GlmmFit:
    stats, stores, names, between = given
    n, _ = pooled_designs(stats)
    back = orthogonal_coordinates((stats.x * n[:, None]).T @ stats.x / n.sum(), columns, names)
    cells = cells_of(stats, back)
    count = np.bincount(stats.value, stats.count, stats.y.size)
    top = best_glmm(Problem(cells, columns, CarrierSum(stats.family, stats.y, stats.trials, count)), quadrature)
    inside = back[np.ix_(columns, columns)]
    p, q, rank = stats.n_coefficients, columns.size, top.place.root.shape[1]
    own_root = inside @ top.place.root
    omega = embedded_root(own_root, columns, p)
    omega = omega @ omega.T
    parameters = MixedParameters(back @ top.place.mu, omega, float(np.exp(top.place.log_sigma)))
    covariance, identified = _covariance(top)
    of_root = slice(p, p + len(top.basis))
    mu_covariance = back @ covariance[:p, :p] @ back.T
    log_likelihood = float(store_log_likelihoods(stats, parameters, quadrature).sum())
    n_parameters = p + q * (q + 1) // 2 + stats.family.dispersed
    return GlmmFit(
        parameters=parameters,
        log_likelihood=log_likelihood,
        mu_covariance=0.5 * (mu_covariance + mu_covariance.T),
        spread=spread(omega[np.ix_(columns, columns)], own_root, inside @ top.basis, covariance[of_root, of_root]),
        sigma_rule="common" if stats.family.dispersed else "fixed",
        sigma_error=parameters.sigma * float(np.sqrt(covariance[-1, -1])) if stats.family.dispersed else 0.0,
        n_parameters=n_parameters,
        criteria=criteria(
            log_likelihood, n_parameters, 0, stats.n_stores, stats.n_observations, np.ones((stats.n_stores, 1))
        ),
        random=tuple(names[a] for a in columns),
        quadrature=quadrature,
        singular=singularities(omega, rank, columns, names) + _no_dispersion(top, stats),
        converged=top.summit.converged,
        identified=identified,
        iterations=top.iterations,
        statistics=stats,
        stores=stores,
        coefficients=names,
        between=between,
        warnings=_warnings(top, identified, parameters, stats, names),
    )


def store_log_likelihoods(stats: DesignCounts, parameters: MixedParameters, quadrature: int) -> Floats:
    """Log-likelihood of every store with its coefficients integrated out, (store,)."""
    mu, omega, sigma = parameters
    root, log_sigma = _root_of(omega), float(np.log(sigma))
    rule = product_rule(quadrature, root.shape[1])
    varies = np.flatnonzero(np.diagonal(omega) > 0.0)
    value = integrate(cells_of(stats), mu, root, varies, log_sigma, rule).value
    return value + by_value(stats) @ stats.family.carrier(stats.y, stats.trials, log_sigma)


def _root_of(omega: Floats) -> Floats:
    """A root (coefficient, direction) with as many columns as Omega has rank."""
    values, vectors = np.linalg.eigh(omega)
    seen = values > 1e-12 * max(values[-1], np.finfo(float).tiny)
    return vectors[:, seen] * np.sqrt(values[seen])


def _covariance(top: Top) -> tuple[Floats, bool]:
    """Inverse information of the free numbers, NaN where there is none, and whether every direction is known."""
    free, p = ~top.summit.held, top.place.mu.size
    if _at_bound(top):
        free[-1] = False
    size = np.ones(free.size)
    size[p : p + len(top.basis)] = max(float(np.sqrt(np.square(top.place.root).sum())), 1e-2)
    scaled = (top.summit.point.information * size[:, None] * size)[np.ix_(free, free)]
    values, vectors = np.linalg.eigh(scaled)
    covariance = np.full((free.size, free.size), np.nan)
    known = bool(values[0] > NO_INFORMATION)
    if known:
        covariance[np.ix_(free, free)] = (vectors / values) @ vectors.T * np.outer(size[free], size[free])
    return covariance, known


def _warnings(
    top: Top, identified: bool, parameters: MixedParameters, stats: DesignCounts, names: tuple[str, ...]
) -> tuple[str, ...]:
    """Why not to trust a fit; each reason a sentence. That Omega is singular is an answer and no reason."""
    reasons = told_of_separation(stats, parameters.mu[None], names)
    reasons = reasons or told_of_infinite_spread(stats, parameters.omega, names)
    if not reasons and not top.summit.converged:
        reasons.append(f"the mixed model did not converge in {top.iterations} Newton steps")
    elif not reasons and not identified:
        reasons.append("the stores do not identify every variance: the log-likelihood is flat in a direction")
    if _at_bound(top) and stats.family.limit is None:
        reasons.append(
            f"the dispersion fell to its lower bound, {np.exp(LOWEST):g}: responses are fitted without error"
        )
    return tuple(reasons)


def _at_bound(top: Top) -> bool:
    """Whether the dispersion is nothing; near its bound the likelihood is flat in its logarithm."""
    return top.place.log_sigma < LOWEST + 1.0


def _no_dispersion(top: Top, stats: DesignCounts) -> tuple[str, ...]:
    if not _at_bound(top) or stats.family.limit is None:
        return ()
    return (f"the dispersion is zero: responses scatter no more than the family {stats.family.limit} has them",)
