"""The diagnostic report of one posterior: python -m bayesmix.report FIT.nc [--out fit.html]."""

import math
import sys
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from em.command import Parser, check_writable, distrust, printing, replacing, run, working
from em.errors import InputError

if TYPE_CHECKING:
    from bayesmix.fitted import Fit
    from em.panel import Panel

DESCRIPTION = """\
One posterior as a page to read: what was fitted, whether to trust it, what it says of segments, stores and prices,
and where the model does not describe the stores. Self-contained: it opens without a network, and prints.

The pictures of single weeks take the data file, which is read again where the fit found it, or where --data says.

examples:
  python -m bayesmix.report mixture-3.nc --out fit.html
  python -m bayesmix.report mixture-3.nc --data moved/sales.csv

exit codes: 0 good; 2 the input or the call is wrong; 3 written, but the posterior is not to be trusted (the reason is
on the page); 130 interrupted
"""
PACKAGES = ("arviz", "matplotlib", "numpy", "scipy")


def report(fit: "Fit", panel: "Panel | None" = None) -> str:
    """The page as HTML.

    Parameters
    ----------
    fit : just drawn, or read back by `bayesmix.load`.
    panel : the rows that were fitted; None reads them again, and where that is not possible the page says why.
    """
    import numpy as np

    from bayesmix.axis import price_range
    from bayesmix.count_words import caveat, family_title, verdicts
    from bayesmix.drawings_of_rates import column_label
    from bayesmix.drawings_of_stores import name_of
    from bayesmix.explained_by_traits import explained_by_traits
    from bayesmix.in_use import only_in_use
    from bayesmix.in_words import prior_words, title
    from bayesmix.pages import environment
    from bayesmix.panel_of_fit import panel_of
    from bayesmix.parameters import deviating, spoken
    from bayesmix.pictures_of_rates import sentence
    from bayesmix.report_contents import contents
    from bayesmix.report_modes import worst_of
    from bayesmix.report_pictures import gallery
    from bayesmix.report_rates import told_alone, told_rate
    from bayesmix.response_words import words_of
    from bayesmix.segments_of_stores import most_probable
    from bayesmix.store_loo import standard_error, total
    from bayesmix.stores import rows_of_stores
    from em.results import software

    in_use = fit.group("segments_in_use")
    fit = only_in_use(fit)
    why = ""
    if words_of(fit) is None:  # others need their rows only where the file does not tell them apart
        try:
            panel = panel_of(fit) if panel is None else panel
        except InputError as wrong:
            why = str(wrong)
    c = contents(fit, panel)
    if why:
        c.missing.append(f"No residuals of single weeks: they take the data file. {why}.")
    pages = environment("bayesmix")
    pages.globals.update(
        total=total,
        standard_error=standard_error,
        spoken=spoken,
        deviating=deviating,
        name_of=name_of,
        worst_of=worst_of,
        exp=math.exp,
        quantile=np.quantile,
        sentence=sentence,
        told_rate=told_rate,
        told_alone=told_alone,
        column_label=column_label,
    )
    span = price_range(fit.group("constant_data"), c.axis)
    return pages.get_template("report.html").render(
        c=c,
        fit=fit,
        title=title(fit),
        data=fit.data,
        file_name=PurePath(fit.data["file"]).name,
        group=fit.group("modes"),
        in_use=None if in_use is None else in_use.where(in_use["probability"] > 0.0, drop=True),
        segment=most_probable(fit) if fit.k > 1 and "membership" in fit.by_store else None,
        prior_words=prior_words(fit),
        by_traits=explained_by_traits(fit),
        prices=None if span is None else span[1],
        pictures=gallery(c),
        rows=rows_of_stores(fit.statistics),
        counts=c.counts,
        count_verdicts=[] if c.counts is None else verdicts(c.counts),
        count_caveat="" if c.counts is None else caveat(c.counts),
        count_family=family_title(fit.family),
        software={**fit.software, **software(*PACKAGES)},
    )


def write_report(path: Path, fit: "Fit", panel: "Panel | None" = None) -> None:
    """Write the page, whole or not at all, and say so on stderr; see `report`."""
    with working(f"writing {path}"):
        html = report(fit, panel)
    with replacing(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    print(f"written: {path}", file=sys.stderr)


def command(argv: list[str]) -> int:
    """Parse, read, write; the exit code."""
    parser = Parser(prog="python -m bayesmix.report", description=DESCRIPTION)
    parser.add_argument("fit", metavar="FIT.nc", type=Path, help="what bayesmix.fit wrote")
    parser.add_argument(
        "--out", type=Path, default=Path("fit.html"), metavar="FILE", help="the page to write (default: fit.html)"
    )
    parser.add_argument("--data", type=Path, metavar="FILE", help="where the data file of the fit is now")
    args = parser.parse_args(argv)
    check_writable(args.out, inputs=[args.fit, args.data])
    from bayesmix.panel_of_fit import panel_of
    from bayesmix.read import load

    fit = load(args.fit)
    panel = panel_of(fit, args.data) if args.data else None
    write_report(args.out, fit, panel)
    with printing():
        print(f"{fit.name}: {'to be trusted' if fit.trusted else 'not to be trusted'}; open {args.out} in a browser")
    return distrust(list(fit.reasons))


def main(argv: list[str] | None = None) -> None:
    """Run the command and leave with its exit code."""
    run(command, argv)


if __name__ == "__main__":
    main()
