"""The fits that a comparison needs: segments, a continuum, and both at once, by maximum likelihood and as posteriors.

Of families other than log sales there is no both at once. They are kept in a folder, and those of the same data,
settings and software are read instead of being made again.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.read import load
from bayesmix.settings import Settings
from bayesmix.stores import NODES, CountedStores, stores_of
from bayesmix.stores_kept import as_variables
from em.command import display
from em.design_counts import DesignCounts
from em.entries import mixed_entry, mixture_entry, normal_mixture_entry
from em.errors import InputError, impossible_segments
from em.fit import fit_mixture
from em.glmm import fit_glmm
from em.mixed_model import MixedSigmaRule, fit_mixed_model
from em.mixture import SigmaRule
from em.normal_mixture_fit import fit_normal_mixture
from em.panel import Panel, statistics_of
from em.results import MODELS, data_of, read_results, results_record, software, write_json
from em.starts import widened
from em.statistics import GaussianStatistics
from em.variance_components import wald_intervals

NORMALS = (2, 3)  # numbers of segments whose stores differ, by maximum likelihood


class Step(NamedTuple):
    """One fit to be made.

    Attributes
    ----------
    name : what the display calls it.
    cost : about how long it takes, in units that only compare with one another.
    fit : makes it.
    """

    name: str
    cost: float
    fit: Callable[[], Any]


def standard_set(
    panel: Panel, ks: Sequence[int], sigma: SigmaRule, settings: Settings, folder: Path, columns: dict[str, Any]
) -> tuple[dict[str, Any], list[Fit]]:
    """Content of results.json, and the posteriors: mixtures, hierarchical, and of log sales normal-mixtures.

    Parameters
    ----------
    ks : numbers of segments of the mixtures.
    folder : where files are kept: results.json and one netCDF file for each posterior.
    columns : how the panel was read, for results.json.

    Raises
    ------
    InputError
        When a K is not possible, or the folder cannot be written to.
    """
    if ks[-1] > len(panel.stores):
        raise impossible_segments(ks[-1], len(panel.stores))
    try:
        folder.mkdir(exist_ok=True)
    except OSError as refused:
        raise InputError(f"{folder}: fits cannot be kept there ({refused.strerror})") from refused
    results = _by_likelihood(panel, ks, sigma, settings.seed, folder / "results.json", columns)
    make = partial(_posterior, panel=panel, sigma=sigma, settings=settings, folder=folder)
    models = [*(("mixture", k) for k in ks), ("hierarchical", 1), *(("normal-mixture", k) for k in _normals(results))]
    steps = [
        Step(f"posterior of {_named(model, k)}", k * (1.0 if model == "mixture" else 3.0), partial(make, model, k))
        for model, k in models
    ]
    return results, _carried_out(steps)


def _carried_out(steps: Sequence[Step]) -> list[Any]:
    """The fits of all steps, under one progress bar that names the one at hand."""
    made = []
    with display() as shown:
        task = None if shown is None else shown.add_task("", total=sum(step.cost for step in steps))
        for number, step in enumerate(steps, start=1):
            if shown is not None and task is not None:
                shown.update(task, description=f"{number} of {len(steps)}: {step.name}")
            made.append(step.fit())
            if shown is not None and task is not None:
                shown.advance(task, step.cost)
        if shown is not None and task is not None:
            shown.remove_task(task)
    return made


def _named(model: str, k: int) -> str:
    return model if model == "hierarchical" else f"{model} K={k}"


def _continuous(sigma: SigmaRule) -> MixedSigmaRule:
    """The rule of sigma where stores differ inside segments, which have one sigma together."""
    return "common" if sigma == "segment" else sigma


def _by_likelihood(
    panel: Panel, ks: Sequence[int], sigma: SigmaRule, seed: int, file: Path, columns: dict[str, Any]
) -> dict[str, Any]:
    """Content of results.json: all models by maximum likelihood."""
    models = MODELS if panel.response is None else MODELS[:2]
    settings = {"model": list(models), "k": list(ks), "sigma": sigma, "common": [], "seed": seed, **columns}
    settings |= {} if panel.response is None else {"family": panel.response.family.name}
    record, ours = _kept(file), {"data": data_of(panel), "settings": settings, "software": software("numpy", "scipy")}
    if _alike({name: record.get(name) for name in ours}, ours):
        return read_results(file, MODELS)
    stats, continuous, found, sharp = statistics_of(panel), _continuous(sigma), [], {}

    def mixture(k: int) -> None:
        before = [widened(fit.parameters, k) for fit in list(sharp.values())[-1:]]
        sharp[k] = fit_mixture(panel, k, sigma=sigma, seed=seed, stats=stats, also=before)
        found.append(mixture_entry(sharp[k]))

    def continuum() -> None:
        if isinstance(stats, DesignCounts):
            nodes = NODES.get(len(panel.coefficients), 1)  # the posterior's
            fit = fit_glmm(panel, quadrature=nodes, stats=stats)
        else:
            fit = fit_mixed_model(panel, sigma=continuous, stats=stats)
        found.append(mixed_entry(fit, wald_intervals(fit), "wald", ()))

    def normals(k: int, stats: GaussianStatistics) -> None:
        starts = [sharp[k].parameters] if k in sharp and sigma != "segment" else []
        fit = fit_normal_mixture(panel, k, sigma=continuous, seed=seed, stats=stats, mixtures=starts)
        found.append(normal_mixture_entry(fit))

    steps = [Step(f"maximum likelihood of {_named('mixture', k)}", k, partial(mixture, k)) for k in ks]
    steps += [Step("maximum likelihood of hierarchical", 1.0, continuum)]
    if isinstance(stats, GaussianStatistics):
        steps += [
            Step(f"maximum likelihood of {_named('normal-mixture', k)}", 4.0 * k, partial(normals, k, stats))
            for k in NORMALS
            if k <= stats.n_stores
        ]
    _carried_out(steps)
    record = results_record(panel, found, settings, None, ())
    mixtures = [entry for entry in found if entry["model"] == "mixture"]
    record["best_k"] = min(mixtures, key=lambda entry: entry["bic"])["k"]
    write_json(file, record | {"warnings": []})
    return read_results(file, MODELS)


def _kept(file: Path) -> dict[str, Any]:
    """The content of a kept results.json; empty where there is none or it is damaged."""
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _normals(results: dict[str, Any]) -> list[int]:
    """Numbers of segments whose stores differ that get a posterior: two, what BIC prefers, and what it prefers alike.

    The last contains the mixture that BIC prefers, so that what differences inside segments add can be seen.
    """
    by_k = {fit["k"]: fit["bic"] for fit in results["fits"] if fit.get("model") in ("hierarchical", "normal-mixture")}
    return sorted({2, min(by_k, key=lambda k: by_k[k]), results["best_k"]} & (by_k.keys() - {1}))


def _posterior(model: str, k: int, panel: Panel, sigma: SigmaRule, settings: Settings, folder: Path) -> Fit:
    """One posterior: from its file where that is of the same data, settings and software, or drawn now."""
    name = model if model == "hierarchical" else f"{model}-{k}"
    file, rule = folder / f"{name}.nc", sigma if model == "mixture" else _continuous(sigma)
    if file.is_file() and _is_of(kept := load(file), panel, model, k, rule, settings):
        return kept
    from bayesmix import run
    from bayesmix.kept import forget
    from bayesmix.start import em_solution

    options: dict[str, Any] = {"sigma": rule, "settings": settings, "keep": file.with_name(f"{name}.nc.chains")}
    if model == "mixture":
        start = em_solution(panel, k, sigma, settings.seed, folder / "results.json")
        fit = run.fit_mixture(panel, k, start=start, **options)
    elif model == "hierarchical":
        fit = run.fit_hierarchical(panel, **options)
    else:
        fit = run.fit_normal_mixture(panel, k, **options)
    fit.save(file)
    forget(options["keep"], fit.sampler["chain_keys"])
    return load(file)


def _is_of(fit: Fit, panel: Panel, model: str, k: int, sigma: str, settings: Settings) -> bool:
    """Whether a kept fit is the one that would be made now."""
    from bayesmix.centre import centre
    from bayesmix.priors import as_record, default_priors
    from bayesmix.tree import PACKAGES

    stats = stores_of(panel, 0 if model == "mixture" else len(panel.coefficients))
    priors = as_record(default_priors(centre(stats, panel.coefficients).statistics, panel.coefficients), model, sigma)
    drawn = {name: getattr(settings, name) for name in ("draws", "tune", "chains", "seed")}
    return (
        (fit.model, fit.k, fit.sigma_rule, fit.stores) == (model, k, sigma, panel.stores)
        and _alike({"data": fit.data}, {"data": data_of(panel)})
        and type(stats) is type(fit.statistics)
        and fit.quadrature == (stats.nodes if isinstance(stats, CountedStores) else 0)
        and _same_arrays(as_variables(stats), as_variables(fit.statistics))
        and {name: fit.sampler.get(name) for name in drawn} == drawn
        and fit.priors == json.loads(json.dumps(priors))
        and fit.software == software(*PACKAGES)
    )


def _same_arrays(ours: Mapping[str, tuple[Any, Any]], theirs: Mapping[str, tuple[Any, Any]]) -> bool:
    """Whether two sets of statistics are the same, by their names in a file."""
    return all(np.array_equal(values, theirs[name][1]) for name, (_, values) in ours.items())


def _alike(kept: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether two records say the same, wherever the panel's file stands."""

    def without_place(record: dict[str, Any]) -> dict[str, Any]:
        return {**record, "data": {**(record.get("data") or {}), "file": None}}

    return without_place(kept) == json.loads(json.dumps(without_place(wanted)))
