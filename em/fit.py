"""Maximum likelihood for a finite mixture of store regressions: many searches, one best optimum, how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, cast, get_args

import numpy as np
from threadpoolctl import threadpool_limits

from em.accelerate import Optimum
from em.criteria import Criteria, criteria
from em.errors import InputError, impossible_segments
from em.families.family import Family
from em.membership import separated
from em.mixture import MixtureParameters, Model, SigmaRule, e_step
from em.optimum import ENOUGH, Found, best_optimum
from em.panel import Panel, statistics_of
from em.regressions import Stores, lowest_sigma
from em.scatter import against_fixed_sigma
from em.score import n_free
from em.separation import told_of_separation
from em.standard_errors import StandardErrors, standard_errors
from em.starts import in_falling_order
from em.statistics import Floats, GaussianStatistics

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class MixtureFit:
    """A fitted mixture; segments in falling order of weight.

    Attributes
    ----------
    parameters : the estimates.
    log_likelihood : of exactly these parameters, over all stores.
    memberships : (store, segment) posterior probabilities.
    n_parameters, criteria : how many were free, and the information criteria.
    standard_errors, robust_standard_errors : from the information, and clustered by store; None where not identified.
    converged, identified : whether the score vanishes, and whether the data tell the segments apart.
    iterations : EM and Newton steps of one start, swaps included.
    starts_tried, starts_at_best, starts_degenerate : searches, those that ended here, those set aside because a
        segment was empty or its sigma at the lower bound.
    family : of the response; None for log sales.
    stores, coefficients, trait_names : labels.
    warnings : why the result is not to be trusted; empty when it is.
    """

    parameters: MixtureParameters
    log_likelihood: float
    memberships: Floats = field(repr=False)
    n_parameters: int
    criteria: Criteria
    standard_errors: StandardErrors | None = field(repr=False)
    robust_standard_errors: StandardErrors | None = field(repr=False)
    converged: bool
    identified: bool
    iterations: int
    starts_tried: int
    starts_at_best: int
    starts_degenerate: int
    model: Model = field(repr=False)
    family: Family | None = field(repr=False)
    stores: tuple[str, ...] = field(repr=False)
    coefficients: tuple[str, ...] = field(repr=False)
    trait_names: tuple[str, ...] = field(repr=False)
    warnings: tuple[str, ...]

    @property
    def k(self) -> int:
        """Number of segments."""
        return self.parameters.n_segments

    @property
    def has_sigma(self) -> bool:
        """Whether sigma is a parameter of the model, fixed or not."""
        return self.family is None or self.family.dispersed

    @cached_property
    def segment(self) -> np.ndarray:
        """Most probable segment of each store, 1..K; (store,)."""
        return self.memberships.argmax(1) + 1

    def to_xarray(self) -> "xarray.Dataset":
        """Estimates, standard errors and memberships under their names."""
        from em.labelled import dataset

        return dataset(self)

    def __repr__(self) -> str:
        """The segment table in plain text."""
        from em.labelled import describe

        return describe(self)


def fit_mixture(
    data: Panel | Stores,
    k: int,
    *,
    sigma: SigmaRule | None = None,
    common: Sequence[str] = (),
    starts: int = 50,
    seed: int = 0,
    also: Sequence[MixtureParameters] = (),
    stats: Stores | None = None,
) -> MixtureFit:
    """Fit K segments by maximum likelihood.

    Every start is a short EM run from K random stores followed by random swaps, all starts in step; then SQUAREM, and
    Newton on the exact information for the finish. Where fewer than three starts agree on the best, the search goes on.

    Parameters
    ----------
    data : a panel, or the statistics of its stores.
    k : number of segments, 1 to the number of stores.
    sigma : "fixed" (1), "common" or "segment"; None is "fixed" for log sales and for families without a dispersion, and
        "common" for the others.
    common : names of coefficients that are the same in all segments.
    starts : number of independent searches.
    seed : of every random choice; the same seed gives the same fit.
    also : further starting points, such as a fit with one segment fewer and a new one.
    stats : the statistics of the panel, when they are already at hand.

    Raises
    ------
    InputError
        When K, starts, sigma or a name is not possible for these data.
    """
    if isinstance(data, Panel):
        if data.between is not None:
            raise InputError(
                f"{data.file}: traits explain coefficients of stores that differ (between); expected fit_mixed_model "
                "or fit_normal_mixture, or membership in its place"
            )
        stores, names = data.stores, data.coefficients
        stats = statistics_of(data) if stats is None else stats
        traits, trait_names = data.traits, data.trait_names
    else:
        stats, stores = data, tuple(str(i + 1) for i in range(data.n_stores))
        names = ("intercept", "log_price", *(f"x{i}" for i in range(2, data.n_coefficients)))[: data.n_coefficients]
        traits, trait_names = None, ()
    sigma = sigma_rule(stats, sigma)
    _check(stats, k, starts, seed, common, names, traits)
    model = Model(
        sigma,
        tuple(name in common for name in names) if common else (),
        0.0 if sigma == "fixed" else lowest_sigma(stats),
        traits,
    )
    with threadpool_limits(1, user_api="blas"):
        found = best_optimum(np.random.default_rng(seed), stats, k, model, starts, also)
    best = found.best._replace(parameters=in_falling_order(found.best.parameters))
    errors = standard_errors(best.parameters, stats, model)
    memberships, loglik = e_step(best.parameters, stats, traits)
    n_parameters = n_free(k, stats.n_coefficients, model)
    n_weights = (k - 1) * (1 if traits is None else traits.shape[1])
    return MixtureFit(
        parameters=best.parameters,
        log_likelihood=float(loglik),
        memberships=memberships,
        n_parameters=n_parameters,
        criteria=criteria(float(loglik), n_parameters, n_weights, stats.n_stores, stats.n_observations, memberships),
        standard_errors=errors[0] if errors else None,
        robust_standard_errors=errors[1] if errors else None,
        converged=best.converged,
        identified=best.identified,
        iterations=best.iterations,
        starts_tried=starts,
        starts_at_best=found.at_best,
        starts_degenerate=found.degenerate,
        model=model,
        family=None if isinstance(stats, GaussianStatistics) else stats.family,
        stores=stores,
        coefficients=names,
        trait_names=trait_names,
        warnings=_warnings(found, best, starts, model, stats, names, memberships, stores),
    )


def sigma_rule(stats: Stores, sigma: str | None) -> SigmaRule:
    """The rule asked for, or the usual one.

    Raises
    ------
    InputError
        When there is no such rule, or the family has no dispersion to estimate, or none that could be known.
    """
    if sigma is not None and sigma not in get_args(SigmaRule):
        raise InputError(f"sigma is {sigma!r}; expected one of {', '.join(get_args(SigmaRule))}")
    family = None if isinstance(stats, GaussianStatistics) else stats.family
    if family is not None and sigma is not None and family.dispersed == (sigma == "fixed"):
        has = (
            "a dispersion that has to be estimated; expected common or segment" if family.dispersed else "no dispersion"
        )
        raise InputError(f"sigma {sigma} does not go with the family {family.name}, which has {has}")
    usual = "common" if family is not None and family.dispersed else "fixed"
    return cast(SigmaRule, usual if sigma is None else sigma)


def _check(
    stats: Stores,
    k: int,
    starts: int,
    seed: int,
    common: Sequence[str],
    names: Sequence[str],
    traits: Floats | None,
) -> None:
    if not 1 <= k <= stats.n_stores:
        raise impossible_segments(k, stats.n_stores)
    if seed < 0:
        raise InputError(f"seed is {seed}; expected 0 or more")
    if starts < 1:
        raise InputError(f"starts is {starts}; expected at least 1")
    if traits is not None and 2 * (k - 1) * traits.shape[1] > stats.n_stores:
        raise InputError(
            f"membership: {(k - 1) * traits.shape[1]} logits for {stats.n_stores} stores; "
            "expected at least two stores for each"
        )
    unknown = [name for name in common if name not in names]
    if unknown:
        raise InputError(f"no coefficient {unknown[0]!r} to hold common; the coefficients are {', '.join(names)}")


def _warnings(
    found: Found,
    best: Optimum,
    starts: int,
    model: Model,
    stats: Stores,
    names: Sequence[str],
    memberships: Floats,
    stores: Sequence[str],
) -> tuple[str, ...]:
    """Why not to trust a fit; each reason a sentence."""
    reasons, k = [], best.parameters.n_segments
    if not best.converged:
        reasons.append(f"K={k}: EM did not converge in {best.iterations} steps")
    told = [f"K={k}: {one}" for one in _of_family(best, stats, names, memberships, stores)]
    reasons += told
    if best.converged and not best.identified and not told:
        reasons.append(f"K={k}: segments coincide or are empty; the data do not tell {k} segments apart")
    if model.traits is not None and separated(model.traits, best.parameters.gamma):
        reasons.append(f"K={k}: covariates of membership tell segments apart without error; their logits are infinite")
    if found.at_best < ENOUGH and not found.certified:
        reasons.append(f"K={k}: only {found.at_best} of {starts} starts reached the best optimum; use more --starts")
    if found.degenerate == starts and not told:
        reasons.append(f"K={k}: in every start a segment emptied or its sigma fell to the lower bound")
    if isinstance(stats, GaussianStatistics) and model.sigma == "fixed":
        reasons += against_fixed_sigma(stats)
    return tuple(reasons)


def _of_family(
    best: Optimum, stats: Stores, names: Sequence[str], memberships: Floats, stores: Sequence[str]
) -> list[str]:
    """Coefficients that are infinite, and a dispersion that is zero."""
    if isinstance(stats, GaussianStatistics):
        return []
    told, limit = told_of_separation(stats, best.parameters.theta, names, memberships, stores), stats.family.limit
    if limit is not None and best.parameters.sigma.min() < np.e * lowest_sigma(stats):
        told.append(f"the dispersion is zero: responses scatter no more than the family {limit} has them")
    if limit is None and stats.family.dispersed and best.parameters.sigma.min() < np.e * lowest_sigma(stats):
        told.append(
            f"the dispersion fell to its lower bound, {lowest_sigma(stats):g}: responses are fitted without error"
        )
    return told
