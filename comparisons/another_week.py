"""Another week of a known store: models judged by later weeks of the stores that they were fitted to.

This is the second predictive question, never in one table with the first. A new store is predicted from the population
alone; a known one also from its own weeks, which tell its coefficients. So a model may describe the population well and
lose here, where it cannot follow a store's own coefficients, and the other way round.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.panel_of_fit import panel_of
from bayesmix.settings import Settings
from bayesmix.stores import family_of
from comparisons.candidates import Candidate, candidate_of, candidates
from comparisons.judged_regressions import judge_regressions
from comparisons.judged_weeks import Judged, judge_posterior
from comparisons.known_weeks import KnownWeeks, error_by_known_weeks
from comparisons.week_loo import WeekLoo, check_panel, week_loo
from comparisons.week_scores import Mean, mean_over_stores, root_mean_square
from comparisons.week_words import Words, words_of
from em.command import watched
from em.errors import InputError
from em.fit import sigma_rule
from em.mixture import SigmaRule
from em.panel import Panel, statistics_of
from em.split_weeks import SplitPanel, split_weeks
from em.statistics import Floats, Ints

if TYPE_CHECKING:
    import xarray as xr

QUICK = Settings(draws=500, tune=500)
ON_ONE_SCALE = (
    "log sales stand here by the density of sales, their own less the logarithm of the sales; beside the probability "
    "of a whole number that is right where it changes little from one number to the next"
)

OF_RIVALS = (
    "a store's own regression and own mean have a prior about the one regression, as wide as a factor of seven of "
    "rate or odds, which keeps finite what its weeks do not settle"
)


@dataclass(frozen=True)
class AnotherWeek:
    """What the section of the page, the screen and the data set are made from; models from the best log score down."""

    split: SplitPanel
    models: tuple[Judged, ...]
    known: KnownWeeks | None = field(repr=False)
    notes: tuple[str, ...]
    distrust: tuple[str, ...]

    @property
    def best(self) -> Judged:
        """The model with the highest log score."""
        return self.models[0]

    @cached_property
    def store(self) -> Ints:
        """Store of each later row."""
        return self.split.panel.store[self.split.later]

    def mean(self, later_i: Floats) -> Mean:
        """Mean of a score over the later weeks, its standard error over stores; (later row,)."""
        return mean_over_stores(later_i, self.store)

    def behind(self, one: Judged) -> Mean:
        """Log score of a model less that of the best, in pairs."""
        return self.mean(one.scores.log_score - self.best.scores.log_score)

    def behind_ahead(self, one: Judged) -> Mean:
        """The same one step ahead, to the best of that column."""
        best = max(self.models, key=lambda other: other.future_i.mean())
        return self.mean(one.future_i - best.future_i)

    def left_out(self, one: Judged) -> tuple[Mean, Mean] | None:
        """Leave one week out: its mean over all weeks, and what it is behind the best; None where it was not judged."""
        with_loo = [other.loo for other in self.models if other.loo is not None]
        if one.loo is None or not with_loo:
            return None
        best = max(with_loo, key=lambda loo: loo.elpd_i.mean())
        store = self.split.panel.store
        return mean_over_stores(one.loo.elpd_i, store), mean_over_stores(one.loo.elpd_i - best.elpd_i, store)

    @cached_property
    def words(self) -> Words:
        """What tables and sentences call things."""
        return words_of(self.split.panel)

    def error(self, one: Judged) -> Mean:
        """Root mean squared error of log sales; mean absolute error of another response."""
        if self.split.panel.response is None:
            return root_mean_square(one.scores.error, self.store)
        return self.mean(np.abs(one.scores.error))

    def to_xarray(self) -> "xr.Dataset":
        """Scores of every later week by model."""
        from comparisons.week_table import data_set

        return data_set(self)

    def __repr__(self) -> str:
        """The table in plain text."""
        from comparisons.week_table import plain

        return plain(self)


def held_out(
    panel: Panel,
    *,
    sigma: SigmaRule | None = None,
    ks: Sequence[int] = (1, 2, 3, 4, 5),
    normals: Sequence[int] | None = None,
    random: Sequence[str] | None = None,
    share: float = 0.8,
    settings: Settings = QUICK,
) -> AnotherWeek:
    """Fit every model to the first weeks of a panel, and score the rest.

    Parameters
    ----------
    sigma : rule of all models; the continuum and mixtures of normals have one for all where it is "segment". None is
        "fixed" (1) for log sales and for families without a dispersion, and "common" for the others.
    ks, normals : numbers of segments of mixtures, and of mixtures of normals; these are for log sales alone, with 2
        where None is given.
    random : names of the coefficients that vary between the stores of a segment; None is all.
    share : of the weeks to fit, see `em.split_weeks`.

    Raises
    ------
    InputError
        When the panel cannot be parted, or a model not be fitted to its first weeks.
    """
    split = split_weeks(panel, share)
    rule = sigma_rule(statistics_of(panel), sigma)
    normals = ((2,) if panel.response is None else ()) if normals is None else normals
    models = candidates(split.panel, ks, rule, normals, None if random is None else tuple(random))
    return _judge([(one, split) for one in models], {}, settings)


def another_week(panel: Panel, fits: Sequence[Fit], *, share: float = 0.8, settings: Settings = QUICK) -> AnotherWeek:
    """The same for the models of given posteriors of the whole panel, which are also judged by leaving one week out.

    Log sales beside counts or amounts of the same file are judged on the scale of sales (`comparisons.one_scale`).

    Parameters
    ----------
    panel : of the fits; that of a fit with another response than this is read from its own file.

    Raises
    ------
    InputError
        As `held_out`; also when a fit is of another panel.
    """
    of_panel = None if panel.response is None else panel.response.family
    one_kind = all(family_of(fit.statistics) is not of_panel for fit in fits)  # and so a wrong panel
    panels = [panel if one_kind else _own_panel(fit, panel) for fit in fits]
    for fit, own in zip(fits, panels, strict=True):
        check_panel(fit, own)
    splits = [split_weeks(own, share) for own in panels]
    whole = {}
    if not any(split.notes for split in splits):
        pairs = list(zip(fits, panels, strict=True))
        whole = {fit.name: week_loo(fit, own) for fit, own in watched(pairs, "leaving weeks out", len(pairs))}
    return _judge([(candidate_of(fit), split) for fit, split in zip(fits, splits, strict=True)], whole, settings)


def _own_panel(fit: Fit, panel: Panel) -> Panel:
    """The panel of a fit whose response is another one."""
    if family_of(fit.statistics) is (None if panel.response is None else panel.response.family):
        return panel
    own = panel_of(fit) if "columns" in fit.data else panel
    same = (
        own.stores == panel.stores and np.array_equal(own.store, panel.store) and np.array_equal(own.week, panel.week)
    )
    if own is not panel and not same:
        raise InputError(f"{fit.name}: is of other rows than {panel.file}; expected fits of the same stores and weeks")
    return own


def _judge(
    models: Sequence[tuple[Candidate, SplitPanel]], whole: dict[str, WeekLoo], settings: Settings
) -> AnotherWeek:
    # Where log sales stand beside other responses, these give the scale.
    split = next((split for _, split in models if split.panel.response is not None), models[0][1])
    sales = split.panel.response is not None
    fixed = all(one.sigma == "fixed" for one, _ in models)
    judged, fits, distrust = judge_regressions(split, fixed=fixed, left_out=bool(whole)), {}, []
    for one, own in watched(models, "fitting the first weeks", len(models)):
        fit = fits[one.name] = one.fit(own.until(1), settings)
        refit = partial(one.fit, settings=settings)
        judged.append(judge_posterior(own, one, fit, refit, whole.get(one.name), sales=sales))
        distrust += [f"{one.name}, first weeks: {reason}" for reason in fit.reasons]
    judged.sort(key=lambda one: -one.scores.log_score.mean())
    shown: dict[str, str] = {}  # the best of each kind
    for one in judged:
        if one.name in fits and (family_of(fits[one.name].statistics) is None) is not sales:
            shown.setdefault(one.model, one.name)
    known = error_by_known_weeks(split, {name: fits[name] for name in shown.values()}, fixed=fixed)
    mixed = sales and any(own.panel.response is None for _, own in models)
    notes = (OF_RIVALS,) * sales + (ON_ONE_SCALE,) * mixed + split.notes
    return AnotherWeek(split, tuple(judged), known, notes, tuple(distrust))
