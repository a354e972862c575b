"""The command that draws from a posterior: `python -m bayesmix.fit`."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bayesmix.settings import LEAST, Settings
from em.arguments import (
    DEFAULT_FAMILY,
    add_between,
    add_family_arguments,
    add_panel_arguments,
    numbers_of_segments,
    panel_from,
)
from em.command import SAMPLE, Parser, check_writable, distrust, printing, run
from em.errors import InputError, impossible_segments

if TYPE_CHECKING:
    from bayesmix.fitted import Fit
    from bayesmix.start import Start
    from em.panel import Panel

MOST = 10_000_000  # draws or chains that are asked for by mistake

EXAMPLE = """examples:
  python -m bayesmix.fit --k 3
      three segments in the sample of data/; runs EM first, writes mixture-3.nc
  python -m em.estimate sales.csv && python -m bayesmix.fit sales.csv --k 3 --start results.json --report fit.html
      the same from EM's solution, which is neither looked for again nor renumbered, and a page about it
  python -m bayesmix.fit sales.csv --k 1..6
      a posterior for each number of segments: mixture-1.nc to mixture-6.nc
  python -m bayesmix.fit sales.csv --k 10 --sparse
      how many segments are in use, when ten are allowed
  python -m bayesmix.fit sales.csv --model hierarchical --sigma common --out continuum.nc
      no segments: coefficients of stores vary about a mean
  python -m bayesmix.fit sales.csv --k 3 --stores stores.csv
      also each store's segment and coefficients, with their intervals, as a table
  python -m bayesmix.fit sales.csv --model normal-mixture --k 2 3 --sigma common
      segments whose stores differ too: normal-mixture-2.nc and normal-mixture-3.nc
  python -m bayesmix.fit panel.csv --model hierarchical --sigma common --between "income + competition"
      traits of stores, one value for each, explain their coefficients; a prior: --prior "income:log_price=normal(0, 1)"
  python -m bayesmix.fit visits.csv --family poisson --formula "visits ~ promotion" --exposure days --k 3
      segments of stores by counts; --model hierarchical takes them too, and --family binomial has --trials
  python -m bayesmix.fit visits.csv --family bernoulli --formula "bought ~ price" --model hierarchical --integral mcmc
      a few yes or no for each store: their coefficients are drawn too, and no integral is approximated
  python -m bayesmix.fit sales.csv --k 3 --prior "log_price=normal(-2, 0.5)" "weight=dirichlet(4)"
      other beliefs, in the units of the tables

the file is netCDF; read it with bayesmix.load, or compare fits with python -m comparisons.report. Finished chains
are kept beside it until it is written: after an interruption the same command goes on with the rest (not so with
--sparse, whose chains take their steps together)

