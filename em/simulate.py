"""The command that makes a panel with a known truth: `python -m em.simulate`."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from em.command import Parser, check_writable, replacing, run
from em.errors import InputError
from em.families import family_named
from em.families.family import Family
from em.response import LOG_SALES
from em.simulator import SimulatedPanel, Truth, draw_prices, draw_stores, simulate_panel
from em.statistics import Floats

EXAMPLE = """examples:
  python -m em.simulate data/sample.csv --truth data/sample_truth.json --seed 1
      300 stores over 52 weeks from three segments, as shipped
  python -m em.simulate two.csv --theta 10 -1 --theta 11 -2 --weight 0.5 0.5 --stores 40 --weeks 20
  python -m em.simulate visits.csv --family poisson --theta 2 -1 --spread 0.6 0.2 --exposure 5 7 --stores 80
      a continuum of counts, in proportion to days open; for --family poisson --exposure exposure
  python -m em.simulate sold.csv --family binomial --trials 10 40 --truth sold.json
"""
SHARES = [0.55, 0.30, 0.15]
SEGMENTS = {  # by link; prices are between 1.2 and 7.5
    "identity": [[10.6, -0.9], [11.3, -2.1], [9.7, -1.5]],
    "log": [[3.1, -0.9], [3.8, -2.1], [2.2, -1.5]],
    "logit": [[1.2, -0.9], [1.9, -2.1], [0.3, -1.5]],
}


def command(argv: list[str]) -> int:
    """Parse, draw, write."""
    args = _parser().parse_args(argv)
    family = family_named(args.family)
    truth = _truth(args, family)
    sizes = {"exposure": args.exposure, "trials": args.trials}
    for name, given in sizes.items():
        if given is not None and family.size != name:
            raise InputError(f"--{name} does not go with --family {family.name}; expected no --{name}")
        if given is not None and not 1 <= given[0] <= given[1]:
            raise InputError(f"--{name} {given[0]} {given[1]}: expected two whole numbers, rising, from 1 up")
    rng = np.random.default_rng(args.seed)
    price = draw_prices(rng, args.weeks)
    x = np.column_stack([np.ones(args.weeks), np.log(price)])
    if family.name == LOG_SALES:
        names = [f"Sales{i + 1}" for i in range(args.stores)]
        stores = draw_stores(rng, truth, x, args.stores)
        frame = pd.DataFrame(np.exp(stores.y.T).round(2), columns=names)
        frame.insert(0, "Price", price)
    else:
        names = [f"shop {i + 1}" for i in range(args.stores)]
        frame, stores = _long(rng, family, truth, price, x, names, sizes)
    record = _record(argv, args, family, truth) | {
        "segment": {name: int(k) + 1 for name, k in zip(names, stores.segment, strict=True)}
    }
    if truth.omega.any():
        record["coefficients"] = dict(zip(names, stores.theta.tolist(), strict=True))
    check_writable(args.out, args.truth)
    with replacing(args.out) as temporary:
        frame.to_csv(temporary, index=False)
    if args.truth:
        with replacing(args.truth) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    segments = f"{len(truth.mu)} segment" + "s" * (len(truth.mu) > 1)
    print(f"{args.out}: {args.stores} stores, {args.weeks} weeks, {segments}")
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="python -m em.simulate",
        description="Draw a panel from a mixture of store segments, a continuum, or both: wide (Price, Sales1, ...) of "
        "log sales,\nlong (store, week, price, sales) of counts, choices and amounts.",
        epilog=EXAMPLE,
    )
    parser.add_argument("out", type=Path, metavar="OUT.csv", help="the panel to write")
    parser.add_argument("--truth", type=Path, metavar="OUT.json", help="where to write what it was drawn from")
    parser.add_argument("--stores", type=int, default=300, help="number of stores (default: 300)")
    parser.add_argument("--weeks", type=int, default=52, help="number of weeks (default: 52)")
    parser.add_argument(
        "--family", default=LOG_SALES, metavar="NAME",
        help="of the response: gaussian (log sales; default), poisson, negative-binomial, bernoulli, binomial or gamma",
    )  # fmt: skip
    parser.add_argument(
        "--theta", type=float, nargs=2, action="append", metavar=("INTERCEPT", "ELASTICITY"),
        help="a segment's coefficients; once per segment (default: three segments; 10.6 -0.9, 11.3 -2.1, 9.7 -1.5 of "
        "log sales)",
    )  # fmt: skip
    parser.add_argument("--weight", type=float, nargs="+", help="shares of the segments (default: 0.55 0.30 0.15)")
    parser.add_argument(
        "--spread", type=float, nargs=2, metavar=("INTERCEPT", "ELASTICITY"),
        help="standard deviations of the stores' coefficients inside a segment, uncorrelated (default: 0 0); with one "
        "--theta, a continuum",
    )  # fmt: skip
    parser.add_argument(
        "--sigma", type=float,
        help="residual sd of log sales (default: 1), or dispersion of a negative-binomial or gamma (default: 0.5)",
    )  # fmt: skip
    parser.add_argument(
        "--exposure", type=int, nargs=2, metavar=("LOW", "HIGH"),
        help="column of whole numbers that a count or an amount is proportional to",
    )  # fmt: skip
    parser.add_argument(
        "--trials", type=int, nargs=2, metavar=("LOW", "HIGH"), help="trials of a binomial (default: 10 10)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of every draw (default: 0)")
    return parser


def _truth(args: argparse.Namespace, family: Family) -> Truth:
    """What to draw from.

    Raises
    ------
    InputError
        When a number is not possible.
    """
    theta = np.array(args.theta or SEGMENTS[family.link])
    weight = np.array(args.weight or (SHARES if args.theta is None else np.full(len(theta), 1 / len(theta))))
    if weight.shape != (len(theta),) or np.any(weight <= 0.0) or abs(weight.sum() - 1.0) > 1e-9:
        raise InputError(f"--weight: {weight.size} shares with sum {weight.sum():g}; expected {len(theta)} with sum 1")
    if args.sigma is not None and not family.dispersed:
        raise InputError(f"--sigma does not go with --family {family.name}, which has no dispersion; expected none")
    sigma = args.sigma if args.sigma is not None else 0.5 if family.dispersed and family.name != LOG_SALES else 1.0
    spread = np.array(args.spread or [0.0, 0.0])
    if args.stores < 1 or args.weeks < 1 or sigma <= 0.0 or spread.min() < 0.0:
        raise InputError("--stores and --weeks must be at least 1, --sigma above zero and --spread not below it")
    omega = np.broadcast_to(np.diag(np.square(spread)), (len(theta), 2, 2))
    return Truth(weight, theta, np.full(len(theta), sigma), omega)


def _long(
    rng: np.random.Generator,
    family: Family,
    truth: Truth,
    price: Floats,
    x: Floats,
    names: list[str],
    sizes: dict[str, list[int] | None],
) -> tuple[pd.DataFrame, SimulatedPanel]:
    """A long file of a family's responses, and the simulated panel."""
    shape = (len(names), price.size)
    low, high = (sizes[family.size] if family.size else None) or ([10, 10] if family.size == "trials" else [1, 1])
    size = rng.integers(low, high + 1, shape).astype(float)
    exposure, trials = (size if family.size == name else 1.0 for name in ("exposure", "trials"))
    drawn = simulate_panel(rng, family, truth, x, len(names), exposure=exposure, trials=trials)
    whole = np.all(drawn.panel.y == np.floor(drawn.panel.y))
    frame = pd.DataFrame(
        {
            "store": np.repeat(names, price.size),
            "week": drawn.panel.week + 1,
            "price": np.tile(price, len(names)),
            "sales": drawn.panel.y.astype(int) if whole else [float(f"{value:.4g}") for value in drawn.panel.y],
        }
    )
    if family.size == "trials" or (family.size and sizes[family.size]):
        frame[family.size] = size.ravel().astype(int)
    return frame, drawn


def _record(argv: list[str], args: argparse.Namespace, family: Family, truth: Truth) -> dict[str, Any]:
    spread = bool(truth.omega.any())
    record: dict[str, Any] = {
        "command": "python -m em.simulate " + " ".join(argv),
        "model": ("hierarchical" if len(truth.mu) == 1 else "normal-mixture") if spread else "mixture",
    }
    if family.name != LOG_SALES:
        record |= {"family": family.name, "link": family.link}
    record |= {"theta": truth.mu.tolist(), "pi": truth.weight.tolist()}
    if spread:
        record["omega"] = truth.omega.tolist()
    return record | ({"sigma": float(truth.sigma[0])} if family.dispersed else {})


def main() -> None:
    """Entry point of the console script."""
    run(command)


if __name__ == "__main__":
    main()
