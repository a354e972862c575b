"""What em.estimate can be told, and which of it belongs to which model."""

import argparse
from pathlib import Path
from typing import Any

from em.arguments import DEFAULT_FAMILY, add_between, add_family_arguments, add_panel_arguments, numbers_of_segments
from em.command import Parser
from em.errors import InputError

EXAMPLE = """examples:
  python -m em.estimate
      the sample in data/, segments, K = 2, 3, 4; writes results.json
  python -m em.estimate sales.csv --k 1 2 3 4 5 --sigma common
  python -m em.estimate panel.csv --store shop --sales units --price eur --covariates display
  python -m em.estimate sales.csv --model hierarchical --sigma common --stores stores.csv
      a continuum: every store has coefficients of its own, drawn from one normal
  python -m em.estimate sales.csv --model hierarchical --random intercept --reml
  python -m em.estimate sales.csv --model normal-mixture --k 1..3 --sigma common
      segments inside which stores still differ
  python -m em.estimate panel.csv --model hierarchical --sigma common --between "income + competition"
      traits of stores, one value for each, explain their coefficients
  python -m em.estimate visits.csv --family poisson --formula "visits ~ promotion" --exposure days --k 1..4
  python -m em.estimate visits.csv --family binomial --formula "sold ~ promotion" --trials visits --model hierarchical
      --random intercept --quadrature 9
      counts and choices on their own scale; a price is not needed

exit codes: 0 good; 2 the input or the call is wrong; 3 written, but not to be trusted (the reason is in the file);
130 interrupted
"""
BELONGS = {
    "k": ("mixture", "normal-mixture"),
    "starts": ("mixture", "normal-mixture"),
    "common": ("mixture",),
    "membership": ("mixture",),
    "bootstrap": ("mixture",),
    "between": ("hierarchical", "normal-mixture"),
    "random": ("hierarchical", "normal-mixture"),
    "reml": ("hierarchical",),
    "intervals": ("hierarchical",),
    "quadrature": ("hierarchical",),
}
# What families other than that of log sales do not have.
LOG_SALES_ALONE = ("reml",)
DEFAULTS: dict[str, dict[str, Any]] = {
    "mixture": {"k": ["2..4"], "starts": 50, "common": [], "bootstrap": 0},
    "hierarchical": {"k": ["1"], "intervals": "profile", "common": [], "quadrature": 1},
    "normal-mixture": {"k": ["1..3"], "starts": 20, "common": []},
}


def parsed(argv: list[str]) -> argparse.Namespace:
    """The options of a call, those not given at their defaults; `k` the numbers of segments.

    Raises
    ------
    InputError
        When an option is not possible, or does not belong to the model.
    """
    args = _parser().parse_args(argv)
    other = args.family != DEFAULT_FAMILY
    for option in LOG_SALES_ALONE if other else ("quadrature", "exposure", "trials"):
        if getattr(args, option) is not None:
            raise InputError(f"--{option} does not go with --family {args.family}; expected no --{option}")
    if other and args.model == "normal-mixture":
        raise InputError(
            f"--model normal-mixture does not go with --family {args.family}; expected --model mixture or hierarchical"
        )
    if other and args.intervals == "profile":
        raise InputError(f"--intervals profile does not go with --family {args.family}; expected wald")
    if other and args.model == "hierarchical":
        args.intervals = "wald"
    for option, models in BELONGS.items():
        if getattr(args, option) is not None and args.model not in models:
            raise InputError(
                f"--{option} does not go with --model {args.model}; expected --model {' or '.join(models)}, "
                f"or no --{option}"
            )
        if getattr(args, option) is None:
            setattr(args, option, DEFAULTS[args.model].get(option))
    if args.sigma == "segment" and args.model != "mixture":
        raise InputError(
            f"--sigma segment does not go with --model {args.model}, where sigma is one for all stores; "
            "expected fixed or common"
        )
    if args.bootstrap is not None and args.bootstrap < 0:
        raise InputError(f"--bootstrap is {args.bootstrap}; expected a number of panels, 0 or more")
    if args.seed < 0:
        raise InputError(f"seed is {args.seed}; expected 0 or more")
    args.k = numbers_of_segments(args.k)
    return args


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """What results.json keeps of a call."""
    kept = ("model", "k", "starts", "sigma", "common", "membership", "formula", "family", "seed", "bootstrap")
    columns = {
        name: getattr(args, name) for name in ("store", "week", "sales", "price", "covariates", "exposure", "trials")
    }
    settings = {name: getattr(args, name) for name in kept} | {"columns": columns}
    return settings | {name: getattr(args, name) for name, models in BELONGS.items() if "mixture" not in models}


def _parser() -> Parser:
    parser = Parser(
        prog="python -m em.estimate",
        description="How stores differ, by maximum likelihood: log sales on log price in K segments (hand-written EM), "
        "in a\ncontinuum (the linear mixed model), or in segments inside which stores still differ.",
        epilog=EXAMPLE,
    )
    add_panel_arguments(parser)
    add_family_arguments(parser.add_argument_group("counts, choices and amounts"))
    parser.add_argument(
        "--model", choices=list(DEFAULTS), default="mixture",
        help="K values of the coefficients, one normal of them, or a mixture of K normals (default: mixture)",
    )  # fmt: skip
    parser.add_argument(
        "--sigma", choices=["fixed", "common", "segment"],
        help="residual sd of log sales: 1, one estimated, or one per segment of a mixture (default: fixed); the "
        "dispersion of a negative-binomial or gamma (default: common)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="seed of every random choice (default: 0)")
    parser.add_argument("--out", type=Path, default=Path("results.json"), help="file to write (default: results.json)")
    parser.add_argument(
        "--stores", type=Path, metavar="FILE.csv",
        help="also write each store's segment and membership, or its coefficients, their sd and pooling",
    )  # fmt: skip
    segments = parser.add_argument_group("segments")
    segments.add_argument(
        "--k", nargs="+", metavar="K",
        help="numbers of segments, such as 3, 2 5 or 1..6 (default: 2..4; of a normal-mixture 1..3)",
    )  # fmt: skip
    segments.add_argument(
        "--starts", type=int, help="independent searches for each K (default: 50; of a normal-mixture 20)"
    )
    segments.add_argument("--common", metavar="NAME", nargs="+", help="coefficients equal in all segments")
    segments.add_argument("--membership", metavar="F", help='covariates of membership, store-level: "region + size"')
    segments.add_argument(
        "--bootstrap", type=int, metavar="B",
        help="test each K against K + 1 on B panels drawn from the fit with K (default: none)",
    )  # fmt: skip
    continuum = parser.add_argument_group("stores that differ inside a segment (hierarchical, normal-mixture)")
    continuum.add_argument(
        "--random", metavar="NAME", nargs="*", help="coefficients that vary between stores (default: all; empty: none)"
    )
    add_between(continuum)
    continuum.add_argument(
        "--reml", action="store_true", default=None, help="restricted maximum likelihood (hierarchical)"
    )
    continuum.add_argument(
        "--quadrature", type=int, metavar="N",
        help="nodes in each random direction of a family's integral; 1 is Laplace's approximation (default: 1)",
    )  # fmt: skip
    continuum.add_argument(
        "--intervals", choices=["profile", "wald"],
        help="95 %% intervals by profile likelihood, or quick ones from standard errors (hierarchical; "
        "default: profile; of a family wald)",
    )  # fmt: skip
    return parser
