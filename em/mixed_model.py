"""The linear mixed model by maximum likelihood or REML: stores whose coefficients are drawn from one normal.

    y_i = X_i theta_i + e_i,   theta_i ~ N(mu, Omega),   e_i ~ N(0, sigma^2 I),

Omega a full covariance over a chosen subset of coefficients and zero for the others (Laird & Ware 1982).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from em.between import Between, contracted, effect_names, expanded, separated, shifted
from em.conditional import ConditionalModes, StoreCoefficients, conditional_modes
from em.covariance_rank import Covariance, singularities
from em.criteria import Criteria, criteria
from em.design_counts import DesignCounts
from em.designs import whitening
from em.errors import InputError
from em.likelihood import component_loglik
from em.marginal import information_of_mu, precision
from em.mixed_search import EM_STEPS, MixedOptimum, search
from em.panel import Panel, store_statistics
from em.scatter import against_fixed_sigma, sigma_floor
from em.statistics import Floats, GaussianStatistics, Ints
from em.variance_slice import best_mean, embedded, log_sigma_at, root_at

if TYPE_CHECKING:
    import xarray

MixedSigmaRule = Literal["fixed", "common"]
NO_INFORMATION = 1e-6  # about a change of a standard deviation by its own size; a known store has 2


class MixedParameters(NamedTuple):
    """Parameters of a mixed model.

    Attributes
    ----------
    mu : (coefficient,) mean of the stores' coefficients.
    omega : (coefficient, coefficient) their covariance; zero rows and columns for those that do not vary.
    sigma : residual standard deviation of log sales.
    """

    mu: Floats
    omega: Floats
    sigma: float


@dataclass(frozen=True)
class MixedFit:
    """A fitted mixed model.

    Attributes
    ----------
    parameters : the estimates.
    log_likelihood : of exactly these parameters, over all stores.
    restricted_log_likelihood : with mu integrated out, which REML maximises; None after maximum likelihood.
    mu_covariance : (coefficient, coefficient) covariance of the estimate of mu, given Omega and sigma.
    n_parameters, criteria : how many were free, and the information criteria, from `log_likelihood` also after REML.
    random : names of the coefficients that vary between stores.
    singular : what is singular about Omega, in words; empty when nothing is.
    converged, identified : whether another step would gain nothing, over all covariances, and whether the data hold
        information about every direction.
    iterations : EM and Newton steps of one start.
    starts_tried, starts_at_best : climbs from different spreads, and how many of them ended here.
    statistics, stores, coefficients : what was fitted, and labels; with traits the last coefficients are their effects.
    between : the traits that explain the stores' coefficients; None where nothing does.
    summit, back : the maximum in its own coordinates and the way back from these, for standard errors and profiles.
    warnings : why the result is not to be trusted; empty when it is.
    """

    parameters: MixedParameters
    log_likelihood: float
    restricted_log_likelihood: float | None
    mu_covariance: Floats = field(repr=False)
    n_parameters: int
    criteria: Criteria
    random: tuple[str, ...]
    sigma_rule: MixedSigmaRule
    singular: tuple[str, ...]
    converged: bool
    identified: bool
    iterations: int
    starts_tried: int
    starts_at_best: int
    statistics: GaussianStatistics = field(repr=False)
    stores: tuple[str, ...] = field(repr=False)
    coefficients: tuple[str, ...] = field(repr=False)
    between: Between | None = field(repr=False)
    summit: Covariance = field(repr=False)
    back: Floats = field(repr=False)
    warnings: tuple[str, ...]

    @property
    def restricted(self) -> bool:
        """Whether it was fitted by REML."""
        return self.restricted_log_likelihood is not None

    @property
    def standard_errors(self) -> Floats:
        """Of mu, given Omega and sigma; (coefficient,)."""
        return np.sqrt(np.diagonal(self.mu_covariance))

    @property
    def random_columns(self) -> Ints:
        """Positions of the random coefficients."""
        return np.array([self.coefficients.index(name) for name in self.random], dtype=np.intp)

    @property
    def of_stores(self) -> tuple[str, ...]:
        """Names of the coefficients that a store has: all but the effects of traits."""
        return of_stores(self.coefficients, self.between)

    @cached_property
    def modes(self) -> ConditionalModes:
        """Each store's coefficients given its data and the estimates."""
        mu, omega, sigma = self.parameters
        if self.between is None:
            return conditional_modes(self.statistics, mu, omega, sigma)
        mu, gamma = separated(mu, self.between)
        shift, n = self.between.values @ gamma, mu.size
        own = shifted(contracted(self.statistics, self.between), shift)
        modes = conditional_modes(own, mu, omega[:n, :n], sigma)
        return modes._replace(theta=modes.theta + shift)

    @property
    def store_coefficients(self) -> StoreCoefficients:
        """The same, in the form that all models have."""
        return StoreCoefficients(self.modes.theta, self.modes.covariance, self.modes.pooling)

    def to_xarray(self) -> "xarray.Dataset":
        """Estimates, standard errors and store coefficients under their names."""
        from em.mixed_labelled import dataset

        return dataset(self)

    def __repr__(self) -> str:
        """The estimates in plain text."""
        from em.mixed_labelled import describe

        return describe(self)


