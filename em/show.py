"""Tables of maximum-likelihood fits for the screen."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from em.bootstrap import LikelihoodRatioTest
from em.bound import Bound
from em.fit import MixtureFit
from em.normal_mixture_fit import NormalMixtureFit
from em.panel import Panel
from em.response import Response
from em.statistics import Floats

SegmentFit = MixtureFit | NormalMixtureFit


def show(
    panel: Panel, fits: Sequence[MixtureFit], best_k: int, limit: Bound | None, tests: Sequence[LikelihoodRatioTest]
) -> None:
    """Print what was read, all K beside each other, and the segments of the best."""
    console, say = opened(panel, len(fits))
    console.print(criteria_table("Segments by maximum likelihood", fits, best_k, limit))
    best = next(fit for fit in fits if fit.k == best_k)
    for line in told_of_criteria(fits, best_k):
        say(line)
    if limit is None and panel.traits is None and fits[0].model.sigma == "fixed":
        say(
            "No bound over all numbers of segments: the best mixing distribution has too many points, or the panel too "
            "many stores."
        )
    if limit is not None:
        gap = max(limit.log_likelihood - best.log_likelihood, 0.0)
        say(
            f"No number of segments can gain more than {gap:.3g} in log-likelihood over K = {best_k}; "
            f"the best mixing distribution has {limit.weight.size} points."
        )
    for test in tests:
        say(
            f"K = {test.k} against {test.k + 1}: likelihood ratio {test.statistic:.2f}, p = {test.p_value:.3f} "
            f"(se {test.p_value_se:.3f}, {test.replicates.size} panels drawn from K = {test.k})"
        )
    errors = best.standard_errors
    console.print(segment_table(best, best.parameters.theta, None if errors is None else errors.theta))
    if panel.traits is not None and best_k > 1:
        console.print(_membership_table(best))


def opened(panel: Panel, columns: int) -> tuple[Console, Callable[[str], None]]:
    """A console wide enough for so many columns of numbers, the panel already told; and a way to say more."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, 40 + 14 * columns))
    say = partial(console.print, highlight=False, soft_wrap=True)
    scale = "log sales" if panel.response is None else told_of(panel.response)
    say(
        f"[bold]{escape(panel.file)}[/]: {len(panel.stores)} stores, {len(panel.weeks)} weeks, {panel.y.size} "
        f"observations; {escape(scale)} on {escape(', '.join(panel.coefficients))}"
        + (f", which {escape(', '.join(panel.between.names))} explain" if panel.between is not None else "")
    )
    for note in panel.notes:
        say(f"note: {escape(note)}")
    return console, say


def told_of(response: Response) -> str:
    """A response in words, with its family and link."""
    family = response.family
    return f"{response.name} ({family.name}, {family.link} link)"


def told_of_criteria(fits: Sequence[SegmentFit], best_k: int) -> list[str]:
    """Sentences: where the criteria disagree on K, and which K the data cannot support."""
    names = ("bic", "bic_stores", "bic_hybrid", "icl")
    choices = {name: min(fits, key=lambda f: getattr(f.criteria, name)).k for name in names}
    told = []
    if len(set(choices.values())) > 1:
        told.append(f"The criteria disagree on K: {', '.join(f'{name} {k}' for name, k in choices.items())}.")
    tried = [fit.k for fit in fits]
    if best_k == max(tried) > min(tried):
        told.append(
            f"K = {best_k} is the most that was tried, and more may be better still: try --k {best_k}..{best_k + 5}."
        )
    for fit in fits:
        if not fit.identified and fit.k != best_k:
            told += [f"note: {reason}" for reason in fit.warnings]
    return told


def narrow(title: str) -> Table:
    """An empty table that spends no room on frames, for terminals of 80 columns."""
    return Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))


def criteria_table(title: str, fits: Sequence[SegmentFit], best_k: int, limit: Bound | None) -> Table:
    """Criteria down, K across, so that the page of a narrow terminal holds it."""
    table = narrow(f"{title} (* the smallest of a criterion)")
    table.add_column("K")
    for fit in fits:
        table.add_column(str(fit.k), justify="right", overflow="fold", style="bold" if fit.k == best_k else "")
    table.add_row("log-likelihood", *(f"{fit.log_likelihood:.4f}" for fit in fits))
    if limit is not None:
        table.add_row("below the bound by", *(f"{limit.log_likelihood - fit.log_likelihood:.4f}" for fit in fits))
    table.add_row("parameters", *(str(fit.n_parameters) for fit in fits))
    for name in ("aic", "bic", "bic_stores", "bic_hybrid", "icl"):
        values = [getattr(fit.criteria, name) for fit in fits]
        table.add_row(in_words(name), *(f"{value:.3f}" + ("*" if value == min(values) else " ") for value in values))
    table.add_row("relative entropy", *(f"{fit.criteria.relative_entropy:.2f}" for fit in fits))
    table.add_row("smallest segment", *(f"{fit.criteria.smallest_segment:.1%}" for fit in fits))
    table.add_row("starts at best", *(f"{fit.starts_at_best} of {fit.starts_tried}" for fit in fits))
    if any(fit.starts_degenerate for fit in fits):
        table.add_row("degenerate, set aside", *(str(fit.starts_degenerate) for fit in fits))
    return table


def in_words(criterion: str) -> str:
    """The name of a criterion as people write it."""
    return criterion.replace("_", " ").replace("aic", "AIC").replace("bic", "BIC").replace("icl", "ICL")


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


def segment_table(fit: SegmentFit, coefficients: Floats, coefficient_errors: Floats | None) -> Table:
    """A row for each segment: share, coefficients (segment, coefficient), sigma, and stores most probably of it."""
    errors, p = fit.standard_errors, fit.parameters
    table = narrow(f"K = {fit.k}, lowest BIC: estimates (standard errors from the observed information)")
    table.add_column("segment", justify="right")
    names = fit.coefficients if isinstance(fit, MixtureFit) else fit.of_stores
    sigma = ["sigma"] if not isinstance(fit, MixtureFit) or fit.has_sigma else []
    for name in ("share", *names, *sigma, "stores"):
        table.add_column(name, justify="right")
    counts = np.bincount(fit.segment, minlength=fit.k + 1)[1:]
    for k in range(fit.k):
        cells = [with_error(p.weight[k], None if errors is None else errors.weight[k])]
        for c, value in enumerate(coefficients[k, : len(names)]):
            cells.append(with_error(value, None if coefficient_errors is None else coefficient_errors[k, c]))
        if sigma:
            cells.append(with_error(p.sigma[k], None if errors is None else errors.sigma[k] or None))
        table.add_row(str(k + 1), *cells, str(counts[k]))
    return table


def with_error(value: float, error: float | None) -> str:
    """A number and, where there is one, its standard error in brackets."""
    return f"{value:.3f}" + ("" if error is None or np.isnan(error) else f" ({error:.3f})")
