"""What each mode of a posterior says, and how each chain fared that drew it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from bayesmix.diagnose import Summary, bfmi, summarise
from bayesmix.fitted import Fit
from bayesmix.in_words import sentences
from bayesmix.parameters import Parameter, parameters
from bayesmix.segments_of_stores import joining
from em.statistics import Floats


class Row(NamedTuple):
    """One line of the table of parameters."""

    parameter: Parameter
    summary: Summary


@dataclass(frozen=True)
class Mode:
    """What one mode of the posterior says of segments and stores; most fits have one.

    Attributes
    ----------
    number : 1 is the heaviest.
    chains : numbers of the chains that ended in it, counted from 1.
    """

    number: int
    chains: tuple[int, ...]
    fit: Fit
    rows: list[Row] = field(repr=False)
    sentences: list[str]
    joining: list[dict[str, int]]


class Chain(NamedTuple):
    """How one chain fared; None where the file does not say.

    Attributes
    ----------
    loglik : (draw,) log-likelihood of all stores.
    """

    number: int
    mode: int
    loglik: Floats
    divergences: int
    bfmi: float | None
    acceptance: float | None
    steps: float | None


def modes_of(fit: Fit) -> list[Mode]:
    """The modes of a posterior, the heaviest first."""
    group = fit.group("modes")
    fits = [fit] if group is None else [fit.mode(m + 1) for m in range(group.sizes["mode"])]
    return [
        Mode(
            number,
            tuple(int(chain) + 1 for chain in one.posterior["chain"].to_numpy()),
            one,
            [Row(parameter, summarise(parameter.draws)) for parameter in parameters(one)],
            sentences(one),
            joining(one) if "membership" in one.by_store else [],
        )
        for number, one in enumerate(fits, start=1)
    ]


def chains_of(modes: Sequence[Mode]) -> list[Chain]:
    """The chains of all modes, by number."""
    found = []
    for mode in modes:
        stats, loglik = (
            mode.fit.sample_stats,
            mode.fit.store_loglik.sum("store_name").transpose("chain", "draw").to_numpy(),
        )
        energy = bfmi(stats["energy"].transpose("chain", "draw").to_numpy()) if "energy" in stats else None
        for c, number in enumerate(mode.chains):
            one = stats.isel(chain=c)
            found.append(
                Chain(
                    number,
                    mode.number,
                    loglik[c],
                    int(one["diverging"].sum()) if "diverging" in one else 0,
                    None if energy is None else float(energy[c]),
                    _mean(one, "acceptance_rate"),
                    _mean(one, "n_steps"),
                )
            )
    return sorted(found, key=lambda chain: chain.number)


def _mean(stats: xr.Dataset, name: str) -> float | None:
    return float(stats[name].mean()) if name in stats else None


def worst_of(rows: Sequence[Row]) -> dict[str, Any]:
    """The worst R-hat and effective draws over parameters; nan where nothing was sampled."""
    values = {name: np.array([getattr(row.summary, name) for row in rows], dtype=float) for name in Summary._fields}
    known = [name for name in ("rhat", "ess_bulk", "ess_tail") if np.isfinite(values[name]).any()]
    worst = {name: float(np.nanmax(values[name]) if name == "rhat" else np.nanmin(values[name])) for name in known}
    return {name: worst.get(name, float("nan")) for name in ("rhat", "ess_bulk", "ess_tail")}