def fit_mixed_model(
    data: Panel | GaussianStatistics,
    *,
    random: Sequence[str] | None = None,
    sigma: MixedSigmaRule = "fixed",
    reml: bool = False,
    stats: GaussianStatistics | None = None,
) -> MixedFit:
    """Fit the mixed model: a few EM steps, then Newton on the exact information.

    Parameters
    ----------
    data : a panel, whose traits (`read_panel(..., between=)`) explain the coefficients, or statistics of its stores.
    random : names of the coefficients that vary between stores; None is all, an empty sequence none.
    sigma : "fixed" (1) or "common" (estimated).
    reml : restricted maximum likelihood, which allows for the estimation of mu (Patterson & Thompson 1971).
    stats : the statistics of the panel, when they are already at hand.

    Raises
    ------
    InputError
        When a name is not possible, or the stores together do not identify every coefficient.
    """
    stats, stores, names, between = described(data, stats, store_statistics)
    own = of_stores(names, between)
    columns = positions(own if random is None else random, own)
    if sigma not in get_args(MixedSigmaRule):
        raise InputError(f"sigma is {sigma!r}; expected one of {', '.join(get_args(MixedSigmaRule))}")
    if reml and stats.n_observations <= stats.n_coefficients:
        raise InputError(f"REML needs more weeks than coefficients; there are {stats.n_observations}")
    return _fit_stores(stats, stores, names, between, columns, sigma, reml)


def refitted(fit: MixedFit, random: Sequence[str], *, reml: bool) -> MixedFit:
    """The mixed model of the same stores with other random coefficients, or by the other likelihood."""
    columns = positions(random, fit.of_stores)
    return _fit_stores(fit.statistics, fit.stores, fit.coefficients, fit.between, columns, fit.sigma_rule, reml)


def without_traits(fit: MixedFit) -> MixedFit:
    """The mixed model of the same stores in which no traits explain the coefficients."""
    if fit.between is None:
        return fit
    stats, columns = contracted(fit.statistics, fit.between), positions(fit.random, fit.of_stores)
    return _fit_stores(stats, fit.stores, fit.of_stores, None, columns, fit.sigma_rule, fit.restricted)


def _fit_stores(
    stats: GaussianStatistics,
    stores: tuple[str, ...],
    names: tuple[str, ...],
    between: Between | None,
    columns: Ints,
    sigma: MixedSigmaRule,
    reml: bool,
) -> MixedFit:
    back = whitening(stats, columns, names)
    floor = None if sigma == "fixed" else sigma_floor(stats)
    found = search(stats, back, columns, floor, reml=reml)
    return _fit(found, back, stats, stores, names, between, sigma, reml)


class Described[Stores](NamedTuple):
    """What is fitted: statistics of the stores, their names and those of the coefficients, with effects of traits."""

    statistics: Stores
    stores: tuple[str, ...]
    coefficients: tuple[str, ...]
    between: Between | None


def described[Stores: (GaussianStatistics, DesignCounts)](
    data: Panel | Stores, stats: Stores | None, statistics: Callable[[Panel], Stores]
) -> Described[Stores]:
    """What a panel or the statistics of its stores give to fit.

    Parameters
    ----------
    stats : of the panel, when they are already at hand.
    statistics : gives them, when they are not.

    Raises
    ------
    InputError
        When a panel has one store: how stores differ cannot be told from it.
    """
    if isinstance(data, Panel):
        if len(data.stores) < 2:
            raise InputError(f"{data.file}: one store; expected at least two, to tell how stores differ")
        stats, names = statistics(data) if stats is None else stats, data.coefficients
        if data.between is None:
            return Described(stats, data.stores, names, None)
        every = (*names, *effect_names(data.between.names, names))
        return Described(expanded(stats, data.between), data.stores, every, data.between)
    second = "x1" if isinstance(data, DesignCounts) else "log_price"
    names = ("intercept", second, *(f"x{i}" for i in range(2, data.n_coefficients)))[: data.n_coefficients]
    return Described(data, tuple(str(i + 1) for i in range(data.n_stores)), names, None)


