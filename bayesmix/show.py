"""A posterior on the screen."""

import numpy as np
from rich.console import Console
from rich.table import Table

from bayesmix.diagnose import INTERVAL, Summary, summarise
from bayesmix.priors import statements
from bayesmix.run import Posterior
from em.mixture import MixtureParameters
from em.panel import Panel
from em.show import narrow
from em.statistics import Floats


def announce(panel: Panel, model: str, k: int, sigma: str) -> None:
    """Say what is about to be fitted, and to what."""
    segments = "a continuum of stores" if model == "hierarchical" else f"{k} segment{'s' if k > 1 else ''}"
    Console().print(
        f"[bold]{model}[/]: {segments}, sigma {sigma}{' at 1' if sigma == 'fixed' else ''}; {panel.file}: "
        f"{len(panel.stores)} stores, {len(panel.weeks)} weeks, {panel.y.size} observations; "
        f"log sales on {', '.join(panel.coefficients)}",
        highlight=False,
        soft_wrap=True,
    )


def show(posterior: Posterior, em: MixtureParameters | None) -> None:
    """Print priors, the table of parameters beside the estimates of EM, and how the sampler fared."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, 110))
    lines = statements(posterior.priors, posterior.model, posterior.sigma)
    priors = "; ".join(f"{name} ~ {prior}" for name, prior in lines.items())
    console.print(f"priors: {priors}", highlight=False, soft_wrap=True, markup=False)
    console.print(_table(posterior, em))
    s, seconds = posterior.settings, posterior.seconds
    switched = "" if posterior.k == 1 else f"; segments renumbered in {posterior.switched:.1%} of draws"
    chains = f"{s.chains} chain{'s' if s.chains > 1 else ''}"
    console.print(
        f"{chains} x {s.draws} draws after {s.tune} of tuning, seed {s.seed}{switched}; "
        f"compiling {seconds['compiling']:.1f} s, sampling {seconds['sampling']:.1f} s",
        highlight=False,
        soft_wrap=True,
    )
    if not posterior.reasons:
        console.print("verdict: to be trusted (R-hat, effective draws, divergences, energy, chains' levels)")


def _table(posterior: Posterior, em: MixtureParameters | None) -> Table:
    interval = f"{100 * INTERVAL:.0f}% interval"
    table = narrow(f"{posterior.name}: posterior ({interval} equal-tailed)")
    table.add_column("segment" if posterior.model == "mixture" else "")
    table.add_column("parameter")
    for name in ("EM", "mean", "sd", interval, "R-hat", "ESS\nbulk", "ESS\ntail"):
        if name != "EM" or em is not None:
            table.add_column(name, justify="right")
    for section in _sections(posterior, em):
        for segment, name, estimate, values in section:
            table.add_row(segment, name, *([] if em is None else [f"{estimate:.3f}"]), *_cells(summarise(values)))
        table.add_section()
    return table


def _sections(posterior: Posterior, em: MixtureParameters | None) -> list[list[tuple[str, str, float, Floats]]]:
    """Rows of the table, those of a segment together: segment, parameter, estimate of EM, draws (chain, draw)."""
    q, names = posterior.quantities, posterior.panel.coefficients
    if posterior.model == "hierarchical":
        sd = np.sqrt(np.diagonal(q["omega"], axis1=-2, axis2=-1))
        means = [("mean", name, np.nan, q["mu"][..., c]) for c, name in enumerate(names)]
        spreads = [("sd", name, np.nan, sd[..., c]) for c, name in enumerate(names)]
        correlations = [
            ("correlation", f"{names[c]}, {names[a]}", np.nan, q["omega"][..., a, c] / (sd[..., a] * sd[..., c]))
            for a in range(len(names))
            for c in range(a)
        ]
        return [means, spreads, [*correlations, ("residual", "sigma", np.nan, q["sigma"])]]
    estimates = em or MixtureParameters(*(q[name].mean((0, 1)) for name in ("weight", "theta", "sigma")))
    return [
        [
            (str(k + 1), "weight", estimates.weight[k], q["weight"][..., k]),
            *(("", name, estimates.theta[k, c], q["theta"][..., k, c]) for c, name in enumerate(names)),
            ("", "sigma", estimates.sigma[k], q["sigma"][..., k]),
        ]
        for k in range(posterior.k)
    ]


def _cells(s: Summary) -> list[str]:
    if np.isnan(s.ess_bulk):
        return [f"{float(s.mean):.3f}", "fixed", "", "", "", ""]
    return [
        f"{float(s.mean):.3f}",
        f"{float(s.sd):.3f}",
        f"{float(s.low):.3f} .. {float(s.high):.3f}",
        f"{float(s.rhat):.3f}",
        f"{float(s.ess_bulk):.0f}",
        f"{float(s.ess_tail):.0f}",
    ]
