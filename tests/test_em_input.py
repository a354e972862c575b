"""Input as people send it: what is wrong ends in one line that names the place, what is merely odd is read the same."""

import gzip
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from em.estimate import command
from em.panel import read_panel

ROOT = Path(__file__).resolve().parent.parent
PRICES = [2.49, 3.15, 2.2, 3.99, 2.95, 1.79]
SALES = {
    "A": [105.5, 88.0, 121.25, 60.5, 95.0, 150.0],
    "B": [1210.0, 905.5, 1405.25, 640.0, 1000.5, 2150.0],
    "C": [50.0, 41.5, 57.0, 33.25, 47.0, 68.0],
}


def wide(price="Price", stores=("Sales1", "Sales2", "Sales3")):
    """A wide file, a row per week."""
    rows = [",".join([price, *stores])]
    rows += [",".join(map(str, [p, *(s[t] for s in SALES.values())])) for t, p in enumerate(PRICES)]
    return "\n".join(rows) + "\n"


def long(names="store,week,sales,price,display,size"):
    """A long file, a row per store and week; display varies between weeks, size between stores only."""
    rows = [names]
    for i, (store, sales) in enumerate(SALES.items()):
        for t, (s, p) in enumerate(zip(sales, PRICES, strict=True)):
            rows.append(f"{store},{t + 1},{s},{p},{(3 * i + 2 * t) % 7 / 7:.4f},{1 + i * i}")
    return "\n".join(rows) + "\n"


def swap(text, old, new):
    assert old in text, f"{old!r} is not in the file that was to be spoilt"
    return text.replace(old, new, 1)


def drop_column(text, position):
    return "".join(
        ",".join(c for i, c in enumerate(line.split(",")) if i != position).strip("\n") + "\n"
        for line in text.splitlines()
    )


def parquet(frame):
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


WIDE, LONG = wide(), long()
CONSTANT_PRICE = "\n".join([WIDE.splitlines()[0], *("2.5," + x.split(",", 1)[1] for x in WIDE.splitlines()[1:])])

