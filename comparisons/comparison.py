"""Several fits judged on one scale: how well each predicts a store that it has not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.rounding import by_error, listed, percent
from bayesmix.store_loo import Loo, standard_error, total, with_left_out
from bayesmix.stores import family_of
from comparisons.agreement import family_of_entry
from comparisons.checks import NONE, Checked
from comparisons.differences import FEW_STORES, Difference, difference, flags, stacking_weights
from comparisons.information import Waic, waic
from comparisons.one_scale import SMALL_COUNT, Scale, entries_on_scale, scale_of
from comparisons.own_likelihood import completed
from comparisons.pseudo_bma import pseudo_bma_weights
from comparisons.quadrature_check import Finer, finer
from comparisons.shrinkage import Shrinkage, shrinkage
from em.statistics import Floats

if TYPE_CHECKING:
    import xarray

    from comparisons.disagreement import Disagreement
    from comparisons.em_beside_posterior import Beside
    from comparisons.verdict import Verdict

MANY_DOUBTFUL = 0.05  # share of stores with a high Pareto k above which a model's elpd is not to be trusted


@dataclass(frozen=True)
class Score:
    """One model's row of the table: its criteria, its difference to the best, its stacking weight."""

    fit: Fit = field(repr=False)
    waic: Waic = field(repr=False)
    loo: Loo = field(repr=False)
    difference: Difference
    weight: float
    flags: tuple[str, ...]
    checked: Checked | None = field(default=None, repr=False)
    finer: Finer | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The fit's name."""
        return self.fit.name

    @property
    def elpd(self) -> float:
        """Sum over stores of the log-density given to the store left out (PSIS-LOO, exact where that was done)."""
        return total(self.loo.elpd_i)

    @property
    def se(self) -> float:
        """Standard error of `elpd` over stores."""
        return standard_error(self.loo.elpd_i)


@dataclass(frozen=True, repr=False)
class Comparison:
    """What the page and comparison.json are written from; scores from the best elpd down."""

    scores: tuple[Score, ...]
    shrinkage: Shrinkage = field(repr=False)
    results: dict[str, Any] = field(repr=False)
    notes: tuple[str, ...]
    distrust: tuple[str, ...]
    scale: Scale | None = field(default=None, repr=False)

    @property
    def log_density_of(self) -> str:
        """What elpd is a log-density of: the response of all fits."""
        return self.best.fit.log_density_of if self.scale is None else self.scale.log_density_of

    @property
    def families(self) -> tuple[str, ...]:
        """The families of the fits, that of the best first."""
        return tuple(dict.fromkeys(score.fit.family for score in self.scores))

    @cached_property
    def of_best_family(self) -> "Comparison":
        """The models of the family that predicts best, among which segments and continuum are told apart."""
        return self if len(self.families) == 1 else self.of_family(self.families[0])

    def of_family(self, family: str) -> "Comparison":
        """The models of one family, and their maximum likelihood."""
        scores = tuple(score for score in self.scores if score.fit.family == family)
        entries = [entry for entry in self.results["fits"] if family_of_entry(entry) == family]
        return replace(self, scores=scores, results={**self.results, "fits": entries})

    @property
    def best(self) -> Score:
        """The model that predicts a new store best."""
        return self.scores[0]

    @property
    def fits(self) -> list[Fit]:
        """The fits, best first."""
        return [score.fit for score in self.scores]

    @cached_property
    def pseudo_bma(self) -> Floats:
        """Pseudo-BMA+ weights of the models, as `scores`; see `comparisons.pseudo_bma`."""
        return pseudo_bma_weights(np.column_stack([score.loo.elpd_i for score in self.scores]))

    @cached_property
    def verdict(self) -> "Verdict":
        """What the numbers say, in words; see `comparisons.verdict`."""
        from comparisons.verdict import verdict

        return verdict(self)

    @cached_property
    def averaged(self) -> "xarray.Dataset | None":
        """Every store's elasticity under all models by stacking weight; see `comparisons.average`."""
        from comparisons.average import average

        return average(self)

    @cached_property
    def apart(self) -> "Disagreement | None":
        """Where BIC and leaving stores out part, and why; see `comparisons.disagreement`."""
        from comparisons.disagreement import disagreement

        return disagreement(self)

    @cached_property
    def beside(self) -> "list[Beside]":
        """Maximum likelihood beside the posterior, by model; see `comparisons.em_beside_posterior`."""
        from comparisons.em_beside_posterior import beside

        return beside(self)

    def to_xarray(self) -> "xarray.Dataset":
        """Every number under its name, by model and by store; see `comparisons.labelled`."""
        from comparisons.labelled import dataset

        return dataset(self)

    def __repr__(self) -> str:
        """The table in plain text."""
        from comparisons.labelled import describe

        return describe(self)

    @property
    def folds(self) -> int | None:
        """In how many folds stores were left out; None where each was left out alone."""
        left = self.best.loo.left_out
        several = left is not None and left.folds < left.stores.size
        return left.folds if left is not None and several else None

    def best_of(self, *models: str) -> Score | None:
        """The best score among these kinds of model; None when none was fitted."""
        return next((score for score in self.scores if score.fit.model in models), None)


