"""The pictures of the diagnostic report, each with what it shows in words and figures for those who do not see it."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from bayesmix import pictures_of_draws as of_draws
from bayesmix.axis import price_range
from bayesmix.diagnose import ESS_PER_CHAIN, INTERVAL
from bayesmix.fitted import Fit
from bayesmix.parameters import deviating
from bayesmix.pictures_of_checks import pit_picture, predicted_picture
from bayesmix.pictures_of_pooling import normal_picture, pooling_picture
from bayesmix.pictures_of_segments import demand_picture, membership_picture
from bayesmix.pictures_of_stores import elasticities_picture, khat_picture, together_picture
from bayesmix.report_contents import Check, Contents, Row
from bayesmix.rounding import by_error, fixed, percent
from bayesmix.segments_of_stores import SURE_OF, membership, most_probable
from bayesmix.svg import inline_svg
from bayesmix.uniformity import against_other_chains
from em.command import watched
from em.statistics import Floats

FEWEST = 10  # stores of a QQ picture
KEYS = {"mean log sales": "level", "price elasticity": "slope"}


class Drawing(NamedTuple):
    """A picture to be drawn: its name in the page, how, and its text for those who do not see it."""

    name: str
    draw: Callable[[], Figure]
    alt: str


def gallery(c: Contents) -> dict[str, Markup]:
    """Pictures as inline SVG, by name; those that the fit does not allow are not there."""
    drawings = [*_of_modes(c), *_of_stores(c), *_of_continuum(c), *_of_chains(c), *_of_loo(c), *_of_priors(c)]
    return {
        one.name: Markup(inline_svg(one.draw(), one.name, one.alt))
        for one in watched(drawings, "drawing", len(drawings))
    }


def _of_modes(c: Contents) -> Iterator[Drawing]:
    span = price_range(c.fit.group("constant_data"), c.axis)
    for mode in c.modes:
        fit = mode.fit
        end = "" if len(c.modes) == 1 else f"-mode-{mode.number}"
        if span is not None and c.axis is not None:
            draw = _later(demand_picture, fit.draws.mu, c.axis, span[0], _stores_between(fit))
            yield Drawing(f"demand{end}", draw, _demand_alt(fit, c.axis.price))
        if fit.k > 1 and mode.joining:
            each = ", ".join(f"{row['stores']} in segment {row['segment']}" for row in mode.joining)
            surely = sum(row["sure"] for row in mode.joining)
            alt = (
                f"A column for each store, divided by its probabilities of belonging to the {fit.k} segments: {each}, "
                f"{surely} of {len(fit.stores)} with more than {SURE_OF:.0%}."
            )
            yield Drawing(f"membership{end}", _later(membership_picture, membership(fit)), alt)


def _stores_between(fit: Fit, seed: int = 0) -> Floats | None:
    """Coefficients of a store taken at random, one for each draw; None where stores of a segment are alike."""
    if fit.draws.omega is None:
        return None
    values, vectors = np.linalg.eigh(fit.draws.omega)
    z = np.random.default_rng(seed).standard_normal(fit.draws.mu.shape)
    return fit.draws.mu + np.einsum("dkpq,dkq->dkp", vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :], z)


def _demand_alt(fit: Fit, price: int) -> str:
    mean, sd = fit.draws.mu[..., price].mean(0), fit.draws.mu[..., price].std(0)
    numbers = [by_error(float(m), float(s)) for m, s in zip(mean, sd, strict=True)]
    if fit.k == 1:
        return f"A curve of sales against price with its {INTERVAL:.0%} interval; the price elasticity is {numbers[0]}."
    each = ", ".join(f"{number} in segment {s}" for s, number in enumerate(numbers, start=1))
    return f"Curves of sales against price with {INTERVAL:.0%} intervals, one for each segment; elasticities: {each}."


def _of_stores(c: Contents) -> Iterator[Drawing]:
    segment = most_probable(c.fit)[c.shown] if c.fit.k > 1 and "membership" in c.fit.by_store else None
    if c.together is not None and segment is not None:
        pairs, order = c.together
        upper = pairs[np.triu_indices(len(pairs), 1)]
        alt = (
            f"A square of {len(pairs)} stores against the same, stronger where two are more surely in one segment: "
            f"{np.mean(upper > SURE_OF):.0%} of the pairs are together with more than 90 %, "
            f"{np.mean(upper < 1.0 - SURE_OF):.0%} with less than 10 %."
        )
        yield Drawing("together", _later(together_picture, pairs, segment[order]), alt)
    if c.elasticities is not None:
        mean, low, high = c.elasticities
        alt = (
            f"A point with its {INTERVAL:.0%} interval for each of {mean.size} stores: price elasticities from "
            f"{fixed(float(mean.min()), 2)} to {fixed(float(mean.max()), 2)}, intervals "
            f"{fixed(float((high - low).min()), 2)} to {fixed(float((high - low).max()), 2)} wide."
        )
        yield Drawing("elasticities", _later(elasticities_picture, mean, low, high, segment), alt)


def _of_continuum(c: Contents) -> Iterator[Drawing]:
    for effects in c.effects:
        if effects.z.size < FEWEST:
            continue
        name = deviating(c.fit.coefficients[effects.coefficient])
        alt = (
            f"Ordered deviations of {effects.z.size} stores in {name} against those of a normal distribution: from "
            f"{fixed(float(effects.z.min()), 1)} to {fixed(float(effects.z.max()), 1)} standard deviations."
        )
        yield Drawing(f"normal-{effects.coefficient}", _later(normal_picture, effects.z), alt)
    if c.borrowed is not None:
        error, share = c.borrowed
        known = np.isfinite(error)
        if known.any() and np.ptp(error[known]) > 1e-6 * error[known].max():
            alt = (
                f"A point for each of {int(known.sum())} stores: the share of its elasticity that comes from other "
                f"stores, {percent(float(share[known].min()))} to {percent(float(share[known].max()))}, against the "
                "standard error of its own."
            )
            yield Drawing("pooling", _later(pooling_picture, error, share), alt)


def _of_chains(c: Contents) -> Iterator[Drawing]:
    chains, n = c.fit.posterior.sizes["chain"], c.fit.posterior.sizes["draw"]
    if chains > 1 and c.rows:
        yield from _of_ranks(c.rows)
    if c.rows and n >= 4:
        fewest = min(float(row.summary.ess_bulk) for row in c.rows)
        alt = (
            f"Effective draws against draws: the parameter with fewest ends at {fixed(fewest, 0)} of {chains * n}; "
            f"{ESS_PER_CHAIN * chains} are wanted."
        )
        draws = [row.parameter.draws for row in c.rows]
        yield Drawing("effective", _later(of_draws.effective_picture, draws, ESS_PER_CHAIN * chains), alt)
    if "energy" in c.fit.sample_stats:
        energy = c.fit.sample_stats["energy"].transpose("chain", "draw").to_numpy()
        lowest = min(chain.bfmi for chain in c.chains if chain.mode == 1 and chain.bfmi is not None)
        alt = (
            "Two histograms, of the energy of the draws and of its change from one draw to the next; the smallest "
            f"E-BFMI of a chain is {fixed(lowest, 2)}."
        )
        yield Drawing("energy", _later(of_draws.energy_picture, energy), alt)
    each = ", ".join(f"{fixed(float(chain.loglik.mean()), 1)} in chain {chain.number}" for chain in c.chains)
    alt = f"A line for each chain: where the log-likelihood of its draws lies. Means: {each}."
    levels = [(chain.number, chain.mode, chain.loglik) for chain in c.chains]
    yield Drawing("levels", _later(of_draws.levels_picture, levels), alt)


def _of_ranks(rows: list[Row]) -> Iterator[Drawing]:
    fewest = min(float(row.summary.ess_bulk) for row in rows)
    ranks = [of_draws.relative_ranks(of_draws.thinned(row.parameter.draws, fewest)) for row in rows]
    band = against_other_chains(*ranks[0].shape)
    for i, (row, values) in enumerate(zip(rows, ranks, strict=True)):
        furthest = max(
            float(np.abs(np.searchsorted(np.sort(one), band[0]) / one.size - band[0]).max()) for one in values
        )
        alt = (
            f"{row.parameter.label}: ranks of each chain's draws among those of all, as the difference from uniform; "
            f"the largest difference is {fixed(furthest, 2)}, R-hat {fixed(float(row.summary.rhat), 3)}."
        )
        yield Drawing(f"rank-{i}", _later(of_draws.rank_picture, values, band), alt)


def _of_loo(c: Contents) -> Iterator[Drawing]:
    loo = c.loo
    if loo is None:
        return
    kept = np.sort(np.argsort(-loo.khat_i, kind="stable")[: max(c.shown.size, 1)])
    alt = (
        f"A point for each of {kept.size} stores: Pareto k from {fixed(float(loo.khat_i.min()), 2)} to "
        f"{fixed(float(loo.khat_i.max()), 2)}; {loo.n_doubtful} of {loo.khat_i.size} above the limit, "
        f"{fixed(loo.khat_limit, 2)}."
    )
    names = [c.fit.stores[i] for i in kept]
    yield Drawing("khat", _later(khat_picture, loo.khat_i[kept], loo.khat_limit, names), alt)
    for check in c.checks:
        yield from _of_check(c, check)


def _of_check(c: Contents, check: Check) -> Iterator[Drawing]:
    name, key = check.summary.name, KEYS[check.summary.name]
    if check.curve is not None:
        said = "leaves the band" if check.curve.departs else "stays inside the band"
        alt = (
            f"LOO-PIT of the {name} of {check.pit.size} stores: the difference of their distribution from uniform "
            f"{said}; it is at most {fixed(float(np.abs(check.curve.difference).max()), 2)}."
        )
        yield Drawing(f"pit-{key}", _later(pit_picture, check.curve), alt)
    each = "; ".join(
        f"segment {s}: mean {fixed(one.mean.observed, 2)} observed, {fixed(one.mean.predicted, 2)} predicted"
        for s, one in enumerate(check.segments, start=1)
        if one.mean is not None
    )
    level = key == "level"
    beyond = f" {check.beyond} stores lie outside the picture." if check.beyond else ""
    label = (
        "Mean sales of a store (units, log scale)"
        if level
        else "A store's own price elasticity (% sales per 1 % price)"
    )
    alt = f"The {name} of stores, predicted and observed, a row for each segment. {each or 'Too few stores'}.{beyond}"
    draw = _later(predicted_picture, check.segments, check.summary.observed, label, logarithms=level)
    yield Drawing(f"predicted-{key}", draw, alt)


def _of_priors(c: Contents) -> Iterator[Drawing]:
    for i, row in enumerate(c.rows):
        prior = row.parameter.prior
        if prior is None:
            continue
        s = row.summary
        alt = (
            f"{row.parameter.label}: before the data {by_error(float(prior.mean()), float(prior.std()))} with sd "
            f"{by_error(float(prior.std()), float(prior.std()))}, after "
            f"{by_error(float(s.mean), float(s.sd))} with sd {by_error(float(s.sd), float(s.sd))}."
        )
        yield Drawing(f"prior-{i}", _later(of_draws.prior_picture, prior, row.parameter.draws.ravel()), alt)


def _later(picture: Callable[..., Figure], *arguments: object, **options: object) -> Callable[[], Figure]:
    return lambda: picture(*arguments, **options)