# name: what the file holds, further words of the call, words that the message must have.
BAD_FILES = {
    "empty": ("", [], ["is empty", "expected"]),
    "only a BOM": (b"\xef\xbb\xbf", [], ["is empty", "expected"]),
    "only blank lines": ("\n\r\n  \n", [], ["is empty", "expected"]),
    "header only": ("Price,Sales1,Sales2\n", [], ["header", "no rows", "expected"]),
    "not a number": (swap(WIDE, "88.0", "88.o"), [], ["column Sales1", "line 3", "'88.o'", "expected"]),
    "not a number in a long file": (
        swap(LONG, "905.5", "n.v."), [], ["column sales", "line 9", "store B", "week 2", "'n.v.'", "expected"]),
    "not a number, named columns": (
        swap(long("shop,period,units,eur,display,size"), "905.5", "n.v."),
        ["--store", "shop", "--week", "period", "--sales", "units", "--price", "eur"],
        ["column units", "line 9", "B", "period 2", "'n.v.'", "expected"]),
    "percent sign": (swap(WIDE, "88.0", "88%"), [], ["column Sales1", "line 3", "'88%'", "expected"]),
    "thousands commas": (swap(WIDE, "905.5", '"1,905.5"'), [], ["column Sales2", "line 3", "'1,905.5'", "expected"]),
    "zero sale": (swap(WIDE, "41.5", "0"), [], ["column Sales3", "line 3", "is 0", "expected", "above zero"]),
    "zero sale in a long file": (
        swap(LONG, "41.5", "0"), [], ["column sales", "line 15", "store C", "week 2", "is 0", "above zero"]),
    "negative sale": (swap(WIDE, "41.5", "-41.5"), [], ["column Sales3", "line 3", "is -41.5", "above zero"]),
    "several negative sales": (
        swap(swap(WIDE, "41.5", "-41.5"), "33.25", "-1"), [], ["column Sales3", "line 3", "2 such cells"]),
    "zero price": (swap(WIDE, "3.15", "0"), [], ["column Price", "line 3", "price is 0", "expected", "above zero"]),
    "negative price": (
        swap(LONG, "905.5,3.15", "905.5,-3.15"), [], ["column price", "line 9", "store B", "week 2", "-3.15"]),
    "infinite sale": (swap(WIDE, "88.0", "inf"), [], ["column Sales1", "line 3", "inf", "expected"]),
    "sale beyond any number": (swap(WIDE, "88.0", "1e999"), [], ["column Sales1", "line 3", "expected"]),
    "infinite price": (swap(WIDE, "3.15", "inf"), [], ["column Price", "line 3", "inf", "expected"]),
    "missing price": (swap(WIDE, "3.15", ""), [], ["column Price", "line 3", "missing", "expected"]),
    "missing price in a week with sales": (
        swap(LONG, "905.5,3.15", "905.5,"), [], ["column price", "line 9", "missing", "week with sales", "expected"]),
    "no price column": (wide(price="Cost"), [], ["no column 'price'", "Cost", "Sales1"]),
    "price column misspelt": (wide(price="Pirce"), [], ["no column 'price'", "did you mean Pirce?"]),
    "no sales columns": (wide(stores=("X1", "X2", "X3")), [], ["begins with 'sales'", "expected", "Price", "X1"]),
    "header twice": (WIDE + WIDE, [], ["column", "line 8", "expected"]),
    "column twice": (wide(stores=("Sales1", "Sales2", "Sales1")), [], ["column Sales1", "more than once", "line 1"]),
    "a row too long": (swap(WIDE, "41.5", "41.5,7"), [], ["line 3", "expected"]),
    "a row too short": (swap(WIDE, ",41.5", ""), [], ["line 3", "expected"]),
    "all rows too long": (
        "".join(x + (",1\n" if i else "\n") for i, x in enumerate(WIDE.splitlines())), [], ["line 2", "expected"]),
    "quote never closed": (swap(WIDE, "905.5", '"905.5'), [], ["not a table", "expected"]),
    "wrong line after blank lines": ("\n\n" + swap(WIDE, "88.0", "x"), [], ["column Sales1", "line 5", "'x'"]),
    "wrong line after a blank line": (
        swap(swap(WIDE, "\n3.15", "\n\n3.15"), "121.25", "x"), [], ["column Sales1", "line 5", "'x'"]),
    "binary": (bytes(range(256)) * 20, [], ["not a text file", "expected"]),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(64), [], ["not a text file", "expected"]),
    "gzip": (gzip.compress(WIDE.encode()), [], ["expected"]),
    "one endless cell": (b"a" * 200_000, [], ["expected"]),
    "bytes without order": (bytes(np.random.default_rng(1).integers(1, 256, 5000).astype(np.uint8)), [], ["expected"]),
    "truncated Parquet": (parquet(pd.DataFrame({"Price": PRICES}))[:-30], [], ["Parquet"]),
    "Parquet without rows": (parquet(pd.DataFrame({"Price": [], "Sales1": []})), [], ["no rows", "expected"]),
    "Parquet with a negative sale": (
        parquet(pd.DataFrame({"Price": PRICES, "Sales1": [1, 2, -3, 4, 5, 6]})), [], ["column Sales1", "row 3", "-3"]),
    "store and week twice": (
        LONG + "B,2,9,9,0.5,2\n", [], ["line 20", "store B", "week 2", "more than once", "expected"]),
    "store without a name": (swap(LONG, "B,2,", ",2,"), [], ["column store", "line 9", "no name"]),
    "no store has a name": (LONG.replace("\nA,", "\n,").replace("\nB,", "\n,").replace("\nC,", "\n,"), [],
                            ["column store", "line 2", "no name"]),
    "missing week": (swap(LONG, "B,2,", "B,,"), [], ["column week", "line 9", "missing"]),
    "a store without sales": (
        "\n".join(re.sub(r"^(B,\d),[\d.]+", r"\1,", line) for line in LONG.splitlines()),
        [], ["store B", "no week with sales", "expected"]),
    "a wide store without sales": (
        "\n".join(x.rsplit(",", 1)[0] + ("," if i else ",Sales3") for i, x in enumerate(WIDE.splitlines())),
        [], ["column Sales3", "no week with sales", "expected"]),
    "too few rows": ("Price,Sales1\n2.5,100\n", ["--k", "1"], ["too few", "log_price"]),
    "constant price": (CONSTANT_PRICE, [], ["log_price", "does not vary", "expected"]),
    "constant covariate": (
        "\n".join(x + (",7" if i else ",depth") for i, x in enumerate(LONG.splitlines())), ["--covariates", "depth"],
        ["depth", "does not vary", "expected"]),
    "collinear covariate": ("\n".join(
        x + ("," + str(2 * float(x.split(",")[4]) + 1) if i else ",twice") for i, x in enumerate(LONG.splitlines())),
        ["--covariates", "display", "twice"], ["twice", "combination of intercept, log_price, display", "expected"]),
    "text covariate": ("\n".join(x + (",low" if i else ",level") for i, x in enumerate(LONG.splitlines())),
                       ["--covariates", "level"], ["column level", "line 2", "store A", "'low'", "expected"]),
    "missing covariate": (swap(LONG, ",3.15,0.2857", ",3.15,"), ["--covariates", "display"],
                          ["column display", "line 3", "missing", "expected"]),
}  # fmt: skip

