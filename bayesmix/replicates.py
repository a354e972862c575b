"""Panels that a model would have made in place of the one observed, and numbers that sum both up.

Under every draw theta_d of the posterior the panel is replicated, and a number T(y, theta_d) of the panel observed
stands beside T(y_rep, theta_d) of the replicate (Gelman, Meng & Stern 1996). Where the model is right both have the
same distribution over panels, since theta_d is as good as the truth. That stores are judged by draws that have seen
them makes the share of replicates above the observed number lie nearer to a half: conservative, never too eager.
"""

from typing import NamedTuple

import numpy as np

from bayesmix.checked_rows import Rows, StoreDraws, evenly, predictors
from bayesmix.diagnose import INTERVAL
from bayesmix.frequencies import Bins, counted
from em.command import watched
from em.statistics import Floats

REPLICATES, FEWEST = 400, 100
MOST_ROWS = 10_000_000  # replicated in all, where that leaves enough replicates
LEAST_VARIANCE = 1e-100
ALARM = 0.01  # share of replicates as far out, on both sides together, below which a number departs


class Replicated(NamedTuple):
    """One number observed, and what it is in replicated panels.

    Attributes
    ----------
    observed : the number, its mean over the draws where it depends on them.
    predicted, low, high : mean and ends of the equal-tailed 89 % interval of the replicates.
    above : share of replicates in which it is larger than observed, ties counted half: the posterior predictive
        p-value.
    """

    observed: float
    predicted: float
    low: float
    high: float
    above: float

    @property
    def departs(self) -> bool:
        """Whether hardly any replicate is as far out."""
        return 2.0 * min(self.above, 1.0 - self.above) < ALARM

    @property
    def ratio(self) -> float:
        """How many times what is predicted was observed; 1 where both are nothing."""
        if self.predicted == 0.0:
            return float("inf") if self.observed > 0.0 else 1.0
        return self.observed / self.predicted


class Replicates(NamedTuple):
    """What replicated panels show.

    Attributes
    ----------
    number : how many there are.
    statistics : by name, a number for each group of stores.
    frequencies : (replicate, bin) of the responses; None without bins.
    """

    number: int
    statistics: dict[str, list[Replicated]]
    frequencies: Floats | None


def replicate(rows: Rows, draws: StoreDraws, share: Floats, bins: Bins | None, seed: int = 0) -> Replicates:
    """Replicate the panel and compare.

    Parameters
    ----------
    share : (store, group) how much each store counts in each group of stores.
    bins : in which frequencies are counted.
    """
    rng = np.random.default_rng(seed)
    chosen = evenly(draws, how_many(rows.y.size))
    observed, replicated, frequencies = [], [], []
    for draw in watched(chosen, "replicating the panel", chosen.size):
        eta, log_sigma = (of_cell[rows.cell] for of_cell in predictors(rows, draws, draw))
        moments = rows.family.mean(eta, rows.trials), rows.family.variance(eta, rows.trials, log_sigma)
        again = rows.family.draw(rng, eta, rows.trials, log_sigma)
        observed.append(numbers(rows, rows.y, *moments, share))
        replicated.append(numbers(rows, again, *moments, share))
        if bins is not None:
            frequencies.append(counted(bins, again, rows.trials))
    statistics = {
        name: [
            against(np.array([one[name][g] for one in observed]), np.array([one[name][g] for one in replicated]))
            for g in range(share.shape[1])
        ]
        for name in observed[0]
    }
    return Replicates(chosen.size, statistics, np.array(frequencies) if bins is not None else None)


def numbers(rows: Rows, y: Floats, mean: Floats, variance: Floats, share: Floats) -> dict[str, Floats]:
    """What sums up a panel of responses, (group,) by name.

    Parameters
    ----------
    y, mean, variance : (row,)

    Returns
    -------
    `rows`, Pearson's statistic over the number of rows; `stores`, the same of stores' totals over the number of
    stores; `zeros` and, of trials, `full`, numbers of rows; of other families the `largest` response of the stores that
    are more likely in the group than not. Of single trials there is `stores` alone.
    """
    store = rows.store_of_row

    def by_store(amount: Floats) -> Floats:
        return np.bincount(store, amount, rows.n_stores)

    off, stores = y - mean, np.maximum(share.sum(0), np.finfo(float).tiny)
    n_rows = np.maximum(share.T @ by_store(np.ones(y.size)), np.finfo(float).tiny)
    totals = share.T @ _squared(by_store(off), by_store(variance)) / stores
    if rows.yes_or_no:
        return {"stores": totals}
    found = {
        "rows": share.T @ by_store(_squared(off, variance)) / n_rows,
        "stores": totals,
    }
    if rows.family.discrete:
        found["zeros"] = share.T @ by_store((y == 0.0).astype(float))
    if rows.of_trials:
        found["full"] = share.T @ by_store((y == rows.trials).astype(float))
    else:
        first = np.flatnonzero(np.diff(store, prepend=-1))
        largest = np.maximum.reduceat(y, first)
        inside = share[store[first]] > 0.5
        found["largest"] = np.where(inside, largest[:, None], 0.0).max(0)
    return found


def _squared(off: Floats, variance: Floats) -> Floats:
    """Squares in units of the variance, which keeps from zero where nothing can vary."""
    return np.square(off) / np.maximum(variance, LEAST_VARIANCE)


def how_many(rows: int) -> int:
    """Replicates of a panel with so many rows."""
    return int(np.clip(MOST_ROWS // max(1, rows), FEWEST, REPLICATES))


def against(observed: Floats, replicated: Floats) -> Replicated:
    """Numbers observed under every draw beside those of its replicate; (replicate,) both."""
    low, high = np.quantile(replicated, [0.5 - 0.5 * INTERVAL, 0.5 + 0.5 * INTERVAL])
    above = np.mean(replicated > observed) + 0.5 * np.mean(replicated == observed)
    return Replicated(float(observed.mean()), float(replicated.mean()), float(low), float(high), float(above))
