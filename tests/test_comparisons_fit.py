"""The standard set in one command: what is written, kept and made again, and what is refused before it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from fits_for_comparisons import panel, segmented

from bayesmix.settings import Settings
from comparisons import standard_set
from comparisons.report import command
from comparisons.report_options import parsed
from em.command import SAMPLE
from em.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
FEW = ("--k", "1", "3", "--draws", "300", "--tune", "300", "--chains", "2", "--seed", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the first 80 stores of the sample are."""
    folder = tmp_path_factory.mktemp("standard")
    pd.read_csv(SAMPLE).iloc[:, :81].to_csv(folder / "sales.csv", index=False)
    return folder


def changed(folder):
    """When each kept fit was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix in (".nc", ".json")}


def test_the_sample_end_to_end_and_a_rerun_that_uses_what_is_there(folder, ended):
    out = folder / "comparison.html"
    first = ended(command, "--fit", folder / "sales.csv", *FEW, "--out", out)
    kept = changed(folder / "comparison.fits")
    posteriors = ["hierarchical.nc", "mixture-1.nc", "mixture-3.nc", "normal-mixture-2.nc", "normal-mixture-3.nc"]
    assert sorted(name for name in kept if name.endswith(".nc")) == posteriors
    assert "results.json" in kept
    record = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert (record["verdict_detail"]["kind"], record["verdict_detail"]["k"]) == ("segments", 3)
    assert first.code == (0 if record["trusted"] else 3)  # with so few draws
    assert ("not to be trusted" in first.err) == (first.code == 3)
    assert sorted(row["file"].rpartition("/")[2] for row in record["models"]) == posteriors
    for row in record["models"]:
        assert row["log_evidence_se"] > 0.0
        assert abs(row["log_evidence"] + row["wbic"]) < 60.0
        assert abs(row["log_evidence"] - row["minus_half_bic_stores"]) < 60.0
        assert row["elpd_psis"] == pytest.approx(row["elpd_loo"], abs=1.0)
    page = out.read_text(encoding="utf-8")
    assert "How good are the approximations here?" in page
    assert "It depends on the prior" in page

    again = ended(command, "--fit", folder / "sales.csv", *FEW, "--exact", "3", "--out", out)
    assert again.code in (0, 3), again.err
    assert {name: when for name, when in changed(folder / "comparison.fits").items() if name in kept} == kept
    record = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    for row in record["models"]:
        assert (row["folds"], row["stores_left_out_exactly"]) == (3, row["n_stores"])
        assert row["elpd_exact"] == pytest.approx(row["elpd_loo"])
        assert row["elpd_exact"] != row["elpd_psis"]
        assert row["bad_khat"] == row["unsettled"] == 0
    assert "left out in 3 folds" in record["verdict"]
    assert "left out in 3 folds" in out.read_text(encoding="utf-8")


def test_other_settings_are_fitted_anew(folder, ended):
    kept = changed(folder / "comparison.fits")
    words = ("1", "--draws", "100", "--tune", "100", "--chains", "1", "--quick", "--out", folder / "comparison.html")
    end = ended(command, "--fit", folder / "sales.csv", "--k", *words)
    assert end.code == 3  # so few draws are not to be trusted, of the winner either
    now = changed(folder / "comparison.fits")
    assert now["mixture-1.nc"] != kept["mixture-1.nc"]
    assert now["results.json"] != kept["results.json"]
    assert now["mixture-3.nc"] == kept["mixture-3.nc"]
    assert "How good are the approximations" not in (folder / "comparison.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["results.json"], "expected RESULTS.json and one or more FIT.nc"),
        (["r.json", "f.nc", "--k", "3"], "--k is for --fit DATA"),
        (["r.json", "f.nc", "--draws", "300"], "--draws is for --fit DATA"),
        (["--fit", "a.csv", "b.csv"], "b.csv is one too many"),
        (["--fit", "--k", "0"], "K is 0"),
        (["--fit", "--exact", "1"], "expected a number of folds from 2"),
        (["--fit", "--exact", "a.csv"], "expected a number of folds from 2"),
        (["--fit", "--exact", "--quick"], "without --exact"),
        (["--fit", "--draws", "2"], "--draws is 2; expected at least 4"),
    ],
)
def test_wrong_calls_are_told_what_was_expected(words, told):
    with pytest.raises(InputError, match=told):
        parsed(words)


def test_files_may_stand_on_both_sides_of_options():
    args = parsed(["--out", "page.html", "r.json", "a.nc", "--quick", "b.nc"])
    assert (args.files, args.exact) == (["r.json", "a.nc", "b.nc"], None)
    assert parsed(["--fit", "--exact", "--sigma", "common"]).exact == 0
    assert parsed(["--fit", "sales.csv", "--exact", "10"]).exact == 10


@pytest.mark.parametrize("damaged", ['{"fits": [', "[]", "\x00"])
def test_a_damaged_results_file_among_the_kept_is_made_anew(damaged, tmp_path, monkeypatch):
    data = panel(segmented(6), weeks=8)
    (tmp_path / "results.json").write_text(damaged, encoding="utf-8")
    monkeypatch.setattr(standard_set, "_posterior", lambda model, k, **_: (model, k))
    made, fits = standard_set.standard_set(data, [1, 2], "common", Settings(), tmp_path, {})
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["fits"] == made["fits"]
    assert {("mixture", 1), ("mixture", 2), ("hierarchical", 1)} <= set(fits)


def test_more_segments_than_stores_are_refused_before_anything_is_written(tmp_path, ended):
    end = ended(command, "--fit", "--k", "1..900", "--out", tmp_path / "page.html")
    assert end.code == 2
    assert "expected a number of segments from 1 to the number of stores" in end.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["--help"], ["--fit", "--exact", "1"]])
def test_the_answer_to_a_question_or_a_wrong_call_loads_nothing_heavy(words):
    heavy = ["pymc", "pytensor", "arviz", "matplotlib", "xarray", "numba", "pandas", "scipy"]
    program = (
        "import sys\nfrom comparisons.report import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        f"print('heavy:', *sorted(set({heavy}) & set(sys.modules)), file=sys.stderr)"
    )
    end = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=os.environ, capture_output=True, text=True)
    assert end.stderr.splitlines()[-1].strip() == "heavy:"
