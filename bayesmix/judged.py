"""What draws are worth: relabelled, told apart by mode, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np

from bayesmix.centre import Centred
from bayesmix.diagnose import mixes_slowly, reasons_for_distrust
from bayesmix.hierarchical import without_segment
from bayesmix.hops import hop
from bayesmix.labels import relabel, relabel_unconstrained, share_switched
from bayesmix.modes import Weights, chains_by_mode, weigh
from bayesmix.posterior import OF_ALL_SEGMENTS, StorePosterior, flat, parameter_draws, store_posterior
from bayesmix.priors import Priors
from bayesmix.sample import Draws
from bayesmix.settings import Settings
from bayesmix.start import Start
from bayesmix.stores import CountedStores, Stores, family_of
from em.mixture import MixtureParameters, SigmaRule
from em.panel import Panel
from em.scatter import against_fixed_sigma
from em.separation import separations
from em.statistics import Floats, GaussianStatistics, Ints

Integral = Literal["quadrature", "mcmc"]
OF_STORES = "coefficients of stores"
CHECKED = 20  # stores whose drawn coefficients are looked at closely
ALL_IN_USE = 0.05  # share of draws with every segment in use beyond which there may be more


@dataclass(frozen=True)
class Problem:
    """A posterior to be drawn from.

    Attributes
    ----------
    panel, statistics : the data, and their sufficient statistics.
    centred : the same on the columns that are sampled on.
    model : "mixture", "hierarchical" or "normal-mixture".
    k : number of segments; 1 for the hierarchical model.
    sigma : the rule of the residual standard deviation.
    sparse : whether k is more segments than are expected to be in use.
    priors, settings : what is believed, how much is drawn.
    start : the maximum-likelihood solution that numbers the segments; None before it is known.
    integral : "quadrature" or "mcmc": how the draws treat the coefficients of stores of a family.
    """

    panel: Panel
    statistics: Stores = field(repr=False)
    centred: Centred = field(repr=False)
    model: str
    k: int
    sigma: SigmaRule
    sparse: bool
    priors: Priors
    settings: Settings
    start: Start | None
    integral: Integral = "quadrature"

    @property
    def traits(self) -> Floats | None:
        """What explains the coefficients of stores, (store, trait); None where nothing does."""
        return None if self.panel.between is None else self.panel.between.values

    @property
    def name(self) -> str:
        """What tables call it."""
        name = self.model if self.model == "hierarchical" else f"{self.model} K{'<=' if self.sparse else '='}{self.k}"
        family = family_of(self.statistics)
        name = name if family is None else f"{family.name} {name}"
        name = f"{name} by MCMC" if self.integral == "mcmc" else name
        return name if self.panel.between is None else f"{name} on {', '.join(self.panel.between.names)}"


class Mode(NamedTuple):
    """What the chains about one mode of a posterior say.

    Attributes
    ----------
    chains : their numbers.
    quantities : relabelled draws by name, (chain, draw, ...).
    stores : every store under every draw.
    loglik : (chain, draw) total log-likelihood.
    unconstrained : (chain, draw, dimension) relabelled draws on the sampler's scale; None where there is none.
    drawn : the draws of these chains as they came.
    """

    chains: Ints
    quantities: Mapping[str, Floats]
    stores: StorePosterior
    loglik: Floats
    unconstrained: Floats | None
    drawn: Draws


@dataclass(frozen=True)
class Run:
    """A posterior and what is needed to judge it; `bayesmix.tree` gives it names.

    Attributes
    ----------
    problem : what was drawn from.
    modes : the mode with most of the posterior first.
    weights : of the modes; None where there is one.
    switched : share of draws whose segments were renumbered.
    of_modes : why not to trust each mode.
    reasons : why not to trust the posterior; empty when it is to be trusted.
    notes : what a careful reader should know all the same.
    """

    problem: Problem
    modes: tuple[Mode, ...] = field(repr=False)
    weights: Weights | None
    switched: float
    of_modes: tuple[tuple[str, ...], ...]
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()


def judge(problem: Problem, drawn: Draws, reference: Floats) -> Run:
    """Relabel draws, tell modes apart, and check the heaviest.

    Parameters
    ----------
    reference : (store, segment) memberships that number the segments.
    """
    whole = _mode(np.arange(problem.settings.chains), problem, drawn, reference)
    modes, weights, told = [whole], None, []
    if drawn.density is not None and whole.unconstrained is not None:
        groups = chains_by_mode(whole.quantities, whole.loglik)
        if len(groups) > 1:
            weights = weigh(drawn.density, whole.unconstrained, groups, problem.settings.seed)
            order = np.argsort(-weights.log_weight, kind="stable")
            weights = Weights(*(values[order] for values in weights))
            modes = [_mode(groups[g], problem, drawn, reference) for g in order]
            told = [_apart(modes, weights)]
        elif len(whole.chains) > 1 and drawn.coefficients is None and mixes_slowly(whole.quantities, whole.loglik):
            modes = [_hopped(whole, problem, reference)]
    of_modes = tuple(tuple(_checked(problem, mode)) for mode in modes)
    reasons = [*told, *(_too_few_segments(problem, whole) if problem.sparse else ()), *of_modes[0]]
    if problem.sigma == "fixed" and isinstance(problem.statistics, GaussianStatistics):
        reasons += against_fixed_sigma(problem.statistics)
    bounded = separations_of(problem, reference)
    doubts = problem.start.doubts if problem.start else ()
    reasons += [doubt for doubt in doubts if not any(one in doubt for one in bounded)]
    notes = tuple(
        f"{one}: by maximum likelihood these are infinite, here their prior alone bounds them" for one in bounded
    )
    switched = share_switched(whole.stores.permutation)
    return Run(problem, tuple(modes), weights, switched, of_modes, tuple(dict.fromkeys(reasons)), notes)


def separations_of(problem: Problem, reference: Floats) -> list[str]:
    """Why the likelihood alone leaves coefficients infinite, in words; empty where it does not."""
    if problem.start is None or not isinstance(problem.statistics, CountedStores):
        return []
    at, panel = problem.start.parameters, problem.panel
    center = at.theta if isinstance(at, MixtureParameters) else at.mu
    return separations(problem.statistics.counts, center, panel.coefficients, reference, panel.stores)


def _mode(chains: Ints, problem: Problem, drawn: Draws, reference: Floats) -> Mode:
    """Some of the chains as a posterior of their own."""
    drawn = replace(
        drawn,
        quantities={name: values[chains] for name, values in drawn.quantities.items()},
        sampler=drawn.sampler.isel(chain=chains),
        unconstrained=None if drawn.unconstrained is None else drawn.unconstrained[chains],
        coefficients=None if drawn.coefficients is None else drawn.coefficients[chains],
    )
    raw = drawn.quantities
    parameters = parameter_draws({name: flat(value) for name, value in raw.items()})
    stores = store_posterior(problem.statistics, parameters, reference, problem.traits)
    if drawn.coefficients is not None:
        theta = flat(drawn.coefficients)
        stores = stores._replace(coefficients=theta.mean(0), coefficients_sd=theta.std(0))
    if problem.model == "hierarchical":
        quantities = without_segment(raw, 2)
    else:
        order = stores.permutation
        quantities = {
            name: value if name in OF_ALL_SEGMENTS else relabel(flat(value), order).reshape(value.shape)
            for name, value in raw.items()
        }
    loglik = stores.loglik.sum(1).reshape(raw["sigma"].shape[:2])
    q = drawn.unconstrained
    if q is not None and drawn.density is not None:
        q = relabel_unconstrained(flat(q), drawn.density.shapes, stores.permutation).reshape(q.shape)
    return Mode(chains, quantities, stores, loglik, q, drawn)


def _hopped(mode: Mode, problem: Problem, reference: Floats) -> Mode:
    """The same with its draws moved on between the humps that its chains pass seldom; as it is where they cannot be."""
    drawn, q = mode.drawn, mode.unconstrained
    if q is None or drawn.density is None or drawn.quantities_at is None:
        return mode
    try:
        hops = hop(drawn.density, q, problem.settings.seed)
    except np.linalg.LinAlgError:  # draws that stand still
        return mode
    sampler = drawn.sampler.assign(lp=(("chain", "draw"), hops.lp))
    sampler = sampler.assign(hopped=(("chain", "draw"), (hops.unconstrained != q).any(2)))
    at = drawn.quantities_at(hops.unconstrained)
    moved = replace(drawn, quantities=at, unconstrained=hops.unconstrained, sampler=sampler)
    return _mode(np.arange(len(q)), problem, moved, reference)


def _checked(problem: Problem, mode: Mode) -> list[str]:
    """Why not to trust the draws of one mode."""
    quantities, labels = mode.quantities, _labels(problem, mode.quantities)
    if problem.sparse:  # segments that nobody needs change places, which is no fault
        in_use = np.isfinite(problem.start.parameters.weight).sum() if problem.start else problem.k
        quantities = {name: values[:, :, :in_use] for name, values in quantities.items()}
        quantities["the number of segments in use"] = mode.drawn.sampler["segments_in_use"].to_numpy().astype(float)
    if mode.drawn.coefficients is not None:
        varying = problem.priors.varying
        theta = mode.drawn.coefficients[..., varying]
        worst = _least_settled(theta)
        quantities = {**quantities, OF_STORES: theta[:, :, worst]}
        names = problem.panel.stores, problem.panel.coefficients
        labels[OF_STORES] = [[names[0][store] for store in worst], [names[1][c] for c in varying]]
    reasons = reasons_for_distrust(quantities, mode.loglik, mode.drawn.sampler, labels)
    if len(mode.chains) == 1 < problem.settings.chains:
        reasons[0] = (
            f"only one of {problem.settings.chains} chains ended here: nothing says whether another would agree"
        )
    return reasons


def _least_settled(theta: Floats) -> Ints:
    """The `CHECKED` stores whose halves of chains differ most for their spread; theta (chain, draw, store, random)."""
    if theta.shape[-1] == 0:
        return np.zeros(0, dtype=np.intp)
    middle = theta.shape[1] // 2
    halves = np.concatenate([theta[:, :middle], theta[:, middle : 2 * middle]])
    ratio = halves.mean(1).var(0) / np.maximum(halves.var(1).mean(0), np.finfo(float).tiny)
    return np.argsort(-ratio.max(-1), kind="stable")[:CHECKED]


def _too_few_segments(problem: Problem, mode: Mode) -> list[str]:
    full = float((mode.drawn.sampler["segments_in_use"] == problem.k).mean())
    if full <= ALL_IN_USE:
        return []
    return [
        f"all {problem.k} segments are in use in {full:.0%} of draws, so there may be more of them: use a larger --k, "
        "or compare with a continuum (--model hierarchical)"
    ]


def _apart(modes: list[Mode], weights: Weights) -> str:
    """What is wrong when chains ended in different modes."""
    told = "; ".join(
        f"mode {m + 1} (chain{'s' if len(mode.chains) > 1 else ''} {', '.join(str(c + 1) for c in mode.chains)}): "
        f"mean log-likelihood {mode.loglik.mean():.1f}, weight {weights.weight[m]:.2g}"
        for m, mode in enumerate(modes)
    )
    return (
        f"chains ended in {len(modes)} different modes, each summarised apart: {told}. Others may exist; more "
        "--chains, or fewer segments, tell more"
    )


def _labels(problem: Problem, quantities: Mapping[str, Floats]) -> dict[str, list[list[str]]]:
    """Names of the entries along each axis of a quantity."""
    coefficients = list(problem.panel.coefficients)
    axes = {"theta": [coefficients], "mu": [coefficients], "omega": [coefficients, coefficients]}
    if problem.panel.between is not None:
        axes["gamma"] = [list(problem.panel.between.names), coefficients]
    labels = {}
    for name, values in quantities.items():
        inner = axes.get(name, [])
        segments = [[f"segment {k + 1}" for k in range(values.shape[2])]] if values.ndim - 2 > len(inner) else []
        labels[name] = segments + inner
    return labels
