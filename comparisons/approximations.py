"""How good the approximations are, model by model: PSIS against exact, BIC and WBIC against the evidence."""

from typing import NamedTuple

import numpy as np

from bayesmix.store_loo import total
from comparisons.agreement import em_twin
from comparisons.comparison import Comparison, Score


class Approximation(NamedTuple):
    """One model.

    Attributes
    ----------
    name : of the model.
    trusted : whether its draws are, without which neither is its evidence.
    doubtful : how many stores have an elpd in doubt still.
    psis : elpd by importance sampling alone.
    left_out, folds : how many stores were left out exactly, and in how many folds.
    exact_psis, exact : elpd of these stores by importance sampling, and exactly.
    error : Monte Carlo error of `exact`.
    unsettled : how many of these stores' draws did not settle.
    log_evidence, evidence_se : by bridge sampling.
    half_bic, half_bic_stores : -BIC / 2 with log(rows) and with log(stores).
    minus_wbic, wbic_se : and minus WBIC. None is what was not worked out.
    """

    name: str
    trusted: bool
    doubtful: int
    psis: float
    left_out: int
    folds: int
    exact_psis: float
    exact: float
    error: float
    unsettled: int
    log_evidence: float | None
    evidence_se: float | None
    half_bic: float | None
    half_bic_stores: float | None
    minus_wbic: float | None
    wbic_se: float | None

    @property
    def change(self) -> float:
        """What leaving stores out exactly changed."""
        return self.exact - self.exact_psis


class Approximations(NamedTuple):
    """The rows, best model first; `folds` as in `Comparison`, `sigma_fixed` where a residual sd is no parameter."""

    rows: tuple[Approximation, ...]
    stores: int
    folds: int | None
    sigma_fixed: bool

    @property
    def best_evidence(self) -> float | None:
        """The highest log evidence; None where there is none."""
        return max((row.log_evidence for row in self.rows if row.log_evidence is not None), default=None)


def approximations(comparison: Comparison) -> Approximations | None:
    """What was checked of a comparison; None where nothing was."""
    scores = [score for score in comparison.scores if score.checked is not None]
    if not scores:
        return None
    rows = tuple(of_score(score, comparison) for score in scores)
    fixed = any(score.fit.sigma_rule == "fixed" for score in scores)
    return Approximations(rows, len(scores[0].fit.stores), comparison.folds, fixed)


def of_score(score: Score, comparison: Comparison) -> Approximation:
    """One model's row."""
    left, checked, em = score.loo.left_out, score.checked, em_twin(score.fit, comparison.results)
    evidence, wbic = (None, None) if checked is None else checked[1:]
    psis_i = score.loo.elpd_i if score.loo.psis_i is None else score.loo.psis_i
    return Approximation(
        name=score.name,
        trusted=score.fit.trusted,
        doubtful=score.loo.n_doubtful,
        psis=total(psis_i),
        left_out=0 if left is None else left.stores.size,
        folds=0 if left is None else left.folds,
        exact_psis=0.0 if left is None else total(psis_i[left.stores]),
        exact=0.0 if left is None else total(left.elpd_i),
        error=0.0 if left is None else float(np.linalg.norm(left.error_i)),
        unsettled=0 if left is None else int((~left.settled_i).sum()),
        log_evidence=evidence.log_evidence if evidence else None,
        evidence_se=evidence.se if evidence else None,
        half_bic=-0.5 * em["bic"] if em else None,
        half_bic_stores=-0.5 * em["bic_stores"] if em and em.get("bic_stores") is not None else None,
        minus_wbic=-wbic.wbic if wbic else None,
        wbic_se=wbic.se if wbic else None,
    )
