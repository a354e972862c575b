"""The command that judges fits, or makes them first: `python -m comparisons.report`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comparisons.report_options import parsed
from em.arguments import panel_from
from em.command import SAMPLE, check_writable, display, distrust, printing, replacing, run, working
from em.errors import InputError

if TYPE_CHECKING:
    from bayesmix.fitted import Fit
    from comparisons.comparison import Comparison
    from comparisons.verdict import Verdict
    from em.panel import Panel


def command(argv: list[str]) -> int:
    """Parse, fit where that is asked for, compare, write; the exit code."""
    args = parsed(argv)
    out, numbers = args.out, args.out.with_suffix(".json")
    if numbers == out:
        raise InputError(f"{out}: the page cannot end in .json, for the numbers are written there; expected FILE.html")
    check_writable(out, numbers, inputs=[args.data or SAMPLE] if args.fit else args.files)
    if not args.fit:
        _check_netcdf(args.files[1:])
    folder = out.with_suffix(".fits")
    try:
        comparison, said, prices, html, contents = _judged(args, folder)
    except KeyboardInterrupt:
        if not args.fit:
            raise
        print(
            f"error: interrupted; {out} and {numbers} were not touched. Finished fits are kept in {folder}: the same "
            "command goes on with the rest",
            file=sys.stderr,
        )
        return 130
    with replacing(out) as new_page, replacing(numbers) as new_numbers:
        new_page.write_text(html, encoding="utf-8")
        new_numbers.write_text(contents + "\n", encoding="utf-8")
    from comparisons.screen import show

    with printing():
        show(comparison, said, prices)
    print(f"written: {out}, {numbers}", file=sys.stderr)
    return distrust(list(comparison.distrust))


def _judged(args: argparse.Namespace, folder: Path) -> "tuple[Comparison, Verdict, str, str, str]":
    """The comparison, its verdict, its sentence on prices, the page, and the numbers as JSON."""
    # What is heavy is loaded here, so that --help, wrong calls and Ctrl-C are answered at once.
    with display():
        panel = panel_from(args) if args.fit else None
        results, fits = _read(args.files) if panel is None else _fitted(args, panel, folder)
        from bayesmix.panel_of_fit import panel_of
        from comparisons.another_week import another_week
        from comparisons.checks import check
        from comparisons.comparison import compare
        from comparisons.doubts import settled
        from comparisons.page import page
        from comparisons.record import record
        from comparisons.same_panel import name_apart
        from comparisons.screen import prices_of
        from comparisons.verdict import verdict
        from comparisons.week_section import week_section

        if panel is None and args.weeks:
            panel = panel_of(fits[0])  # before all that takes long: the file may be gone
        fits = name_apart(fits)
        keep = folder if args.fit else None
        checked = {} if args.quick else check(fits, args.exact, keep)
        section = None if panel is None or args.quick else week_section(another_week(panel, fits))
        with working("writing the page"):
            comparison = settled(compare(results, fits, checked))
            said = verdict(comparison)
            prices = prices_of(comparison, said)
            html = page(comparison, said, prices, section)
            numbers_told = record(comparison, said, prices, section)
            contents = json.dumps(numbers_told, indent=1, ensure_ascii=False, allow_nan=False)
    return comparison, said, prices, html, contents


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
        if path.endswith(".json"):
            raise InputError(f"{path}: is a second RESULTS.json; expected one, and after it files of bayesmix.fit")
        if not start.startswith((b"CDF", b"\x89HDF")):
            raise InputError(f"{path}: is no netCDF file; expected one that bayesmix.fit wrote")


def _read(files: list[str]) -> tuple[dict[str, Any], "list[Fit]"]:
    """Content of results.json and the fits of one panel."""
    from bayesmix.read import load
    from comparisons.same_panel import check_same_panel
    from em.results import MODELS, model_of, read_results

    with working("reading the fits"):
        results = read_results(files[0], MODELS)
        if not any(model_of(entry) == "mixture" for entry in results["fits"]):
            raise InputError(f"{files[0]}: holds no mixture; expected one that em.estimate wrote with --model mixture")
        fits = [load(path) for path in files[1:]]
        check_same_panel(files[0], results, fits)
    return results, fits


def _fitted(args: argparse.Namespace, panel: "Panel", folder: Path) -> tuple[dict[str, Any], "list[Fit]"]:
    """The standard set of a panel."""
    from comparisons.standard_set import standard_set
    from em.fit import sigma_rule
    from em.panel import statistics_of

    named = ("store", "week", "sales", "price", "covariates", *(("exposure", "trials") if panel.response else ()))
    columns = {name: getattr(args, name) for name in named}
    how = {"formula": args.formula, "columns": columns}
    sigma = sigma_rule(statistics_of(panel), args.sigma)
    return standard_set(panel, args.k, sigma, args.settings, folder, how)


def main(argv: list[str] | None = None) -> None:
    """Run the command and leave with its exit code."""
    run(command, argv)


if __name__ == "__main__":
    main()
