"""Checks of models of counts, choices and amounts: overdispersion, zeros, and whether the distribution fits.

Posterior predictive checks of the known stores' own rows: they ask whether the model could have made the panel that it
was fitted to, which is easier than predicting another, and so they are conservative. What they find is there; what
they do not find may be. They are not cross-validated.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from bayesmix.calibration_curve import Calibration, calibration
from bayesmix.checked_rows import Rows, StoreDraws, rows_of
from bayesmix.envelope import rank_envelope
from bayesmix.frequencies import Frequencies, bins_of, counted, expected
from bayesmix.pit_of_rows import Pit, pit
from bayesmix.replicates import Replicated, replicate
from em.design_counts import DesignCounts
from em.errors import InputError
from em.panel import Panel
from em.statistics import Floats

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Kind = Literal["counts", "shares", "choices", "amounts"]


@dataclass(frozen=True)
class CountChecks:
    """What the checks found.

    Attributes
    ----------
    family : name of the family that was fitted.
    rows, stores, draws, replicates : how many there are of each.
    kind : what the responses are: counts, shares of trials, choices (one trial in each row) or amounts.
    groups : "all stores", and the segments where there are several.
    group_stores : (group,) sum of the memberships of each.
    statistics : by name, one for each group: `rows` and `stores` (Pearson's statistic for each row, and of stores'
        totals for each store: 1 where the model is right), `zeros`, `full` and `largest`; see `replicates.numbers`.
    frequencies : of a rootogram, or of shares and amounts in classes; None for single trials.
    pit : of the rows; None for single trials.
    calibration : of choices; None for other families.
    """

    family: str
    rows: int
    stores: int
    draws: int
    replicates: int
    kind: Kind
    groups: tuple[str, ...]
    group_stores: Floats = field(repr=False)
    statistics: dict[str, list[Replicated]]
    frequencies: Frequencies | None = field(repr=False)
    pit: Pit | None = field(repr=False)
    calibration: Calibration | None = field(repr=False)

    @property
    def departs(self) -> bool:
        """Whether any check of all stores speaks against the model."""
        from bayesmix.count_words import verdicts

        return any(one.departs for one in verdicts(self))

    def to_xarray(self) -> "xr.Dataset":
        """All numbers under their names."""
        from bayesmix.count_table import dataset

        return dataset(self)

    def to_dataframe(self) -> "pd.DataFrame":
        """A row for each statistic and group of stores."""
        from bayesmix.count_table import table

        return table(self)

    def __repr__(self) -> str:
        """The findings, a sentence for each."""
        from bayesmix.count_words import verdicts

        return "\n".join(f"{one.title}. {one.text}" for one in verdicts(self))


def count_checks(
    data: Panel | DesignCounts,
    theta: Floats,
    sigma: Floats | None = None,
    membership: Floats | None = None,
    *,
    seed: int = 0,
) -> CountChecks:
    """Check a model of a panel of counts, choices or amounts.

    Parameters
    ----------
    data : the panel that was fitted; or the statistics of its stores, where these still tell rows apart.
    theta : (draw, store, coefficient) draws of every store's coefficients, given its data; segments' where a mixture
        has no others, each draw with the segments that its stores were drawn into. One draw is an estimate taken for
        the truth: then rows lie nearer to what is fitted than to what is true, and scatter is understated.
    sigma : (draw, store) dispersion; None for families that have none.
    membership : (store, segment); None for one segment.
    seed : of the replicated panels.

    Raises
    ------
    InputError
        When the panel holds log sales, or the statistics do not tell rows apart.
    ValueError
        When the draws are not of the panel's stores and coefficients.
    """
    rows = rows_of(data)
    sigma = np.ones(theta.shape[:2]) if sigma is None else sigma
    if theta.shape[1:] != (rows.n_stores, rows.x.shape[1]) or sigma.shape != theta.shape[:2]:
        raise ValueError(f"theta {theta.shape} and sigma {sigma.shape} are not draws of {rows.n_stores} stores")
    if not np.isfinite(theta).all():
        raise InputError("the draws of the stores' coefficients are not all finite; expected numbers")
    draws = StoreDraws(theta, sigma)
    share = np.ones((rows.n_stores, 1))
    if membership is not None and membership.shape[1] > 1:
        share = np.hstack([share, membership])
    bins = bins_of(rows)
    replicates = replicate(rows, draws, share, bins, seed)
    frequencies = None
    if bins is not None and replicates.frequencies is not None:
        band = rank_envelope(replicates.frequencies)
        frequencies = Frequencies(bins, counted(bins, rows.y, rows.trials), expected(rows, draws, bins), *band)
    return CountChecks(
        family=rows.family.name,
        rows=rows.y.size,
        stores=rows.n_stores,
        draws=len(theta),
        replicates=replicates.number,
        kind=_kind(rows),
        groups=("all stores", *(f"segment {k}" for k in range(1, share.shape[1]))),
        group_stores=share.sum(0),
        statistics=replicates.statistics,
        frequencies=frequencies,
        pit=None if rows.yes_or_no else pit(rows, draws, seed),
        calibration=calibration(rows, draws, seed) if rows.of_trials else None,
    )


def _kind(rows: Rows) -> Kind:
    if rows.of_trials:
        return "choices" if rows.yes_or_no else "shares"
    return "counts" if rows.family.discrete else "amounts"