def compare(results: dict[str, Any] | None, fits: Sequence[Fit], checked: Mapping[str, Checked] = NONE) -> Comparison:
    """Judge fits of one panel; `comparisons.same_panel` has made sure that it is one.

    Parameters
    ----------
    results : content of results.json: the same panel by maximum likelihood; what it does not hold is taken from fits.
    fits : at least one, with names of their own.
    checked : of `comparisons.checks`, by their names: stores that were left out exactly, and the evidence.
    """
    scale = scale_of(fits)
    results = entries_on_scale(completed(results, fits), scale)
    checked = {fit.name: _on_scale(checked[fit.name], fit, scale) for fit in fits if fit.name in checked}
    criteria = [(fit, _waic(fit, scale), _loo(fit, checked, scale)) for fit in fits]
    criteria.sort(key=lambda row: -total(row[2].elpd_i))
    best = criteria[0][2].elpd_i
    weights = stacking_weights(np.column_stack([psis.elpd_i for _, _, psis in criteria]))
    scores = []
    for (fit, wide, psis), weight in zip(criteria, weights, strict=True):
        diff = difference(psis.elpd_i, best)
        nodes = finer(fit, wide, psis.reff)
        said = (*_flags(fit, wide, psis, diff, best=not scores), *([nodes.told] if nodes and nodes.told else []))
        scores.append(Score(fit, wide, psis, diff, float(weight), said, checked.get(fit.name), nodes))
    ordered, notes = [score.fit for score in scores], [*_notes(results, [score.fit for score in scores])]
    notes += [said for score in scores if (said := _left_out(score.name, score.loo))]
    distrust = tuple(doubt for score in scores for doubt in doubts_about(score))
    notes += [] if scale is None else _of_scale(scale)
    return Comparison(tuple(scores), shrinkage(ordered), results, tuple(notes), distrust, scale)


def _loo(fit: Fit, checked: Mapping[str, Checked], scale: Scale | None) -> Loo:
    found, psis = checked.get(fit.name), fit.psis
    if scale is not None:
        psis = psis._replace(elpd_i=psis.elpd_i + scale.shift(fit.family))
    return with_left_out(psis, None if found is None else found.left_out)


def _waic(fit: Fit, scale: Scale | None) -> Waic:
    wide = waic(fit.store_loglik)
    return wide if scale is None else wide._replace(elpd_i=wide.elpd_i + scale.shift(fit.family))


def _on_scale(checked: Checked, fit: Fit, scale: Scale | None) -> Checked:
    """What was checked, with its log-densities on the common scale."""
    if scale is None:
        return checked
    left, evidence, wbic = checked
    shift_i = np.broadcast_to(scale.shift(fit.family), len(fit.stores))
    moved = float(shift_i.sum())
    return Checked(
        None if left is None else left._replace(elpd_i=left.elpd_i + shift_i[left.stores]),
        None if evidence is None else evidence._replace(log_evidence=evidence.log_evidence + moved),
        None if wbic is None else wbic._replace(wbic=wbic.wbic - moved),
    )


