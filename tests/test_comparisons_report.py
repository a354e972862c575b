import json
import re
import stat
from html.parser import HTMLParser

import numpy as np
import pytest
from fits_for_comparisons import (
    continuous,
    hierarchical_tree,
    mixture_tree,
    panel,
    segmented,
    write_fit,
    write_results,
)

from bayesmix.rounding import by_error, fixed
from comparisons import checks
from comparisons.report import main

ROW = {"name", "n_stores", "elpd_loo", "se", "p_loo", "elpd_waic", "p_waic", "bad_khat", "elpd_diff", "dse", "weight"}


def run(*arguments) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return left.value.code


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """results.json, a mixture and a hierarchical fit of one panel of 120 stores in three segments."""
    folder = tmp_path_factory.mktemp("inputs")
    data = panel(segmented(120))
    return [
        write_results(data, folder / "results.json"),
        write_fit(mixture_tree(data, 3), folder / "mixture.nc"),
        write_fit(hierarchical_tree(data), folder / "hierarchical.nc"),
    ]


@pytest.fixture(scope="module")
def written(inputs, tmp_path_factory):
    out = tmp_path_factory.mktemp("written") / "page.html"
    assert run(*inputs, "--out", out) == 0
    return out.read_text(encoding="utf-8"), json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))


def test_weeks_without_the_data_are_refused_before_what_takes_long(inputs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checks, "check", lambda *_: pytest.fail("models were checked first"))
    assert run(*inputs, "--weeks", "--out", tmp_path / "page.html") == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not list(tmp_path.iterdir())


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, text outside of style, headings in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text, self.open, self.unclosed = "", [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "path", "use", "rect", "line"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            while (last := self.open.pop()) != tag:
                self.unclosed.append(last)

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def table_rows(html: str, label: str) -> list[list[str]]:
    """Cells of the table in the region called `label`, as text."""
    region = html[html.index(f'aria-label="{label}"') :]
    body = region[region.index("<tbody>") : region.index("</tbody>")]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.DOTALL)
    return [
        [
            " ".join(re.sub("<[^>]*>", " ", cell).split())
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        ]
        for row in rows
    ]


def test_the_record_has_the_agreed_contents(written, inputs):
    _, record = written
    assert record["schema"] == "bayesmix-comparison/1"
    assert {"software", "data", "warnings", "models", "maximum_likelihood", "shrinkage", "verdict"} <= set(record)
    assert [set(row) >= ROW for row in record["models"]] == [True, True]
    assert [row["name"] for row in record["models"]] == ["mixture K=3", "hierarchical"]
    assert record["maximum_likelihood"] == json.loads(inputs[0].read_text())["fits"]
    assert record["verdict"].startswith("The stores fall into three segments")
    assert record["trusted"] is True
    assert record["data"]["sha256"] == "a" * 64


def test_the_record_adds_up_from_its_pointwise_values(written):
    _, record = written
    best, rival = record["models"]
    points = {name: np.array(values["elpd_loo"]) for name, values in record["pointwise"]["models"].items()}
    diff = points["hierarchical"] - points["mixture K=3"]
    assert rival["elpd_diff"] == pytest.approx(diff.sum())
    assert rival["dse"] == pytest.approx(np.sqrt(120 * diff.var(ddof=1)))
    assert best["elpd_loo"] == pytest.approx(points["mixture K=3"].sum())
    assert (best["elpd_diff"], best["dse"]) == (0, 0)
    assert sum(row["weight"] for row in record["models"]) == pytest.approx(1.0)
    assert record["verdict_detail"]["difference"]["elpd_diff"] == pytest.approx(-rival["elpd_diff"])
    assert len(record["shrinkage"]["own"]) == len(record["shrinkage"]["stores"]) == 120


