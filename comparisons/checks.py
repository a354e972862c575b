"""Approximations checked: stores left out exactly where importance sampling is in doubt, and a model's evidence."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.store_loo import LeftOut, Loo
from em.command import watched
from em.statistics import Ints

if TYPE_CHECKING:
    from bayesmix.evidence import Evidence
    from bayesmix.target import Target
    from bayesmix.wbic import Wbic

FEW = 50  # stores of a model with a high Pareto k that are left out exactly without being asked for


class Checked(NamedTuple):
    """What was found of a fit beyond its file.

    Attributes
    ----------
    left_out : the stores that were left out exactly; None where none was.
    evidence : log marginal likelihood by bridge sampling; None where segments are too many.
    wbic : minus the same by WBIC; None with too few stores.
    """

    left_out: LeftOut | None
    evidence: "Evidence | None"
    wbic: "Wbic | None"


def check(fits: Sequence[Fit], exact: int | None = None, keep: Path | None = None) -> dict[str, Checked]:
    """Check every fit that holds what its density is made of; by name.

    Parameters
    ----------
    exact : how many folds of whole stores to leave out, the same folds for every model; 0 is each store alone, None
        the stores with a high Pareto k where they are at most `FEW`.
    keep : a folder for finished folds, from which those of the same posterior are read.
    """
    wanted = [(fit, folds) for fit in fits if (folds := _folds(fit, exact)) is not None]
    if not wanted:
        return {}
    from bayesmix.left_out import leave_out
    from bayesmix.target import target_of
    from bayesmix.wbic import wbic

    found = {}
    for fit, folds in watched(wanted, "checking", len(wanted)):
        target = target_of(fit)
        file = None if keep is None else keep / f"{fit.model}-{fit.k}.folds"
        left = leave_out(target, folds, keep=file, what=fit.name) if folds else None
        found[fit.name] = Checked(left, _evidence(fit, target), wbic(target))
    return found


def _folds(fit: Fit, exact: int | None) -> list[Ints] | None:
    """The stores to be left out, fold by fold; None where the fit cannot be drawn again."""
    if not can_be_redrawn(fit):
        return None
    n = len(fit.stores)
    if exact:
        from bayesmix.left_out import folds_of

        return folds_of(n, exact)
    stores = np.arange(n) if exact == 0 else doubtful_stores(fit.psis)
    if exact is None and stores.size > FEW:
        return []
    return [np.array([store]) for store in stores]


def can_be_redrawn(fit: Fit) -> bool:
    """Whether a fit holds what its density is made of: not where its draws are of another sampler."""
    return fit.group("unconstrained_posterior") is not None and "numbers" in fit.priors


def doubtful_stores(psis: Loo) -> Ints:
    """Stores whose Pareto k is above the limit."""
    return np.flatnonzero(psis.khat_i > psis.khat_limit)


def _evidence(fit: Fit, target: "Target") -> "Evidence | None":
    """The evidence of all modes found."""
    from bayesmix.evidence import evidence_of

    modes = fit.group("modes")
    numbers = range(2, 1 + (1 if modes is None else modes.sizes["mode"]))
    apart = [fit.mode(number).tree["unconstrained_posterior"]["q"] for number in numbers]
    return evidence_of(target, [draws.transpose("chain", "draw", ...).to_numpy() for draws in apart])


NONE: Mapping[str, Checked] = {}
