"""The command that estimates segments by maximum likelihood: `python -m em.estimate`."""

import itertools
import sys
from pathlib import Path

from em.arguments import add_panel_arguments, numbers_of_segments, panel_from
from em.command import SAMPLE, Parser, check_writable, distrust, printing, run, watched
from em.errors import InputError

EXAMPLE = """examples:
  python -m em.estimate
      the sample in data/, K = 2, 3, 4; writes results.json
  python -m em.estimate sales.csv --k 1 2 3 4 5 --sigma common
  python -m em.estimate panel.csv --store shop --sales units --price eur --covariates display

exit codes: 0 good; 2 the input or the call is wrong; 3 written, but not to be trusted (the reason is in the file);
130 interrupted
"""


def command(argv: list[str]) -> int:
    """Parse, fit, write, show."""
    parser = Parser(
        prog="python -m em.estimate",
        description="Segments of stores by maximum likelihood: log sales on log price, K segments, hand-written EM.",
        epilog=EXAMPLE,
    )
    add_panel_arguments(parser)
    parser.add_argument(
        "--k",
        nargs="+",
        metavar="K",
        default=["2..4"],
        help="numbers of segments, such as 3, 2 5 or 1..6 (default: 2..4)",
    )
    parser.add_argument("--starts", type=int, default=50, help="independent searches for each K (default: 50)")
    parser.add_argument(
        "--sigma", choices=["fixed", "common", "segment"], default="fixed",
        help="residual sd of log sales: 1, one estimated, or one per segment (default: fixed)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="seed of every random choice (default: 0)")
    parser.add_argument("--out", type=Path, default=Path("results.json"), help="file to write (default: results.json)")
    parser.add_argument(
        "--stores", type=Path, metavar="FILE.csv", help="also write each store's segment and membership"
    )
    parser.add_argument("--common", metavar="NAME", nargs="+", default=[], help="coefficients equal in all segments")
    parser.add_argument("--membership", metavar="F", help='covariates of membership, store-level: "region + size"')
    parser.add_argument(
        "--bootstrap", type=int, default=0, metavar="B",
        help="test each K against K + 1 on B panels drawn from the fit with K (default: none)",
    )  # fmt: skip
    args = parser.parse_args(argv)

    ks = numbers_of_segments(args.k)
    if args.bootstrap < 0:
        raise InputError(f"--bootstrap is {args.bootstrap}; expected a number of panels, 0 or more")
    check_writable(args.out, args.stores, inputs=[args.data or SAMPLE])
    # What is heavy is loaded here, so that --help, wrong calls and Ctrl-C are answered at once.
    from em.bootstrap import draw_replicates, likelihood_ratio_test
    from em.bound import MOST_STORES, bound
    from em.fit import fit_mixture
    from em.panel import store_statistics
    from em.results import results_record, write_json, write_stores
    from em.show import show
    from em.starts import widened

    panel = panel_from(args, args.membership)
    stats = store_statistics(panel)
    fits = []
    for k in watched(ks, "numbers of segments", len(ks)):
        before = [widened(fit.parameters, k) for fit in fits[-1:]]
        fits.append(
            fit_mixture(
                panel, k, sigma=args.sigma, common=args.common, starts=args.starts, seed=args.seed, stats=stats,
                also=before,
            )
        )  # fmt: skip
    bounded = args.sigma == "fixed" and panel.traits is None and stats.n_stores <= MOST_STORES
    limit = bound(stats, fits[-1].parameters.theta, seed=args.seed) if bounded else None
    tests = []
    for smaller, larger in itertools.pairwise(fits):
        if args.bootstrap and larger.k == smaller.k + 1:
            drawn = draw_replicates(smaller, stats, args.bootstrap, seed=args.seed)
            told = watched(drawn, f"bootstrap of K = {smaller.k}", args.bootstrap)
            tests.append(likelihood_ratio_test(smaller, larger, list(told)))
    settings = {
        "k": ks,
        "starts": args.starts,
        "sigma": args.sigma,
        "columns": {name: getattr(args, name) for name in ("store", "week", "sales", "price", "covariates")},
        "common": args.common,
        "membership": args.membership,
        "formula": args.formula,
        "seed": args.seed,
        "bootstrap": args.bootstrap,
    }
    record = results_record(panel, fits, settings, limit, tests)
    # That the data cannot tell more segments apart is an answer, and no reason to distrust the best K.
    doubted = [fit for fit in fits if fit.identified or fit.k == record["best_k"]]
    reasons = list(dict.fromkeys(reason for fit in doubted for reason in fit.warnings))
    above = [fit.k for fit in fits if limit is not None and fit.log_likelihood > limit.log_likelihood + 1e-6]
    if above:
        reasons.append(f"K={above[0]} is above the bound over any number of segments: the search for the bound failed")
    write_json(args.out, record | {"warnings": reasons})
    if args.stores:
        write_stores(args.stores, panel, fits)
    with printing():
        show(panel, fits, record["best_k"], limit, tests)
    print(f"written: {args.out}" + (f", {args.stores}" if args.stores else ""), file=sys.stderr)
    return distrust(reasons)


def main() -> None:
    """Entry point of the console script."""
    run(command)


if __name__ == "__main__":
    main()
