"""A panel parted in time: first weeks to fit, later weeks to be predicted one after the other.

Where weeks are weeks of the calendar all stores are cut at the same one. A file without a column of weeks only has the
order of each store's rows; stores with more or fewer of them are then cut each at its own.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from em.between import of_some
from em.errors import InputError
from em.panel import Panel, check_rank
from em.statistics import Ints


@dataclass(frozen=True)
class SplitPanel:
    """A panel and when each of its rows is to be predicted.

    Attributes
    ----------
    panel : stores with a first week and a later one or none; all their rows.
    step : (row,) 0 for the first weeks, then 1, 2, ... for the later ones in order of time.
    aligned : whether stores are cut at the same week, so that a step is one week of the calendar.
    share : of the weeks that are first.
    notes : what a careful reader should be told.
    """

    panel: Panel
    step: Ints
    aligned: bool
    share: float
    notes: tuple[str, ...] = ()

    @property
    def n_steps(self) -> int:
        """Number of later weeks."""
        return int(self.step.max())

    @property
    def later(self) -> NDArray[np.bool_]:
        """Whether a row is to be predicted; (row,)."""
        return self.step > 0

    def until(self, step: int) -> Panel:
        """The panel before a step: all that is known when its week is predicted."""
        return rows_of(self.panel, self.step < step)


def split_weeks(panel: Panel, share: float = 0.8) -> SplitPanel:
    """Part a panel into first and later weeks.

    Parameters
    ----------
    share : of the weeks that are first, of the panel's or of each store's own; rounded to the nearest week, and each
        part has at least one week of the panel, the first at least one of each store.

    Raises
    ------
    InputError
        When the share is none, there are fewer than two weeks, or the first ones do not identify every coefficient.
    """
    if not 0.0 < share < 1.0:
        raise InputError(f"the share of weeks to fit is {share:g}; expected a number between 0 and 1, such as 0.8")
    if len(panel.weeks) < 2:
        raise InputError(f"{panel.file}: has one week; expected at least two, to predict one from the others")
    aligned = _aligned(panel)
    if aligned:
        cut = _cut(np.array([len(panel.weeks)]), share)[0]
        step = np.maximum(panel.week - cut + 1, 0)
    else:
        count = np.bincount(panel.store, minlength=len(panel.stores))
        step = np.maximum(panel.week - _cut(count, share)[panel.store] + 1, 0)
    known = np.bincount(panel.store[step == 0], minlength=len(panel.stores)) > 0
    notes = ()
    if not known.all():
        late = [panel.stores[s] for s in np.flatnonzero(~known)]
        notes = (f"{len(late)} stores without a week among the first are left out ({late[0]} is one)",)
        panel, step = stores_of(panel, known), step[known[panel.store]]
    if not step.any():
        raise InputError(f"{panel.file}: no store has both a first week and a later one; expected some that have")
    first = step == 0
    check_rank(f"{panel.file}, first {share:.0%} of weeks", panel.x[first], panel.coefficients)
    return SplitPanel(panel, step, aligned, share, notes)


def rows_of(panel: Panel, kept: NDArray[np.bool_]) -> Panel:
    """The same stores with some of their rows; `kept` (row,)."""
    response = None if panel.response is None else panel.response.of_rows(kept)
    return replace(
        panel, store=panel.store[kept], week=panel.week[kept], x=panel.x[kept], y=panel.y[kept], response=response
    )


def _cut(weeks: Ints, share: float) -> Ints:
    """How many of so many weeks are first."""
    most = np.maximum(weeks - 1, 1)
    return np.clip(np.rint(share * weeks).astype(np.intp), 1, most)


def _aligned(panel: Panel) -> bool:
    """Whether weeks are weeks of the calendar: not when they only count the rows of stores that have more or fewer."""
    count = np.bincount(panel.store, minlength=len(panel.stores))
    running = np.arange(panel.store.size) - (np.cumsum(count) - count)[panel.store]
    counted = panel.weeks == tuple(str(number + 1) for number in range(len(panel.weeks)))
    return not (counted and np.array_equal(panel.week, running) and np.ptp(count) > 0)


def stores_of(panel: Panel, kept: NDArray[np.bool_]) -> Panel:
    """Some of the stores with all their rows; `kept` (store,)."""
    part = rows_of(panel, kept[panel.store])
    names = tuple(name for name, stays in zip(panel.stores, kept, strict=True) if stays)
    traits = None if panel.traits is None else panel.traits[kept]
    between = None if panel.between is None else of_some(panel.between, kept)
    return replace(part, stores=names, store=(np.cumsum(kept) - 1)[part.store], traits=traits, between=between)
