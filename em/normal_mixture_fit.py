"""Maximum likelihood for a mixture of normals: starts of several kinds, EM together, Newton to the top."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, get_args

import numpy as np

from em.between import Between, contracted, separated, shifted
from em.conditional import StoreCoefficients, over_segments, store_coefficients
from em.covariance_rank import singularities
from em.criteria import Criteria, criteria
from em.designs import whitening
from em.errors import InputError, impossible_segments
from em.mixed_model import MixedFit, MixedSigmaRule, described, fit_mixed_model, of_stores
from em.mixture import MixtureParameters
from em.normal_mixture import NormalMixtureParameters, memberships
from em.normal_mixture_climb import NormalMixtureErrors, Top, standard_errors
from em.normal_mixture_search import EM_STEPS, ENOUGH, Found, search
from em.panel import Panel, store_statistics
from em.regressions import anchors
from em.scatter import against_fixed_sigma, sigma_floor
from em.statistics import Floats, GaussianStatistics, Ints

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class NormalMixtureFit:
    """A fitted mixture of normals; segments in falling order of weight.

    Attributes
    ----------
    parameters : the estimates.
    others : other optima that come near, from the best of them down; see `em.normal_mixture_search`.
    log_likelihood : of exactly these parameters, over all stores.
    memberships : (store, segment) posterior probabilities.
    n_parameters, criteria : how many were free, and the information criteria.
    standard_errors : from the observed information; None where not identified.
    random : names of the coefficients that vary inside segments.
    singular : (segment,) what is singular about each covariance, in words.
    converged, identified : whether the score vanishes, and whether the data tell the segments apart.
    iterations : EM and Newton steps of one start.
    starts_tried, starts_at_best, starts_degenerate : searches, those that ended here, and those set aside because a
        segment was empty, one store's, or sigma at its lower bound.
    continuum : the mixed model of the same stores.
    statistics, stores, coefficients : what was fitted, and labels; with traits the last coefficients are their effects,
        the same in all segments.
    between : the traits that explain the stores' coefficients; None where nothing does.
    warnings : why the result is not to be trusted; empty when it is.
    """

    parameters: NormalMixtureParameters
    others: tuple[NormalMixtureParameters, ...] = field(repr=False)
    log_likelihood: float
    memberships: Floats = field(repr=False)
    n_parameters: int
    criteria: Criteria
    standard_errors: NormalMixtureErrors | None = field(repr=False)
    random: tuple[str, ...]
    sigma_rule: MixedSigmaRule
    singular: tuple[tuple[str, ...], ...]
    converged: bool
    identified: bool
    iterations: int
    starts_tried: int
    starts_at_best: int
    starts_degenerate: int
    continuum: MixedFit = field(repr=False)
    statistics: GaussianStatistics = field(repr=False)
    stores: tuple[str, ...] = field(repr=False)
    coefficients: tuple[str, ...] = field(repr=False)
    between: Between | None = field(repr=False)
    warnings: tuple[str, ...]

    @property
    def k(self) -> int:
        """Number of segments."""
        return self.parameters.n_segments

    @property
    def of_stores(self) -> tuple[str, ...]:
        """Names of the coefficients that a store has: all but the effects of traits."""
        return of_stores(self.coefficients, self.between)

    @cached_property
    def segment(self) -> np.ndarray:
        """Most probable segment of each store, 1..K; (store,)."""
        return self.memberships.argmax(1) + 1

    @cached_property
    def store_coefficients(self) -> StoreCoefficients:
        """Each store's coefficients, segments averaged."""
        p = self.parameters
        if self.between is None:
            mean, covariance, _ = store_coefficients(self.statistics, p.mu, p.sigma, p.omega)
            return over_segments(mean, covariance, self.memberships, p.weight, p.mu, p.omega)
        mu, gamma = separated(p.mu, self.between)
        shift, n = self.between.values @ gamma[0], mu.shape[-1]
        own = shifted(contracted(self.statistics, self.between), shift)
        omega = p.omega[:, :n, :n]
        mean, covariance, _ = store_coefficients(own, mu, p.sigma, omega)
        left = over_segments(mean, covariance, self.memberships, p.weight, mu, omega)
        return left._replace(mean=left.mean + shift)

    def to_xarray(self) -> "xarray.Dataset":
        """Estimates, standard errors, memberships and store coefficients under their names."""
        from em.mixed_labelled import dataset

        return dataset(self)

    def __repr__(self) -> str:
        """The segment table in plain text."""
        from em.mixed_labelled import describe_segments

        return describe_segments(self)


def fit_normal_mixture(
    data: Panel | GaussianStatistics,
    k: int,
    *,
    random: Sequence[str] | None = None,
    sigma: MixedSigmaRule = "fixed",
    starts: int = 20,
    seed: int = 0,
    mixtures: Sequence[MixtureParameters] = (),
    also: Sequence[NormalMixtureParameters] = (),
    stats: GaussianStatistics | None = None,
) -> NormalMixtureFit:
    """Fit a mixture of K normals by maximum likelihood.

    Parameters
    ----------
    data : a panel, whose traits (`read_panel(..., between=)`) explain the coefficients, or statistics of its stores.
    k : number of segments, 1 (the mixed model) to the number of stores.
    random : names of the coefficients that vary inside segments; None is all.
    sigma : "fixed" (1) or "common" (estimated, one for all segments).
    starts : searches from random stores, besides those from the mixed model and from what is given below.
    seed : of every random choice; the same seed gives the same fit.
    mixtures : finite mixtures with K segments to start from, such as the best of `em.fit`; with traits, of the
        statistics that `without_effects` gives.
    also : mixtures of normals with up to K segments to start from, such as the best with K - 1.
    stats : the statistics of the panel, when they are already at hand.

    Raises
    ------
    InputError
        When K, starts, sigma or a name is not possible for these data.
    """
    given = described(data, stats, store_statistics)
    _check(given.statistics, k, sigma, starts, seed)
    continuum = fit_mixed_model(data, random=random, sigma=sigma, stats=stats)
    stats, stores, names, _ = given
    columns = continuum.random_columns
    back = whitening(stats, columns, names)
    floor = None if sigma == "fixed" else sigma_floor(stats)
    effects = continuum.parameters.mu[len(continuum.of_stores) :]
    own = _with_effects(anchors(without_effects(continuum)), effects)
    mixtures = [one._replace(theta=_with_effects(one.theta, effects)) for one in mixtures]
    found = search(
        stats, back, columns, floor, continuum.parameters, k, starts, seed, mixtures, also, own, effects.size
    )
    return _fit(found, back, columns, floor, continuum, stats, stores, names)


