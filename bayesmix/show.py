"""A posterior on the screen."""

import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from rich.console import Console
from rich.table import Table

from bayesmix.diagnose import INTERVAL, Summary, summarise
from bayesmix.expectations import expectations
from bayesmix.explained_by_traits import explained_by_traits
from bayesmix.fitted import Fit
from bayesmix.parameters import deviating, parameters
from bayesmix.response_words import words_of
from bayesmix.rounding import MINUS, figures
from em.panel import Panel
from em.show import narrow, told_of


def announce(panel: Panel, model: str, k: int, sigma: str, sparse: bool) -> None:
    """Say what is about to be fitted, and to what."""
    segments = f"{'at most ' if sparse else ''}{k} segment{'s' if k > 1 else ''}"
    segments = "a continuum of stores" if model == "hierarchical" else segments
    segments += " whose stores differ" if model == "normal-mixture" else ""
    scatter = f", sigma {sigma}{' at 1' if sigma == 'fixed' else ''}"
    response = "log sales"
    if panel.response is not None:
        response, dispersed = told_of(panel.response), panel.response.family.dispersed
        scatter = f", dispersion {sigma}" if dispersed else ""
    Console().print(
        f"[bold]{model}[/]: {segments}{scatter}; {panel.file}: "
        f"{len(panel.stores)} stores, {len(panel.weeks)} weeks, {panel.y.size} observations; "
        f"{response} on {', '.join(panel.coefficients)}"
        + (f", which {', '.join(panel.between.names)} explain" if panel.between is not None else ""),
        highlight=False,
        soft_wrap=True,
    )


