"""Refuses to compare what was not fitted to the same panel, in the same unit; and gives every fit a name of its own."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bayesmix.fitted import Fit
from bayesmix.store_loo import FEWEST_DRAWS
from comparisons.one_scale import refuse_zeros
from comparisons.same_rows import check_same_rows
from em.errors import InputError
from em.response import LOG_SALES

WORDS = {
    "sha256": "the data file (sha256)",
    "stores": "the stores",
    "coefficients": "the coefficients",
    "observations": "the number of observations",
    "unit": "the unit of the likelihood",
    "log_density_of": "what the likelihood is a density of",
}


def check_same_panel(results_file: str, results: dict[str, Any] | None, fits: Sequence[Fit]) -> None:
    """Raise InputError unless all fits and the EM results are of one panel and one unit.

    The families may differ where they are of the same responses: `comparisons.one_scale` puts them on one scale.

    Parameters
    ----------
    results_file, results : name and content of results.json; None where there is none.

    Raises
    ------
    InputError
        Naming the two files and what differs between them.
    """
    if results is not None:
        _check_specification(results_file, results["settings"], fits)
    refuse_zeros(fits, [called(fit) for fit in fits])
    seen: dict[str, str] = {}
    for fit in fits:
        drawn = fit.store_loglik.sizes["chain"] * fit.store_loglik.sizes["draw"]
        if drawn < FEWEST_DRAWS:
            raise InputError(f"{called(fit)}: holds {drawn} draws; expected at least {FEWEST_DRAWS}")
        if fit.sha256 and fit.sha256 in seen:
            raise InputError(f"{fit.file}: is the same fit as {seen[fit.sha256]}; expected each fit once")
        seen[fit.sha256] = fit.file
        other, data = (results_file, results["data"]) if results is not None else (called(fits[0]), fits[0].data)
        for key in ("sha256", "observations", "coefficients"):
            _same(other, data.get(key), called(fit), fit.data.get(key), key)
    for fit in fits[1:]:
        first = fits[0]
        _same(called(first), first.unit, called(fit), fit.unit, "unit")
        if (first.family == LOG_SALES) == (fit.family == LOG_SALES):
            _same(called(first), first.log_density_of, called(fit), fit.log_density_of, "log_density_of")
        _same(called(first), first.stores, called(fit), fit.stores, "stores")
        check_same_rows(first, fit, (called(first), called(fit)))


def called(fit: Fit) -> str:
    """What a message calls a fit: its file, or its name where it was never written."""
    return fit.file or fit.name


def _check_specification(file: str, settings: dict[str, Any], fits: Sequence[Fit]) -> None:
    """Raise InputError where a BIC would stand beside the posterior of another model."""
    for key in ("common", "membership"):
        if settings.get(key):
            raise InputError(
                f"{file}: was estimated with --{key} {settings[key]}, which no posterior here has; "
                f"expected a results.json without --{key}"
            )
    family = settings.get("family", LOG_SALES)
    alike = [fit for fit in fits if fit.family == family]
    if not alike:
        raise InputError(
            f"{file}: is of --family {family}, and {called(fits[0])} of {fits[0].family}; expected maximum likelihood "
            "of a family that a fit is of"
        )
    for fit in alike:
        if fit.model == "mixture" and settings.get("sigma") != fit.sigma_rule:
            raise InputError(
                f"{file} and {called(fit)}: sigma differs: {settings.get('sigma')} and {fit.sigma_rule}; "
                "expected the same --sigma, so that BIC and elpd are of one model"
            )


def _same(first_file: str, first: Any, second_file: str, second: Any, key: str) -> None:
    if first != second:
        raise InputError(
            f"{second_file} and {first_file}: {WORDS[key]} differ: {_short(second)} and {_short(first)}; "
            "expected fits of one panel"
        )


def _short(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        names = [str(name) for name in value]
        return f"({', '.join(names[:4])}{', ...' if len(names) > 4 else ''}: {len(names)})"
    return str(value)[:16] if isinstance(value, str) else repr(value)


def name_apart(fits: Sequence[Fit]) -> list[Fit]:
    """The fits, with the sigma rule or else the file name added to names that more than one of them bears.

    Beside other families those of log sales are called log-normal, which they are of sales.
    """
    several = len({fit.family for fit in fits}) > 1
    named = [
        replace(fit, name=f"log-normal {fit.name}") if several and fit.family == LOG_SALES else fit for fit in fits
    ]
    for distinguish in (
        lambda fit: f"{fit.name}, sigma {fit.sigma_rule}",
        lambda fit: f"{fit.name} ({Path(fit.file).name})",
    ):
        count = Counter(fit.name for fit in named)
        longer = [distinguish(fit) if count[fit.name] > 1 else fit.name for fit in named]
        if len(set(longer)) > len(count):
            named = [replace(fit, name=name) for fit, name in zip(named, longer, strict=True)]
    count = Counter(fit.name for fit in named)
    return [replace(fit, name=f"{fit.name} ({fit.file})") if count[fit.name] > 1 else fit for fit in named]