exit codes: 0 good; 2 the input or the call is wrong; 3 written, but not to be trusted (the reason is in the file);
130 interrupted
"""


MODELS = ("mixture", "hierarchical", "normal-mixture")
HELP_ON_MODELS = (
    "mixture: segments of stores that are alike; hierarchical: no segments, a continuum of stores; normal-mixture: "
    "segments whose stores differ (default: mixture)"
)


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
    group.add_argument("--model", choices=list(MODELS), default="mixture", help=HELP_ON_MODELS)
    group.add_argument("--k", nargs="+", metavar="K", help="number of segments of a mixture, or several: 2 3 4 or 1..6")
    group.add_argument(
        "--random",
        nargs="+",
        metavar="NAME",
        help="coefficients that vary between the stores of a segment, for models in which they differ (default: all)",
    )
    add_between(group)
    group.add_argument(
        "--sparse",
        action="store_true",
        help="let K be more than there are, and estimate how many are in use",
    )
    group.add_argument(
        "--sigma",
        choices=["fixed", "common", "segment"],
        help="residual sd of log sales: 1, one estimated, or one per segment (default: fixed); or the dispersion of a "
        "negative-binomial or gamma (default: common)",
    )
    group.add_argument(
        "--prior",
        nargs="+",
        default=[],
        metavar="NAME=FAMILY(...)",
        help="other priors than the default ones, which every run prints: COEFFICIENT=normal(mean, sd), "
        "weight=dirichlet(concentration), sigma=lognormal(median, sd of its logarithm), spread=halfnormal(scale), "
        "correlation=lkj(shape), TRAIT:COEFFICIENT=normal(mean, sd)",
    )
    group.add_argument(
        "--start",
        type=Path,
        metavar="RESULTS.json",
        help="take the start from em.estimate instead of running EM",
    )
    group = p.add_argument_group("counts, choices and amounts")
    add_family_arguments(group)
    group.add_argument(
        "--quadrature",
        type=int,
        metavar="N",
        help="nodes in each random direction of a family's integral over the coefficients of stores; 1 is Laplace's "
        "approximation (default: 9 for one random coefficient, 5 for two, 3 for three)",
    )
    group.add_argument(
        "--integral",
        choices=["quadrature", "mcmc"],
        help="how a hierarchical model treats the coefficients of stores while drawing: integrated out, or drawn with "
        "the parameters, so that nothing is approximated (default: quadrature); log-likelihoods of stores, for "
        "comparisons, have the quadrature both ways",
    )
    group = p.add_argument_group("draws")
    group.add_argument("--draws", type=int, default=1000, help="kept draws of each chain (default: 1000)")
    group.add_argument("--tune", type=int, default=1000, help="tuning draws of each chain, dropped (default: 1000)")
    group.add_argument("--chains", type=int, default=4, help="default: 4")
    group.add_argument("--seed", type=int, default=0, help="seed of every random choice (default: 0)")
    group = p.add_argument_group("output")
    group.add_argument(
        "--out",
        metavar="FILE.nc",
        help="file to write, with {k} in its name for several K (default: MODEL-{k}.nc, or hierarchical.nc)",
    )
    group.add_argument(
        "--report", metavar="FILE.html", help="also write a page of diagnostics, with {k} in its name for several K"
    )
    group.add_argument(
        "--stores",
        type=Path,
        metavar="FILE.csv",
        help="also write a row for each store: segment, membership, coefficients with intervals, pooling",
    )
    return p


def command(argv: list[str]) -> int:
    """Parse, fit, write, show."""
    args = parser().parse_args(argv)
    ks = _checked(args)
    default = "hierarchical.nc" if args.model == "hierarchical" else f"{args.model}-{{k}}.nc"
    outs = _files(args.out or default, ks, "--out")
    pages = _files(args.report, ks, "--report") if args.report else []
    check_writable(*outs, *pages, args.stores, inputs=[args.data or SAMPLE, args.start])
    from bayesmix.start import em_solution
    from em.fit import sigma_rule
    from em.panel import statistics_of

    panel = panel_from(args, between=args.between)
    args.sigma = sigma_rule(statistics_of(panel), args.sigma)
    n_stores = len(panel.stores)
    if max(ks) > n_stores:
        raise impossible_segments(max(ks), n_stores)
    _check_priors(args, panel)
    starts = [em_solution(panel, k, args.sigma, args.seed, args.start) if args.start else None for k in ks]
    # PyMC takes two seconds to load: after everything that can be wrong has been looked at.
    import bayesmix.run  # noqa: F401
    from bayesmix.kept import forget
    from bayesmix.report import write_report
    from bayesmix.show import announce, show, show_all
    from bayesmix.stores_file import write_stores

    settings = Settings(args.draws, args.tune, args.chains, args.seed)
    fits, written = [], []
    keeps = [out.with_name(f"{out.name}.chains") for out in outs]
    try:
        for k, out, keep, start in zip(ks, outs, keeps, starts, strict=True):
            announce(panel, args.model, k, args.sigma, args.sparse)
            fit = _fit(args, panel, k, start, settings, keep)
            fit.save(out)
            with printing():
                show(fit, first=not fits)
            print(f"written: {out}", file=sys.stderr)
            fits.append(fit)
            written.append(out)
        for fit, page in zip(fits if pages else [], pages, strict=True):
            write_report(page, fit, panel)
            written.append(page)
        if args.stores:
            write_stores(args.stores, fits)
            print(f"written: {args.stores}", file=sys.stderr)
            written.append(args.stores)
    except KeyboardInterrupt:
        return _interrupted(keeps, written)
    for keep, fit in zip(keeps, fits, strict=True):  # only now, so that the same command goes on where one ended
        forget(keep, fit.sampler["chain_keys"])
    if len(fits) > 1:
        with printing():
            show_all(fits, outs)
    several = len(ks) > 1
    return distrust([f"K={fit.k}: {reason}" if several else reason for fit in fits for reason in fit.reasons])


def _check_priors(args: argparse.Namespace, panel: "Panel") -> None:
    """Raise InputError for a prior that cannot be meant, before anything heavy is loaded."""
    from bayesmix.centre import centre
    from bayesmix.prior_text import override
    from bayesmix.priors import default_priors
    from bayesmix.stores import stores_of

    centred = centre(stores_of(panel, 0), panel.coefficients).statistics
    override(default_priors(centred, panel.coefficients, panel.between), args.prior, args.model, args.sigma)


def _interrupted(keeps: list[Path], written: list[Path]) -> int:
    """Say what an interruption left; the exit code."""
    kept = sum(len(list(keep.glob("chain-*.npz"))) for keep in keeps)
    touched = f"written before: {', '.join(map(str, written))}" if written else "no output was touched"
    print(f"error: interrupted; {touched}", file=sys.stderr)
    if kept:
        where = ", ".join(str(keep) for keep in keeps if keep.is_dir())
        chains = f"{kept} finished chain{'s are' if kept > 1 else ' is'}"
        print(f"{chains} kept in {where}; the same command goes on with the rest", file=sys.stderr)
    return 130


def _fit(
    args: argparse.Namespace, panel: "Panel", k: int, start: "Start | None", settings: "Settings", keep: Path
) -> "Fit":
    """One posterior."""
    from bayesmix.run import fit_hierarchical, fit_mixture, fit_normal_mixture, fit_sparse_mixture

    if args.model != "mixture":
        options = {"random": args.random, "sigma": args.sigma, "priors": args.prior}
        if args.model == "hierarchical":
            options |= {"quadrature": args.quadrature, "integral": args.integral or "quadrature"}
            return fit_hierarchical(panel, **options, settings=settings, keep=keep)
        return fit_normal_mixture(panel, k, **options, settings=settings, keep=keep)
    if args.sparse:
        return fit_sparse_mixture(panel, k, sigma=args.sigma, priors=args.prior, settings=settings)
    return fit_mixture(panel, k, sigma=args.sigma, start=start, priors=args.prior, settings=settings, keep=keep)


def _checked(args: argparse.Namespace) -> list[int]:
    """The numbers of segments; raises InputError for what the arguments alone show to be wrong."""
    ks = [1]
    if args.model != "hierarchical":
        if args.k is None:
            raise InputError("how many segments? give --k, such as --k 3 (see --help)")
        ks = numbers_of_segments(args.k)
        if min(ks) < 1:
            raise InputError(f"K is {min(ks)}; expected a number of segments from 1")
    if args.model == "mixture":
        if args.sparse and args.start:
            raise InputError(
                "--start is not for --sparse: its segments are numbered once it is known how many there are"
            )
        if args.between:
            raise InputError("--between is for models in which the stores of a segment differ; in a mixture none do")
        if args.random:
            raise InputError("--random is for models in which the stores of a segment differ; in a mixture none do")
    else:
        _check_for_mixtures(args)
    _check_for_families(args)
    for name, least in LEAST.items():
        if getattr(args, name) < least:
            raise InputError(f"--{name} is {getattr(args, name)}; expected at least {least}")
        if getattr(args, name) > MOST and name != "seed":
            raise InputError(f"--{name} is {getattr(args, name)}; expected at most {MOST}")
    return ks


def _check_for_families(args: argparse.Namespace) -> None:
    """Raise InputError for what only log sales have, or only other families."""
    if args.family != DEFAULT_FAMILY:
        if args.model == "normal-mixture" or args.sparse:
            what = "--sparse" if args.sparse else "--model normal-mixture"
            raise InputError(f"{what} is for log sales; with --family {args.family} expected a mixture or hierarchical")
        if args.model == "mixture" and args.quadrature is not None:
            raise InputError("--quadrature is for coefficients that vary between stores; in a mixture none do")
        if args.model == "mixture" and args.integral is not None:
            raise InputError("--integral is for coefficients that vary between stores; in a mixture none do")
    elif args.quadrature is not None:
        raise InputError("--quadrature is for other families; the integrals of log sales are exact")
    elif args.integral is not None:
        raise InputError("--integral is for other families; the integrals of log sales are exact")


def _check_for_mixtures(args: argparse.Namespace) -> None:
    """Raise InputError for what only the mixture has."""
    if args.model == "hierarchical" and args.k:
        raise InputError("--k is for the mixture; the hierarchical model has no segments")
    for name in ("start", "sparse"):
        if getattr(args, name):
            raise InputError(f"--{name} is for the mixture; the {args.model} model has none of it")
    if args.sigma == "segment":
        raise InputError(f"--sigma segment is for the mixture; the {args.model} model has fixed or common")


def _files(name: str, ks: list[int], option: str) -> list[Path]:
    """One file for each K."""
    if len(ks) > 1 and "{k}" not in name:
        raise InputError(
            f"{option} {name}: one file for {len(ks)} numbers of segments; expected a name with {{k}} in it"
        )
    return [Path(name.replace("{k}", str(k))) for k in ks]


def main() -> None:
    """Entry point of the console script."""
    run(command)


if __name__ == "__main__":
    main()
