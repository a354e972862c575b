"""The section of the comparison page on another week of a known store."""

from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup

from bayesmix.rounding import fixed, listed
from bayesmix.svg import inline_svg
from comparisons.another_week import AnotherWeek
from comparisons.judged_regressions import ONE
from comparisons.known_weeks import KnownWeeks, known_weeks_picture
from comparisons.week_table import WeekRow, parted, told, week_rows
from comparisons.week_words import Words


@dataclass(frozen=True)
class WeekSection:
    """What the template weeks.html renders; without one it is left out.

    Attributes
    ----------
    told, parted : which model predicts best; what was fitted and what was scored.
    rows : models, best first.
    kinds : the rows of least squares and of the best fit of each kind, for shrinkage beside error.
    with_loo : whether any model was judged by leaving one week out.
    picture : error against the weeks known, as inline SVG.
    crps_error : the largest simulation error of a mean CRPS.
    words : what things are called.
    counts : whether the responses are whole numbers.
    notes, distrust : what a careful reader should be told.
    """

    told: str
    parted: str
    rows: list[WeekRow]
    kinds: list[WeekRow]
    with_loo: bool
    picture: Markup | None = field(repr=False)
    crps_error: float
    words: Words
    counts: bool
    notes: tuple[str, ...]
    distrust: tuple[str, ...]


def week_section(of: AnotherWeek | None) -> WeekSection | None:
    """The section as the template wants it; None of None."""
    if of is None:
        return None
    rows = week_rows(of)
    first: dict[str, WeekRow] = {}
    for row in rows:
        kind = row.name if row.name == ONE else row.model
        first.setdefault(kind, row._replace(name=of.words.own) if kind == "regression" else row)
    picture = None
    if of.known is not None:
        picture = Markup(inline_svg(known_weeks_picture(of.known), "known-weeks", _alt(of.known)))
    return WeekSection(
        told=told(of),
        parted=parted(of),
        rows=rows,
        kinds=sorted(first.values(), key=lambda row: row.error.value),
        with_loo=any(row.out for row in rows),
        picture=picture,
        crps_error=max(one.crps_error for one in of.models),
        words=of.words,
        counts=of.words.score == "probability",
        notes=of.notes,
        distrust=of.distrust,
    )


def _alt(known: KnownWeeks) -> str:
    each = []
    for name, error in known.error.items():
        first = int(np.flatnonzero(np.isfinite(error))[0])
        start, end = (fixed(float(error[i]), 2) for i in (first, -1))
        each.append(f"{name} from {start} with {known.weeks[first]} to {end} with {known.weeks[-1]}")
    return (
        f"Lines of the median store's error in {known.words.what} against the weeks known of a store: {listed(each)}."
    )
