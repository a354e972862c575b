"""Whether predicted probabilities are the shares that come true: for choices, what a PIT is for counts.

The shares observed, made to rise with the probability predicted by isotonic regression and nothing else, against that
probability (Dimitriadis, Gneiting & Jordan 2021, PNAS 118, "CORP"): no bins to choose. What recalibration would gain in
Brier score is the miscalibration; what the recalibrated probabilities gain over one for all is the discrimination. Each
draw of the posterior is taken in turn, and stands beside a replicate of the panel under that draw.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import expit

from bayesmix.checked_rows import Rows, StoreDraws, evenly, predictors
from bayesmix.envelope import ROUNDING, envelope
from bayesmix.replicates import Replicated, against
from em.command import watched
from em.statistics import Floats

DRAWS, FEWEST = 300, 100
MOST_CELLS = 6_000_000  # cells times draws
POINTS = 41
GROUPS = 2000  # of cells with neighbouring probabilities, which count together where there are more


class Calibration(NamedTuple):
    """The curve, and the Brier score in its parts: score = miscalibration - discrimination + uncertainty.

    Attributes
    ----------
    predicted, observed : (point,) probability, and the share that came true.
    low, high : (point,) the band that 99 of 100 curves of replicated panels are inside everywhere.
    density : (point,) share of the trials whose probability is nearest to the point.
    miscalibration, discrimination : of a trial, beside those of replicates.
    uncertainty : variance of a trial about the share of all.
    """

    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    density: Floats
    miscalibration: Replicated
    discrimination: Replicated
    uncertainty: float

    @property
    def outside(self) -> np.ndarray:
        """Points beyond the band, the furthest first."""
        beyond = np.maximum(self.observed - self.high, self.low - self.observed)
        order = np.argsort(-beyond, kind="stable")
        return order[beyond[order] > ROUNDING]


def calibration(rows: Rows, draws: StoreDraws, seed: int = 0) -> Calibration:
    """The curve of a panel of choices."""
    rng = np.random.default_rng(seed)
    cells = rows.store.size
    n, total = (np.bincount(rows.cell, amount, cells) for amount in (rows.trials, rows.y))
    chosen = evenly(draws, int(np.clip(MOST_CELLS // cells, FEWEST, DRAWS)))
    at = _points(expit(predictors(rows, draws, int(chosen[chosen.size // 2]))[0]), n)
    density, curves, scores = np.zeros(at.size), ([], []), ([], [])
    for draw in watched(chosen, "calibrating", chosen.size):
        share, number, successes = _grouped(expit(predictors(rows, draws, draw)[0]), n, total)
        density += np.bincount(np.searchsorted(0.5 * (at[1:] + at[:-1]), share), number, at.size)
        again = rng.binomial(np.rint(number).astype(np.int64), share).astype(float)
        for of, curve, score in zip((successes, again), curves, scores, strict=True):
            one, parts = _isotonic(share, of, number, at)
            curve.append(one)
            score.append(parts)
    low, high = envelope(np.array(curves[1]))
    parts = [against(*(np.array(score)[:, i] for score in scores)) for i in range(2)]
    mean = float(total.sum() / n.sum())
    return Calibration(
        at, np.mean(curves[0], 0), low.clip(0.0, 1.0), high.clip(0.0, 1.0), density / density.sum(), parts[0], parts[1],
        mean * (1.0 - mean),
    )  # fmt: skip


def _points(share: Floats, n: Floats) -> Floats:
    """Probabilities at which curves are compared: even quantiles of those predicted, without the ends."""
    order = np.argsort(share)
    below = (np.cumsum(n[order]) - 0.5 * n[order]) / n.sum()
    return np.unique(np.interp(np.linspace(0.01, 0.99, POINTS), below, share[order]))


def _grouped(share: Floats, n: Floats, total: Floats) -> tuple[Floats, Floats, Floats]:
    """Probabilities in rising order, with their trials and successes; (group,) each."""
    order = np.argsort(share, kind="stable")
    first = np.linspace(0, share.size, min(share.size, GROUPS), endpoint=False).astype(np.intp)
    number, successes, sums = (np.add.reduceat(of[order], first) for of in (n, total, n * share))
    return sums / number, number, successes


def _isotonic(share: Floats, successes: Floats, n: Floats, at: Floats) -> tuple[Floats, tuple[float, float]]:
    """The curve at some points, and miscalibration and discrimination; probabilities in rising order."""
    seen = successes / n
    risen = isotonic_regression(seen, weights=n).x
    score, recalibrated, alike = (
        float(n @ np.square(seen - of)) / float(n.sum()) for of in (share, risen, successes.sum() / n.sum())
    )
    return np.interp(at, share, risen), (score - recalibrated, alike - recalibrated)
