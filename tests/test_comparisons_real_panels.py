"""Verdicts on panels that developers have beside the project; skipped elsewhere. Expected figures: DESIGN, Criteria."""

import pytest
from fits_for_comparisons import hierarchical_tree, mixture_tree, write_fit, write_results

from bayesmix.read import load
from comparisons import compare
from comparisons.verdict import verdict
from em.panel import read_panel
from em.results import read_results


def test_609948_has_three_segments(shared, tmp_path):
    data = read_panel(shared("data/609948.csv"))
    results = read_results(write_results(data, tmp_path / "results.json", (2, 3, 4)))
    fits = [
        load(write_fit(mixture_tree(data, 3, draws=500), tmp_path / "mixture.nc")),
        load(write_fit(hierarchical_tree(data, draws=500), tmp_path / "hierarchical.nc")),
    ]
    comparison = compare(results, fits)
    mixture, hierarchical = comparison.scores
    assert mixture.elpd == pytest.approx(-22172.5, abs=3.0)
    assert hierarchical.elpd == pytest.approx(-22341.4, abs=3.0)
    assert -hierarchical.difference.elpd_diff == pytest.approx(169.0, abs=2.0)
    assert hierarchical.difference.dse == pytest.approx(17.0, abs=1.0)
    assert verdict(comparison).headline == "Three segments, not a continuum."