def without_effects(continuum: MixedFit) -> GaussianStatistics:
    """Statistics of a mixed model's stores with what traits explain taken off: what segments are looked for in."""
    if continuum.between is None:
        return continuum.statistics
    _, gamma = separated(continuum.parameters.mu, continuum.between)
    return shifted(contracted(continuum.statistics, continuum.between), continuum.between.values @ gamma)


def _with_effects(values: Floats, effects: Floats) -> Floats:
    """Coefficients (any, coefficient) with the same effects of traits behind each."""
    return np.concatenate([values, np.broadcast_to(effects, (len(values), effects.size))], axis=1)


def _check(stats: GaussianStatistics, k: int, sigma: str, starts: int, seed: int) -> None:
    if not 1 <= k <= stats.n_stores:
        raise impossible_segments(k, stats.n_stores)
    if seed < 0:
        raise InputError(f"seed is {seed}; expected 0 or more")
    if starts < 0:
        raise InputError(f"starts is {starts}; expected 0 or more")
    if sigma not in get_args(MixedSigmaRule):
        raise InputError(f"sigma is {sigma!r}; expected one of {', '.join(get_args(MixedSigmaRule))}")


def _fit(
    found: Found,
    back: Floats,
    columns: Ints,
    floor: float | None,
    continuum: MixedFit,
    stats: GaussianStatistics,
    stores: tuple[str, ...],
    names: tuple[str, ...],
) -> NormalMixtureFit:
    best = found.best
    order = _falling(best)
    k, q, p = order.size, columns.size, stats.n_coefficients
    parameters = _parameters(best, back, columns)
    if k == 1:
        mixed = continuum.parameters
        parameters = NormalMixtureParameters(np.ones(1), mixed.mu[None], mixed.omega[None], np.array([mixed.sigma]))
    responsibilities, loglik = memberships(parameters, stats)
    log_likelihood = float(loglik.sum())
    tied = p - len(continuum.of_stores)
    n_parameters = k * (p + q * (q + 1) // 2) - (k - 1) * tied + k - 1 + (floor is not None)
    errors = standard_errors(best, back, order)
    return NormalMixtureFit(
        parameters=parameters,
        others=tuple(_parameters(top, back, columns) for top in found.others),
        log_likelihood=log_likelihood,
        memberships=responsibilities,
        n_parameters=n_parameters,
        criteria=criteria(log_likelihood, n_parameters, k - 1, stats.n_stores, stats.n_observations, responsibilities),
        standard_errors=errors,
        random=tuple(names[a] for a in columns),
        sigma_rule="fixed" if floor is None else "common",
        singular=tuple(singularities(parameters.omega[j], best.ranks[order[j]], columns, names) for j in range(k)),
        converged=best.summit.converged,
        identified=errors is not None,
        iterations=best.iterations + (EM_STEPS if k > 1 else 1),
        starts_tried=found.tried,
        starts_at_best=found.at_best,
        starts_degenerate=found.degenerate,
        continuum=continuum,
        statistics=stats,
        stores=stores,
        coefficients=names,
        between=continuum.between,
        warnings=_warnings(found, errors is not None, floor, stats),
    )


def _falling(top: Top) -> Ints:
    """Its segments in falling order of weight."""
    return np.argsort(-top.several.weight[0], kind="stable")


def _parameters(top: Top, back: Floats, columns: Ints) -> NormalMixtureParameters:
    """Where a climb ended, on the columns as they are."""
    order, p = _falling(top), len(back)
    mu, root, v = top.several.normals
    inner = back[np.ix_(columns, columns)] @ root
    omega = np.zeros((order.size, p, p))
    omega[:, columns[:, None], columns] = inner @ np.swapaxes(inner, -1, -2)
    return NormalMixtureParameters(top.several.weight[0][order], (mu @ back.T)[order], omega[order], np.sqrt(v))


def _warnings(found: Found, identified: bool, floor: float | None, stats: GaussianStatistics) -> tuple[str, ...]:
    """Why not to trust a fit; each reason a sentence. That a covariance is singular is an answer and no reason."""
    reasons, best = [], found.best
    k = best.several.weight.shape[1]
    if not best.summit.converged:
        reasons.append(f"K={k}: the mixture of normals did not converge in {best.iterations} Newton steps")
    elif not identified:
        reasons.append(f"K={k}: the data do not tell {k} normal segments apart")
    if found.at_best < min(ENOUGH, found.tried):
        reasons.append(
            f"K={k}: only {found.at_best} of {found.tried} starts reached the best optimum; use more --starts"
        )
    if found.degenerate == found.tried:
        reasons.append(f"K={k}: in every start a segment was empty, one store's, or sigma at its lower bound")
    if floor is None:
        reasons += against_fixed_sigma(stats, "--sigma common")
    return tuple(reasons)
