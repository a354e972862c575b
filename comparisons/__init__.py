"""Judges posterior fits by how well they predict a store not yet seen, beside BIC.

>>> from comparisons import compare, read_fit
>>> from em.results import read_results
>>> compare(read_results("results.json"), [read_fit("mixture-3.nc"), read_fit("hierarchical.nc")])  # doctest: +SKIP
"""

from comparisons.comparison import Comparison, Score, compare
from comparisons.load import Fit, read_fit
from comparisons.verdict import Verdict, verdict

__all__ = ["Comparison", "Fit", "Score", "Verdict", "compare", "read_fit", "verdict"]