def test_the_page_says_the_numbers_of_the_record(written):
    html, record = written
    rows = {row[0].split(" maximum")[0].split(" WAIC")[0]: row for row in table_rows(html, "Table of models")}
    assert list(rows)[:2] == ["mixture K=3", "hierarchical"]
    for model in record["models"]:
        row = rows[model["name"]]
        assert row[1] == f"{by_error(model['elpd_loo'], model['se'])} ± {by_error(model['se'], model['se'])}"
        assert row[2] == fixed(model["p_loo"], 1)
        if model["dse"]:
            assert row[3] == f"{by_error(model['elpd_diff'], model['dse'])} ± {by_error(model['dse'], model['dse'])}"
        assert row[6].split(" ±")[0] == by_error(model["elpd_waic"], model["se_waic"])
    for em in record["maximum_likelihood"]:
        assert rows[f"mixture K={em['k']}"][8:11] == [
            fixed(em["log_likelihood"], 1),
            str(em["n_parameters"]),
            fixed(em["bic"], 1),
        ]
    page = Page(html)
    assert " ".join(record["verdict"].split()) in " ".join(page.text.split())
    assert record["verdict_detail"]["prices"] in page.text


def test_the_segment_table_shows_em_beside_the_posterior(written):
    html, record = written
    em = next(fit for fit in record["maximum_likelihood"] if fit["k"] == 3)
    rows = table_rows(html, "Table of segments")
    assert len(rows) == 3
    for s, row in enumerate(rows):
        assert float(row[5].split(" (")[0].replace("−", "-")) == pytest.approx(em["theta"][s][1], abs=6e-3)
        assert float(row[6].split(" [")[0].replace("−", "-")) == pytest.approx(em["theta"][s][1], abs=0.1)


def test_the_page_asks_for_nothing(written):
    html, _ = written
    page = Page(html)
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:text/csv")), (tag, attributes)
    assert not re.search(r"fetch\(|XMLHttpRequest|https?://(?!www\.w3\.org)|import\(", html)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


def test_the_page_can_be_read_out(written):
    html, _ = written
    page = Page(html)
    assert page.unclosed == []
    pictures = page.all("svg")
    assert len(pictures) == 6
    assert len({picture["aria-label"] for picture in pictures}) == 6
    assert all(picture["role"] == "img" and len(picture["aria-label"]) > 40 for picture in pictures)
    assert next(tag for tag, _ in page.elements if tag in ("h1", "h2")) == "h1"
    assert len(page.all("h1")) == 1
    assert page.all("html")[0]["lang"] == "en"
    assert all("scope" in header for header in page.all("th"))
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes and "class" not in attributes]
    labels = [attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes]
    assert set(labels) <= set(names)
    assert re.search(r"#0[0-9]0[0-9][0-9f]{2}", html) is None


