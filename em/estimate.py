"""The command that says how stores differ, by maximum likelihood: `python -m em.estimate`."""

import argparse
import itertools
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from em.arguments import panel_from
from em.command import SAMPLE, check_writable, distrust, printing, run, watched, working
from em.errors import impossible_segments
from em.estimate_options import parsed, settings_of

# What is heavy is loaded where it is used, so that --help, wrong calls and Ctrl-C are answered at once.
if TYPE_CHECKING:
    from em.bootstrap import LikelihoodRatioTest
    from em.bound import Bound
    from em.panel import Panel
    from em.regressions import Stores
    from em.statistics import Floats, GaussianStatistics


class Estimated(NamedTuple):
    """What a model's fits come to.

    Attributes
    ----------
    fits, entries : one for each K, and what results.json says of it.
    limit : the bound over all distributions of store coefficients, where there is one.
    tests : of K against K + 1.
    show : prints the tables, given the best K.
    """

    fits: Sequence[Any]
    entries: list[dict[str, Any]]
    limit: "Bound | None"
    tests: "Sequence[LikelihoodRatioTest]"
    show: Callable[[int], None]


def command(argv: list[str]) -> int:
    """Parse, fit, write, show."""
    args = parsed(argv)
    check_writable(args.out, args.stores, inputs=[args.data or SAMPLE])
    from em.fit import sigma_rule
    from em.panel import statistics_of
    from em.results import results_record, write_json
    from em.stores_file import write_stores

    panel = panel_from(args, args.membership, args.between)
    stats = statistics_of(panel)
    args.sigma = sigma_rule(stats, args.sigma)
    impossible = [k for k in args.k if not 1 <= k <= stats.n_stores]
    if impossible:
        raise impossible_segments(impossible[0], stats.n_stores)
    ways = {"mixture": _segments, "hierarchical": _continuum, "normal-mixture": _normal_segments}
    estimate: Callable[..., Estimated] = ways[args.model]
    found = estimate(args, panel, stats)
    record = results_record(panel, found.entries, settings_of(args), found.limit, found.tests)
    reasons = _reasons(found, record["best_k"])
    write_json(args.out, record | {"warnings": reasons})
    if args.stores:
        write_stores(args.stores, panel, found.fits)
    with printing():
        found.show(record["best_k"])
    print(f"written: {args.out}" + (f", {args.stores}" if args.stores else ""), file=sys.stderr)
    return distrust(reasons)


def _segments(args: argparse.Namespace, panel: "Panel", stats: "Stores") -> Estimated:
    """Mixtures, from the fewest segments up."""
    from em.bootstrap import draw_replicates, likelihood_ratio_test
    from em.entries import mixture_entry
    from em.fit import fit_mixture
    from em.show import show
    from em.starts import widened

    fits = []
    for k in watched(args.k, "numbers of segments", len(args.k)):
        before = [widened(fit.parameters, k) for fit in fits[-1:]]
        fits.append(
            fit_mixture(
                panel, k, sigma=args.sigma, common=args.common, starts=args.starts, seed=args.seed, stats=stats,
                also=before,
            )
        )  # fmt: skip
    limit = _bound(args, panel, stats, fits[-1].parameters.theta)
    tests = []
    for smaller, larger in itertools.pairwise(fits):
        if args.bootstrap and larger.k == smaller.k + 1:
            drawn = draw_replicates(smaller, stats, args.bootstrap, seed=args.seed)
            told = watched(drawn, f"bootstrap of K = {smaller.k}", args.bootstrap)
            tests.append(likelihood_ratio_test(smaller, larger, list(told)))
    entries = [mixture_entry(fit) for fit in fits]
    return Estimated(fits, entries, limit, tests, lambda best: show(panel, fits, best, limit, tests))


