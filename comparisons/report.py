"""The command that judges fits: python -m comparisons.report RESULTS.json FIT.nc... [--out comparison.html]."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from em.command import Parser, check_writable, distrust, printing, replacing, run, working
from em.errors import InputError

DESCRIPTION = """\
Segments of stores, or a continuum? Judges the models by how well each predicts a store that it has not seen, beside
BIC, and writes a page to read and comparison.json beside it.

example:
  python -m comparisons.report results.json mixture-3.nc hierarchical.nc --out comparison.html

exit codes: 0 good; 2 the input or the call is wrong; 3 written, but not to be trusted (the reason is on the page);
130 interrupted
"""


def command(argv: list[str]) -> int:
    """Parse, compare, write; the exit code."""
    parser = Parser(prog="python -m comparisons.report", description=DESCRIPTION)
    parser.add_argument("results", metavar="RESULTS.json", help="what em.estimate wrote")
    parser.add_argument("fits", metavar="FIT.nc", nargs="+", help="what bayesmix.fit wrote, one file for each model")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("comparison.html"),
        metavar="FILE",
        help="the page to write (default: comparison.html); the numbers go beside it, as .json",
    )
    args = parser.parse_args(argv)
    out, numbers = args.out, args.out.with_suffix(".json")
    if numbers == out:
        raise InputError(f"{out}: the page cannot end in .json, for the numbers are written there; expected FILE.html")
    check_writable(out, numbers, inputs=[args.results, *args.fits])
    _check_netcdf(args.fits)
    from em.results import MODELS, read_results

    results = read_results(args.results, MODELS)
    # What is heavy is loaded below, so that --help, wrong calls and Ctrl-C are answered at once.
    from bayesmix.read import load
    from comparisons.comparison import compare
    from comparisons.page import page
    from comparisons.record import record
    from comparisons.same_panel import check_same_panel, name_apart
    from comparisons.screen import prices_of, show
    from comparisons.verdict import verdict

    with working("leaving out one store at a time"):
        fits = [load(path) for path in args.fits]
        check_same_panel(args.results, results, fits)
        comparison = compare(results, name_apart(fits))
        said = verdict(comparison)
        prices = prices_of(comparison, said)
        html = page(comparison, said, prices)
        contents = json.dumps(record(comparison, said, prices), indent=1, ensure_ascii=False, allow_nan=False)
    with replacing(out) as new_page, replacing(numbers) as new_numbers:
        new_page.write_text(html, encoding="utf-8")
        new_numbers.write_text(contents + "\n", encoding="utf-8")
    with printing():
        show(comparison, said, prices)
    print(f"written: {out}, {numbers}", file=sys.stderr)
    return distrust(list(comparison.distrust))


def _check_netcdf(paths: Sequence[str]) -> None:
    """Raise InputError for what is no netCDF file by its first bytes, before anything that could read it is loaded."""
    for path in paths:
        try:
            with Path(path).open("rb") as file:
                start = file.read(8)
        except OSError as wrong:
            raise InputError(
                f"{path}: cannot be read ({wrong.strerror}); expected a file that bayesmix.fit wrote"
            ) from wrong
        if not start.startswith((b"CDF", b"\x89HDF")):
            raise InputError(f"{path}: is no netCDF file; expected one that bayesmix.fit wrote")


def main(argv: list[str] | None = None) -> None:
    """Run the command and leave with its exit code."""
    run(command, argv)


if __name__ == "__main__":
    main()
