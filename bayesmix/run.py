"""From a panel to a posterior: the models' entry points."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast, get_args

import numpy as np
import pymc as pm
import xarray as xr

from bayesmix import effects, mixture, normal_mixture
from bayesmix.centre import centre, centred_parameters, uncentred
from bayesmix.fitted import Fit
from bayesmix.joint_draws import draw_jointly
from bayesmix.judged import Integral, Problem, judge
from bayesmix.modes import starts_of_chains
from bayesmix.prior_text import override
from bayesmix.priors import Priors, default_priors, with_effects
from bayesmix.sample import Draws, sample
from bayesmix.settings import LEAST, Settings
from bayesmix.sparse import CONCENTRATION, draw_sparse
from bayesmix.start import Start, continuum_solution, effects_apart, em_solution, start_of_normals
from bayesmix.stores import CountedStores, stores_of
from bayesmix.tree import as_tree
from em import normal_mixture_fit
from em.command import watched
from em.errors import InputError
from em.fit import sigma_rule
from em.mixed_model import MixedSigmaRule, positions
from em.mixture import MixtureParameters, Model, SigmaRule, e_step
from em.normal_mixture import NormalMixtureParameters
from em.optima import distinct_optima
from em.panel import Panel, log_sales, statistics_of, store_statistics
from em.regressions import lowest_sigma
from em.statistics import Floats, GaussianStatistics


def fit_mixture(
    panel: Panel,
    k: int,
    *,
    sigma: SigmaRule | None = None,
    start: Start[MixtureParameters] | None = None,
    priors: Priors | Sequence[str] = (),
    settings: Settings = Settings(),  # noqa: B008
    keep: Path | None = None,
) -> Fit:
    """Posterior of a finite mixture of k segments.

    Chains start at EM's best optimum and at its next best distinct ones. Where they stay apart, each mode is a
    posterior of its own in the result, with its weight; the heaviest is the one that is shown.

    Parameters
    ----------
    sigma : None is "fixed" (1) for log sales and for families without a dispersion, and "common" for the others.
    start : a solution of EM whose segments give theirs their numbers; None runs EM.
    priors : `default_priors` where nothing is given; texts such as "log_price=normal(-2, 0.5)" replace some of them.
    keep : a folder for finished chains, so that an interrupted call loses none; see `bayesmix.sample`.

    Raises
    ------
    InputError
        When the panel explains membership by traits, K is not possible, or the settings allow no draws.
    """
    problem = _problem(panel, "mixture", k, sigma, priors, settings)
    stats, centred, sigma = statistics_of(panel), problem.centred, problem.sigma
    start = start or em_solution(panel, k, sigma, settings.seed)
    if start.parameters.n_segments != k:
        raise InputError(f"start has {start.parameters.n_segments} segments; expected K = {k}")
    em_model = Model(sigma, (), 0.0 if sigma == "fixed" else lowest_sigma(stats), None)
    optima = distinct_optima(stats, start.parameters, em_model, seed=settings.seed)
    chosen = [centred_parameters(one, centred) for one in starts_of_chains(optima, settings.chains)]
    model = mixture.mixture_model(centred.statistics, k, problem.priors, sigma)
    starts = [mixture.mixture_start(one, sigma) for one in chosen]
    drawn = _drawn(problem, model, mixture.QUANTITIES, starts, keep)
    return _fit(replace(problem, start=start), drawn, e_step(start.parameters, stats)[0])


def fit_hierarchical(
    panel: Panel,
    *,
    random: Sequence[str] | None = None,
    sigma: MixedSigmaRule | None = None,
    quadrature: int | None = None,
    integral: Integral = "quadrature",
    priors: Priors | Sequence[str] = (),
    settings: Settings = Settings(),  # noqa: B008
    keep: Path | None = None,
) -> Fit:
    """Posterior of the hierarchical model: a mixture of normals with one segment.

    Parameters
    ----------
    panel : its traits (`read_panel(..., between=)`) explain the coefficients.
    random : names of the coefficients that vary between stores; None is all.
    sigma : as for `fit_mixture`.
    quadrature : nodes in each random direction of the integral over coefficients of stores, where the response is not
        log sales; 1 is Laplace's approximation, None the usual number (`bayesmix.stores.NODES`).
    integral : "quadrature", or "mcmc": where the response is not log sales, the coefficients of every store are drawn
        with the parameters and no integral is approximated while drawing; what is worked out of the draws afterwards,
        such as the log-likelihoods of stores, has the quadrature all the same.
    priors, keep : as for `fit_mixture`.

    Raises
    ------
    InputError
        When a name or an integral is not possible, the stores together do not identify every coefficient, or the
        settings allow no draws.
    """
    if integral not in get_args(Integral):
        raise InputError(f"no integral {integral!r}; expected one of {', '.join(get_args(Integral))}")
    problem = _problem(panel, "hierarchical", 1, sigma, priors, settings, random=random, quadrature=quadrature)
    if integral == "mcmc" and not isinstance(problem.statistics, CountedStores):
        raise InputError("integral mcmc is for other families; the integrals of log sales are exact")
    if integral == "mcmc" and not problem.priors.varying.size:
        raise InputError("integral mcmc draws coefficients that vary between stores; expected one or more of them")
    start = continuum_solution(panel, random, problem.sigma, problem.statistics)
    if integral == "mcmc":
        problem = replace(problem, start=start, integral=integral)
        return _fit(problem, draw_jointly(problem, start.parameters, keep), np.ones((len(panel.stores), 1)))
    return _fit_normals(problem, start, (), np.ones((len(panel.stores), 1)), keep)


def fit_normal_mixture(
    panel: Panel,
    k: int,
    *,
    random: Sequence[str] | None = None,
    sigma: MixedSigmaRule = "fixed",
    priors: Priors | Sequence[str] = (),
    settings: Settings = Settings(),  # noqa: B008
    keep: Path | None = None,
) -> Fit:
    """Posterior of a mixture of normals: k segments whose stores differ.

    Chains start at the best optimum of the likelihood and at its next best distinct ones, and segments are numbered as
    there; see `fit_mixture` for modes.

    Parameters
    ----------
    panel : its traits (`read_panel(..., between=)`) explain the coefficients, in all segments alike.
    random : names of the coefficients that vary between the stores of a segment; None is all.
    priors, keep : as for `fit_mixture`.

    Raises
    ------
    InputError
        When a name or K is not possible, the panel explains membership by traits, the stores together do not identify
        every coefficient, or the settings allow no draws.
    """
    log_sales(panel)
    problem = _problem(panel, "normal-mixture", k, sigma, priors, settings, random=random)
    fit = normal_mixture_fit.fit_normal_mixture(
        panel, k, random=random, sigma=sigma, seed=settings.seed, stats=store_statistics(panel)
    )
    others = [effects_apart(one, fit.between) for one in fit.others]
    return _fit_normals(problem, start_of_normals(fit), others, fit.memberships, keep)


def _fit_normals(
    problem: Problem,
    start: Start[NormalMixtureParameters],
    others: Sequence[NormalMixtureParameters],
    memberships: Floats,
    keep: Path | None,
) -> Fit:
    """Posterior of normal segments, from chains that start at an optimum, with its memberships, and at others."""
    centred, sigma, best = problem.centred, problem.sigma, start.parameters
    chosen = [centred_parameters(one, centred) for one in starts_of_chains([best, *others], problem.settings.chains)]
    between = problem.panel.between
    model = normal_mixture.normal_mixture_model(centred.statistics, problem.k, problem.priors, sigma, between)
    starts = [normal_mixture.normal_mixture_start(one, problem.priors, sigma, between) for one in chosen]
    names = [*normal_mixture.QUANTITIES, *(effects.QUANTITIES if between is not None else ())]
    drawn = _drawn(problem, model, names, starts, keep)
    return _fit(replace(problem, start=start), drawn, memberships)


def fit_sparse_mixture(
    panel: Panel,
    k: int,
    *,
    sigma: SigmaRule = "fixed",
    priors: Priors | Sequence[str] = (),
    settings: Settings = Settings(),  # noqa: B008
) -> Fit:
    """Posterior of an overfitted mixture, which estimates how many of its k segments are in use.

    Segments are numbered as EM's with the number of segments most often in use; the rest are spare.

    Raises
    ------
    InputError
        When the panel explains membership by traits, K is not possible, or the settings allow no draws.
    """
    log_sales(panel)
    problem = _problem(panel, "mixture", k, sigma, priors, settings, sparse=True)
    stats, centred = store_statistics(panel), problem.centred
    full = em_solution(panel, k, sigma, settings.seed).parameters
    began = time.perf_counter()
    draws = draw_sparse(
        cast(GaussianStatistics, centred.statistics),
        centred_parameters(full, centred),
        problem.priors,
        sigma,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        seed=settings.seed,
        watch=lambda steps: watched(steps, "sampling", settings.tune + settings.draws),
    )
    seconds = {"compiling": 0.0, "sampling": round(time.perf_counter() - began, 2)}
    in_use = int(np.bincount(draws.used.ravel()).argmax())
    start = em_solution(panel, in_use, sigma, settings.seed)
    reference = np.zeros((problem.statistics.n_stores, k))
    reference[:, :in_use] = e_step(start.parameters, stats)[0]
    sampler = xr.Dataset({"segments_in_use": (("chain", "draw"), draws.used)})
    drawn = Draws(uncentred(draws.quantities, centred), sampler, seconds)
    return _fit(replace(problem, start=_with_spare(start, k)), drawn, reference)


def _with_spare(start: Start[MixtureParameters], k: int) -> Start[MixtureParameters]:
    """EM's solution with room for k segments: no numbers where it has none."""

    def widened(values: Floats) -> Floats:
        return np.concatenate([values, np.full((k - len(values), *values.shape[1:]), np.nan)])

    parameters = MixtureParameters(*(widened(value) for value in start.parameters[:3]))
    errors = {name: widened(value) for name, value in start.standard_errors.items()}
    return replace(start, parameters=parameters, standard_errors=errors)


