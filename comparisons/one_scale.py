"""Log sales beside counts and amounts of the same sales, on one scale: the density of the response itself.

A density of log sales becomes one of sales by the Jacobian, log f(y) = log f(log y) - log y, summed over the rows of a
store. A count has a probability where log sales or a gamma have a density per unit; where counts are not small a
probability is the density over an interval of one unit, and `between_them` says how far off that is.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.panel_of_fit import panel_of
from bayesmix.stores import CountedStores, family_of
from em.design_counts import by_value
from em.errors import InputError
from em.families.family import Family, log_density
from em.panel import Panel
from em.response import LOG_SALES
from em.statistics import Floats

SMALL_COUNT = 10.0
NODES = 16  # of the integral over an interval of one unit
IN_HALVES = ("aic", "bic", "bic_stores", "bic_hybrid", "icl")  # criteria on the scale of -2 log-likelihood


class BetweenThem(NamedTuple):
    """A density per unit against the probability of the whole number, at the posterior means of a fit.

    Attributes
    ----------
    elpd : what the log-density of all rows would gain as probabilities of y - 1/2 to y + 1/2.
    largest : the largest change of one row, as it is in size.
    """

    elpd: float
    largest: float


class Scale(NamedTuple):
    """The scale on which fits stand in one table.

    Attributes
    ----------
    log_density_of : the response, by its name.
    log_sales_i : (store,) sum of log y over the rows of each store; None where no fit is of log sales.
    small : share of rows whose response is below 10; None where all are densities, or all are probabilities.
    between : by the name of a fit with a density, how it differs from a probability; None where the rows could not be
        read again.
    """

    log_density_of: str
    log_sales_i: Floats | None
    small: float | None
    between: dict[str, BetweenThem | None]

    def shift(self, family: str) -> Floats | float:
        """What the store log-densities of a fit of that family are moved by; (store,), or 0."""
        return 0.0 if family != LOG_SALES or self.log_sales_i is None else -self.log_sales_i


def density_of_sales(log_density: Floats, log_sales: Floats) -> Floats:
    """Log-density of sales, of whose logarithm the log-density is given.

    Parameters
    ----------
    log_density : (..., row), or (..., store) of all rows of stores.
    log_sales : (row,), or (store,) their sums.
    """
    return log_density - log_sales


def scale_of(fits: Sequence[Fit]) -> Scale | None:
    """The common scale of fits of one response; None where they are of one family."""
    families = {fit.family for fit in fits}
    counted = next((fit for fit in fits if isinstance(fit.statistics, CountedStores)), None)
    if len(families) == 1 or counted is None or not isinstance(counted.statistics, CountedStores):
        return None
    counts = counted.statistics.counts
    log_sales = by_value(counts) @ np.log(counts.y) if LOG_SALES in families else None
    continuous = [fit for fit in fits if not is_whole(family_of(fit.statistics))]
    if not continuous or len(continuous) == len(fits):
        return Scale(counted.log_density_of, log_sales, None, {})
    small = float(counts.count[counts.y[counts.value] < SMALL_COUNT].sum() / counts.count.sum())
    return Scale(counted.log_density_of, log_sales, small, {fit.name: between_them(fit) for fit in continuous})


def is_whole(family: Family | None) -> bool:
    """Whether the responses of a family are whole numbers, so that they have probabilities."""
    return family is not None and not bool(np.any(family.possible(np.array([0.5]), np.ones(1))))


def entries_on_scale(results: dict[str, Any], scale: Scale | None) -> dict[str, Any]:
    """The content of results.json with the likelihoods of log sales on the scale of sales."""
    if scale is None or scale.log_sales_i is None:
        return results
    moved = float(scale.log_sales_i.sum())

    def on_scale(entry: dict[str, Any]) -> dict[str, Any]:
        if entry.get("family", LOG_SALES) != LOG_SALES:
            return entry
        doubled = {name: entry[name] + 2.0 * moved for name in IN_HALVES if entry.get(name) is not None}
        return {**entry, "log_likelihood": entry["log_likelihood"] - moved, **doubled}

    return {**results, "fits": [on_scale(entry) for entry in results["fits"]]}


def between_them(fit: Fit) -> BetweenThem | None:
    """How the density of a fit differs from the probability of a whole number; None without its data file."""
    try:
        panel = panel_of(fit)
    except InputError:
        return None
    theta = np.asarray(fit.by_store["coefficients"].transpose("store", "coefficient"), dtype=float)
    sigma = fit.draws.sigma.mean(0)
    member = fit.by_store.get("membership")
    share = np.ones((len(theta), 1)) if member is None else np.asarray(member.transpose("store", "segment"))
    eta = np.einsum("rp,rp->r", panel.x, theta[panel.store])
    y, density = _density(panel, eta, (share @ sigma)[panel.store])
    change = log_probability(density, y) - density(y)
    return BetweenThem(float(change.sum()), float(np.abs(change).max()))


def _density(panel: Panel, eta: Floats, sigma: Floats) -> tuple[Floats, Callable[[Floats], Floats]]:
    """The responses of the rows, and their log-density as a function of responses (..., row)."""
    if panel.response is None:
        level = -0.5 * np.log(2.0 * np.pi) - np.log(sigma)
        return np.exp(panel.y), lambda y: level - 0.5 * np.square((np.log(y) - eta) / sigma) - np.log(y)
    family, _, offset, trials = panel.response
    return panel.y, lambda y: log_density(family, y, eta + offset, trials, np.log(sigma))


def log_probability(density: Callable[[Floats], Floats], y: Floats) -> Floats:
    """Logarithm of the integral of a density from y - 1/2 to y + 1/2; (row,), y from 1 upwards.

    Parameters
    ----------
    density : log-density of responses (node, row).
    """
    node, weight = np.polynomial.legendre.leggauss(NODES)
    at = density(y)
    inside = density(np.maximum(y + 0.5 * node[:, None], 1e-300))
    return at + np.log(0.5 * (weight @ np.exp(inside - at)))


def refuse_zeros(fits: Sequence[Fit], names: Sequence[str]) -> None:
    """Raise InputError where responses of zero stand beside log sales, which have none.

    Parameters
    ----------
    names : what messages call the fits.

    Raises
    ------
    InputError
        Naming the first store, and its week where the data file is there.
    """
    logged = next((name for fit, name in zip(fits, names, strict=True) if fit.family == LOG_SALES), None)
    for fit, name in zip(fits, names, strict=True):
        stats = fit.statistics
        if logged is None or not isinstance(stats, CountedStores):
            continue
        counts = stats.counts
        zero = counts.y[counts.value] <= 0.0
        if zero.any():
            store = int(counts.value_store[zero][0])
            raise InputError(
                f"{name}: {fit.log_density_of} is 0 in {int(counts.count[zero].sum())} rows, the first of store "
                f"{fit.stores[store]}{_week(fit, store)}; {logged} is of log sales, and 0 has no logarithm; expected "
                "responses above 0, or fits without log sales"
            )


def _week(fit: Fit, store: int) -> str:
    """Which week of a store is the first with a response of 0; empty where the data file is not there."""
    try:
        panel = panel_of(fit)
    except InputError:
        return ""
    row = np.flatnonzero((panel.store == store) & (panel.y <= 0.0))[0]
    return f", week {panel.weeks[panel.week[row]]}"