def _of_scale(scale: Scale) -> list[str]:
    """What the common scale is, and how far a density stands for a probability on it."""
    told = []
    if scale.log_sales_i is not None:
        told.append(
            f"all log-densities are of the response itself ({scale.log_density_of}): of a log-normal model, "
            "log f(log y) less the sum of log y over a store’s rows"
        )
    if scale.small is None:
        return told
    said = (
        "a count has a probability where a log-normal or another model of amounts has a density per unit: nearly the "
        f"same where counts are not small; {percent(scale.small)} of rows are below {SMALL_COUNT:.0f}"
    )
    known = {name: one for name, one in scale.between.items() if one is not None}
    each = [
        f"of {name} by {one.elpd:+.3g} in all and {one.largest:.2g} at most in a row" for name, one in known.items()
    ]
    if each:
        said += f". As probabilities of y - 1/2 to y + 1/2 log-densities at the posterior mean move {listed(each)}"
    if len(known) < len(scale.between):
        said += ". How much that is cannot be said where the data file is not at hand"
    return [*told, said]


def _left_out(name: str, found: Loo) -> str:
    """What leaving stores out exactly changed, in a sentence; empty where none was."""
    left = found.left_out
    if left is None or found.psis_i is None:
        return ""
    change, error = total(left.elpd_i - found.psis_i[left.stores]), float(np.sqrt(np.square(left.error_i).sum()))
    how = "one by one" if left.folds == left.stores.size else f"in {left.folds} folds, with fewer stores to learn from"
    return (
        f"{name}: {left.stores.size} of {found.elpd_i.size} stores left out exactly, {how}; that changed elpd by "
        f"{by_error(change, error)} ± {by_error(error, error)} (Monte Carlo error)"
    )


def _flags(fit: Fit, wide: Waic, psis: Loo, diff: Difference, *, best: bool) -> tuple[str, ...]:
    said = [] if fit.trusted else ["fit not trusted"]
    if psis.n_doubtful:
        said.append(f"{psis.n_doubtful} of {psis.khat_i.size} stores with {_doubtful(psis)}")
    if wide.n_doubtful:
        said.append(f"WAIC variance above 0.4 in {wide.n_doubtful} of {wide.p_i.size} stores")
    return (*said, *flags(diff, best=best))


def _notes(results: dict[str, Any], fits: Sequence[Fit]) -> tuple[str, ...]:
    """What concerns the comparison as a whole."""
    notes = []
    n_stores = len(fits[0].stores)
    if n_stores < FEW_STORES:
        notes.append(
            f"{n_stores} stores are fewer than {FEW_STORES}: standard errors of differences are too small then, "
            "and differences less sure than they look"
        )
    rules = {fit.sigma_rule for fit in fits if family_of(fit.statistics) is None}
    if len(rules) > 1:
        notes.append(
            f"the models also differ in how sigma is treated ({', '.join(sorted(rules))}), so a difference between "
            "them is not only about segments or continuum"
        )
    exposure = {fit.name: str(fit.data.get("columns", {}).get("exposure") or "none") for fit in fits}
    if len(set(exposure.values())) > 1:
        told = "; ".join(f"{name}: {column}" for name, column in exposure.items())
        notes.append(
            f"the models also differ in their exposure ({told}): each predicts the same responses given what it knows "
            "of a row"
        )
    traits = {fit.name: () if fit.between is None else fit.between.names for fit in fits}
    if len(set(traits.values())) > 1:
        told = "; ".join(f"{name}: {', '.join(names) or 'none'}" for name, names in traits.items())
        notes.append(
            f"the models also differ in the traits that explain the stores' coefficients ({told}), so a difference "
            "between them is not only about segments or continuum; a new store is predicted given its traits"
        )
    notes += [f"maximum likelihood: {said}" for ml in results["fits"] for said in ml.get("warnings", [])]
    return tuple(notes)


def doubts_about(score: Score) -> list[str]:
    """Why not to trust a model's elpd."""
    reasons = []
    if not score.fit.trusted:
        why = "; ".join(score.fit.reasons) or "its file says so"
        reasons.append(f"{score.name} ({score.fit.file}): {why}")
    share = score.loo.n_doubtful / score.loo.khat_i.size
    if share > MANY_DOUBTFUL:
        reasons.append(f"{score.name}: {_doubtful(score.loo)} in {percent(share)} of stores, so its elpd is in doubt")
    return reasons


def _doubtful(psis: Loo) -> str:
    """What is wrong with the stores counted by `n_doubtful`."""
    if psis.left_out is not None:
        return "draws without them that did not settle, or a high Pareto k"
    return f"Pareto k above {psis.khat_limit:.2f}"
