"""What comparisons.report can be told, and which of it goes with --fit."""

import argparse
from pathlib import Path

from bayesmix.settings import LEAST, Settings
from em.arguments import DEFAULT_FAMILY, add_column_arguments, add_family_arguments, numbers_of_segments
from em.command import Parser
from em.errors import InputError

DESCRIPTION = """\
Segments of stores, or a continuum? Judges the models by how well each predicts a store that it has not seen, beside
BIC and the evidence, and writes a page to read and its numbers, as .json, beside it."""

EXAMPLE = """examples:
  python -m comparisons.report --fit sales.csv --sigma common
      fits the standard set itself: mixtures of 1 to 5 segments, a continuum, and segments whose stores differ, each
      by maximum likelihood and as a posterior. They are kept in comparison.fits/, and a rerun uses what is there
  python -m comparisons.report results.json mixture-3.nc hierarchical.nc --out comparison.html
      the same about fits that em.estimate and bayesmix.fit have written
  python -m comparisons.report --fit sales.csv --exact 10
      every model predicts ten folds of whole stores from new draws, where the default leaves out one store at a time:
      by weighting the draws, and exactly where that is not reliable
  python -m comparisons.report --fit visits.csv --family poisson --formula "visits ~ promotion" --exposure days
      segments or a continuum by counts; the table takes fits of several families of one response, and of its
      logarithm, on one scale: python -m comparisons.report results.json poisson-3.nc negative-binomial.nc log-sales.nc

exit codes: 0 good; 2 the input or the call is wrong; 3 written, but the verdict is not to be trusted (the reason is on
the page); 130 interrupted
"""
OF_COLUMNS = ("store", "week", "sales", "price", "covariates", "formula", "family", "exposure", "trials")
ONLY_WITH_FIT = (*OF_COLUMNS, "k", "sigma", *LEAST)
DEFAULT_K = ["1..5"]


def parsed(argv: list[str]) -> argparse.Namespace:
    """The options of a call; `k` the numbers of segments, `settings` the draws, `exact` a number of folds.

    `exact` is 0 where each store is to be left out alone, and None where only those with a high Pareto k are.

    Raises
    ------
    InputError
        When an option is not possible, or does not go with the others.
    """
    args = _parser().parse_intermixed_args(argv)
    given = [name for name in ONLY_WITH_FIT if getattr(args, name) not in (None, [])]
    if not args.fit:
        if given:
            raise InputError(f"--{given[0]} is for --fit DATA; the files of fits say theirs")
        if len(args.files) < 2:
            raise InputError("expected RESULTS.json and one or more FIT.nc, or --fit DATA (see --help)")
    elif len(args.files) > 1:
        raise InputError(f"--fit takes one DATA; {args.files[1]} is one too many")
    args.data = args.files[0] if args.fit and args.files else None
    args.family = args.family or DEFAULT_FAMILY
    args.sigma = args.sigma or ("fixed" if args.family == DEFAULT_FAMILY else None)
    args.k = numbers_of_segments(args.k or DEFAULT_K)
    if args.k[0] < 1:
        raise InputError(f"K is {args.k[0]}; expected a number of segments from 1")
    draws = {name: getattr(args, name) for name in LEAST if getattr(args, name) is not None}
    for name, value in draws.items():
        if value < LEAST[name]:
            raise InputError(f"--{name} is {value}; expected at least {LEAST[name]}")
    args.settings = Settings(**draws)
    args.exact = _folds(args.exact)
    if args.quick and args.exact is not None:
        raise InputError("--quick leaves nothing out exactly; expected it without --exact")
    if args.quick and args.weeks:
        raise InputError("--quick holds no weeks out; expected it without --weeks")
    return args


def _folds(text: str | None) -> int | None:
    """A number of folds."""
    if text is None or text == "every":
        return None if text is None else 0
    if not text.isdecimal() or int(text) < 2:
        raise InputError(f"--exact {text!r}: expected a number of folds from 2, or none after files: FILES --exact")
    return int(text)


def _parser() -> Parser:
    p = Parser(prog="python -m comparisons.report", description=DESCRIPTION, epilog=EXAMPLE)
    p.add_argument(
        "files", nargs="*", metavar="FILE", help="RESULTS.json of em.estimate and FIT.nc of bayesmix.fit, one for each "
        "model; with --fit DATA, a CSV or Parquet file (default: the simulated sample in data/)",
    )  # fmt: skip
    p.add_argument(
        "--out", type=Path, default=Path("comparison.html"), metavar="FILE",
        help="the page to write (default: comparison.html); the numbers go beside it, as .json",
    )  # fmt: skip
    p.add_argument(
        "--exact", nargs="?", const="every", metavar="N",
        help="leave out every store exactly, by drawing anew without it, or N folds of whole stores (default: only "
        "stores for which weighting the draws is not reliable, where they are few)",
    )  # fmt: skip
    p.add_argument(
        "--weeks", action="store_true",
        help="also judge the models by later weeks of the stores, fitting them again to the first weeks of the data "
        "file (--fit does so always)",
    )  # fmt: skip
    p.add_argument(
        "--quick", action="store_true",
        help="no store is left out exactly, no evidence is worked out, no weeks are held out",
    )  # fmt: skip
    group = p.add_argument_group("the standard set")
    group.add_argument("--fit", action="store_true", help="fit the models to DATA, and compare them")
    add_column_arguments(group)
    add_family_arguments(group)
    p.set_defaults(family=None)  # so that it is known whether it was given
    group.add_argument("--k", nargs="+", metavar="K", help="numbers of segments: 3, 2 5 or 1..6 (default: 1..5)")
    group.add_argument(
        "--sigma", choices=["fixed", "common", "segment"],
        help="residual sd of log sales: 1, one estimated, or one per segment of a mixture (default: fixed); or the "
        "dispersion of a negative-binomial or gamma (default: common)",
    )  # fmt: skip
    group.add_argument("--draws", type=int, help="kept draws of each chain (default: 1000)")
    group.add_argument("--tune", type=int, help="tuning draws of each chain, dropped (default: 1000)")
    group.add_argument("--chains", type=int, help="default: 4")
    group.add_argument("--seed", type=int, help="seed of every random choice (default: 0)")
    return p
