"""Maximum likelihood for a finite mixture of store regressions: many searches, one best optimum, how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, get_args

import numpy as np

from em.accelerate import Optimum, newton, squarem
from em.criteria import Criteria, criteria
from em.errors import InputError
from em.mixture import MixtureParameters, Model, SigmaRule, e_step
from em.panel import Panel, statistics
from em.score import n_free
from em.standard_errors import StandardErrors, standard_errors
from em.starts import anchors, choose, each, em_steps, random_starts, search, spread
from em.statistics import Floats, GaussianStatistics, pool, sums_of_squares, take

if TYPE_CHECKING:
    import xarray

SAME = 1e-3  # two log-likelihoods closer than this belong to one optimum
ENOUGH = 3  # starts that must reach the best optimum before it is believed
SEARCH_STORES = 3000  # a larger panel is searched on this many random stores and finished on all
FIRST_STEPS, SWAP_STEPS, CYCLES = 10, 6, 15  # EM steps at first and after a swap; SQUAREM cycles of three
FLOOR = 0.01  # lower bound of an estimated sigma, as a share of the residual sd inside stores


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
    converged, iterations : whether the score vanishes; EM and Newton steps of one start, swaps included.
    starts_tried, starts_at_best, starts_degenerate : searches, those that ended here, those set aside because a
        segment was empty or its sigma at the lower bound.
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
    iterations: int
    starts_tried: int
    starts_at_best: int
    starts_degenerate: int
    model: Model = field(repr=False)
    stores: tuple[str, ...] = field(repr=False)
    coefficients: tuple[str, ...] = field(repr=False)
    trait_names: tuple[str, ...] = field(repr=False)
    warnings: tuple[str, ...]

    @property
    def k(self) -> int:
        """Number of segments."""
        return self.parameters.n_segments

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
    data: Panel | GaussianStatistics,
    k: int,
    *,
    sigma: SigmaRule = "fixed",
    common: Sequence[str] = (),
    starts: int = 50,
    seed: int = 0,
    also: Sequence[MixtureParameters] = (),
) -> MixtureFit:
    """Fit K segments by maximum likelihood.

    Every start is a short EM run from K random stores followed by random swaps, all starts in step; then SQUAREM, and
    Newton on the exact information for the finish. Where fewer than three starts agree on the best, the search goes on.

    Parameters
    ----------
    data : a panel, or the statistics of its stores.
    k : number of segments, 1 to the number of stores.
    sigma : "fixed" (1), "common" or "segment".
    common : names of coefficients that are the same in all segments.
    starts : number of independent searches.
    seed : of every random choice; the same seed gives the same fit.
    also : further starting points, such as a fit with one segment fewer and a new one.

    Raises
    ------
    InputError
        When K, starts, sigma or a name is not possible for these data.
    """
    if isinstance(data, Panel):
        stats, stores, names = statistics(data), data.stores, data.coefficients
        traits, trait_names = data.traits, data.trait_names
    else:
        stats, stores = data, tuple(str(i + 1) for i in range(data.n_stores))
        names = ("intercept", "log_price", *(f"x{i}" for i in range(2, data.n_coefficients)))[: data.n_coefficients]
        traits, trait_names = None, ()
    _check(stats, k, sigma, starts, common, names)
    within = spread(stats)
    model = Model(
        sigma,
        tuple(name in common for name in names) if common else (),
        0.0 if sigma == "fixed" else _sigma_floor(stats, within),
        traits,
    )
    best, at_best, degenerate = _best_optimum(np.random.default_rng(seed), stats, k, model, starts, also)
    best = best._replace(parameters=_in_falling_order(best.parameters))
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
        iterations=best.iterations,
        starts_tried=starts,
        starts_at_best=at_best,
        starts_degenerate=degenerate,
        model=model,
        stores=stores,
        coefficients=names,
        trait_names=trait_names,
        warnings=_warnings(best, at_best, starts, degenerate, k, model, stats, within),
    )


def _check(
    stats: GaussianStatistics, k: int, sigma: str, starts: int, common: Sequence[str], names: Sequence[str]
) -> None:
    if not 1 <= k <= stats.n_stores:
        raise InputError(f"K is {k}; expected a number of segments from 1 to the number of stores, {stats.n_stores}")
    if starts < 1:
        raise InputError(f"starts is {starts}; expected at least 1")
    if sigma not in get_args(SigmaRule):
        raise InputError(f"sigma is {sigma!r}; expected one of {', '.join(get_args(SigmaRule))}")
    unknown = [name for name in common if name not in names]
    if unknown:
        raise InputError(f"no coefficient {unknown[0]!r} to hold common; the coefficients are {', '.join(names)}")


def _sigma_floor(stats: GaussianStatistics, within: float) -> float:
    """Lower bound of an estimated sigma, from the data: a hundredth of the residual sd inside stores."""
    if within > 0.0:
        return FLOOR * within
    n, xtx, xty = pool(stats, np.ones((stats.n_stores, 1)))
    pooled = np.linalg.lstsq(xtx[0], xty[0])[0]
    squares = float(sums_of_squares(stats, pooled[None, :]).sum())
    if squares <= 1e-20 * float(n[0]):
        raise InputError("sales follow the model without any error, so sigma cannot be estimated; use sigma fixed")
    return FLOOR * float(np.sqrt(squares / n[0]))


def _best_optimum(
    rng: np.random.Generator,
    stats: GaussianStatistics,
    k: int,
    model: Model,
    starts: int,
    also: Sequence[MixtureParameters],
) -> tuple[Optimum, int, int]:
    """The best optimum found, how many starts ended there, how many were degenerate."""
    if k == 1:
        one = random_starts(rng, stats, 1, model, 1, anchors(stats))
        return newton(choose(em_steps(one, stats, model, 1)[0], 0), stats, model), starts, 0
    part, of_part = stats, model
    if stats.n_stores > SEARCH_STORES:
        index = np.sort(rng.choice(stats.n_stores, SEARCH_STORES, replace=False))
        part = take(stats, index)
        of_part = model._replace(traits=None if model.traits is None else model.traits[index])
    at = anchors(part)
    params, loglik = em_steps(random_starts(rng, part, k, of_part, starts, at), part, of_part, FIRST_STEPS)
    steps = FIRST_STEPS
    for swaps in (20, 60):
        params, loglik = search(rng, params, loglik, part, of_part, at, swaps=swaps, steps=SWAP_STEPS)
        params, loglik = squarem(params, loglik, part, of_part, CYCLES)
        steps += swaps * SWAP_STEPS + 3 * CYCLES
        sound = _sound(params, of_part, part)
        best, at_best = _finish(params, loglik, sound, also, part, of_part)
        if at_best >= min(ENOUGH, starts):
            break
    if part is not stats:
        best = newton(best.parameters, stats, model)
    return best._replace(iterations=best.iterations + steps), at_best, int((~sound).sum())


def _sound(params: MixtureParameters, model: Model, stats: GaussianStatistics) -> np.ndarray:
    """Whether no segment of a start is empty (less than half a store) or at the lower bound of sigma; (start,)."""
    held = params.weight.min(-1) * stats.n_stores > 0.5
    return held & (params.sigma.min(-1) > model.sigma_floor * (1.0 + 1e-9))


def _finish(
    params: MixtureParameters,
    loglik: Floats,
    sound: np.ndarray,
    also: Sequence[MixtureParameters],
    stats: GaussianStatistics,
    model: Model,
    most: int = 8,
) -> tuple[Optimum, int]:
    """Climb from the most promising starts until enough agree; the best optimum and how many starts reach it."""
    ranked = np.where(sound, loglik, loglik - 1e6) if sound.any() else loglik
    order = np.argsort(-ranked, kind="stable")
    best = newton(choose(params, order[0]), stats, model)
    reached = {int(order[0]): best.log_likelihood}
    extra = [newton(start, stats, model) for start in also]
    best = max([best, *extra], key=lambda optimum: optimum.log_likelihood)
    for start in order[1:most]:
        agreeing = int((ranked > best.log_likelihood - SAME).sum())
        if agreeing >= ENOUGH or not sound[start]:
            break
        if ranked[start] > best.log_likelihood - SAME:
            continue
        climbed = newton(choose(params, start), stats, model)
        if _sound(each(lambda value: value[None], climbed.parameters), model, stats)[0]:
            reached[int(start)] = climbed.log_likelihood
            best = max(best, climbed, key=lambda optimum: optimum.log_likelihood)
    ended = ranked.copy()
    for start, value in reached.items():
        ended[start] = value
    return best, int((ended > best.log_likelihood - SAME).sum())


def _in_falling_order(params: MixtureParameters) -> MixtureParameters:
    order = np.argsort(-params.weight, kind="stable")
    params = choose(params, order)
    return params if params.gamma is None else params._replace(gamma=params.gamma - params.gamma[:1])


def _warnings(
    best: Optimum,
    at_best: int,
    starts: int,
    degenerate: int,
    k: int,
    model: Model,
    stats: GaussianStatistics,
    within: float,
) -> tuple[str, ...]:
    """Why not to trust a fit; each reason a sentence."""
    reasons = []
    if not best.converged:
        reasons.append(f"K={k}: EM did not converge in {best.iterations} steps")
    elif not best.identified:
        reasons.append(f"K={k}: segments coincide or are empty; the data do not tell {k} segments apart")
    if at_best < ENOUGH and starts >= ENOUGH:
        reasons.append(f"K={k}: only {at_best} of {starts} starts reached the best optimum; use more --starts")
    if degenerate == starts:
        reasons.append(f"K={k}: in every start a segment emptied or its sigma fell to the lower bound")
    if model.sigma == "fixed" and within > 0.0 and not 0.8 < within < 1.25:
        reasons.append(
            f"sigma is fixed at 1, but sales scatter by {within:.3g} about each store's own curve; "
            "use --sigma common or --sigma segment"
        )
    return tuple(reasons)
