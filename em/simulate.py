"""The command that makes a panel with a known truth: `python -m em.simulate`."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from em.command import Parser, check_writable, replacing, run
from em.errors import InputError
from em.simulator import draw_prices, draw_stores, finite_mixture

EXAMPLE = """example:
  python -m em.simulate data/sample.csv --truth data/sample_truth.json --seed 1
      300 stores over 52 weeks from three segments, as shipped
  python -m em.simulate two.csv --theta 10 -1 --theta 11 -2 --weight 0.5 0.5 --stores 40 --weeks 20
"""


def command(argv: list[str]) -> int:
    """Parse, draw, write."""
    parser = Parser(
        prog="python -m em.simulate",
        description="Draw a wide panel (Price, Sales1, ...) from a mixture of store segments.",
        epilog=EXAMPLE,
    )
    parser.add_argument("out", type=Path, metavar="OUT.csv", help="the panel to write")
    parser.add_argument("--truth", type=Path, metavar="OUT.json", help="where to write what it was drawn from")
    parser.add_argument("--stores", type=int, default=300, help="number of stores (default: 300)")
    parser.add_argument("--weeks", type=int, default=52, help="number of weeks (default: 52)")
    parser.add_argument(
        "--theta", type=float, nargs=2, action="append", metavar=("INTERCEPT", "ELASTICITY"),
        help="a segment's coefficients; once per segment (default: 10.6 -0.9, 11.3 -2.1, 9.7 -1.5)",
    )  # fmt: skip
    parser.add_argument("--weight", type=float, nargs="+", help="shares of the segments (default: 0.55 0.30 0.15)")
    parser.add_argument("--sigma", type=float, default=1.0, help="residual sd of log sales (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of every draw (default: 0)")
    args = parser.parse_args(argv)

    theta = np.array(args.theta or [[10.6, -0.9], [11.3, -2.1], [9.7, -1.5]])
    weight = np.array(
        args.weight or ([0.55, 0.30, 0.15] if args.theta is None else np.full(len(theta), 1 / len(theta)))
    )
    if weight.shape != (len(theta),) or np.any(weight <= 0.0) or abs(weight.sum() - 1.0) > 1e-9:
        raise InputError(f"--weight: {weight.size} shares with sum {weight.sum():g}; expected {len(theta)} with sum 1")
    if args.stores < 1 or args.weeks < 1 or args.sigma <= 0.0:
        raise InputError("--stores and --weeks must be at least 1 and --sigma above zero")

    rng = np.random.default_rng(args.seed)
    price = draw_prices(rng, args.weeks)
    x = np.column_stack([np.ones(args.weeks), np.log(price)])
    stores = draw_stores(rng, finite_mixture(weight, theta, np.full(len(theta), args.sigma)), x, args.stores)
    frame = pd.DataFrame(np.exp(stores.y.T).round(2), columns=[f"Sales{i + 1}" for i in range(args.stores)])
    frame.insert(0, "Price", price)
    truth = {
        "command": "python -m em.simulate " + " ".join(argv),
        "model": "mixture",
        "theta": theta.tolist(),
        "pi": weight.tolist(),
        "sigma": args.sigma,
        "segment": {f"Sales{i + 1}": int(k) + 1 for i, k in enumerate(stores.segment)},
    }
    check_writable(args.out, args.truth)
    with replacing(args.out) as temporary:
        frame.to_csv(temporary, index=False)
    if args.truth:
        with replacing(args.truth) as temporary:
            temporary.write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    print(f"{args.out}: {args.stores} stores, {args.weeks} weeks, {len(theta)} segments")
    return 0


def main() -> None:
    """Entry point of the console script."""
    run(command)


if __name__ == "__main__":
    main()
