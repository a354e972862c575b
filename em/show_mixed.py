"""Tables on the screen of fits whose stores differ inside a segment: a continuum, and a mixture of normals."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from rich.markup import escape
from rich.table import Table

from em.bound import Bound
from em.explained import explained
from em.explained_by_traits import DifferenceExplained, differences_explained, effects
from em.glmm import GlmmFit
from em.mixed_model import MixedFit
from em.normal_mixture_fit import NormalMixtureFit
from em.panel import Panel
from em.random_effect_test import RandomEffectTest
from em.show import criteria_table, in_words, narrow, opened, segment_table, told_of_criteria, with_error
from em.variance_components import Interval, variance_components

Z = 1.959964  # of a 95 % interval


def show_continuum(
    panel: Panel,
    fit: MixedFit | GlmmFit,
    intervals: Sequence[Interval],
    method: str,
    tests: Sequence[RandomEffectTest],
    limit: Bound | None,
) -> None:
    """Print what was read, the mixed model's means and variance components, and how well it fits."""
    console, say = opened(panel, 3)
    console.print(_estimates(fit, intervals, method))
    for told in fit.singular:
        say(f"singular: {told}")
    if fit.between is not None:
        told, gain = differences_explained(fit)
        if told:
            console.print(_explained_by_traits(told))
        if gain is not None:
            say(
                f"The traits gain {0.5 * gain.statistic:.2f} in log-likelihood with {gain.parameters} parameters "
                f"(p = {gain.p_value:.3g})."
            )
    if tests:
        console.print(_tests(tests))
    console.print(_summary(fit))
    if limit is not None:
        gap = max(limit.log_likelihood - fit.log_likelihood, 0.0)
        say(f"No distribution of stores' coefficients can gain more than {gap:.3g} in log-likelihood over this normal.")


def show_normal_mixture(panel: Panel, fits: Sequence[NormalMixtureFit], best_k: int, limit: Bound | None) -> None:
    """Print what was read, all K beside each other, and the segments of the best with how stores differ inside them."""
    console, say = opened(panel, len(fits))
    console.print(criteria_table("Mixtures of normals", fits, best_k, limit))
    best = next(fit for fit in fits if fit.k == best_k)
    for line in told_of_criteria(fits, best_k):
        say(line)
    if best_k == 1:
        say("One normal describes these stores best: a continuum, no segments.")
    errors = best.standard_errors
    console.print(segment_table(best, best.parameters.mu, None if errors is None else errors.mu))
    if best.random:
        console.print(_spread(best))
    if best.between is not None:
        console.print(_effects(best))
    for k, singular in enumerate(best.singular):
        for told in singular:
            say(f"segment {k + 1}, singular: {told}")


def _estimates(fit: MixedFit | GlmmFit, intervals: Sequence[Interval], method: str) -> Table:
    """Means, standard deviations, correlations and sigma: estimate, standard error, interval."""
    at = variance_components(fit)
    table = narrow(f"{_fitted_by(fit)} (95 % intervals: {method}{_of_likelihood(fit, method)})")
    table.add_column("", overflow="fold")
    for name in ("estimate", "se", "from", "to"):
        table.add_column(name, justify="right", no_wrap=True)
    ends: dict[tuple[str, ...], tuple[float, float]] = {
        (one.kind, *one.of): (one.lower, one.upper) for one in intervals
    }

    def add(what: str, value: float, error: float, *key: str) -> None:
        table.add_row(escape(what), *map(_number, (value, error, *ends.get(key, (np.nan, np.nan)))))

    table.add_row("[bold]means of stores (fixed effects)")
    every = list(zip(fit.coefficients, fit.parameters.mu, fit.standard_errors, strict=True))
    for name, value, error in every[: len(fit.of_stores)]:
        add(name, value, error, "mean", name)
    if fit.between is not None:
        table.add_row("[bold]effects of traits (per unit of the trait)")
    for name, value, error in every[len(fit.of_stores) :]:
        numbers = (value, error, *ends.get(("mean", name), (np.nan, np.nan)))
        table.add_row(escape(name), *map(_per_unit, numbers))
    table.add_row("[bold]between stores" + (" (variance components)" if fit.random else ": no coefficient varies"))
    for a, name in enumerate(fit.random):
        add(f"sd of {name}", at.sd[a], at.sd_error[a], "sd", name)
    for (a, first), (c, second) in combinations(enumerate(fit.random), 2):
        add(
            f"correlation {first}, {second}",
            at.correlation[a, c],
            at.correlation_error[a, c],
            "correlation",
            first,
            second,
        )
    if isinstance(fit, MixedFit) or fit.statistics.family.dispersed:
        table.add_row("[bold]inside stores")
    if fit.sigma_rule == "common":
        add("sigma" + " (dispersion)" * isinstance(fit, GlmmFit), at.sigma, at.sigma_error, "sigma")
    elif isinstance(fit, MixedFit):
        table.add_row("sigma", _number(at.sigma), "fixed")
    return table