def of_stores(names: tuple[str, ...], between: Between | None) -> tuple[str, ...]:
    """The coefficients that a store has, from all names."""
    return names if between is None else names[: len(names) // (1 + len(between.names))]


def positions(random: Sequence[str], names: Sequence[str]) -> Ints:
    """Positions of the random coefficients, rising.

    Raises
    ------
    InputError
        When a name is unknown or stands twice.
    """
    unknown = [name for name in random if name not in names]
    if unknown:
        raise InputError(f"no coefficient {unknown[0]!r} to vary between stores; they are {', '.join(names)}")
    if len(set(random)) < len(random):
        raise InputError("a coefficient that varies between stores is named twice")
    return np.array([a for a, name in enumerate(names) if name in random], dtype=np.intp)


def _fit(
    found: MixedOptimum,
    back: Floats,
    stats: GaussianStatistics,
    stores: tuple[str, ...],
    names: tuple[str, ...],
    between: Between | None,
    rule: MixedSigmaRule,
    reml: bool,
) -> MixedFit:
    best, sums = found.best, found.sums
    part, place, p = best.part, best.summit.place, stats.n_coefficients
    sigma = float(np.exp(log_sigma_at(part, place)))
    root = root_at(part, place)
    at = precision(sums.root, embedded(root, part.random, p)[None], np.array([sigma**2]))
    inside = np.ix_(part.random, part.random)
    parameters = MixedParameters(
        back @ best_mean(part, sums, at)[0], embedded(back[inside] @ root, part.random, p), sigma
    )
    log_likelihood = float(store_log_likelihoods(stats, parameters).sum())
    n_parameters = p + part.random.size * (part.random.size + 1) // 2 + (rule == "common")
    own = np.linalg.inv(information_of_mu(sums, at)[0])
    identified = _identified(best, stats)
    mu_covariance = back @ own @ back.T
    # mu was integrated out in other coordinates: its density there is |back| times that here.
    restricted = best.summit.point.value + float(np.linalg.slogdet(back)[1]) if reml else None
    return MixedFit(
        parameters=parameters,
        log_likelihood=log_likelihood,
        restricted_log_likelihood=restricted,
        mu_covariance=0.5 * (mu_covariance + mu_covariance.T),
        n_parameters=n_parameters,
        criteria=criteria(
            log_likelihood, n_parameters, 0, stats.n_stores, stats.n_observations, np.ones((stats.n_stores, 1))
        ),
        random=tuple(names[a] for a in part.random),
        sigma_rule=rule,
        singular=singularities(parameters.omega, best.rank, part.random, names),
        converged=best.summit.converged,
        identified=identified,
        iterations=best.iterations + EM_STEPS,
        starts_tried=found.tried,
        starts_at_best=found.at_best,
        statistics=stats,
        stores=stores,
        coefficients=names,
        between=between,
        summit=best,
        back=back,
        warnings=_warnings(best, identified, rule, stats),
    )


def store_log_likelihoods(stats: GaussianStatistics, parameters: MixedParameters) -> Floats:
    """Log-likelihood of every store, (store,)."""
    mu, omega, sigma = parameters
    return component_loglik(stats, mu[None], np.array([sigma]), omega[None])[:, 0]


def _warnings(best: Covariance, identified: bool, rule: MixedSigmaRule, stats: GaussianStatistics) -> tuple[str, ...]:
    """Why not to trust a fit; each reason a sentence. That Omega is singular is an answer and no reason."""
    reasons = []
    if not best.summit.converged:
        reasons.append(f"the mixed model did not converge in {best.iterations} Newton steps")
    elif not identified:
        reasons.append("the stores do not identify every variance: the log-likelihood is flat in a direction")
    if best.summit.held.any():
        reasons.append("sigma fell to its lower bound: some stores' weeks are fitted without error")
    if rule == "fixed":
        reasons += against_fixed_sigma(stats, "--sigma common")
    return tuple(reasons)


def _identified(best: Covariance, stats: GaussianStatistics) -> bool:
    """Whether there is information about changes of every direction of Omega by its own size, and of log sigma."""
    free, place = ~best.summit.held, best.summit.place
    noise = np.exp(2.0 * log_sigma_at(best.part, place)) * stats.n_stores / stats.n.sum()
    size = np.ones(place.size)
    size[: len(best.part.basis)] = np.sqrt(np.square(root_at(best.part, place)).sum() + noise)
    scaled = best.summit.point.information * size[:, None] * size
    return not free.any() or bool(np.linalg.eigvalsh(scaled[np.ix_(free, free)])[0] > NO_INFORMATION)