def test_the_same_inputs_write_the_same_bytes(written, inputs, tmp_path):
    assert run(*inputs, "--out", tmp_path / "again.html") == 0
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == written[0]
    assert json.loads((tmp_path / "again.json").read_text(encoding="utf-8")) == written[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.html", "again.json"]


def test_the_screen_shows_the_table(inputs, tmp_path, capsys):
    run(*inputs, "--out", tmp_path / "page.html")
    out = capsys.readouterr().out
    assert "Three segments, not a continuum." in out
    assert re.search(r"mixture K=3\W+[\d,.]+\W+−[\d,.]+", out)


def test_only_mixtures_or_only_a_continuum(inputs, tmp_path):
    results, mixture, hierarchical = inputs
    assert run(results, mixture, "--out", tmp_path / "mixture.html") == 0
    assert "no continuum to compare with" in (tmp_path / "mixture.html").read_text(encoding="utf-8")
    assert run(results, hierarchical, "--out", tmp_path / "hierarchical.html") == 0
    html = (tmp_path / "hierarchical.html").read_text(encoding="utf-8")
    assert "A continuum, with nothing to compare it with." in html
    assert 'id="segments"' not in html


def test_unequal_stores_get_a_picture_of_pooling(tmp_path):
    data = panel(continuous(30), unequal=True)
    results = write_results(data, tmp_path / "results.json", (1, 2))
    fits = [
        write_fit(hierarchical_tree(data, draws=100), tmp_path / "h.nc"),
        write_fit(mixture_tree(data, 1, draws=100), tmp_path / "one.nc"),
    ]
    assert run(results, *fits, "--out", tmp_path / "page.html") in (0, 3)
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "The less a store’s own data say" in html
    assert "30 stores are fewer than 100" in html


def test_an_untrusted_fit_ends_in_3_and_is_said_on_the_page(inputs, tmp_path, capsys):
    tree = mixture_tree(panel(segmented(120)), 3, seed=1)
    tree.attrs["trusted"] = 0
    tree.attrs["warnings"] = json.dumps(["chains <ended> in different modes"])
    doubtful = write_fit(tree, tmp_path / "doubtful.nc")
    assert run(inputs[0], doubtful, inputs[2], "--out", tmp_path / "page.html") == 3
    said = capsys.readouterr().err
    assert said.splitlines()[-1].startswith("not to be trusted: mixture K=3")
    assert "chains <ended> in different modes" in said
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Not to be trusted yet" in html
    assert "chains &lt;ended&gt; in different modes" in html
    record = json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))
    assert record["trusted"] is False
    assert any("different modes" in warning for warning in record["warnings"])


def refused(capsys, folder, *arguments) -> str:
    """The one message of a call that is refused; nothing may have been written to `folder`."""
    before = sorted(path.name for path in folder.iterdir())
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert sorted(path.name for path in folder.iterdir()) == before
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    return captured.err


def test_bad_calls_are_refused_and_write_nothing(inputs, tmp_path, capsys):
    results, mixture, hierarchical = inputs
    out = tmp_path / "page.html"
    other = write_fit(hierarchical_tree(panel(segmented(120), sha256="b" * 64), draws=50), tmp_path / "other.nc")
    (tmp_path / "text.nc").write_text("no netCDF")
    cases = {
        "expected RESULTS.json and one or more": (results,),
        "none.json: cannot be read": (tmp_path / "none.json", mixture),
        "none.nc: cannot be read": (results, tmp_path / "none.nc"),
        "text.nc": (results, tmp_path / "text.nc"),
        "sha256": (results, mixture, other),
        "is the same fit as": (results, mixture, mixture),
        "is not JSON": (mixture.with_name("hierarchical.nc"), mixture),
    }
    for said, arguments in cases.items():
        message = refused(capsys, tmp_path, *arguments, "--out", out)
        assert re.search(said, message), message
    assert "there is no folder" in refused(capsys, tmp_path, *inputs, "--out", tmp_path / "no" / "page.html")
    assert "cannot end in .json" in refused(capsys, tmp_path, *inputs, "--out", tmp_path / "page.json")
    message = refused(capsys, tmp_path, *inputs, "--out", results.with_suffix(".html"))
    assert "is also the input" in message
    assert "--nonsense" in refused(capsys, tmp_path, results, hierarchical, "--nonsense")


def test_an_unwritable_place_is_refused(inputs, tmp_path, capsys, monkeypatch):
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(stat.S_IRUSR | stat.S_IXUSR)
    monkeypatch.setattr("os.access", lambda path, mode: "locked" not in str(path))  # root may write anywhere
    assert "cannot be written" in refused(capsys, locked, *inputs, "--out", locked / "page.html")
    locked.chmod(stat.S_IRWXU)


def test_what_was_there_is_kept_when_a_call_is_refused(inputs, tmp_path, capsys):
    (tmp_path / "page.html").write_text("before")
    (tmp_path / "page.json").write_text("before")
    refused(capsys, tmp_path, inputs[0], tmp_path / "none.nc", "--out", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == (tmp_path / "page.json").read_text() == "before"
