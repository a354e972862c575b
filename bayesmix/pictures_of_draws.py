"""Pictures of draws: whether chains agree, how much they are worth, and what they added to the prior."""

from collections.abc import Sequence

import numpy as np
from arviz_stats.base.array import array_stats
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bayesmix.drawing import WIDTH, figure
from bayesmix.svg import INK, LINE, MUTED, OWN, segment_colour
from em.statistics import Floats

SMALL = (2.35, 1.65)  # inches of one of many pictures
CHAINS = [(INK, "-"), (OWN, "-"), (INK, ":"), (OWN, ":")]  # colours stand for segments, so chains differ in line
PARTS = 12  # of the draws, after each of which effective draws are counted


def thinned(draws: Floats, effective: float, most: int = 150) -> Floats:
    """Draws so far apart that they are nearly independent, at most `most` of each chain; (chain, draw)."""
    chains, n = draws.shape
    kept = max(4, min(n, most, int(effective / chains)))
    return draws[:, np.linspace(0, n - 1, kept).astype(np.intp)]


def relative_ranks(draws: Floats) -> Floats:
    """Ranks among all chains together, from 0 to 1; (chain, draw)."""
    ranks = np.argsort(np.argsort(draws, axis=None, kind="stable"), kind="stable").reshape(draws.shape)
    return (ranks + 0.5) / draws.size


def rank_picture(ranks: Floats, band: tuple[Floats, Floats, Floats]) -> Figure:
    """How the ranks of each chain's draws differ from those of all.

    Parameters
    ----------
    ranks : (chain, draw) between 0 and 1.
    band : from `uniformity.against_other_chains`.
    """
    at, low, high = band
    picture, axes = figure(*SMALL)
    axes.fill_between(at, low, high, color=LINE, linewidth=0)
    axes.axhline(0.0, color=MUTED, lw=0.6)
    for c, values in enumerate(ranks):
        colour, line = CHAINS[c % len(CHAINS)]
        difference = np.searchsorted(np.sort(values), at, side="right") / values.size - at
        axes.plot(at, difference, line, color=colour, lw=1.1)
    axes.set(xlim=(0, 1), xticks=[0, 0.5, 1])
    axes.yaxis.set_major_locator(MaxNLocator(3, symmetric=True))
    axes.grid(visible=False)
    axes.set_xlabel("rank", labelpad=0)
    return picture


