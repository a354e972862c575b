"""The checks of counts, choices and amounts of a posterior: the rows that it was fitted to beside replicated ones."""

from typing import TYPE_CHECKING

from bayesmix.checked_rows import rows_of
from bayesmix.count_checks import CountChecks, count_checks
from bayesmix.drawn_stores import drawn_stores
from bayesmix.panel_of_fit import panel_of
from bayesmix.segments_of_stores import membership
from bayesmix.stores import CountedStores
from em.design_counts import DesignCounts
from em.errors import InputError
from em.panel import Panel

if TYPE_CHECKING:
    from bayesmix.fitted import Fit


def checks_of_fit(fit: "Fit", panel: Panel | None = None, seed: int = 0) -> CountChecks:
    """Check the family of a fit; see `count_checks`.

    Parameters
    ----------
    panel : the rows that were fitted. None takes the statistics in the fit's file where these tell rows apart, and else
        reads the data file again.

    Raises
    ------
    InputError
        When the fit or the panel is of log sales, the panel has other stores, columns or responses than the fit, or the
        rows are needed and cannot be read.
    """
    if not isinstance(fit.statistics, CountedStores):
        raise InputError(f"{fit.name}: is of {fit.log_density_of}; expected counts, choices or amounts (--family)")
    rows = _rows(fit, fit.statistics.counts) if panel is None else panel
    if isinstance(rows, Panel) and (rows.stores, rows.coefficients) != (fit.stores, fit.coefficients):
        raise InputError(f"{rows.file}: has other stores or columns than {fit.name}; expected the panel of the fit")
    if isinstance(rows, Panel) and (rows.response is None or rows.response.family.name != fit.family):
        held = "log sales" if rows.response is None else f"{rows.response.family.name} responses"
        raise InputError(f"{rows.file}: holds {held}; expected {fit.family} responses, as {fit.name} was fitted to")
    draws = drawn_stores(fit, seed=seed)
    share = membership(fit) if fit.k > 1 and "membership" in fit.by_store else None
    return count_checks(rows, draws.theta, draws.sigma, share, seed=seed)


def _rows(fit: "Fit", counts: DesignCounts) -> Panel | DesignCounts:
    try:
        rows_of(counts)
    except InputError:
        return panel_of(fit)
    return counts
