"""One model and how it met later weeks of the stores that it was fitted to."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.posterior import ParameterDraws, thinned
from bayesmix.stores import CountedStores, Stores, some
from bayesmix.week_density import Weeks, pieces, predicted, weeks_of
from comparisons.candidates import Candidate
from comparisons.leave_future_out import FutureOut, leave_future_out
from comparisons.one_scale import density_of_sales
from comparisons.response_scores import scores_of_family, scores_of_sales
from comparisons.week_loo import DRAWS, WeekLoo
from comparisons.week_scores import Scores, scores_of_draws
from comparisons.week_words import words_of
from em.panel import Panel
from em.split_weeks import SplitPanel
from em.statistics import Floats

SEED = 0  # of the samples of each week, so that models meet the same random numbers


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


def judge_posterior(
    split: SplitPanel, one: Candidate, fit: Fit, refit: Callable[[Panel], Fit], loo: WeekLoo | None, *, sales: bool
) -> Judged:
    """How a model met the later weeks, all at once and one step ahead.

    Parameters
    ----------
    fit, refit : its posterior of the first weeks; the same model fitted to another panel.
    loo : leave one week out of the whole panel; None where no fit of it was given.
    sales : whether log sales are to be judged on the scale of sales.
    """
    draws, later = thinned(fit.draws, DRAWS), weeks_of(split.panel).of(split.later)
    parts, by_draw = [], 0.0
    for stores, part in pieces(later, len(fit.stores), draws):
        if part.y.size:
            scores, of_draw = scores_of(some(fit.statistics, stores), draws, part, fit.traits_of(stores), sales=sales)
            parts.append(scores)
            by_draw = by_draw + of_draw
    future = leave_future_out(split, fit, refit)
    if sales and split.panel.response is None:
        future = future._replace(elpd_i=density_of_sales(future.elpd_i, later.y))
        loo = None if loo is None else loo._replace(elpd_i=density_of_sales(loo.elpd_i, split.panel.y))
    flags = () if fit.trusted else ("fit not trusted",)
    if loo is not None and loo.n_doubtful:
        flags += (f"{loo.n_doubtful} of {loo.khat_i.size} weeks left out with Pareto k above {loo.khat_limit:.2f}",)
    column = words_of(split.panel).column
    return Judged(
        one.name, one.model, Scores(*map(np.concatenate, zip(*parts, strict=True))), future.elpd_i,
        simulation_error(np.asarray(by_draw), later.y.size),
        None if column is None else np.asarray(fit.by_store["coefficients"])[:, column], future, loo, flags,
    )  # fmt: skip


def scores_of(
    stores: Stores, draws: ParameterDraws, weeks: Weeks, traits: Floats | None = None, *, sales: bool = False
) -> tuple[Scores, Floats]:
    """Scores of further weeks of stores, and each draw's part (draw,) in the sum of the CRPS over weeks."""
    if isinstance(stores, CountedStores):
        return scores_of_family(stores, draws, weeks, np.random.default_rng(SEED), traits)
    found = scores_of_draws(predicted(stores, draws, weeks, traits), weeks.y)
    return found if not sales else scores_of_sales(found[0], stores, draws, weeks, np.random.default_rng(SEED), traits)


def simulation_error(by_draw: Floats, rows: int) -> float:
    """Standard error of a mean CRPS over so many rows."""
    return float(by_draw.std(ddof=1) / np.sqrt(by_draw.size) / rows)
