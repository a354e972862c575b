"""The study of tests/confusion.py: its machinery, what it left in tests/calibration/, and a small run of it."""

import json

import confusion
import numpy as np
import pandas as pd
import pytest

from comparisons.backing import advice
from em.panel import store_statistics

KEPT = confusion.FOLDER / "confusion.csv"


def test_panels_are_of_the_truth_they_are_named_for():
    """Own least squares scatter about the segments by the standard errors that distances are given in."""
    rng = np.random.default_rng(0)
    scatter = []
    for _ in range(30):
        panel = confusion.draw_panel(confusion.SETTINGS["one segment"], rng)
        b = store_statistics(panel).b
        scatter.append(np.column_stack([b[:, 0] + confusion.LOG_PRICE * b[:, 1], b[:, 1]]))
    values = np.concatenate(scatter)
    np.testing.assert_allclose(values.mean(0), [10.0, -1.5], atol=0.02)
    np.testing.assert_allclose(values.std(0), confusion.ERROR, rtol=0.1)
    wide = confusion.draw_panel(confusion.SETTINGS["continuum"], rng)
    assert store_statistics(wide).b[:, 1].std() > 1.4 * confusion.ERROR[1]


def test_a_share_has_its_binomial_error():
    found = pd.DataFrame({"truth": ["one segment"] * 4, "BIC": ["mixture K=1"] * 3 + ["mixture K=2"]})
    share, error = confusion.right(found, "BIC", "one segment")
    assert share == 0.75
    assert error == pytest.approx(np.sqrt(4 / 6 * 2 / 6 / 6))
    assert confusion.shares(found, "BIC", "one segment") == {"mixture K=1": 0.75, "mixture K=2": 0.25}


def test_what_is_kept_is_whole_and_is_what_the_summary_says():
    found = pd.read_csv(KEPT)
    assert not found.duplicated(["truth", "panel"]).any()
    assert set(found["truth"]) == set(confusion.SETTINGS)
    assert found["truth"].value_counts().min() >= 20
    for criterion in confusion.CRITERIA:
        assert set(found[criterion]) <= {*confusion.MODELS, confusion.UNDECIDED}
    kept = KEPT.with_suffix(".md").read_text()
    made = confusion.summary(found)
    assert [line for line in made.splitlines() if line.startswith(("|", "#"))] == [
        line for line in kept.splitlines() if line.startswith(("|", "#"))
    ]


def test_the_advice_of_the_page_is_that_of_the_study():
    found = pd.read_csv(KEPT)
    kept = json.loads(confusion.BACKING.read_text())
    assert kept == json.loads(json.dumps(confusion.backing(found)))
    said = " ".join(advice())
    share, error = confusion.right(found, "BIC", "three segments, close")
    assert f"BIC finds in {100 * share:.0f} ± {100 * error:.0f} %" in said


def test_the_study_backs_what_the_advice_says_without_a_figure():
    found = pd.read_csv(KEPT)

    def share(criterion, truth):
        return confusion.right(found, criterion, truth)[0]

    apart = ("two segments, well apart", "three segments, well apart")
    assert min(share(name, truth) for name in confusion.CRITERIA[:9] for truth in apart) > 0.7
    assert max(share(name, "three segments, close") for name in ("BIC", "ICL", "hybrid BIC")) < 0.5
    assert share("BIC", "two segments whose stores differ") < 0.2 < share("LOO", "two segments whose stores differ")
    rule = found[confusion.RULE]
    right = found["truth"].map({name: one.right for name, one in confusion.SETTINGS.items()})
    assert ((rule != right) & (rule != confusion.UNDECIDED)).mean() < 0.1
    assert set(rule[found["truth"] == "one segment"]) <= {confusion.UNDECIDED, "mixture K=1"}


@pytest.mark.slow
def test_a_small_study_goes_on_where_it_stopped(tmp_path):
    out = tmp_path / "confusion.csv"
    names = ["one segment", "three segments, well apart"]
    confusion.study(names, 1, out)
    first = out.read_text()
    confusion.study(names, 3, out)
    assert out.read_text().startswith(first)
    found = pd.read_csv(out)
    assert len(found) == 6
    apart = found[found["truth"] == "three segments, well apart"]
    assert (apart["BIC"] == "mixture K=3").mean() >= 2 / 3
    assert (apart[confusion.RULE] == "mixture K=3").mean() >= 2 / 3
