"""Judges posterior fits by how well they predict a store not yet seen, beside BIC.

>>> from bayesmix import load
>>> from comparisons import compare
>>> from em.results import read_results
>>> compare(read_results("results.json"), [load("mixture-3.nc"), load("hierarchical.nc")])  # doctest: +SKIP
"""

from comparisons.comparison import Comparison, Score, compare
from comparisons.verdict import Verdict, verdict

__all__ = ["Comparison", "Score", "Verdict", "compare", "verdict"]