def _problem(
    panel: Panel,
    model: str,
    k: int,
    sigma: SigmaRule | None,
    priors: Priors | Sequence[str],
    settings: Settings,
    sparse: bool = False,
    random: Sequence[str] | None = None,
    quadrature: int | None = None,
) -> Problem:
    if model != "hierarchical" and panel.traits is not None:
        raise InputError(f"{panel.file}: covariates of membership are not part of the Bayesian mixture yet")
    if model == "mixture" and panel.between is not None:
        raise InputError(
            f"{panel.file}: traits explain coefficients of stores that differ (between), in a mixture they do not; "
            "expected fit_hierarchical or fit_normal_mixture"
        )
    for name, least in LEAST.items():
        if getattr(settings, name) < least:
            raise InputError(f"{name} is {getattr(settings, name)}; expected at least {least}")
    if model == "hierarchical" and sigma == "segment":
        raise InputError("sigma segment is for the mixture; the hierarchical model has fixed or common")
    sigma = sigma_rule(statistics_of(panel), sigma)
    varying = 0 if model == "mixture" else len(panel.coefficients if random is None else random)
    stats = stores_of(panel, varying, quadrature)
    centred = centre(stats, panel.coefficients, random)
    if not isinstance(priors, Priors):
        usual = default_priors(centred.statistics, panel.coefficients, panel.between)
        priors = [priors] if isinstance(priors, str) else priors
        usual = _varying(replace(usual, concentration=CONCENTRATION) if sparse else usual, random)
        priors = override(usual, priors, model, sigma)
    else:
        priors = _varying(priors, random)
        if panel.between is not None and priors.traits != panel.between.names:
            priors = with_effects(priors, panel.between)
    return Problem(panel, stats, centred, model, k, sigma, sparse, priors, settings, None)


def _varying(priors: Priors, random: Sequence[str] | None) -> Priors:
    """Priors without spread of the coefficients that are not random."""
    if random is None:
        return priors
    positions(random, priors.coefficients)
    names = zip(priors.coefficients, priors.spreads, strict=True)
    return replace(priors, spread=tuple(spread if name in random else 0.0 for name, spread in names))


def _drawn(problem: Problem, model: pm.Model, names: Iterable[str], starts: Sequence[dict], keep: Path | None) -> Draws:
    """Draws on the columns as they are."""
    draws = sample(model, names, starts, problem.settings, keep)
    at, centred = draws.quantities_at, problem.centred
    return replace(
        draws,
        quantities=uncentred(draws.quantities, centred),
        quantities_at=None if at is None else lambda q: uncentred(at(q), centred),
    )


def _fit(problem: Problem, drawn: Draws, reference: Floats) -> Fit:
    return Fit(as_tree(judge(problem, drawn, reference)), problem.name)