def _fitted_by(fit: MixedFit | GlmmFit) -> str:
    if isinstance(fit, MixedFit):
        return f"Mixed model by {'REML' if fit.restricted else 'maximum likelihood'}"
    family = fit.statistics.family
    by = "Laplace's approximation" if fit.quadrature == 1 else f"{fit.quadrature} nodes of quadrature"
    return f"{family.name} mixed model, {family.link} link, by {by}"


def _of_likelihood(fit: MixedFit | GlmmFit, method: str) -> str:
    """Profiles belong to the likelihood, whose own estimates REML's are near but not the same as."""
    return " of maximum likelihood" if isinstance(fit, MixedFit) and fit.restricted and method == "profile" else ""


def _explained_by_traits(told: Sequence[DifferenceExplained]) -> Table:
    """How much of the stores' differences the traits explain."""
    table = narrow("Differences between stores that the traits explain")
    for name in ("coefficient", "sd without traits", "sd left", "variance explained"):
        table.add_column(name, justify="left" if name == "coefficient" else "right")
    for one in told:
        table.add_row(escape(one.coefficient), _number(one.sd_without), _number(one.sd_left), f"{one.share:.0%}")
    return table


def _effects(fit: NormalMixtureFit) -> Table:
    """Effects of traits, the same in all segments, with Wald intervals."""
    table = narrow("Effects of traits, per unit of the trait, in all segments (95 % intervals: wald)")
    for name in ("", "estimate", "se", "from", "to"):
        table.add_column(name, justify="right" if name else "left")
    found = effects(fit)
    if found is not None:
        names = fit.coefficients[len(fit.of_stores) :]
        for name, value, error in zip(names, found.estimate.ravel(), found.error.ravel(), strict=True):
            table.add_row(escape(name), *map(_per_unit, (value, error, value - Z * error, value + Z * error)))
    return table


def _per_unit(value: float) -> str:
    """A number whose size depends on the unit of a trait."""
    return f"{value:.3g}" if np.isfinite(value) else "-"


def _number(value: float) -> str:
    return f"{value:.4f}" if np.isfinite(value) else "-"


def _tests(tests: Sequence[RandomEffectTest]) -> Table:
    table = narrow("Does it vary? Likelihood-ratio tests one by one")
    for name in ("coefficient", "ratio", "df, half each", "p", "p, naive"):
        table.add_column(name, justify="left" if name == "coefficient" else "right")
    for test in tests:
        halves = f"{test.degrees[0]}, {test.degrees[1]}"
        p_values = (f"{p:.3g}" for p in (test.p_value, test.p_value_naive))
        table.add_row(escape(test.coefficient), f"{test.statistic:.2f}", halves, *p_values)
    return table


def _summary(fit: MixedFit | GlmmFit) -> Table:
    """Log-likelihood, criteria and shares of variance."""
    restricted = fit.restricted_log_likelihood if isinstance(fit, MixedFit) else None
    table = narrow("How well it fits" + (" (log-likelihood at the REML estimates)" if restricted is not None else ""))
    table.add_column("")
    table.add_column("", justify="right")
    table.show_header = False
    if restricted is not None:
        table.add_row("REML criterion (log)", f"{restricted:.4f}")
    table.add_row("log-likelihood", f"{fit.log_likelihood:.4f}")
    table.add_row("parameters", str(fit.n_parameters))
    for name in ("aic", "bic", "bic_stores", "bic_hybrid"):
        table.add_row(in_words(name), f"{getattr(fit.criteria, name):.3f}")
    shares = explained(fit)
    if shares is not None and isinstance(fit, GlmmFit) and fit.statistics.family.link != "identity":
        table.add_row(f"variance explained, under the {fit.statistics.family.link} link")
    if shares is not None:
        table.add_row("R2 marginal (means alone)", f"{shares.r2_marginal:.4f}")
        table.add_row("R2 conditional (with the stores' own)", f"{shares.r2_conditional:.4f}")
        table.add_row("intraclass correlation", f"{shares.intraclass_correlation:.4f}")
    return table


def _spread(fit: NormalMixtureFit) -> Table:
    """Omega of each segment: standard deviations, and correlations with the coefficients before."""
    table = narrow("Inside segments: sd between stores (se), correlations")
    table.add_column("segment", justify="right")
    table.add_column("coefficient")
    table.add_column("sd", justify="right")
    for name in fit.random[:-1]:
        table.add_column(f"with {name}", justify="right")
    columns = [fit.coefficients.index(name) for name in fit.random]
    for k in range(fit.k):
        omega = fit.parameters.omega[k][np.ix_(columns, columns)]
        sd = np.sqrt(np.diagonal(omega))
        for a, name in enumerate(fit.random):
            error = None if fit.standard_errors is None else fit.standard_errors.sd[k, a]
            pairs = [omega[a, c] / (sd[a] * sd[c]) if sd[a] * sd[c] > 0.0 else np.nan for c in range(a)]
            table.add_row(str(k + 1) if a == 0 else "", name, with_error(sd[a], error), *map(_number, pairs))
    return table