# name: the file, further words of the call, words that the message must have.
BAD_CALLS = {
    "unknown store column": (LONG, ["--store", "shop"], ["no column 'shop'", "store"]),
    "unknown sales column": (LONG, ["--sales", "salse"], ["no column 'salse'", "did you mean sales?"]),
    "unknown price column": (WIDE, ["--price", "prise"], ["no column 'prise'", "did you mean Price?"]),
    "unknown week column": (LONG, ["--week", "weak"], ["no column 'weak'", "did you mean week?"]),
    "unknown week column of a wide file": (WIDE, ["--week", "weak"], ["no column 'weak'"]),
    "unknown covariate": (LONG, ["--covariates", "displai"], ["no column 'displai'", "did you mean display?"]),
    "covariate named twice": (LONG, ["--covariates", "display", "display"], ["display", "named twice"]),
    "price as covariate": (LONG, ["--covariates", "price"], ["price", "named twice"]),
    "no segments": (WIDE, ["--k", "0"], ["K is 0", "expected", "3"]),
    "less than no segments": (WIDE, ["--k", "-1"], ["K is -1", "expected", "3"]),
    "more segments than stores": (WIDE, ["--k", "1", "4"], ["K is 4", "expected", "stores, 3"]),
    "K twice": (WIDE, ["--k", "2", "2"], ["--k", "twice"]),
    "K not whole": (WIDE, ["--k", "2.5"], ["--k", "'2.5'"]),
    "K without a value": (WIDE, ["--k"], ["--k", "expected"]),
    "no starts": (WIDE, ["--k", "2", "--starts", "0"], ["starts is 0", "expected"]),
    "starts not a number": (WIDE, ["--starts", "many"], ["--starts", "'many'"]),
    "unknown sigma": (WIDE, ["--sigma", "wild"], ["--sigma", "'wild'", "fixed", "common", "segment"]),
    "negative seed": (WIDE, ["--k", "2", "--seed", "-1"], ["seed", "-1", "expected"]),
    "negative bootstrap": (WIDE, ["--k", "2", "--bootstrap", "-1"], ["bootstrap", "-1", "expected"]),
    "unknown option": (WIDE, ["--segments", "3"], ["--segments"]),
    "two files": (WIDE, ["other.csv"], ["other.csv"]),
    "unknown common coefficient": (WIDE, ["--k", "2", "--common", "slope"], ["'slope'", "intercept, log_price"]),
    "formula not closed": (LONG, ["--formula", "log(sales) ~ log(price"], ["formula", "log(price"]),
    "formula with a dangling sign": (LONG, ["--formula", "log(sales) ~ log(price) +"], ["formula", "+"]),
    "formula without terms": (LONG, ["--formula", "log(sales) ~"], ["formula", "no terms", "expected"]),
    "formula on another scale": (LONG, ["--formula", "sales ~ log(price)"], ["formula", "expected log(sales)"]),
    "formula with sales on both sides": (
        LONG, ["--formula", "log(sales) ~ sales"], ["formula", "both sides", "expected"]),
    "formula with an unknown column": (
        LONG, ["--formula", "log(sales) ~ log(prise)"], ["'prise'", "did you mean price?"]),
    "formula with an unknown function": (LONG, ["--formula", "log(sales) ~ logg(price)"], ["formula", "logg"]),
    "formula of a price below zero": (
        LONG, ["--formula", "~ log(price - 3)"], ["log(price - 3)", "line 2", "expected"]),
    "formula in two parts": (LONG, ["--formula", "~ log(price) | display"], ["formula", "expected"]),
    "formula that is a program": (LONG, ["--formula", '~ __import__("os").getcwd()'], ["formula"]),
    "formula of terms that coincide": (
        LONG, ["--formula", "~ log(price) + log(2 * price)"], ["does not vary", "expected"]),
    "membership in a wide file": (WIDE, ["--membership", "size"], ["membership", "long"]),
    "membership that varies inside a store": (
        LONG, ["--membership", "display"], ["display", "store A", "line 3", "differs", "expected one value"]),
    "membership of an unknown column": (LONG, ["--membership", "sise"], ["'sise'", "did you mean size?"]),
    "membership without an intercept": (LONG, ["--membership", "size - 1"], ["membership", "intercept"]),
    "membership with a response": (LONG, ["--membership", "store ~ size"], ["membership", "expected"]),
    "membership with a missing value": (
        LONG.replace(",5\n", ",\n"), ["--membership", "size"], ["column size", "line 14", "missing", "expected"]),
    "membership the same in all stores": (
        "\n".join(x + (",7" if i else ",age") for i, x in enumerate(LONG.splitlines())), ["--membership", "age"],
        ["membership", "same in all stores"]),
}  # fmt: skip