def _continuum(args: argparse.Namespace, panel: "Panel", stats: "Stores") -> Estimated:
    """The mixed model, its intervals, and a test of each random coefficient."""
    from em.entries import mixed_entry
    from em.glmm import fit_glmm
    from em.mixed_model import MixedFit, fit_mixed_model
    from em.profile import profile_intervals
    from em.random_effect_test import random_effect_test
    from em.show_mixed import show_continuum
    from em.statistics import GaussianStatistics
    from em.variance_components import wald_intervals

    if isinstance(stats, GaussianStatistics):
        fit = fit_mixed_model(panel, random=args.random, sigma=args.sigma, reml=bool(args.reml), stats=stats)
    else:
        with working("integrating over stores"):
            fit = fit_glmm(panel, random=args.random, quadrature=args.quadrature, stats=stats)
    if isinstance(fit, MixedFit) and args.intervals == "profile":
        intervals = profile_intervals(fit, watch=partial(watched, what="profile intervals"))
    else:
        intervals = wald_intervals(fit)
    tests = [random_effect_test(fit, name) for name in watched(fit.random, "tests of variances", len(fit.random))]
    restricted = isinstance(fit, MixedFit) and fit.restricted
    limit = None if restricted else _bound(args, panel, stats, fit.parameters.mu[None])
    entry = mixed_entry(fit, intervals, args.intervals, tests)
    return Estimated(
        [fit], [entry], limit, (), lambda _: show_continuum(panel, fit, intervals, args.intervals, tests, limit)
    )


def _normal_segments(args: argparse.Namespace, panel: "Panel", stats: "GaussianStatistics") -> Estimated:
    """Mixtures of normals, each also from the mixture with as many segments and from the one before."""
    from em.entries import normal_mixture_entry
    from em.fit import fit_mixture
    from em.mixed_model import fit_mixed_model
    from em.normal_mixture_fit import fit_normal_mixture, without_effects
    from em.show_mixed import show_normal_mixture

    fits = []
    left = without_effects(fit_mixed_model(panel, random=args.random, sigma=args.sigma, stats=stats))
    for k in watched(args.k, "numbers of segments", len(args.k)):
        sharp = fit_mixture(left, k, sigma=args.sigma, starts=args.starts, seed=args.seed)
        fits.append(
            fit_normal_mixture(
                panel, k, random=args.random, sigma=args.sigma, starts=args.starts, seed=args.seed, stats=stats,
                mixtures=[sharp.parameters], also=[fit.parameters for fit in fits[-1:]],
            )
        )  # fmt: skip
    limit = _bound(args, panel, stats, fits[-1].parameters.mu)
    entries = [normal_mixture_entry(fit) for fit in fits]
    return Estimated(fits, entries, limit, (), lambda best: show_normal_mixture(panel, fits, best, limit))


def _bound(args: argparse.Namespace, panel: "Panel", stats: "Stores", theta: "Floats") -> "Bound | None":
    """The bound over all distributions of store coefficients, where sigma is fixed and the wait is short."""
    from em.bound import MOST_STORES, bound

    bounded = args.sigma == "fixed" and panel.traits is None and panel.between is None
    bounded = bounded and stats.n_stores <= MOST_STORES
    return bound(stats, theta, seed=args.seed) if bounded else None


def _reasons(found: Estimated, best_k: int) -> list[str]:
    """Why the results are not to be trusted, each reason once.

    That the data cannot tell more segments apart is an answer, and no reason to distrust the best K.
    """
    doubted = [entry for entry in found.entries if entry["identified"] or entry["k"] == best_k]
    reasons = list(dict.fromkeys(reason for entry in doubted for reason in entry["warnings"]))
    above = [
        entry["k"]
        for entry in found.entries
        if found.limit is not None and entry["log_likelihood"] > found.limit.log_likelihood + 1e-6
    ]
    nodes = found.entries[0].get("quadrature")
    if above and nodes is not None:
        reasons.append(
            f"the log-likelihood by {nodes} nodes is above the bound over all distributions of stores' coefficients: "
            "its integral is not exact enough; use more --quadrature"
        )
    elif above:
        reasons.append(f"K={above[0]} is above the bound over any number of segments: the search for the bound failed")
    return reasons


def main() -> None:
    """Entry point of the console script."""
    run(command)


if __name__ == "__main__":
    main()