def effective_picture(draws: Sequence[Floats], wanted: float) -> Figure:
    """Effective draws of the parameter that has fewest, as the draws grew; each parameter's in the end is a dot.

    Parameters
    ----------
    draws : (chain, draw) of every parameter.
    wanted : effective draws to have at least.
    """
    chains, n = draws[0].shape
    ends = np.unique(np.linspace(max(4, n // PARTS), n, PARTS).astype(int))
    picture, axes = figure(WIDTH, 2.7)
    for kind, line in (("bulk", "-"), ("tail", ":")):
        found = np.array([[effective(one[:, :end], kind) for end in ends] for one in draws])
        axes.plot(chains * ends, found.min(0), line, color=INK, lw=1.6, label=f"fewest, {kind}")
        place = chains * n * (1.02 if kind == "bulk" else 1.045)
        axes.plot(np.full(len(draws), place), found[:, -1], "o" if kind == "bulk" else "_", ms=3.5, color=OWN)
    axes.axhline(wanted, color=MUTED, lw=1.0, ls="--")
    axes.annotate(f"{wanted:.0f} wanted", (1.0, wanted), (0, 3), xycoords=("axes fraction", "data"), size=9,
                  textcoords="offset points", ha="right", color=MUTED)  # fmt: skip
    axes.set_ylim(bottom=0.0)
    axes.set_xlim(right=chains * n * 1.07)
    _legend(axes)
    axes.set_xlabel("Draws of all chains")
    axes.set_ylabel("Effective draws")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    return picture


def effective(draws: Floats, kind: str) -> float:
    """Effective draws in the bulk or the tails of (chain, draw); 0 where none can be counted."""
    prob = {"prob": (0.05, 0.95)} if kind == "tail" else {}
    with np.errstate(invalid="ignore", divide="ignore"):
        found = float(array_stats.ess(draws, chain_axis=0, draw_axis=1, method=kind, **prob))  # pyright: ignore
    return found if np.isfinite(found) else 0.0


def energy_picture(energy: Floats) -> Figure:
    """Energies about their mean, and the steps from one draw to the next: alike where the sampler moves freely.

    Parameters
    ----------
    energy : (chain, draw)
    """
    level, step = (energy - energy.mean(1, keepdims=True)).ravel(), np.diff(energy, axis=1).ravel()
    reach = np.quantile(np.abs(np.concatenate([level, step])), 0.999)
    edges = np.linspace(-reach, reach, 41)
    picture, axes = figure(WIDTH, 2.4)
    for values, colour, fill, label in ((level, OWN, True, "energy"), (step, INK, False, "step")):
        density = np.histogram(values, edges)[0] / (values.size * (edges[1] - edges[0]))
        axes.stairs(density, edges, fill=fill, color=colour, alpha=0.45 if fill else 1.0, linewidth=1.4, label=label)
    axes.set(xlim=(-reach, reach), yticks=[])
    _legend(axes)
    axes.set_xlabel("Energy less its mean, and change of energy (log density)")
    axes.set_ylabel("Density")
    return picture


def levels_picture(levels: Sequence[tuple[int, int, Floats]]) -> Figure:
    """The log-likelihood of each chain's draws: 50 and 89 % of them, and their median.

    Parameters
    ----------
    levels : chain and mode, counted from 1, and the total log-likelihood of its draws, (draw,).
    """
    modes = len({mode for _, mode, _ in levels})
    picture, axes = figure(WIDTH, 0.75 + 0.28 * len(levels))
    for row, (_, mode, values) in enumerate(levels):
        low, quarter, middle, half, high = np.quantile(values, [0.055, 0.25, 0.5, 0.75, 0.945])
        colour = INK if modes == 1 else segment_colour(mode - 1)
        axes.plot([low, high], [row, row], color=colour, lw=1.2)
        axes.plot([quarter, half], [row, row], color=colour, lw=4.5, solid_capstyle="butt")
        axes.plot([middle], [row], "|", ms=11, mew=1.6, color=colour)
    named = [f"chain {chain}" + (f" (mode {mode})" if modes > 1 else "") for chain, mode, _ in levels]
    axes.set_yticks(range(len(levels)), named)
    axes.set_ylim(len(levels) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}".replace("-", "−")))
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Log-likelihood of all stores")
    return picture


def prior_picture(prior: Floats, posterior: Floats) -> Figure:
    """The density before the data (filled) and after, each as high as the other.

    Parameters
    ----------
    prior, posterior : draws.
    """
    low, high = np.quantile(prior, [0.025, 0.975])
    low, high = min(low, posterior.min()), max(high, posterior.max())
    picture, axes = figure(*SMALL)
    for values, drawn in ((prior[(prior >= low) & (prior <= high)], "prior"), (posterior, "posterior")):
        if np.ptp(values) == 0.0:
            continue
        grid, density, _ = array_stats.kde(values, grid_len=256, bw_fct=1.5 if drawn == "prior" else 1.0)
        grid, density = np.asarray(grid), np.asarray(density) / np.max(density)
        if drawn == "prior":
            axes.fill_between(grid, 0.0, density, color=OWN, alpha=0.45, linewidth=0)
        else:
            axes.plot(grid, density, color=INK, lw=1.4)
    margin = 0.03 * (high - low)
    axes.set(xlim=(low - margin, high + margin), ylim=(0, 1.05), yticks=[])
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    return picture


def _legend(axes) -> None:
    axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="best", handlelength=1.8)