def in_bytes(content):
    return content if isinstance(content, bytes) else content.encode()


def assert_refused(ended, words, *, names=()):
    """Exit code 2 and one line on stderr that has the words; nothing on stdout."""
    assert ended.code == 2, ended
    assert ended.err.endswith("\n")
    assert ended.err.count("\n") == 1, ended.err
    assert ended.err.startswith("error: ")
    assert "np.float64" not in ended.err
    assert "np.int64" not in ended.err
    assert ended.out == ""
    missing = [word for word in (*words, *names) if str(word) not in ended.err]
    assert not missing, f"{missing} not in: {ended.err}"


def content_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def refuse(ended, folder, content, argv, words, *, names_file):
    """Run once where results.json is already there and once where it is not: nothing may be touched or made."""
    data = folder / "panel.csv"
    data.write_bytes(in_bytes(content))
    (folder / "old.json").write_text("before")
    before = content_of(folder)
    for out in ("old.json", "new.json"):
        end = ended(command, data, "--k", "2", *argv, "--out", folder / out, "--stores", folder / "stores.csv")
        assert_refused(end, words, names=[data] if names_file else [])
    assert content_of(folder) == before


def test_the_files_that_are_spoilt_below_are_good(tmp_path, ended):
    assert len(BAD_FILES) + len(BAD_CALLS) >= 80
    for name, content in (("wide", WIDE), ("long", LONG)):
        (tmp_path / name).write_text(content)
        end = ended(command, tmp_path / name, "--k", "2", "--sigma", "common", "--out", tmp_path / "r.json")
        assert end.code in (0, 3), end.err
        assert (tmp_path / "r.json").is_file()


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_refused(case, tmp_path, ended):
    refuse(ended, tmp_path, *BAD_FILES[case], names_file=True)


@pytest.mark.parametrize("case", BAD_CALLS)
def test_a_bad_call_is_refused(case, tmp_path, ended):
    refuse(ended, tmp_path, *BAD_CALLS[case], names_file=False)


