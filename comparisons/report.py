"""The command that judges fits: python -m comparisons.report RESULTS.json FIT.nc... [--out comparison.html]."""

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from comparisons.axis import axis_of
from comparisons.comparison import Comparison, compare
from comparisons.information import total
from comparisons.load import read_fit
from comparisons.number import chosen_mixture
from comparisons.page import page, table
from comparisons.prices import price_sentence
from comparisons.record import record
from comparisons.rounding import NONE, by_error, fixed, percent
from comparisons.same_panel import check_same_panel, name_apart
from comparisons.verdict import Verdict, verdict
from em.command import Parser, check_writable, distrust, printing, replacing, run
from em.errors import InputError
from em.results import read_results

DESCRIPTION = """\
Segments of stores, or a continuum? Judges the models by how well each predicts a store that it has not seen, beside
BIC, and writes a page to read and comparison.json beside it.

example:
  python -m comparisons.report results.json mixture-3.nc hierarchical.nc --out comparison.html
"""


def command(argv: list[str]) -> int:
    """Parse, compare, write; the exit code."""
    parser = Parser(prog="python -m comparisons.report", description=DESCRIPTION)
    parser.add_argument("results", metavar="RESULTS.json", help="what em.estimate wrote")
    parser.add_argument("fits", metavar="FIT.nc", nargs="+", help="what bayesmix.fit wrote, one file for each model")
    parser.add_argument("--out", type=Path, default=Path("comparison.html"), metavar="FILE", help="the page to write")
    args = parser.parse_args(argv)
    out, numbers = args.out, args.out.with_suffix(".json")
    if numbers == out:
        raise InputError(f"{out}: the page cannot end in .json, for the numbers are written there; expected FILE.html")
    check_writable(out, numbers, inputs=[args.results, *args.fits])
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, 110))
    with _busy():
        results = read_results(args.results)
        fits = [read_fit(path) for path in args.fits]
        check_same_panel(args.results, results, fits)
        comparison = compare(results, name_apart(fits))
        said = verdict(comparison)
        prices = _prices(comparison, said)
        html = page(comparison, said, prices)
        contents = json.dumps(record(comparison, said, prices), indent=1, ensure_ascii=False, allow_nan=False)
    with replacing(out) as new_page, replacing(numbers) as new_numbers:
        new_page.write_text(html, encoding="utf-8")
        new_numbers.write_text(contents + "\n", encoding="utf-8")
    with printing():
        _print(console, comparison, said, prices)
    print(f"written: {out}, {numbers}", file=sys.stderr)
    return distrust(list(comparison.distrust))


def _busy() -> AbstractContextManager[object]:
    """A sign of life on stderr while the stores are left out, where somebody is looking."""
    console = Console(stderr=True)
    return console.status("leaving out one store at a time") if console.is_terminal else nullcontext()


def _prices(comparison: Comparison, said: Verdict) -> str:
    """The sentence on prices of the model that the verdict speaks for."""
    axis = axis_of(comparison.best.fit.coefficients, comparison.best.fit.statistics)
    mixture = chosen_mixture(comparison)
    continuum = comparison.best_of("hierarchical")
    of = continuum if mixture is None or said.kind == "continuum" else mixture
    return price_sentence(of.fit, axis.price) if axis and of else ""


def _print(console: Console, comparison: Comparison, said: Verdict, prices: str) -> None:
    console.print(said.headline, style="bold", highlight=False, markup=False)
    for sentence in (said.sentence, said.number, prices):
        console.print(sentence, highlight=False, markup=False)
    shown = Table(title="A new store: leave one store out", title_justify="left", caption_justify="left")
    shown.add_column("model")
    for name in ("BIC", "elpd WAIC", "elpd LOO", "se", "p", "difference", "se of it", "weight"):
        shown.add_column(name, justify="right")
    for row in table(comparison):
        bic = fixed(row.em["bic"], 1) if row.em else NONE
        if row.score is None:
            shown.add_row(escape(row.name), bic, *[NONE] * 7)
            continue
        score = row.score
        diff, dse = score.difference
        best = score is comparison.best
        shown.add_row(
            escape(row.name),
            bic,
            fixed(total(score.waic.elpd_i), 1),
            fixed(score.elpd, 1),
            by_error(score.se, score.se),
            fixed(total(score.loo.p_i), 1),
            "0" if best else by_error(diff, dse),
            NONE if best else by_error(dse, dse),
            percent(score.weight),
        )
    console.print(shown)
    for note in comparison.notes:
        console.print(f"note: {note}", highlight=False, markup=False)


def main(argv: list[str] | None = None) -> None:
    """Run the command and leave with its exit code."""
    run(command, argv)


if __name__ == "__main__":
    main()
