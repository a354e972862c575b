"""Tables of maximum-likelihood fits for the screen."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from em.bootstrap import LikelihoodRatioTest
from em.bound import Bound
from em.fit import MixtureFit
from em.panel import Panel


def show(
    panel: Panel, fits: Sequence[MixtureFit], best_k: int, limit: Bound | None, tests: Sequence[LikelihoodRatioTest]
) -> None:
    """Print what was read, all K beside each other, and the segments of the best."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, 40 + 14 * len(fits)))
    say = partial(console.print, highlight=False, soft_wrap=True)
    say(
        f"[bold]{panel.file}[/]: {len(panel.stores)} stores, {len(panel.weeks)} weeks, {panel.y.size} observations; "
        f"log sales on {', '.join(panel.coefficients)}"
    )
    for note in panel.notes:
        say(f"note: {note}")
    console.print(_criteria_table(fits, best_k, limit))
    by_k = {fit.k: fit for fit in fits}
    choices = {
        name: min(fits, key=lambda f: getattr(f.criteria, name)).k
        for name in ("bic", "bic_stores", "bic_hybrid", "icl")
    }
    if len(set(choices.values())) > 1:
        told = ", ".join(f"{name} {k}" for name, k in choices.items())
        say(f"The criteria disagree on K: {told}.")
    if limit is None and panel.traits is None and fits[0].model.sigma == "fixed":
        say(
            "No bound over all numbers of segments: the best mixing distribution has too many points, or the panel too "
            "many stores."
        )
    if limit is not None:
        gap = max(limit.log_likelihood - by_k[best_k].log_likelihood, 0.0)
        say(
            f"No number of segments can gain more than {gap:.3g} in log-likelihood over K = {best_k}; "
            f"the best mixing distribution has {limit.weight.size} points."
        )
    for fit in fits:
        if not fit.identified and fit.k != best_k:
            for reason in fit.warnings:
                say(f"note: {reason}")
    for test in tests:
        say(
            f"K = {test.k} against {test.k + 1}: likelihood ratio {test.statistic:.2f}, p = {test.p_value:.3f} "
            f"(se {test.p_value_se:.3f}, {test.replicates.size} panels drawn from K = {test.k})"
        )
    console.print(_segment_table(by_k[best_k]))
    if panel.traits is not None and best_k > 1:
        console.print(_membership_table(by_k[best_k]))


def narrow(title: str) -> Table:
    """An empty table that spends no room on frames, for terminals of 80 columns."""
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))


def _criteria_table(fits: Sequence[MixtureFit], best_k: int, limit: Bound | None) -> Table:
    """Criteria down, K across, so that the page of a narrow terminal holds it."""
    table = narrow("Segments by maximum likelihood (* the smallest of a criterion)")
    table.add_column("K")
    for fit in fits:
        table.add_column(str(fit.k), justify="right", overflow="fold", style="bold" if fit.k == best_k else "")
    table.add_row("log-likelihood", *(f"{fit.log_likelihood:.4f}" for fit in fits))
    if limit is not None:
        table.add_row("below the bound by", *(f"{limit.log_likelihood - fit.log_likelihood:.4f}" for fit in fits))
    table.add_row("parameters", *(str(fit.n_parameters) for fit in fits))
    for name in ("aic", "bic", "bic_stores", "bic_hybrid", "icl"):
        values = [getattr(fit.criteria, name) for fit in fits]
        label = name.replace("_", " ").replace("aic", "AIC").replace("bic", "BIC").replace("icl", "ICL")
        table.add_row(label, *(f"{value:.3f}" + ("*" if value == min(values) else " ") for value in values))
    table.add_row("relative entropy", *(f"{fit.criteria.relative_entropy:.2f}" for fit in fits))
    table.add_row("smallest segment", *(f"{fit.criteria.smallest_segment:.1%}" for fit in fits))
    table.add_row("starts at best", *(f"{fit.starts_at_best} of {fit.starts_tried}" for fit in fits))
    if any(fit.starts_degenerate for fit in fits):
        table.add_row("degenerate, set aside", *(str(fit.starts_degenerate) for fit in fits))
    return table


def _membership_table(fit: MixtureFit) -> Table:
    table = narrow("Membership: log-odds against segment 1 (standard errors)")
    table.add_column("segment", justify="right")
    for name in fit.trait_names:
        table.add_column(name, justify="right")
    gamma, errors = fit.parameters.gamma, fit.standard_errors
    if gamma is not None:
        for k in range(1, fit.k):
            se = None if errors is None or errors.gamma is None else errors.gamma[k]
            cells = [f"{g:.3f}" + ("" if se is None else f" ({se[j]:.3f})") for j, g in enumerate(gamma[k])]
            table.add_row(str(k + 1), *cells)
    return table


def _segment_table(fit: MixtureFit) -> Table:
    errors = fit.standard_errors
    title = f"K = {fit.k}, lowest BIC: estimates (standard errors from the observed information)"
    table = narrow(title)
    table.add_column("segment", justify="right")
    for name in ("share", *fit.coefficients, "sigma", "stores"):
        table.add_column(name, justify="right")
    counts = np.bincount(fit.segment, minlength=fit.k + 1)[1:]
    for k in range(fit.k):
        p = fit.parameters
        pairs = [(p.weight[k], None if errors is None else errors.weight[k])]
        pairs += [(p.theta[k, c], None if errors is None else errors.theta[k, c]) for c in range(p.theta.shape[1])]
        pairs += [(p.sigma[k], None if errors is None or fit.model.sigma == "fixed" else errors.sigma[k])]
        cells = [f"{value:.3f}" + ("" if se is None or np.isnan(se) else f" ({se:.3f})") for value, se in pairs]
        table.add_row(str(k + 1), *cells, str(counts[k]))
    return table
