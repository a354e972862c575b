"""Where each row lies in what is predicted of it: the probability integral transform of counts, without randomising.

A count y covers the stretch of probability from P(Y < y) to P(Y <= y); its share in a tenth of the unit interval is the
share of its stretch that lies there (Czado, Gneiting & Held 2009, Biometrics 65). Where the model is right every tenth
expects a tenth of the rows. Each draw of the posterior is taken in turn, as good as the truth, and the histograms are
averaged; the histogram of averaged predictions would be humped in a right model too, for they have seen the rows.
"""

from typing import NamedTuple

import numpy as np

from bayesmix.checked_rows import Rows, StoreDraws, distinct, evenly, predictors
from bayesmix.envelope import BAND, ROUNDING, normal_reach
from em.command import watched
from em.families.family import Family, log_density
from em.statistics import Floats

BINS = 10
MOST_ROWS = 3_000_000  # rows times draws
FEWEST, MOST = 20, 300  # draws
FOR_BAND = 100_000  # rows replicated to learn how the histogram of a right model varies


class Pit(NamedTuple):
    """The histogram.

    Attributes
    ----------
    observed : (bin,) share of the rows in each of equal parts of the unit interval.
    low, high : (bin,) the band that the histogram of a right model is inside everywhere, 99 times of 100.
    """

    observed: Floats
    low: Floats
    high: Floats

    @property
    def departs(self) -> bool:
        """Whether any part is beyond the band."""
        return bool(np.maximum(self.observed - self.high, self.low - self.observed).max() > ROUNDING)


def pit(rows: Rows, draws: StoreDraws, seed: int = 0, band: float = BAND) -> Pit:
    """The histogram of a panel and its band.

    Parameters
    ----------
    band : probability that the histogram of a right model stays inside. Given the truth rows are independent, and there
        are many: the band is that of a normal vector, whose covariance replicated rows show.
    """
    reach = normal_reach(_covariance(rows, draws, np.random.default_rng(seed)), band)
    return Pit(histogram(rows, draws), np.maximum(1.0 / BINS - reach, 0.0), 1.0 / BINS + reach)


def histogram(rows: Rows, draws: StoreDraws) -> Floats:
    """The share of the rows in each tenth, averaged over draws; (bin,)."""
    seen = distinct(rows)
    chosen = evenly(draws, min(len(draws.theta), int(np.clip(MOST_ROWS // seen.y.size, FEWEST, MOST))))
    below = np.zeros(BINS - 1)
    for draw in watched(chosen, "placing rows in their predictions", chosen.size):
        eta, log_sigma = predictors(rows, draws, draw)
        below += seen.count @ shares_below(rows.family, seen.y, eta[seen.cell], seen.trials, log_sigma[seen.cell])
    return np.diff(below / (chosen.size * rows.y.size), prepend=0.0, append=1.0)


def shares_below(family: Family, y: Floats, eta: Floats, trials: Floats, log_sigma: Floats) -> Floats:
    """How much of the stretch of each response lies below 0.1, 0.2, ..., 0.9; (row, edge)."""
    edges = np.arange(1, BINS) / BINS
    high = family.cumulative(y, eta, trials, log_sigma)[:, None]
    if not family.discrete:
        return (edges >= high).astype(float)
    width = np.exp(log_density(family, y, eta, trials, log_sigma))[:, None]
    known = width > 1e-12  # a response in the far tail has no stretch to speak of
    return np.where(known, np.clip((edges - high) / np.where(known, width, 1.0) + 1.0, 0.0, 1.0), edges >= high)


def _covariance(rows: Rows, draws: StoreDraws, rng: np.random.Generator) -> Floats:
    """Of the histogram of a right model, whose parts expect a tenth each; (bin, bin)."""
    chosen = evenly(draws, int(np.clip(FOR_BAND // rows.y.size, 4, MOST)))
    whole = np.zeros((BINS, BINS))
    for draw in chosen:
        eta, log_sigma = (of_cell[rows.cell] for of_cell in predictors(rows, draws, draw))
        again = rows.family.draw(rng, eta, rows.trials, log_sigma)
        off = np.diff(shares_below(rows.family, again, eta, rows.trials, log_sigma), prepend=0.0, append=1.0) - 1 / BINS
        whole += off.T @ off
    return whole / (chosen.size * float(rows.y.size) ** 2)
