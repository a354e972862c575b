"""The segments as maximum likelihood and as the posterior see them, side by side."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from bayesmix.fitted import Fit
from em.response import LOG_SALES

CI_PROB = 0.89
ETI = ((1.0 - CI_PROB) / 2.0, (1.0 + CI_PROB) / 2.0)
SAMPLE = ("chain", "draw")


class Estimate(NamedTuple):
    """One parameter: maximum likelihood with its standard error (None where there is none), and posterior.

    `low` and `high` bound the 89 % equal-tailed interval of the posterior.
    """

    name: str
    em: float | None
    em_se: float | None
    mean: float
    sd: float
    low: float
    high: float


class Segment(NamedTuple):
    """One segment: its share of stores, its coefficients and its residual standard deviation.

    `spreads` are the standard deviations of the coefficients among its stores; none where they are alike.
    """

    segment: int
    weight: Estimate
    coefficients: tuple[Estimate, ...]
    sigma: Estimate
    spreads: tuple[Estimate, ...] = ()


def model_of(ml: dict[str, Any]) -> str:
    """Which model an entry of results.json is of."""
    return ml.get("model", "mixture")


def family_of_entry(ml: dict[str, Any]) -> str:
    """Which distribution of the response an entry of results.json is of; that of log sales where it does not say."""
    return ml.get("family", LOG_SALES)


def mixtures_of(results: dict[str, Any]) -> list[dict[str, Any]]:
    """The finite mixtures among the entries of results.json."""
    return [ml for ml in results["fits"] if model_of(ml) == "mixture"]


def em_twin(fit: Fit, results: dict[str, Any]) -> dict[str, Any] | None:
    """The maximum-likelihood fit of the same model, K, sigma rule, traits and coefficients that vary; None without one.

    It is of the same family, by the same quadrature. An entry that does not say which vary lets all of them.
    """
    rule, asked = results.get("settings", {}).get("sigma", "fixed"), (fit.model, fit.k, fit.sigma_rule)
    traits, random = [] if fit.between is None else list(fit.between.names), set(varying(fit))
    twins = (ml for ml in results["fits"] if (model_of(ml), ml["k"], ml.get("sigma_rule", rule)) == asked)
    twins = (ml for ml in twins if ml.get("traits", []) == traits and family_of_entry(ml) == fit.family)
    twins = (ml for ml in twins if ml.get("quadrature", fit.quadrature) == fit.quadrature)
    return next(
        (ml for ml in twins if fit.model == "mixture" or set(ml.get("random", fit.coefficients)) == random), None
    )


def varying(fit: Fit) -> tuple[str, ...]:
    """Names of the coefficients that vary between the stores of a segment."""
    if fit.draws.omega is None:
        return ()
    varies = np.diagonal(fit.draws.omega, axis1=-2, axis2=-1).any((0, 1))
    return tuple(name for name, does in zip(fit.coefficients, varies, strict=True) if does)


def segments(fit: Fit, em: dict[str, Any] | None) -> list[Segment]:
    """The segments of a posterior beside those of its EM twin, which number them.

    Parameters
    ----------
    em : one of "fits" in results.json, from `em_twin`.
    """
    errors = (em or {}).get("standard_errors") or {}
    rows, center = [], "theta" if "theta" in fit.posterior else "mu"
    for s in range(fit.k):
        at = fit.posterior.isel(segment=s)
        weight = estimate_of("weight", at["weight"], em["pi"][s] if em else None, _of(errors, "pi", s))
        sigma = estimate_of("sigma", at["sigma"], em["sigma"][s] if em else None, _of(errors, "sigma", s))
        coefficients = tuple(
            estimate_of(
                name, at[center].isel(coefficient=c), em["theta"][s][c] if em else None, _of(errors, "theta", s, c)
            )
            for c, name in enumerate(fit.coefficients)
        )
        spreads = _spreads(at["omega"], fit.coefficients) if "omega" in at else ()
        rows.append(Segment(s + 1, weight, coefficients, sigma, tuple(spreads)))
    return rows


def _spreads(omega: xr.DataArray, names: tuple[str, ...]) -> list[Estimate]:
    """Standard deviations of store coefficients."""
    variances = [omega.isel(coefficient=c, coefficient_2=c).clip(0.0) for c in range(len(names))]
    return [
        estimate_of(f"spread (sd) of {name}", variance**0.5) for name, variance in zip(names, variances, strict=True)
    ]


def population(fit: Fit) -> list[Estimate]:
    """Mean and spread of the store coefficients in a hierarchical fit, and the residual standard deviation."""
    mu, omega = fit.posterior["mu"], fit.posterior["omega"]
    rows = [estimate_of(f"mean of {name}", mu.isel(coefficient=c)) for c, name in enumerate(fit.coefficients)]
    return [*rows, *_spreads(omega, fit.coefficients), estimate_of("sigma", fit.posterior["sigma"])]


def effects(fit: Fit) -> list[tuple[str, str, Estimate]]:
    """Trait, coefficient and effect per unit of the trait; none where nothing explains the coefficients."""
    return [
        (trait, name, estimate_of(f"{trait}:{name}", fit.posterior["gamma"].sel(trait=trait, coefficient=name)))
        for trait in (fit.between.names if fit.between is not None else ())
        for name in fit.coefficients
    ]


def gap(rows: list[Segment]) -> float:
    """The largest distance between EM and posterior mean, in posterior standard deviations; NaN without EM."""
    estimates = [e for row in rows for e in (row.weight, *row.coefficients, row.sigma)]
    gaps = [abs(e.em - e.mean) / e.sd for e in estimates if e.em is not None and e.sd > 0.0]
    return max(gaps, default=float("nan"))


def estimate_of(name: str, draws: xr.DataArray, em: float | None = None, em_se: float | None = None) -> Estimate:
    """A parameter from its draws (chain, draw), beside maximum likelihood."""
    low, high = np.quantile(draws.values, ETI)
    return Estimate(name, em, em_se, float(draws.mean(SAMPLE)), float(draws.std(SAMPLE)), float(low), float(high))


def _of(errors: dict[str, Any], name: str, *index: int) -> float | None:
    value: Any = errors.get(name)
    for i in index:
        value = None if value is None else value[i]
    return value
