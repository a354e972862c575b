"""Regressions of single stores and of all, and how they met later weeks."""

from functools import partial
from typing import cast

import numpy as np

from bayesmix.known_stores import given_data
from bayesmix.stores import CountedStores, stores_of
from bayesmix.week_density import log_density_further, log_density_left_out, weeks_of
from comparisons.family_rivals import Regression, Rival, regression, rivals
from comparisons.judged_weeks import Judged, scores_of, simulation_error
from comparisons.least_squares import one_regression, own_regressions
from comparisons.week_loo import WeekLoo
from comparisons.week_words import words_of
from em.panel import store_statistics
from em.split_weeks import SplitPanel
from em.statistics import Floats

ONE, OWN, COMMON = "one regression for all", "least squares, own sigma", "least squares, common sigma"


def judge_regressions(split: SplitPanel, *, fixed: bool, left_out: bool) -> list[Judged]:
    """The rivals that pool nothing and everything.

    Parameters
    ----------
    fixed : whether sigma of log sales is 1.
    left_out : whether they are judged by leaving one week out too.
    """
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
    scores, by_draw = scores_of(*first, rival.seen(later))
    for t in range(1, split.n_steps + 1):
        now = split.step[split.later] == t
        before = regression(rival, rows.of(split.step < t), n_stores, like)
        ahead[now] = log_density_further(*before, rival.seen(later.of(now)))[0]
    loo = None
    if left_out:
        exact = log_density_left_out(*regression(rival, rows, n_stores, like), rival.seen(rows))[0]
        loo = WeekLoo(exact, np.full(exact.size, np.nan), np.inf)
    return Judged(
        rival.name, "regression", scores, ahead, simulation_error(by_draw, later.y.size),
        _slopes(split, rival, first), loo=loo,
    )  # fmt: skip


def _slopes(split: SplitPanel, rival: Rival, of: Regression) -> Floats | None:
    """The coefficients of the stores whose spread is shown; zeros where they have one in common."""
    column = words_of(split.panel).column
    if column is None or column not in rival.columns:
        return None
    stores = len(split.panel.stores)
    own = given_data(*of).mean[0, :, 0, int(np.flatnonzero(rival.columns == column)[0])]
    return np.zeros(stores) if rival.one else own