def test_a_missing_file_and_a_folder_are_refused(tmp_path, ended):
    out = tmp_path / "r.json"
    assert_refused(ended(command, tmp_path / "no.csv", "--out", out), ["no.csv", "cannot be read", "expected"])
    assert_refused(ended(command, tmp_path, "--out", out), [tmp_path, "is a folder", "expected"])
    assert_refused(ended(command, tmp_path / ("x" * 300), "--out", out), ["cannot be read", "expected"])
    assert content_of(tmp_path) == {}


@pytest.mark.parametrize("option", ["--out", "--stores"])
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("", ["is a folder", "expected a file"]),
        ("missing/r.json", ["no folder"]),
        ("panel.csv/r.json", ["no folder"]),
        ("x" * 300, ["cannot be written"]),
        ("pipe", ["pipe", "expected a file"]),
        ("panel.csv", ["panel.csv", "expected"]),
    ],
    ids=["folder", "in a missing folder", "in a file", "name too long", "pipe", "the data"],
)
def test_a_place_that_cannot_be_written_is_refused(option, place, words, tmp_path, ended):
    (tmp_path / "panel.csv").write_text(WIDE)
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())
    other = "--stores" if option == "--out" else "--out"
    end = ended(command, tmp_path / "panel.csv", "--k", "1", option, tmp_path / place, other, tmp_path / "other")
    assert_refused(end, words)
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "panel.csv").read_text() == WIDE


def test_the_same_place_for_both_outputs_is_refused(tmp_path, ended):
    (tmp_path / "panel.csv").write_text(WIDE)
    end = ended(command, tmp_path / "panel.csv", "--k", "1", "--out", tmp_path / "r", "--stores", tmp_path / "r")
    assert_refused(end, [tmp_path / "r", "expected"])
    assert not (tmp_path / "r").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path, ended):
    (tmp_path / "panel.csv").write_text(WIDE)
    (tmp_path / "closed").mkdir(mode=0o500)
    end = ended(command, tmp_path / "panel.csv", "--k", "1", "--out", tmp_path / "closed" / "r.json")
    assert_refused(end, ["r.json", "cannot be written"])


@pytest.mark.skipif(not Path("/proc/version").is_file(), reason="no folder here that even root cannot write in")
def test_a_folder_that_takes_no_files_is_refused(tmp_path, ended):
    (tmp_path / "panel.csv").write_text(WIDE)
    assert_refused(
        ended(command, tmp_path / "panel.csv", "--k", "1", "--out", "/proc/r.json"),
        ["/proc/r.json", "cannot be written"],
    )


