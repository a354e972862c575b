"""The numbers of the diagnostic report: all that its tables, sentences and pictures show."""

from dataclasses import dataclass, field

import numpy as np

from bayesmix.axis import Axis, axis_of, price_column
from bayesmix.count_checks import CountChecks
from bayesmix.expectations import Expectation, expectations
from bayesmix.fitted import Fit
from bayesmix.pooling import RandomEffects, explained, random_effects
from bayesmix.ratios import Level, Ratio, levels, ratios
from bayesmix.report_checks import Check, checks_of, enough_draws, worst_stores
from bayesmix.report_missing import missing
from bayesmix.report_modes import Chain, Mode, Row, chains_of, modes_of
from bayesmix.report_rates import Rates, rates_of
from bayesmix.report_stores import StoreByStore, store_by_store
from bayesmix.report_weeks import WeekByWeek, week_by_week
from bayesmix.response_words import ResponseWords, words_of
from bayesmix.sensitivity import Sensitivity, sensitivity
from bayesmix.store_loo import Loo
from bayesmix.stores import CountedStores
from em.errors import InputError
from em.explained import Explained
from em.panel import Panel
from em.statistics import Ints


@dataclass(frozen=True)
class Contents:
    """Everything the page shows of a fit.

    Attributes
    ----------
    stores : what is said of single stores.
    weeks : what is left of single weeks; None without the panel.
    loo, worst, checks : None and empty where there are too few draws to leave stores out.
    shares : variance explained under every draw, of a continuum; None otherwise.
    effects : standardised deviations of the stores of a continuum, coefficient by coefficient.
    words, ratios, levels, rates, counts : what the response of another family is called, what columns do to it, what
        a typical row shows, what stores show of it, and whether its distribution fits; None and empty for log sales.
    curves : columns that the response is drawn against.
    missing : what is not on the page, and why.
    """

    fit: Fit
    axis: Axis | None
    price: int | None
    modes: list[Mode]
    chains: list[Chain]
    stores: StoreByStore
    weeks: WeekByWeek | None
    loo: Loo | None
    worst: Ints
    checks: list[Check]
    sensitivity: list[Sensitivity] | None
    expectations: list[Expectation]
    shares: Explained | None
    effects: list[RandomEffects]
    words: ResponseWords | None = None
    ratios: list[list[Ratio]] = field(default_factory=list)
    levels: list[list[Level]] = field(default_factory=list)
    rates: Rates | None = None
    counts: CountChecks | None = None
    curves: list[int] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def rows(self) -> list[Row]:
        """Parameters of the mode that the page is about."""
        return self.modes[0].rows


def contents(fit: Fit, panel: Panel | None = None) -> Contents:
    """Work everything out.

    Parameters
    ----------
    panel : the rows that were fitted; None leaves single weeks out.
    """
    modes = modes_of(fit)
    left_out = fit.psis if enough_draws(fit) else None
    checks = checks_of(fit, left_out.reff) if left_out else []
    sensitive = sensitivity(fit, [row.parameter for row in modes[0].rows]) if left_out else None
    words, curves = words_of(fit), columns_with_curves(fit)
    counts, why = (None, "") if words is None else _counts(fit, panel)
    return Contents(
        fit=fit,
        axis=axis_of(fit.coefficients, fit.statistics),
        price=price_column(fit.coefficients) if words is None else None,
        modes=modes,
        chains=chains_of(modes),
        stores=store_by_store(fit),
        weeks=None if panel is None or words is not None else week_by_week(fit, panel),
        loo=left_out,
        worst=worst_stores(left_out),
        checks=checks,
        sensitivity=sensitive,
        expectations=expectations(fit),
        shares=explained(fit),
        effects=random_effects(fit),
        words=words,
        ratios=[ratios(mode.fit) for mode in modes],
        levels=[levels(mode.fit) for mode in modes],
        rates=rates_of(fit),
        counts=counts,
        curves=curves,
        missing=missing(fit, checks, sensitive is None, curves, why),
    )


def _counts(fit: Fit, panel: Panel | None) -> tuple[CountChecks | None, str]:
    """The checks of a family's distribution, or why there are none."""
    try:
        return fit.count_checks(panel), ""
    except InputError as wrong:
        if panel is not None:
            raise
        return None, str(wrong)


def columns_with_curves(fit: Fit, most: int = 2) -> list[int]:
    """Columns of another family that take more than two values, as far as the file has their ranges."""
    stats, constant = fit.statistics, fit.group("constant_data")
    if not isinstance(stats, CountedStores) or constant is None or "column_min" not in constant:
        return []
    distinct = [np.unique(column).size for column in stats.counts.x.T]
    return [c for c, values in enumerate(distinct) if values > 2][:most]
