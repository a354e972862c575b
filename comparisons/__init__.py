"""Judges posterior fits by how well they predict a store not yet seen, beside BIC.

>>> from bayesmix import load
>>> from comparisons import compare
>>> from em.results import read_results
>>> compare(read_results("results.json"), [load("mixture-3.nc"), load("hierarchical.nc")])  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comparisons.comparison import Comparison, Score, compare
    from comparisons.verdict import Verdict

__all__ = ["Comparison", "Score", "Verdict", "compare"]

_HOME = {"Comparison": "comparison", "Score": "comparison", "Verdict": "verdict", "compare": "comparison"}


def __getattr__(name: str) -> object:
    """Load what is asked for, so that a command answers `--help` and wrong calls at once."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