def test_a_full_disk_leaves_the_old_results(tmp_path, ended, monkeypatch):
    (tmp_path / "panel.csv").write_text(WIDE)
    (tmp_path / "r.json").write_text("before")
    before = content_of(tmp_path)

    def no_room(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", no_room)
    end = ended(command, tmp_path / "panel.csv", "--k", "1", "--out", tmp_path / "r.json")
    assert_refused(end, ["r.json", "cannot be written", "No space left"])
    assert content_of(tmp_path) == before


def test_an_interruption_ends_in_130_and_touches_nothing(tmp_path, ended, monkeypatch):
    (tmp_path / "panel.csv").write_text(WIDE)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("em.fit.fit_mixture", interrupted)
    end = ended(command, tmp_path / "panel.csv", "--k", "2", "--out", tmp_path / "r.json")
    assert (end.code, end.err.count("\n")) == (130, 1)
    assert not (tmp_path / "r.json").exists()


@pytest.mark.parametrize("case", ["zero sale in a long file", "truncated Parquet", "more segments than stores"])
def test_refused_the_same_by_the_console(case, tmp_path):
    content, argv, words = (BAD_FILES | BAD_CALLS)[case]
    (tmp_path / "panel.csv").write_bytes(in_bytes(content))
    end = subprocess.run(
        [sys.executable, "-m", "em.estimate", str(tmp_path / "panel.csv"), *argv, "--out", str(tmp_path / "r.json")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (end.returncode, end.stdout, end.stderr.count("\n")) == (2, "", 1)
    assert end.stderr.startswith("error: ")
    assert all(word in end.stderr for word in words)
    assert [path.name for path in tmp_path.iterdir()] == ["panel.csv"]


def with_decimal_commas(text):
    return text.replace(",", ";").replace(".", ",")


def frame_of(text):
    return pd.read_csv(io.StringIO(text))


def german(value):
    whole, decimals = f"{value:,.2f}".split(".")
    return whole.replace(",", ".") + "," + decimals


ODD_WIDE = {
    "BOM": b"\xef\xbb\xbf" + WIDE.encode(),
    "CRLF": WIDE.replace("\n", "\r\n"),
    "CR": WIDE.replace("\n", "\r"),
    "semicolons": WIDE.replace(",", ";"),
    "semicolons and decimal commas": with_decimal_commas(WIDE),
    "tabs": WIDE.replace(",", "\t"),
    "bars": WIDE.replace(",", "|"),
    "tabs and decimal commas": with_decimal_commas(WIDE).replace(";", "\t"),
    "thousands points": "\n".join(
        ["Price;Sales1;Sales2;Sales3"]
        + [";".join(german(v) for v in [p, *(s[t] for s in SALES.values())]) for t, p in enumerate(PRICES)]
    ),
    "thousands points without decimals": swap(swap(with_decimal_commas(WIDE), "2150,0", "2.150"), "1210,0", "1.210"),
    "quoted cells": "\n".join(",".join(f'"{c}"' for c in line.split(",")) for line in WIDE.splitlines()),
    "quoted header": '"Price","Sales1","Sales2","Sales3"\n' + WIDE.split("\n", 1)[1],
    "quoted decimal commas": "\n".join(
        ";".join(f'"{c}"' for c in line.split(";")) for line in with_decimal_commas(WIDE).splitlines()
    ),
    "UTF-16": WIDE.encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + WIDE.encode("utf-16-be"),
    "trailing blank lines": WIDE + "\n\n\n",
    "trailing empty rows": WIDE + ",,,\n,,,\n",
    "blank line in the middle": swap(WIDE, "\n2.2,", "\n\n2.2,"),
    "leading blank lines": "\n\n" + WIDE,
    "leading blank lines, CRLF": ("\n\n" + WIDE).replace("\n", "\r\n"),
    "leading line of spaces": "   \n" + WIDE,
    "no newline at the end": WIDE.rstrip("\n"),
    "spaces after separators": WIDE.replace(",", ", "),
    "spaces before separators": WIDE.replace(",", " ,"),
    "header in other capitals": wide(price="PRICE"),
    "numbers in other notation": swap(swap(WIDE, "1210.0", "1.21e3"), "905.5", "+905.5"),
    "columns in another order": frame_of(WIDE)[["Sales1", "Sales2", "Price", "Sales3"]].to_csv(index=False),
    "extra unused columns": frame_of(WIDE).assign(note="a, b", total=-1.0).to_csv(index=False),
    "Parquet": parquet(frame_of(WIDE)),
    "Parquet of short floats": parquet(frame_of(WIDE).astype("float32")),
    "Parquet with an index": parquet(frame_of(WIDE).set_index(pd.Index([9, 8, 7, 6, 5, 4]))),
}  # fmt: skip

ODD_LONG = {
    "CRLF and BOM": b"\xef\xbb\xbf" + LONG.replace("\n", "\r\n").encode(),
    "semicolons and decimal commas": with_decimal_commas(LONG),
    "header in capitals": LONG.split("\n", 1)[0].upper() + "\n" + LONG.split("\n", 1)[1],
    "columns in another order": frame_of(LONG).iloc[:, [3, 5, 2, 1, 4, 0]].to_csv(index=False),
    "rows shuffled": frame_of(LONG).sample(frac=1.0, random_state=3).to_csv(index=False),
    "weeks before stores": frame_of(LONG).sort_values(["week", "store"]).to_csv(index=False),
    "extra unused columns": frame_of(LONG).assign(region="north; south", weather=np.nan).to_csv(index=False),
    "weeks not observed": LONG + "A,7,,2.5,0.1,1\nB,8,NA,,,2\n",
    "quoted": "\n".join(",".join(f'"{c}"' for c in line.split(",")) for line in LONG.splitlines()),
    "spaces round store names": LONG.replace("\nB,", "\n B ,"),
    "blank lines between stores": LONG.replace("\nB,1", "\n\nB,1").replace("\nC,1", "\n\nC,1"),
    "Parquet": parquet(frame_of(LONG)),
    "Parquet with categories and nullable numbers": parquet(
        frame_of(LONG).astype({"store": "category", "week": "Int64", "sales": "Float64"})
    ),
    "Parquet with rows shuffled": parquet(frame_of(LONG).sample(frac=1.0, random_state=4)),
}  # fmt: skip


def cells(panel):
    """What a panel says, whatever the order of its stores and rows: log sales and design by store and week."""
    weeks = {label: float(label) for label in panel.weeks}
    return {
        (panel.stores[s], weeks[panel.weeks[w]]): (y, *x)
        for s, w, y, x in zip(panel.store, panel.week, panel.y, panel.x, strict=True)
    }


def assert_same_panel(panel, plain, rtol=1e-12):
    assert panel.coefficients == plain.coefficients
    assert sorted(panel.stores) == sorted(plain.stores)
    one, other = cells(panel), cells(plain)
    assert one.keys() == other.keys()
    assert_allclose([one[key] for key in other], list(other.values()), rtol=rtol)
    assert np.all(np.diff(panel.store) >= 0), "rows stand store by store"
    same_store = np.diff(panel.store) == 0
    assert np.all(np.diff(panel.week)[same_store] > 0), "and in order of week"


def read(folder, content, **columns):
    path = folder / "panel.csv"
    path.write_bytes(in_bytes(content))
    return read_panel(path, **columns)


def test_there_are_many_odd_files():
    assert len(ODD_WIDE) + len(ODD_LONG) >= 40


def test_a_plain_wide_file_is_read_as_it_stands(tmp_path):
    panel = read(tmp_path, WIDE)
    assert (panel.stores, panel.coefficients) == (("Sales1", "Sales2", "Sales3"), ("intercept", "log_price"))
    assert panel.weeks == ("1", "2", "3", "4", "5", "6")
    for i, sales in enumerate(SALES.values()):
        mine = panel.store == i
        assert_allclose(panel.y[mine], np.log(sales), rtol=1e-14)
        assert_allclose(panel.x[mine], np.column_stack([np.ones(6), np.log(PRICES)]), rtol=1e-14)


def test_a_plain_long_file_is_read_as_it_stands(tmp_path):
    panel = read(tmp_path, LONG, covariates=["display"])
    assert (panel.stores, panel.coefficients) == (("A", "B", "C"), ("intercept", "log_price", "display"))
    assert_allclose(panel.y, np.log(np.concatenate(list(SALES.values()))), rtol=1e-14)
    assert_allclose(panel.x[:, 2], frame_of(LONG)["display"], rtol=1e-14)


@pytest.mark.parametrize("case", ODD_WIDE)
def test_an_odd_wide_file_is_read_the_same(case, tmp_path):
    plain = read(tmp_path, WIDE)
    assert_same_panel(read(tmp_path, ODD_WIDE[case]), plain, rtol=1e-6 if "short" in case else 1e-12)


@pytest.mark.parametrize("case", ODD_LONG)
def test_an_odd_long_file_is_read_the_same(case, tmp_path):
    plain = read(tmp_path, LONG, covariates=["display"])
    panel = read(tmp_path, ODD_LONG[case], covariates=["display"])
    if case == "header in capitals":
        assert panel.coefficients == ("intercept", "log_price", "DISPLAY")
        plain = read(tmp_path, LONG.replace("display", "DISPLAY", 1), covariates=["DISPLAY"])
    assert_same_panel(panel, plain)


@pytest.mark.parametrize("name", ["007", "NA", "nan", "None", "1e5", "1.50", "3,14", "Müller & Söhne", "a  b", "TRUE"])
def test_a_store_keeps_its_name(name, tmp_path):
    text = LONG.replace("\nB,", f'\n"{name}",')
    for content in (text, text.encode("utf-16"), text.encode("cp1252")):
        assert read(tmp_path, content).stores == ("A", name, "C")
    frame = frame_of(LONG)
    assert read(tmp_path, parquet(frame.assign(store=frame["store"].replace("B", name)))).stores == ("A", name, "C")


def test_stores_may_be_numbers_and_columns_have_other_names(tmp_path):
    text = long("shop,period,units,eur,display,size").replace("\nA,", "\n1,").replace("\nB,", "\n02,")
    panel = read(tmp_path, text, store="shop", week="period", sales="units", price="eur")
    assert panel.stores == ("1", "02", "C")
    assert_allclose(panel.y, read(tmp_path, LONG).y)


def test_german_dates_are_weeks_beside_decimal_commas(tmp_path):
    dates = [f"{day:02d}.03.2021" for day in (1, 8, 15, 22, 29)] + ["05.04.2021"]
    lines = with_decimal_commas(LONG).splitlines()
    for i, line in enumerate(lines[1:], 1):
        store, week, rest = line.split(";", 2)
        lines[i] = ";".join([store, dates[int(week) - 1], rest])
    panel = read(tmp_path, "\n".join(lines))
    assert panel.weeks == tuple(dates)
    assert_allclose(panel.y, read(tmp_path, LONG).y, rtol=1e-12)


def test_without_a_week_column_rows_are_in_order_of_time(tmp_path):
    panel = read(tmp_path, drop_column(LONG, 1))
    assert_same_panel(panel, read(tmp_path, LONG))


def test_weeks_that_are_numbers_are_in_their_order(tmp_path):
    panel = read(tmp_path, frame_of(LONG).assign(week=lambda f: 12 - f["week"]).to_csv(index=False))
    assert panel.weeks == ("6", "7", "8", "9", "10", "11")
    assert_allclose(panel.y[:6], np.log(SALES["A"][::-1]))


def test_gaps_are_weeks_not_observed_and_told(tmp_path):
    panel = read(tmp_path, swap(WIDE, "905.5", ""))
    assert panel.y.size == 17
    assert panel.notes == ("1 empty cells of sales are weeks not observed",)
    assert ("Sales2", 2.0) not in cells(panel)


@pytest.mark.parametrize("terms", ["log(price) + display", "1 + log(price) + display", "display + log(price)"])
def test_a_formula_is_the_flags(terms, tmp_path):
    plain = read(tmp_path, LONG, covariates=["display"])
    for formula in (f"log(sales) ~ {terms}", f"~ {terms}", f" log( sales )~{terms} "):
        panel = read(tmp_path, LONG, formula=formula)
        order = [panel.coefficients.index(name) for name in plain.coefficients]
        assert_allclose(panel.x[:, order], plain.x, rtol=1e-14)
        assert_allclose(panel.y, plain.y)


def test_a_formula_has_functions_factors_and_interactions(tmp_path):
    price, display = np.tile(PRICES, 3), frame_of(LONG)["display"].to_numpy()
    panel = read(tmp_path, LONG, formula="log(sales) ~ log(price) * display + I(display**2) + center(price)")
    expected = {"log_price:display": np.log(price) * display, "center(price)": price - price.mean()}
    found = dict(zip(panel.coefficients, panel.x.T, strict=True))
    assert len(found) == 6
    assert_allclose(found["center(price)"], expected["center(price)"], atol=1e-12)
    assert any(np.allclose(column, expected["log_price:display"]) for column in found.values())
    by_store = read(tmp_path, LONG, formula="~ log(price) + store")
    assert len(by_store.coefficients) == 4
    assert_allclose(by_store.x[:, 2:].sum(0), 6.0)


def test_traits_of_membership_are_one_row_for_each_store(tmp_path):
    panel = read(tmp_path, LONG, membership="size")
    assert panel.trait_names == ("intercept", "size")
    assert_allclose(panel.traits, [[1, 1], [1, 2], [1, 5]])
    shuffled = read(tmp_path, frame_of(LONG).sample(frac=1.0, random_state=5).to_csv(index=False), membership="size")
    size = dict(zip(shuffled.stores, shuffled.traits[:, 1], strict=True))
    assert size == {"A": 1.0, "B": 2.0, "C": 5.0}
