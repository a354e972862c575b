"""The command that holds later weeks out: python -m comparisons.held_out DATA [--k 1..5] [--sigma common]."""

import sys
from pathlib import Path

from em.arguments import add_family_arguments, add_panel_arguments, numbers_of_segments, panel_from
from em.command import SAMPLE, Parser, check_writable, distrust, printing, replacing, run
from em.errors import InputError

DESCRIPTION = """\
Another week of a known store: fits every model to the first weeks of a panel and scores the later ones, all at once
and one step ahead, beside each store's own regression and one regression for all.

examples:
  python -m comparisons.held_out sales.csv --k 1..5 --sigma common
  python -m comparisons.held_out sales.csv --store shop --sales units --price eur --share 0.7 --out weeks.nc
  python -m comparisons.held_out visits.csv --store doctor --family poisson --formula "scripts ~ detailing" --k 1..3

This is not the question of comparisons.report, which predicts a store that nobody has seen: after some weeks a store's
own coefficients are known, and models that cannot follow them lose.

exit codes: 0 good; 2 the input or the call is wrong; 3 a fit is not to be trusted (the reason on stderr);
130 interrupted
"""


def command(argv: list[str]) -> int:
    """Parse, fit, score, print; the exit code."""
    parser = Parser(prog="python -m comparisons.held_out", description=DESCRIPTION)
    add_panel_arguments(parser)
    model = parser.add_argument_group("models")
    model.add_argument("--k", nargs="+", default=["1..5"], metavar="K", help="segments of mixtures (default: 1..5)")
    model.add_argument(
        "--normals", nargs="+", metavar="K", help="segments of mixtures of normals, of log sales (default: 2)"
    )
    model.add_argument(
        "--sigma",
        choices=("fixed", "common", "segment"),
        help="residual sd of log sales (default: fixed at 1), or dispersion of a family that has one (default: common)",
    )
    model.add_argument(
        "--random",
        nargs="+",
        metavar="NAME",
        help="coefficients that vary between the stores of a segment, for models in which they differ (default: all)",
    )
    add_family_arguments(parser.add_argument_group("counts, choices and amounts"))
    model.add_argument("--share", type=float, default=0.8, metavar="S", help="of the weeks to fit (default: 0.8)")
    model.add_argument("--draws", type=int, default=500, help="kept, of each of four chains (default: 500)")
    model.add_argument("--tune", type=int, default=500, help="steps before them (default: 500)")
    model.add_argument("--seed", type=int, default=0, help="of all draws (default: 0)")
    model.add_argument("--out", type=Path, metavar="FILE.nc", help="scores of every later week, as netCDF")
    args = parser.parse_args(argv)
    ks, normals = numbers_of_segments(args.k), numbers_of_segments(args.normals) if args.normals else None
    if not 0.0 < args.share < 1.0:
        raise InputError(f"--share {args.share:g}: expected a number between 0 and 1, such as 0.8")
    check_writable(args.out, inputs=[args.data or SAMPLE])
    panel = panel_from(args)
    # What is heavy is loaded here, so that --help, wrong calls and Ctrl-C are answered at once.
    from rich.console import Console

    from bayesmix.settings import Settings
    from comparisons.another_week import held_out
    from comparisons.week_table import show

    settings = Settings(draws=args.draws, tune=args.tune, seed=args.seed)
    found = held_out(
        panel, sigma=args.sigma, ks=ks, normals=normals, random=args.random, share=args.share, settings=settings
    )
    if args.out is not None:
        with replacing(args.out) as temporary:
            found.to_xarray().to_netcdf(temporary, engine="netcdf4")
    with printing():
        console = Console()
        show(found, console if console.is_terminal else Console(width=max(console.width, 140)))
    if args.out is not None:
        print(f"written: {args.out}", file=sys.stderr)
    return distrust(list(found.distrust))


def main(argv: list[str] | None = None) -> None:
    """Run the command and leave with its exit code."""
    run(command, argv)


if __name__ == "__main__":
    main()