def show(fit: Fit, *, first: bool = True) -> None:
    """Print priors (with the first of several fits), the parameters beside EM's, and how the sampler fared."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, 110))
    say = partial(console.print, highlight=False, soft_wrap=True, markup=False)
    if first:
        priors = "; ".join(f"{name} ~ {prior}" for name, prior in fit.priors["statements"].items())
        say(f"priors: {priors}")
        for one in expectations(fit):
            say(
                f"  {one.name}: {INTERVAL:.0%} of stores were expected in {_range(one.prior)}, and "
                f"{1.0 - one.outside:.0%} of the panel's are there"
            )
    modes = fit.group("modes")
    if modes is not None:
        console.print(_mode_table(modes))
    in_use = fit.group("segments_in_use")
    if in_use is not None:
        console.print(_number_table(in_use))
    console.print(_table(fit))
    explained = explained_by_traits(fit)
    for c, name in enumerate(fit.coefficients if explained is not None else ()):
        share, low, high = (float(explained[end][c]) for end in ("mean", "lower", "upper"))  # pyright: ignore[reportOptionalSubscript]
        of = deviating(name, words_of(fit))
        say(f"traits explain {share:.0%} ({low:.0%} .. {high:.0%}) of the variance of {of} between stores")
    s, seconds = fit.sampler, fit.sampler["seconds"]
    switched = (
        "" if fit.k == 1 or in_use is not None else f"; segments renumbered in {s['labels_switched']:.1%} of draws"
    )
    chains = f"{s['chains']} chain{'s' if s['chains'] > 1 else ''}"
    resumed = f", {s['chains_resumed']} of them finished before" if s["chains_resumed"] else ""
    say(
        f"{chains} x {s['draws']} draws after {s['tune']} of tuning{resumed}, seed {s['seed']}; "
        + (f"{s['divergences']} divergences{switched}; " if in_use is None else "labels of stores drawn; ")
        + f"compiling {seconds['compiling']:.1f} s, sampling {seconds['sampling']:.1f} s"
    )
    if fit.model == "hierarchical" and fit.integral != "exact":
        rule = "Laplace's approximation" if fit.quadrature == 1 else f"quadrature with {fit.quadrature} nodes"
        drawn = f"drawn with the parameters (MCMC); log-likelihoods of stores by {rule}"
        say(f"coefficients of stores {drawn if fit.integral == 'mcmc' else f'integrated out by {rule}'}")
    for note in fit.notes:
        say(f"note: {note}")
    if not fit.trusted:
        say("verdict: not to be trusted; the reasons are below and in the file")
    else:
        checked = "R-hat, effective draws, divergences, energy, one mode"
        say(f"verdict: to be trusted ({checked if in_use is None else 'R-hat, effective draws, segments to spare'})")


def show_all(fits: Sequence[Fit], files: Sequence[Path]) -> None:
    """Print one line for each of several posteriors."""
    table = narrow("All numbers of segments")
    for name in ("K", "log-likelihood (sd)", "modes", "renumbered", "to be trusted", "file"):
        table.add_column(name, justify="left" if name == "file" else "right")
    for fit, file in zip(fits, files, strict=True):
        modes = fit.group("modes")
        level = fit.store_loglik.sum("store_name")
        table.add_row(
            str(fit.k),
            f"{float(level.mean()):.1f} ({float(level.std()):.1f})",
            "1" if modes is None else str(modes.sizes["mode"]),
            f"{fit.sampler['labels_switched']:.1%}",
            "yes" if fit.trusted else "no",
            str(file),
        )
    console = Console()
    console.print(table)


def _number_table(in_use: xr.Dataset) -> Table:
    table = narrow("How many segments are in use")
    for name in ("segments", "probability (Monte Carlo error)"):
        table.add_column(name, justify="right")
    for number, share, error in zip(*(in_use[name].values for name in ("number", "probability", "error")), strict=True):
        if share > 0.0:
            table.add_row(str(number), f"{share:.3f} ({error:.3f})")
    return table


def _mode_table(modes: xr.Dataset) -> Table:
    table = narrow("Chains ended in different modes; below is the heaviest, the others are in the file")
    for name in ("mode", "chains", "log-likelihood (sd)", "log weight (se)", "weight"):
        table.add_column(name, justify="right")
    for m, number in enumerate(modes["mode"].values):
        chains = np.flatnonzero(modes["of_chain"].values == number) + 1
        table.add_row(
            str(number),
            ", ".join(map(str, chains)),
            f"{float(modes['log_likelihood'][m]):.1f} ({float(modes['log_likelihood_sd'][m]):.1f})",
            f"{float(modes['log_weight'][m]):z.1f} ({float(modes['log_weight_se'][m]):.2f})",
            f"{float(modes['weight'][m]):.2g}",
        )
    return table


def _table(fit: Fit) -> Table:
    interval = f"{100 * INTERVAL:.0f}% interval"
    em = fit.group("em")
    of_mode = "" if fit.group("modes") is None else " of mode 1"
    table = narrow(f"{fit.name}: posterior{of_mode} ({interval} equal-tailed)")
    table.add_column("" if fit.model == "hierarchical" else "segment")
    table.add_column("parameter")
    for name in ("EM", "mean", "sd", interval, "R-hat", "ESS\nbulk", "ESS\ntail"):
        if name != "EM" or em is not None:
            table.add_column(name, justify="right")
    for segment, rows in itertools.groupby(parameters(fit), key=lambda parameter: parameter.segment):
        for number, one in enumerate(rows):
            summary = summarise(one.draws)
            places = _places(float(summary.sd), " per unit of " in one.name)
            estimate = "" if one.em is None else f"{one.em:.{places}f}"
            short = one.name.replace("share of stores", "share").replace("price elasticity", "elasticity")
            name = [str(segment) if segment and not number else "", short, *([] if em is None else [estimate])]
            table.add_row(*name, *_cells(summary, places))
        table.add_section()
    return table


def _range(ends: tuple[float, float]) -> str:
    return " .. ".join(figures(end).replace(MINUS, "-") for end in ends)


def _places(sd: float, unit: bool) -> int:
    """Decimal places: three, and more where a number is per unit of a trait and small because the unit is."""
    return max(3, 1 - int(np.floor(np.log10(sd)))) if unit and sd > 0.0 else 3


def _cells(s: Summary, places: int) -> list[str]:
    return [
        f"{float(s.mean):.{places}f}",
        f"{float(s.sd):.{places}f}",
        f"{float(s.low):.{places}f} .. {float(s.high):.{places}f}",
        f"{float(s.rhat):.3f}",
        f"{float(s.ess_bulk):.0f}",
        f"{float(s.ess_tail):.0f}",
    ]
