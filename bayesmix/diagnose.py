"""Whether draws are to be trusted: nutpie says nothing, so every check is ours."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from arviz_stats.base.array import array_stats

from em.statistics import Floats

RHAT = 1.01  # Vehtari, Gelman, Simpson, Carpenter & Buerkner (2021)
ESS_PER_CHAIN = 100  # the same; 400 for four chains
DIVERGENT = 0.001  # share of draws: a handful in thousands happens to sound fits, more means a place not reached
BFMI = 0.3  # Betancourt (2016)
INTERVAL = 0.89  # equal-tailed, ArviZ's default


class Summary(NamedTuple):
    """Draws of one quantity in numbers, each of the quantity's own shape.

    Attributes
    ----------
    mean, sd : over all draws.
    low, high : ends of the equal-tailed interval of probability `INTERVAL`.
    rhat, ess_bulk, ess_tail : of Vehtari et al. (2021); nan where the quantity is fixed, R-hat also for one chain.
    """

    mean: Floats
    sd: Floats
    low: Floats
    high: Floats
    rhat: Floats
    ess_bulk: Floats
    ess_tail: Floats


def summarise(values: Floats) -> Summary:
    """Summary of (chain, draw, ...)."""
    flat = values.reshape(*values.shape[:2], -1)
    low, high = np.quantile(flat, [0.5 - 0.5 * INTERVAL, 0.5 + 0.5 * INTERVAL], axis=(0, 1))
    varying = np.flatnonzero(np.ptp(flat, axis=(0, 1)) > 0.0)
    rhat, bulk, tail = np.full((3, flat.shape[2]), np.nan)
    for j in varying:
        one = flat[:, :, j]
        with np.errstate(invalid="ignore", divide="ignore"):
            rhat[j] = array_stats.rhat(one, chain_axis=0, draw_axis=1)
            bulk[j] = array_stats.ess(one, chain_axis=0, draw_axis=1, method="bulk")
            tail[j] = array_stats.ess(one, chain_axis=0, draw_axis=1, method="tail", prob=(0.05, 0.95))
        if len(one) > 1 and np.isnan(rhat[j]):  # chains that stood still
            rhat[j] = np.inf
    numbers = (flat.mean((0, 1)), flat.std((0, 1), ddof=1), low, high, rhat, bulk, tail)
    return Summary(*(number.reshape(values.shape[2:]) for number in numbers))


def reasons_for_distrust(
    quantities: Mapping[str, Floats],
    loglik: Floats,
    sampler: xr.Dataset,
    labels: Mapping[str, Sequence[Sequence[str]]],
) -> list[str]:
    """Why draws are not to be trusted; empty when they are.

    Parameters
    ----------
    quantities : relabelled draws by name, (chain, draw, ...).
    loglik : (chain, draw) total log-likelihood.
    sampler : its own statistics (chain, draw): diverging and energy, where it has them.
    labels : names of the entries along each further axis of a quantity.
    """
    chains, draws = loglik.shape
    reasons = []
    if chains == 1:
        reasons.append("one chain: nothing says whether another would agree; use --chains 4")
    checked = {**quantities, "log-likelihood": loglik}
    summaries = {name: summarise(values) for name, values in checked.items()}
    reasons += _worst(summaries, labels, "rhat", RHAT, "R-hat is {value:.5g} for {name}; expected at most {limit:g}")
    for kind in ("bulk", "tail"):
        text = f"only {{value:.0f}} effective draws ({kind}) for {{name}}; expected at least {{limit:.0f}}"
        reasons += _worst(summaries, labels, f"ess_{kind}", -ESS_PER_CHAIN * chains, text + "; use more --draws")
    if "diverging" in sampler:
        divergent = int(sampler["diverging"].sum())
        if divergent > DIVERGENT * chains * draws:
            reasons.append(f"{divergent} of {chains * draws} draws diverged: part of the posterior was not reached")
    if "energy" in sampler:
        fraction = float(bfmi(sampler["energy"].to_numpy()).min())
        if fraction < BFMI:
            reasons.append(f"E-BFMI is {fraction:.2g} in a chain; expected at least {BFMI}: it moves too slowly")
    return reasons


def mixes_slowly(quantities: Mapping[str, Floats], loglik: Floats) -> bool:
    """Whether R-hat or the effective draws of any quantity are not what is expected."""
    summaries = [summarise(values) for values in (*quantities.values(), loglik)]
    rhat = np.concatenate([summary.rhat.ravel() for summary in summaries])
    ess = np.concatenate([values.ravel() for summary in summaries for values in (summary.ess_bulk, summary.ess_tail)])
    return bool((rhat > RHAT).any() or (ess < ESS_PER_CHAIN * len(loglik)).any())


def bfmi(energy: Floats) -> Floats:
    """Estimated Bayesian fraction of missing information of every chain, (chain,); energy (chain, draw)."""
    return np.square(np.diff(energy, axis=1)).mean(1) / energy.var(1)


def _worst(
    summaries: Mapping[str, Summary],
    labels: Mapping[str, Sequence[Sequence[str]]],
    field: str,
    limit: float,
    text: str,
) -> list[str]:
    """The reason that names the quantity furthest above the limit (below -limit where that is negative), if any."""
    sign = 1.0 if limit > 0.0 else -1.0
    found: list[tuple[float, str]] = []
    for name, summary in summaries.items():
        values = np.atleast_1d(sign * getattr(summary, field))
        if not np.isnan(values).all():
            place = np.unravel_index(np.nanargmax(values), values.shape)
            index = ", ".join(axis[int(i)] for axis, i in zip(labels.get(name, ()), place, strict=False))
            found.append((float(values[place]), f"{name}[{index}]" if index else name))
    if not found:
        return []
    value, name = max(found)
    return [text.format(value=sign * value, name=name, limit=sign * limit)] if value > limit else []
