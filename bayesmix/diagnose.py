"""Whether draws are to be trusted: nutpie says nothing, so every check is ours."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from arviz_stats.base.array import array_stats

from em.statistics import Floats

RHAT = 1.01  # Vehtari, Gelman, Simpson, Carpenter & Buerkner (2021)
ESS_PER_CHAIN = 100  # the same; 400 for four chains
DIVERGENT = 0.001  # share of draws: a handful in thousands happens to sound fits, more means a place not reached
BFMI = 0.3  # Betancourt (2016)
LEVELS = 1.0  # between chains' mean log-likelihoods, in units of their sd inside a chain
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
    quantities: Mapping[str, Floats], loglik: Floats, diverging: Floats, energy: Floats, expected: tuple[int, int]
) -> list[str]:
    """Why draws are not to be trusted; empty when they are.

    Parameters
    ----------
    quantities : relabelled draws by name, (chain, draw, ...).
    loglik : (chain, draw) total log-likelihood.
    diverging, energy : (chain, draw) from the sampler.
    expected : chains and draws asked for.
    """
    if loglik.shape != expected or not np.isfinite(loglik).all():
        return [f"{_count(loglik)} draws came back where {expected[0]} x {expected[1]} were asked for"]
    chains, draws = expected
    reasons = levels(loglik)
    if chains == 1:
        reasons.append("one chain: nothing says whether another would agree; use --chains 4")
    checked = {**quantities, "log-likelihood": loglik}
    summaries = {name: summarise(values) for name, values in checked.items()}
    reasons += _worst(summaries, "rhat", RHAT, "R-hat is {value:.4g} for {name}; expected at most {limit:g}")
    for kind in ("bulk", "tail"):
        text = f"only {{value:.0f}} effective draws ({kind}) for {{name}}; expected at least {{limit:.0f}}"
        reasons += _worst(summaries, f"ess_{kind}", -ESS_PER_CHAIN * chains, text + "; use more --draws")
    divergent = int(diverging.sum())
    if divergent > DIVERGENT * chains * draws:
        reasons.append(f"{divergent} of {chains * draws} draws diverged: part of the posterior was not reached")
    fraction = float(bfmi(energy).min())
    if fraction < BFMI:
        reasons.append(f"E-BFMI is {fraction:.2g} in a chain; expected at least {BFMI}: the sampler moves too slowly")
    return reasons


def levels(loglik: Floats) -> list[str]:
    """A reason where chains explain the data unequally well: they are in different modes, and R-hat may not see it.

    Parameters
    ----------
    loglik : (chain, draw)
    """
    means = loglik.mean(1)
    within = float(np.sqrt(loglik.var(1, ddof=1).mean()))
    if np.ptp(means) <= LEVELS * within:
        return []
    listed = ", ".join(f"{mean:.1f}" for mean in means)
    return [f"chains are in different modes: mean log-likelihoods {listed}, sd {within:.2g} inside a chain"]


def bfmi(energy: Floats) -> Floats:
    """Estimated Bayesian fraction of missing information of every chain, (chain,); energy (chain, draw)."""
    return np.square(np.diff(energy, axis=1)).mean(1) / energy.var(1)


def _worst(summaries: Mapping[str, Summary], field: str, limit: float, text: str) -> list[str]:
    """The reason that names the quantity furthest above the limit (below -limit where that is negative), if any."""
    sign = 1.0 if limit > 0.0 else -1.0
    found: list[tuple[float, str]] = []
    for name, summary in summaries.items():
        values = np.atleast_1d(sign * getattr(summary, field))
        if not np.isnan(values).all():
            place = np.unravel_index(np.nanargmax(values), values.shape)
            index = ", ".join(str(i + 1) for i in place)
            found.append((float(values[place]), name if getattr(summary, field).ndim == 0 else f"{name}[{index}]"))
    if not found:
        return []
    value, name = max(found)
    return [text.format(value=sign * value, name=name, limit=sign * limit)] if value > limit else []


def _count(loglik: Floats) -> str:
    return " x ".join(str(size) for size in loglik.shape)
