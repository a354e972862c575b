"""Fits, or the files of fits, judged together: the entry point of Python."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bayesmix.fitted import Fit
from bayesmix.read import load
from comparisons import comparison
from comparisons.comparison import Comparison
from comparisons.doubts import settled
from comparisons.same_panel import check_same_panel, name_apart
from em.errors import InputError
from em.results import MODELS, read_results


def compare(fits: Sequence[Fit | str | Path], results: dict[str, Any] | str | Path | None = None) -> Comparison:
    """Judge posteriors of one panel by how well each predicts a store not yet seen, beside BIC.

    Parameters
    ----------
    fits : from `bayesmix.fit_mixture` and the like, or files that `bayesmix.fit` wrote.
    results : what `em.estimate` wrote, its file or its content; what it does not hold is taken from the fits.

    Returns
    -------
    Its repr is the table; `.to_xarray()` has every number under its name, store by store.

    Raises
    ------
    InputError
        When a file is none of ours, or the fits are not of one panel, one unit and one response.

    Examples
    --------
    >>> from comparisons import compare
    >>> compare(["mixture-3.nc", "hierarchical.nc"], "results.json")  # doctest: +SKIP
    """
    if isinstance(fits, (str, Path, Fit)) or not fits:
        raise InputError("fits is no list of fits; expected one or more, such as compare([first, second])")
    loaded = [one if isinstance(one, Fit) else load(one) for one in fits]
    name = str(results) if isinstance(results, (str, Path)) else "results"
    read = read_results(results, MODELS) if isinstance(results, (str, Path)) else results
    check_same_panel(name, read, loaded)
    return settled(comparison.compare(read, name_apart(loaded)))
