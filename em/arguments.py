"""The arguments by which every command names a panel."""

import argparse
from typing import TYPE_CHECKING

from em.command import SAMPLE
from em.errors import InputError

if TYPE_CHECKING:
    from em.panel import Panel


def add_panel_arguments(parser: argparse.ArgumentParser) -> None:
    """Add DATA and the names of its columns to a command."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        help="CSV or Parquet; wide (Price, Sales1, Sales2, ...; a row per week) or long (a row per store and week). "
        "Default: the simulated sample in data/",
    )
    add_column_arguments(group)


def add_column_arguments(group: argparse._ArgumentGroup) -> None:
    """Add the names of the columns of DATA."""
    group.add_argument("--store", metavar="NAME", help="column of store names in a long file (default: store)")
    group.add_argument("--week", metavar="NAME", help="column of weeks (default: week; without one, the order of rows)")
    group.add_argument("--sales", metavar="NAME", help="column of sales, in units (default: sales)")
    group.add_argument("--price", metavar="NAME", help="column of prices (default: price)")
    group.add_argument("--covariates", metavar="NAME", nargs="+", default=[], help="further columns, taken as they are")
    group.add_argument(
        "--formula", metavar="F", help='in place of price and covariates: "log(sales) ~ log(price) + display"'
    )


def add_between(group: "argparse._ArgumentGroup") -> None:
    """Add the traits that explain the coefficients of stores, where a model has coefficients that differ."""
    group.add_argument(
        "--between",
        metavar="F",
        help='store-level traits that explain the coefficients: "income + competition" (long files)',
    )


DEFAULT_FAMILY = "gaussian"


def add_family_arguments(group: "argparse._ArgumentGroup") -> None:
    """Add the family of the response and what goes with it, where a model takes responses other than log sales."""
    group.add_argument(
        "--family", default=DEFAULT_FAMILY, metavar="NAME",
        help="of the response: gaussian (log sales; default), or on its own scale poisson, negative-binomial, "
        "bernoulli, binomial or gamma; --sales or the left side of --formula names it",
    )  # fmt: skip
    group.add_argument("--exposure", metavar="NAME", help="column that a count or an amount is proportional to")
    group.add_argument("--trials", metavar="NAME", help="column of trials of a binomial")


def panel_from(args: argparse.Namespace, membership: str | None = None, between: str | None = None) -> "Panel":
    """The panel that a command's arguments name.

    Raises
    ------
    InputError
        As `read_panel`; also when no file is named and the sample is not beside this installation.
    """
    if args.data is None and not SAMPLE.is_file():
        raise InputError(f"no DATA given, and the sample is not here ({SAMPLE}); name a CSV or Parquet file")
    from em.panel import read_panel

    of_family = {name: getattr(args, name) for name in ("family", "exposure", "trials") if hasattr(args, name)}
    return read_panel(
        args.data or SAMPLE,
        store=args.store,
        week=args.week,
        sales=args.sales,
        price=args.price,
        covariates=args.covariates,
        formula=args.formula,
        membership=membership,
        between=between,
        **of_family,
    )


MOST = 1000  # numbers of segments in one range


def numbers_of_segments(texts: list[str]) -> list[int]:
    """Numbers of segments, in rising order, from words such as "3" and "1..6".

    Raises
    ------
    InputError
        When a word is neither, none is named, or one is named twice.
    """
    numbers: list[int] = []
    for text in texts:
        first, dots, last = text.partition("..")
        if not first.removeprefix("-").isdecimal() or (dots and not last.isdecimal()):
            raise InputError(
                f"--k {text!r}: expected a number of segments, such as 3, or a range, such as 1..6 "
                "(DATA goes before --k)"
            )
        if dots and int(last) - int(first) >= MOST:
            raise InputError(f"--k {text!r}: expected a range of at most {MOST} numbers of segments, such as 1..6")
        numbers += range(int(first), int(last if dots else first) + 1)
    if not numbers:
        raise InputError(f"--k {' '.join(texts)}: names no number of segments; expected a range such as 1..6")
    if len(set(numbers)) < len(numbers):
        raise InputError("--k names a number of segments twice")
    return sorted(numbers)
