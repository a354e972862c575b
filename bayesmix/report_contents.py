"""The numbers of the diagnostic report: all that its tables, sentences and pictures show."""

from dataclasses import dataclass, field

from bayesmix.axis import Axis, axis_of, price_column
from bayesmix.expectations import Expectation, expectations
from bayesmix.fitted import Fit
from bayesmix.pooling import RandomEffects, explained, random_effects
from bayesmix.report_checks import Check, checks_of, enough_draws, worst_stores
from bayesmix.report_missing import missing
from bayesmix.report_modes import Chain, Mode, Row, chains_of, modes_of
from bayesmix.report_stores import StoreByStore, store_by_store
from bayesmix.report_weeks import WeekByWeek, week_by_week
from bayesmix.sensitivity import Sensitivity, sensitivity
from bayesmix.store_loo import Loo
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
    return Contents(
        fit=fit,
        axis=axis_of(fit.coefficients, fit.statistics),
        price=price_column(fit.coefficients),
        modes=modes,
        chains=chains_of(modes),
        stores=store_by_store(fit),
        weeks=None if panel is None else week_by_week(fit, panel),
        loo=left_out,
        worst=worst_stores(left_out),
        checks=checks,
        sensitivity=sensitive,
        expectations=expectations(fit),
        shares=explained(fit),
        effects=random_effects(fit),
        missing=missing(fit, checks, sensitive is None),
    )
