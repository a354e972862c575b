"""Where BIC and leave-one-out part: the charge of the one against the price of the other, and the stores behind it."""

from typing import Any, NamedTuple

import numpy as np

from bayesmix.store_loo import total
from comparisons.agreement import em_twin
from comparisons.comparison import Comparison, Score
from comparisons.differences import Difference, difference
from comparisons.number import chosen_mixture
from em.statistics import Floats

MOST = 10  # stores shown


class Charged(NamedTuple):
    """One model by both roads, in log-density: fit minus charge is the value.

    Attributes
    ----------
    log_likelihood, charge, by_bic : at the maximum; BIC's charge, half of parameters x log(rows); -BIC / 2.
    lppd, p_loo, by_loo : of the stores seen, posterior averaged; its optimism; elpd.
    """

    score: Score
    log_likelihood: float
    charge: float
    by_bic: float
    lppd: float
    p_loo: float
    by_loo: float


class Part(NamedTuple):
    """One store's part in a difference.

    Attributes
    ----------
    store, weeks : its name, and how many weeks were observed.
    part : first model minus second, in log-density of the store left out.
    khat : the larger Pareto k of the two.
    own, own_se : (coefficient,) its own least squares and their standard errors.
    """

    store: str
    weeks: int
    part: float
    khat: float
    own: Floats
    own_se: Floats


class Disagreement(NamedTuple):
    """What BIC and LOO say of the models that both know.

    Attributes
    ----------
    rows : models, best by LOO first.
    by_bic, by_loo : the one that each puts first.
    first, second : the two models whose difference is taken apart: those two, or where they are one, segments and
        continuum, or the two best.
    diff_i, difference : (store,) first minus second, and their sum.
    parts : the stores with the largest parts, largest first.
    rest : the difference without them.
    """

    rows: tuple[Charged, ...]
    by_bic: Charged
    by_loo: Charged
    first: Score
    second: Score
    diff_i: Floats
    difference: Difference
    parts: tuple[Part, ...]
    rest: Difference

    @property
    def agree(self) -> bool:
        """Whether both put the same model first."""
        return self.by_bic is self.by_loo


def disagreement(comparison: Comparison) -> Disagreement | None:
    """Take BIC and LOO apart; None with fewer than two models that both know, or fewer than two stores."""
    twins = [(score, em_twin(score.fit, comparison.results)) for score in comparison.scores]
    rows = tuple(_charged(score, em) for score, em in twins if em is not None)
    if len(rows) < 2 or len(comparison.best.fit.stores) < 2:
        return None
    by_bic, by_loo = max(rows, key=lambda row: row.by_bic), rows[0]
    if by_bic is not by_loo:
        first, second = by_loo.score, by_bic.score
    else:
        first, second = _argued(comparison, rows)
    diff_i = first.loo.elpd_i - second.loo.elpd_i
    largest = np.argsort(-np.abs(diff_i), kind="stable")[:MOST]
    others = np.delete(np.arange(diff_i.size), largest)
    moved = comparison.shrinkage
    khat = np.maximum(first.loo.khat_i, second.loo.khat_i)
    parts = tuple(
        Part(moved.stores[i], int(moved.n[i]), float(diff_i[i]), float(khat[i]), moved.own[i], moved.own_se[i])
        for i in largest
    )
    return Disagreement(
        rows,
        by_bic,
        by_loo,
        first,
        second,
        diff_i,
        difference(first.loo.elpd_i, second.loo.elpd_i),
        parts,
        difference(first.loo.elpd_i[others], second.loo.elpd_i[others]),
    )


def _charged(score: Score, em: dict[str, Any]) -> Charged:
    log_likelihood, by_bic = em["log_likelihood"], -0.5 * em["bic"]
    p = total(score.loo.p_i)
    return Charged(score, log_likelihood, log_likelihood - by_bic, by_bic, score.elpd + p, p, score.elpd)


def _argued(comparison: Comparison, rows: tuple[Charged, ...]) -> tuple[Score, Score]:
    """Segments and continuum, the better first; where one is missing, the two best."""
    of_one = comparison.of_best_family
    mixture, continuum = chosen_mixture(of_one), of_one.best_of("hierarchical")
    if mixture is None or continuum is None:
        return rows[0].score, rows[1].score
    return (mixture, continuum) if mixture.elpd >= continuum.elpd else (continuum, mixture)
