"""The command that draws from a posterior: `python -m bayesmix.fit`."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from em.arguments import add_panel_arguments, panel_from
from em.command import SAMPLE, Parser, check_writable, distrust, printing, run
from em.errors import InputError

EXAMPLE = """examples:
  python -m bayesmix.fit --k 3
      three segments in the sample of data/; runs EM first, writes mixture-3.nc
  python -m em.estimate sales.csv && python -m bayesmix.fit sales.csv --k 3 --start results.json
      the same from EM's solution, which is neither looked for again nor renumbered
  python -m bayesmix.fit sales.csv --model hierarchical --sigma common --out continuum.nc
      no segments: coefficients of stores vary about a mean

the file is netCDF; read it with xarray.open_datatree, or compare fits with python -m comparisons.report

exit codes: 0 good; 2 the input or the call is wrong; 3 written, but not to be trusted (the reason is in the file);
130 interrupted
"""


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    p = Parser(
        prog="python -m bayesmix.fit",
        description="Segments of stores, or a continuum of them, as a posterior: draws with labels, and what they say "
        "of every store.",
        epilog=EXAMPLE,
    )
    add_panel_arguments(p)
    group = p.add_argument_group("model")
    group.add_argument("--model", choices=["mixture", "hierarchical"], default="mixture", help="default: mixture")
    group.add_argument("--k", type=int, help="number of segments of a mixture")
    group.add_argument(
        "--sigma",
        choices=["fixed", "common", "segment"],
        default="fixed",
        help="residual sd of log sales: 1, one estimated, or one per segment (default: fixed)",
    )
    group.add_argument(
        "--start",
        type=Path,
        metavar="RESULTS.json",
        help="take the start from em.estimate instead of running EM",
    )
    group = p.add_argument_group("draws")
    group.add_argument("--draws", type=int, default=1000, help="kept draws of each chain (default: 1000)")
    group.add_argument("--tune", type=int, default=1000, help="tuning draws of each chain, dropped (default: 1000)")
    group.add_argument("--chains", type=int, default=4, help="default: 4")
    group.add_argument("--seed", type=int, default=0, help="seed of every random choice (default: 0)")
    p.add_argument(
        "--out", type=Path, metavar="FILE.nc", help="file to write (default: mixture-K.nc or hierarchical.nc)"
    )
    return p


def command(argv: list[str]) -> int:
    """Parse, fit, write, show."""
    args = parser().parse_args(argv)
    _check(args)
    out = args.out or Path("hierarchical.nc" if args.model == "hierarchical" else f"mixture-{args.k}.nc")
    check_writable(out, inputs=[args.data or SAMPLE, args.start])
    panel = panel_from(args)
    n_stores = len(panel.stores)
    if args.model == "mixture" and args.k > n_stores:
        raise InputError(f"K is {args.k}; expected a number of segments from 1 to the number of stores, {n_stores}")
    # PyMC takes two seconds to load: after everything that can be wrong has been looked at.
    from bayesmix.run import fit_hierarchical, fit_mixture
    from bayesmix.sample import Settings
    from bayesmix.show import announce, show
    from bayesmix.start import em_solution
    from bayesmix.tree import write

    announce(panel, args.model, args.k, args.sigma)
    settings = Settings(args.draws, args.tune, args.chains, args.seed)
    if args.model == "mixture":
        em, doubts = em_solution(panel, args.k, args.sigma, args.seed, args.start)
        posterior = fit_mixture(panel, em, sigma=args.sigma, settings=settings)
        posterior = replace(posterior, reasons=tuple(dict.fromkeys((*posterior.reasons, *doubts))))
    else:
        em = None
        posterior = fit_hierarchical(panel, sigma=args.sigma, settings=settings)
    write(out, posterior)
    with printing():
        show(posterior, em)
    print(f"written: {out}", file=sys.stderr)
    return distrust(list(posterior.reasons))


def _check(args: argparse.Namespace) -> None:
    """Raise InputError for what the arguments alone show to be wrong."""
    if args.model == "mixture":
        if args.k is None:
            raise InputError("how many segments? give --k, such as --k 3 (see --help)")
        if args.k < 1:
            raise InputError(f"K is {args.k}; expected a number of segments from 1")
    else:
        for name in ("k", "start"):
            if getattr(args, name) is not None:
                raise InputError(f"--{name} is for the mixture; the hierarchical model has no segments")
        if args.sigma == "segment":
            raise InputError("--sigma segment is for the mixture; the hierarchical model has fixed or common")
    for name, least in (("draws", 4), ("tune", 1), ("chains", 1), ("seed", 0)):
        if getattr(args, name) < least:
            raise InputError(f"--{name} is {getattr(args, name)}; expected at least {least}")


def main() -> None:
    """Entry point of the console script."""
    run(command)


if __name__ == "__main__":
    main()
