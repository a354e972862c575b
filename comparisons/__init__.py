"""Judges posterior fits by how well they predict a store not yet seen, beside BIC.

>>> from comparisons import compare
>>> compare(["mixture-3.nc", "hierarchical.nc"], "results.json")  # doctest: +SKIP

Names are imported when first used, so that a command answers `--help` and Ctrl-C at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from comparisons.comparison import Comparison, Score
    from comparisons.together import compare
    from comparisons.verdict import Verdict

__all__ = ["Comparison", "Score", "Verdict", "compare"]

_HOME = {"Comparison": "comparison", "Score": "comparison", "Verdict": "verdict", "compare": "together"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
