"""The numbers of the diagnostic report: all that its tables, sentences and pictures show."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from bayesmix.axis import Axis, axis_of, price_column
from bayesmix.diagnose import INTERVAL, Summary, bfmi, summarise
from bayesmix.drawing import selection
from bayesmix.expectations import Expectation, expectations
from bayesmix.fitted import Fit
from bayesmix.in_words import sentences
from bayesmix.label_free import co_membership, store_coefficients
from bayesmix.parameters import Parameter, parameters
from bayesmix.pictures_of_stores import clustered
from bayesmix.pooling import RandomEffects, explained, pooling, random_effects
from bayesmix.predictive_check import SegmentCheck, check_segments, extent
from bayesmix.segments_of_stores import joining, membership
from bayesmix.sensitivity import Sensitivity, sensitivity
from bayesmix.store_loo import FEWEST_DRAWS, Loo, loo
from bayesmix.store_summaries import Summary as StoreSummary
from bayesmix.store_summaries import loo_pit, own_standard_errors, store_summaries
from bayesmix.uniformity import EcdfDifference, against_uniform
from em.explained import Explained
from em.statistics import Floats, Ints

SHOWN = 300  # stores drawn one by one; of more, an even selection
CHECKED = 1000  # stores that the predictive checks are made of
WORST = 5  # stores that are named


class Row(NamedTuple):
    """One line of the table of parameters."""

    parameter: Parameter
    summary: Summary


@dataclass(frozen=True)
class Mode:
    """What one mode of the posterior says of segments and stores; most fits have one.

    Attributes
    ----------
    number : 1 is the heaviest.
    chains : numbers of the chains that ended in it, counted from 1.
    """

    number: int
    chains: tuple[int, ...]
    fit: Fit
    rows: list[Row] = field(repr=False)
    sentences: list[str]
    joining: list[dict[str, int]]


class Chain(NamedTuple):
    """How one chain fared; None where the file does not say.

    Attributes
    ----------
    loglik : (draw,) log-likelihood of all stores.
    """

    number: int
    mode: int
    loglik: Floats
    divergences: int
    bfmi: float | None
    acceptance: float | None
    steps: float | None


class Check(NamedTuple):
    """LOO-PIT and the predictive check by segment of one summary of stores.

    Attributes
    ----------
    pit : (one,) by store of the summary.
    curve : None for too few stores.
    """

    summary: StoreSummary
    pit: Floats
    curve: EcdfDifference | None
    segments: list[SegmentCheck]

    @property
    def beyond(self) -> int:
        """Stores outside the picture of the predictive check."""
        low, high = extent(self.segments)
        return int(((self.summary.observed < low) | (self.summary.observed > high)).sum())


@dataclass(frozen=True)
class Contents:
    """Everything the page shows of a fit.

    Attributes
    ----------
    shown : (one,) the stores drawn one by one; `elasticities` and `together` are of these.
    elasticities : mean, lower, upper; None without a price.
    loo, worst, checks : None and empty where there are too few draws to leave stores out.
    shares : variance explained under every draw, of a continuum; None otherwise.
    effects : standardised deviations of the stores of a continuum, coefficient by coefficient.
    borrowed : (store,) standard error of each store's own elasticity, and the share of the other stores in the model's;
        None where stores of a segment are alike.
    together : probability of the same segment, stores in clustered order, and that order; None for one segment.
    missing : what is not on the page, and why.
    """

    fit: Fit
    axis: Axis | None
    price: int | None
    modes: list[Mode]
    chains: list[Chain]
    loo: Loo | None
    worst: Ints
    checks: list[Check]
    sensitivity: list[Sensitivity] | None
    expectations: list[Expectation]
    shown: Ints
    elasticities: tuple[Floats, Floats, Floats] | None
    together: tuple[Floats, Ints] | None
    missing: list[str]
    shares: Explained | None = None
    effects: list[RandomEffects] = field(default_factory=list)
    borrowed: tuple[Floats, Floats] | None = None

    @property
    def rows(self) -> list[Row]:
        """Parameters of the mode that the page is about."""
        return self.modes[0].rows


def contents(fit: Fit) -> Contents:
    """Work everything out."""
    price, axis = price_column(fit.coefficients), axis_of(fit.coefficients, fit.statistics)
    modes = _modes(fit)
    left_out = loo(fit.store_loglik) if enough_draws(fit) else None
    shown = selection(len(fit.stores), SHOWN)
    some = some_stores(fit, shown)
    elasticities = together = None
    if price is not None:
        table = store_coefficients(some, INTERVAL).isel(coefficient=price)
        elasticities = table["mean"].to_numpy(), table["lower"].to_numpy(), table["upper"].to_numpy()
    if fit.k > 1 and len(shown) > 1:
        pairs = co_membership(some).to_numpy()
        order = clustered(pairs)
        together = pairs[np.ix_(order, order)], order
    checks = _checks(fit, left_out.reff) if left_out else []
    sensitive = sensitivity(fit, [row.parameter for row in modes[0].rows]) if enough_draws(fit) else None
    return Contents(
        fit, axis, price, modes, _chains(modes), left_out, _worst(left_out), checks,
        sensitive, expectations(fit), shown, elasticities, together, _missing(fit, checks, sensitive is None),
        explained(fit), random_effects(fit), _borrowed(fit, price),
    )  # fmt: skip


def _borrowed(fit: Fit, price: int | None) -> tuple[Floats, Floats] | None:
    if price is None or fit.draws.omega is None or (fit.k > 1 and "membership" not in fit.by_store):
        return None
    return own_standard_errors(fit.statistics)[:, price], pooling(fit)[:, price]


def some_stores(fit: Fit, index: Ints) -> Fit:
    """The same posterior with only some of the stores it was fitted to."""
    if index.size == len(fit.stores):
        return fit
    parts = {
        f"/{name}": fit.tree[name]
        .to_dataset()
        .isel({dim: index for dim in ("store", "store_name")}, missing_dims="ignore")
        for name in ("posterior", "log_likelihood", "constant_data", "stores")
    }
    tree = xr.DataTree.from_dict(parts)
    tree.attrs = dict(fit.tree.attrs)
    return Fit(tree, fit.name)


def _modes(fit: Fit) -> list[Mode]:
    group = fit.group("modes")
    fits = [fit] if group is None else [fit.mode(m + 1) for m in range(group.sizes["mode"])]
    return [
        Mode(
            number,
            tuple(int(chain) + 1 for chain in one.posterior["chain"].to_numpy()),
            one,
            [Row(parameter, summarise(parameter.draws)) for parameter in parameters(one)],
            sentences(one),
            joining(one) if "membership" in one.by_store else [],
        )
        for number, one in enumerate(fits, start=1)
    ]


def _chains(modes: Sequence[Mode]) -> list[Chain]:
    found = []
    for mode in modes:
        stats, loglik = (
            mode.fit.sample_stats,
            mode.fit.store_loglik.sum("store_name").transpose("chain", "draw").to_numpy(),
        )
        energy = bfmi(stats["energy"].transpose("chain", "draw").to_numpy()) if "energy" in stats else None
        for c, number in enumerate(mode.chains):
            one = stats.isel(chain=c)
            found.append(
                Chain(
                    number,
                    mode.number,
                    loglik[c],
                    int(one["diverging"].sum()) if "diverging" in one else 0,
                    None if energy is None else float(energy[c]),
                    _mean(one, "acceptance_rate"),
                    _mean(one, "n_steps"),
                )
            )
    return sorted(found, key=lambda chain: chain.number)


def enough_draws(fit: Fit) -> bool:
    """Whether stores can be left out."""
    return fit.store_loglik.sizes["chain"] * fit.store_loglik.sizes["draw"] >= FEWEST_DRAWS


def _worst(left_out: Loo | None) -> Ints:
    """The stores that are hardest to leave out."""
    return np.arange(0) if left_out is None else np.argsort(-left_out.khat_i, kind="stable")[:WORST]


def _mean(stats: xr.Dataset, name: str) -> float | None:
    return float(stats[name].mean()) if name in stats else None


def _checks(fit: Fit, reff: float) -> list[Check]:
    some = some_stores(fit, selection(len(fit.stores), CHECKED))
    share = membership(some) if "membership" in some.by_store else np.ones((len(some.stores), fit.k))
    found = []
    for summary in store_summaries(some.statistics, fit.coefficients):
        if summary.store.size == 0:
            continue
        pit = loo_pit(some, summary, reff)
        segments = check_segments(summary, some.draws, share[summary.store], traits=some.traits)
        found.append(Check(summary, pit, against_uniform(pit), segments))
    return found


def _missing(fit: Fit, checks: Sequence[Check], insensitive: bool) -> list[str]:
    """What is not on the page, and why."""
    names, price = [name.casefold() for name in fit.coefficients], price_column(fit.coefficients)
    found = []
    if not enough_draws(fit):
        found.append(f"No store left out, no predictive checks, no prior sensitivity: they take {FEWEST_DRAWS} draws.")
    if price is None:
        found.append("No demand curves and no elasticities: the model has no log price.")
    elif "intercept" not in names:
        found.append("No demand curves: without an intercept the file does not hold the stores' average week.")
    if "intercept" not in names and checks:
        found.append("No check of mean log sales: without an intercept the file does not hold the stores' means.")
    slopes = next((check for check in checks if check.summary.name == "price elasticity"), None)
    n = min(len(fit.stores), CHECKED)
    settled = 0 if slopes is None else slopes.summary.store.size
    if price is not None and checks and settled < n:
        found.append(
            f"{n - settled} of {n} stores have no elasticity of their own, for their price is constant or their weeks "
            "too few; they are not in the checks of it. The model's elasticity of them comes from the other stores."
        )
    if any(check.curve is None for check in checks):
        found.append("No picture of LOO-PIT where fewer than ten stores have the number that is checked.")
    if fit.posterior.sizes["chain"] == 1:
        found.append("No rank plots: they compare chains, and there is one.")
    if "energy" not in fit.sample_stats:
        found.append("No picture of energy: the file has none.")
    if fit.k == 1 and fit.model != "hierarchical":
        found.append("No picture of membership: with one segment every store is in it.")
    if fit.model == "hierarchical":
        found.append("No segments: this model has none.")
    if fit.group("em") is None:
        found.append("No estimates of EM: the file has none.")
    if fit.group("prior") is None:
        found.append("No prior beside the posterior: the file has no draws from it.")
    if insensitive and enough_draws(fit):
        found.append("No prior sensitivity: the file has no densities of the priors.")
    return found


def worst_of(rows: Sequence[Row]) -> dict[str, Any]:
    """The worst R-hat and effective draws over parameters; nan where nothing was sampled."""
    values = {name: np.array([getattr(row.summary, name) for row in rows], dtype=float) for name in Summary._fields}
    known = [name for name in ("rhat", "ess_bulk", "ess_tail") if np.isfinite(values[name]).any()]
    worst = {name: float(np.nanmax(values[name]) if name == "rhat" else np.nanmin(values[name])) for name in known}
    return {name: worst.get(name, float("nan")) for name in ("rhat", "ess_bulk", "ess_tail")}
