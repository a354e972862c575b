"""Another week of a known store: models judged by later weeks of the stores that they were fitted to.

This is the second predictive question, never in one table with the first. A new store is predicted from the population
alone; a known one also from its own weeks, which tell its coefficients. So a model may describe the population well and
lose here, where it cannot follow a store's own coefficients, and the other way round.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, cast

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.known_stores import given_data
from bayesmix.posterior import ParameterDraws, thinned
from bayesmix.settings import Settings
from bayesmix.stores import CountedStores, Stores, some, stores_of
from bayesmix.week_density import Weeks, log_density_further, log_density_left_out, pieces, predicted, weeks_of
from comparisons.candidates import Candidate, candidate_of, candidates
from comparisons.family_rivals import Regression, Rival, regression, rivals
from comparisons.known_weeks import KnownWeeks, error_by_known_weeks
from comparisons.least_squares import one_regression, own_regressions
from comparisons.leave_future_out import FutureOut, leave_future_out
from comparisons.response_scores import scores_of_family
from comparisons.week_loo import DRAWS, WeekLoo, check_panel, week_loo
from comparisons.week_scores import Mean, Scores, mean_over_stores, root_mean_square, scores_of_draws
from comparisons.week_words import Words, words_of
from em.command import watched
from em.fit import sigma_rule
from em.mixture import SigmaRule
from em.panel import Panel, statistics_of, store_statistics
from em.split_weeks import SplitPanel, split_weeks
from em.statistics import Floats, Ints

if TYPE_CHECKING:
    import xarray as xr

QUICK = Settings(draws=500, tune=500)
SEED = 0  # of the samples of each week, so that models meet the same random numbers
ONE, OWN, COMMON = "one regression for all", "least squares, own sigma", "least squares, common sigma"


@dataclass(frozen=True)
class Judged:
    """One model and how it met the weeks that came.

    Attributes
    ----------
    name, model : what tables call it; which kind it is ("least squares" and "one regression" among them).
    scores : of the later weeks, all predicted from the first ones.
    future_i : (later row,) log-density of each, predicted from all weeks before it.
    crps_error : standard error by simulation of the mean CRPS.
    slopes : (store,) coefficients of the stores whose spread is shown, see `week_words`; None where there are none.
    future : how far the first posterior carried; None for regressions.
    loo : leave one week out of the whole panel; None where no fit of it was given.
    flags : what to bear in mind.
    """

    name: str
    model: str
    scores: Scores = field(repr=False)
    future_i: Floats = field(repr=False)
    crps_error: float = 0.0
    slopes: Floats | None = field(default=None, repr=False)
    future: FutureOut | None = field(default=None, repr=False)
    loo: WeekLoo | None = field(default=None, repr=False)
    flags: tuple[str, ...] = ()


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
    return _judge(split, models, {}, settings)


def another_week(panel: Panel, fits: Sequence[Fit], *, share: float = 0.8, settings: Settings = QUICK) -> AnotherWeek:
    """The same for the models of given posteriors of the whole panel, which are also judged by leaving one week out.

    Raises
    ------
    InputError
        As `held_out`; also when a fit is of another panel.
    """
    for fit in fits:
        check_panel(fit, panel)
    split = split_weeks(panel, share)
    whole = {} if split.notes else {fit.name: week_loo(fit, panel) for fit in watched(fits, "leaving weeks out")}
    return _judge(split, [candidate_of(fit) for fit in fits], whole, settings)


def _judge(
    split: SplitPanel, models: Sequence[Candidate], whole: dict[str, WeekLoo], settings: Settings
) -> AnotherWeek:
    first = split.until(1)
    fixed = all(one.sigma == "fixed" for one in models)
    judged, fits, distrust = _regressions(split, fixed=fixed, left_out=bool(whole)), {}, []
    for one in watched(models, "fitting the first weeks", len(models)):
        fit = fits[one.name] = one.fit(first, settings)
        judged.append(_posterior(split, one, fit, partial(one.fit, settings=settings), whole.get(one.name)))
        distrust += [f"{one.name}, first weeks: {reason}" for reason in fit.reasons]
    judged.sort(key=lambda one: -one.scores.log_score.mean())
    shown: dict[str, str] = {}  # the best of each kind
    for one in judged:
        if one.name in fits:
            shown.setdefault(one.model, one.name)
    known = error_by_known_weeks(split, {name: fits[name] for name in shown.values()}, fixed=fixed)
    return AnotherWeek(split, tuple(judged), known, split.notes, tuple(distrust))


def _posterior(
    split: SplitPanel, one: Candidate, fit: Fit, refit: Callable[[Panel], Fit], loo: WeekLoo | None
) -> Judged:
    draws, later = thinned(fit.draws, DRAWS), weeks_of(split.panel).of(split.later)
    parts, by_draw = [], 0.0
    for stores, part in pieces(later, len(fit.stores), draws):
        if part.y.size:
            scores, of_draw = _scores(some(fit.statistics, stores), draws, part, fit.traits_of(stores))
            parts.append(scores)
            by_draw = by_draw + of_draw
    future = leave_future_out(split, fit, refit)
    flags = () if fit.trusted else ("fit not trusted",)
    if loo is not None and loo.n_doubtful:
        flags += (f"{loo.n_doubtful} of {loo.khat_i.size} weeks left out with Pareto k above {loo.khat_limit:.2f}",)
    column = words_of(split.panel).column
    return Judged(
        one.name, one.model, Scores(*map(np.concatenate, zip(*parts, strict=True))), future.elpd_i,
        _simulation_error(np.asarray(by_draw), later.y.size),
        None if column is None else np.asarray(fit.by_store["coefficients"])[:, column], future, loo, flags,
    )  # fmt: skip


def _scores(stores: Stores, draws: ParameterDraws, weeks: Weeks, traits: Floats | None = None) -> tuple[Scores, Floats]:
    if isinstance(stores, CountedStores):
        return scores_of_family(stores, draws, weeks, np.random.default_rng(SEED), traits)
    return scores_of_draws(predicted(stores, draws, weeks, traits), weeks.y)


def _simulation_error(by_draw: Floats, rows: int) -> float:
    return float(by_draw.std(ddof=1) / np.sqrt(by_draw.size) / rows)


def _regressions(split: SplitPanel, *, fixed: bool, left_out: bool) -> list[Judged]:
    """The rivals that pool nothing and everything."""
    if split.panel.response is not None:
        return [_rival(split, one, left_out) for one in rivals(split.panel.coefficients)]
    stats, later = store_statistics(split.until(1)), weeks_of(split.panel).of(split.later)
    price, stores = words_of(split.panel).column, stats.n_stores
    common = "least squares, sigma 1" if fixed else COMMON
    kinds = {
        OWN: partial(own_regressions, common=False),
        common: partial(own_regressions, common=True, fixed=fixed),
        ONE: partial(one_regression, fixed=fixed),
    }
    ahead = {name: np.empty(later.y.size) for name in kinds}
    for t in range(1, split.n_steps + 1):
        now = split.step[split.later] == t
        before = store_statistics(split.until(t))
        for name, kind in kinds.items():
            ahead[name][now] = kind(before, later.of(now)).scores.log_score
    found = []
    for name, kind in kinds.items():
        scores, borrowed = kind(stats, later)
        unable = np.unique(later.store[borrowed]).size
        flags = (f"{unable} of {stores} stores by one regression: their own weeks settle none",) if unable else ()
        slopes = None if price is None else np.zeros(stores) if name == ONE else stats.b[:, price]
        loo = None
        if left_out:
            exact = kind(store_statistics(split.panel), weeks_of(split.panel), left_out=True).scores.log_score
            loo = WeekLoo(exact, np.full(exact.size, np.nan), np.inf)
        found.append(Judged(name, "regression", scores, ahead[name], slopes=slopes, loo=loo, flags=flags))
    return found


def _rival(split: SplitPanel, rival: Rival, left_out: bool) -> Judged:
    """A regression of a family of responses, on the first weeks, on all before each, and on all but one."""
    panel, rows = split.panel, weeks_of(split.panel)
    n_stores, like = len(panel.stores), cast(CountedStores, stores_of(panel, 0))
    later, ahead = rows.of(split.later), np.empty(int(split.later.sum()))
    first = regression(rival, rows.of(split.step == 0), n_stores, like)
    scores, by_draw = _scores(*first, rival.seen(later))
    for t in range(1, split.n_steps + 1):
        now = split.step[split.later] == t
        before = regression(rival, rows.of(split.step < t), n_stores, like)
        ahead[now] = log_density_further(*before, rival.seen(later.of(now)))[0]
    loo = None
    if left_out:
        exact = log_density_left_out(*regression(rival, rows, n_stores, like), rival.seen(rows))[0]
        loo = WeekLoo(exact, np.full(exact.size, np.nan), np.inf)
    flags = () if rival.one else ("a prior as wide as a factor of 7 keeps finite what its weeks do not settle",)
    return Judged(
        rival.name, "regression", scores, ahead, _simulation_error(by_draw, later.y.size),
        _slopes(split, rival, first), loo=loo, flags=flags,
    )  # fmt: skip


def _slopes(split: SplitPanel, rival: Rival, of: Regression) -> Floats | None:
    """The coefficients of the stores whose spread is shown; zeros where they have one in common."""
    column = words_of(split.panel).column
    if column is None or column not in rival.columns:
        return None
    stores = len(split.panel.stores)
    own = given_data(*of).mean[0, :, 0, int(np.flatnonzero(rival.columns == column)[0])]
    return np.zeros(stores) if rival.one else own
