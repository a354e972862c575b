"""How often each count was observed and how often it is expected: the numbers of a rootogram (Kleiber & Zeileis 2016).

Expected frequencies are exact up to a fine grid: every cell and draw has a linear predictor and a dispersion, and their
distribution over the panel and the posterior is brought to nodes so near that the response of neighbours differs by a
twentieth of its own scatter. So the cost of distribution functions grows neither with rows nor with draws.
"""

from typing import NamedTuple

import numpy as np

from bayesmix.checked_rows import Rows, StoreDraws, evenly, predictors
from bayesmix.envelope import ROUNDING
from em.families.family import Family
from em.statistics import Floats

MOST_BINS = 50
TAIL, SHARE_OF_TAIL = 5, 0.005  # rows in the open last bin, at least
WIDTHS = (1, 2, 5)  # times powers of ten
STEP = 0.05  # between nodes, in standard deviations of the response
STEP_SIGMA = 0.05  # of log sigma
MOST_NODES, FINE = 20_000, 4000
MOST_PREDICTORS = 2_000_000  # cells times draws
FEWEST_DRAWS = 20


class Bins(NamedTuple):
    """Classes of responses, or of shares where the trials differ.

    Attributes
    ----------
    upper : (bin,) the highest response or share of each; infinity or 1 at last.
    of_shares : whether responses are divided by their trials.
    whole : whether responses are counts, so that bins are runs of whole numbers.
    """

    upper: Floats
    of_shares: bool
    whole: bool


class Frequencies(NamedTuple):
    """A frequency for each bin.

    Attributes
    ----------
    bins : what is counted.
    observed, expected : (bin,) number of rows, and its posterior expectation.
    low, high : (bin,) the band that 99 of 100 replicated panels are inside everywhere.
    """

    bins: Bins
    observed: Floats
    expected: Floats
    low: Floats
    high: Floats

    @property
    def outside(self) -> np.ndarray:
        """Bins beyond the band, the furthest first, as roots of frequencies are compared."""
        root = np.sqrt(self.observed)
        beyond = np.maximum(root - np.sqrt(self.high), np.sqrt(self.low) - root)
        order = np.argsort(-beyond, kind="stable")
        return order[beyond[order] > ROUNDING]


def bins_of(rows: Rows) -> Bins | None:
    """Classes that suit the responses; None for single trials, whose frequencies any model gets right.

    Counts have bins of one width, a round number, after zero, and an open last one that holds the few largest. Shares
    of trials that differ have twentieths, amounts even steps of their logarithm.
    """
    if rows.yes_or_no:
        return None
    if rows.of_trials and np.ptp(rows.trials) > 0.0:
        return Bins(np.arange(0, 21) / 20.0, of_shares=True, whole=False)
    if not rows.family.discrete:
        low, high = np.log(np.quantile(rows.y, [0.005, 0.995]))
        return Bins(np.append(np.exp(np.linspace(low, high, 25)), np.inf), of_shares=False, whole=False)
    tail = min(max(TAIL, int(SHARE_OF_TAIL * rows.y.size)), rows.y.size)
    last = float(np.sort(rows.y)[-tail])
    powers = (width * 10**power for power in range(18) for width in WIDTHS)
    width = next(one for one in powers if last / one <= MOST_BINS)
    upper = np.arange(0.0, max(last, 1.0), width)
    return Bins(np.append(upper, rows.trials.max() if rows.of_trials else np.inf), of_shares=False, whole=True)


def counted(bins: Bins, y: Floats, trials: Floats) -> Floats:
    """How many responses are in each bin; (bin,)."""
    value = y / trials - 1e-9 if bins.of_shares else y
    return np.bincount(np.searchsorted(bins.upper, value), minlength=bins.upper.size).astype(float)


def expected(rows: Rows, draws: StoreDraws, bins: Bins) -> Floats:
    """Posterior expectation of the frequency of each bin; (bin,)."""
    most = int(np.clip(MOST_PREDICTORS // rows.store.size, FEWEST_DRAWS, len(draws.theta)))
    chosen = evenly(draws, min(most, len(draws.theta)))
    at = [predictors(rows, draws, draw) for draw in chosen]
    eta, log_sigma = np.concatenate([one[0] for one in at]), np.concatenate([one[1] for one in at])
    sizes = np.unique(rows.trials)
    below = np.zeros(bins.upper.size)
    for trials in sizes:
        number = np.bincount(rows.cell[rows.trials == trials], minlength=rows.store.size)
        inside = np.tile(number > 0, chosen.size)
        weight = np.tile(number, chosen.size)[inside] / chosen.size
        nodes = _nodes(rows.family, eta[inside], log_sigma[inside], trials, weight, MOST_NODES // sizes.size)
        upper = np.floor(bins.upper * trials + 1e-9) if bins.of_shares else bins.upper
        finite = np.where(np.isfinite(upper), upper, 0.0)[:, None]
        share = rows.family.cumulative(finite, nodes.eta, np.full(nodes.eta.size, trials), nodes.log_sigma)
        below += np.where(np.isfinite(upper), share @ nodes.weight, nodes.weight.sum())
    return np.diff(below, prepend=0.0)


class Nodes(NamedTuple):
    """Linear predictors and log dispersions, (node,), with how many rows are there."""

    eta: Floats
    log_sigma: Floats
    weight: Floats


def _nodes(family: Family, eta: Floats, log_sigma: Floats, trials: float, weight: Floats, most: int) -> Nodes:
    """The distribution of predictors and dispersions on a grid, each divided linearly among the nodes around it."""
    fine = np.linspace(eta.min(), eta.max(), FINE)
    of = np.full(FINE, trials)
    information = -family.slopes(fine, float(log_sigma.min()))[1].of(family.mean(fine, of), of)
    steps = 0.5 * (np.sqrt(information[1:]) + np.sqrt(information[:-1])) * np.diff(fine)
    way = np.concatenate([[0.0], np.cumsum(steps)])
    number = int(np.clip(np.ceil(way[-1] / STEP), 1, most))
    place = np.interp(eta, fine, way) * (number / max(way[-1], np.finfo(float).tiny))
    sigmas = int(np.ceil(np.ptp(log_sigma) / STEP_SIGMA))
    spread = np.linspace(log_sigma.min(), log_sigma.max(), sigmas + 1)
    place_sigma = (log_sigma - log_sigma.min()) * (sigmas / max(float(np.ptp(log_sigma)), np.finfo(float).tiny))
    i, j = (np.minimum(p.astype(np.intp), n - 1).clip(0) for p, n in ((place, number), (place_sigma, sigmas)))
    over, over_sigma = place - i, place_sigma - j
    amount = np.zeros((number + 1) * (sigmas + 1))
    for a, part in ((0, 1.0 - over), (1, over)):
        for b, part_sigma in ((0, 1.0 - over_sigma), (1, over_sigma)) if sigmas else ((0, np.ones(eta.size)),):
            amount += np.bincount((i + a) * (sigmas + 1) + j + b, weight * part * part_sigma, amount.size)
    at = np.interp(np.linspace(0.0, way[-1], number + 1), way, fine) if way[-1] > 0.0 else fine[[0, -1]]
    met = amount > 0.0
    return Nodes(np.repeat(at, sigmas + 1)[met], np.tile(spread, number + 1)[met], amount[met])
