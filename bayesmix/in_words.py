"""A posterior in sentences that somebody who sets prices can read."""

import numpy as np
from scipy.special import ndtri

from bayesmix.axis import Axis, axis_of, price_column
from bayesmix.diagnose import INTERVAL
from bayesmix.fitted import Fit
from bayesmix.parameters import spoken
from bayesmix.response_in_words import sentences_of_responses
from bayesmix.response_words import words_of
from bayesmix.rounding import decimals, figures, fixed, listed, percent, spelt
from em.statistics import Floats

LEVELS = (0.5 - 0.5 * INTERVAL, 0.5 + 0.5 * INTERVAL)
Z = float(ndtri(LEVELS[1]))  # sds of a normal from its mean to the end of the interval


def title(fit: Fit) -> str:
    """What was fitted."""
    if fit.model == "hierarchical":
        return "A continuum of stores"
    if fit.k == 1:
        return "One segment of stores"
    in_use = fit.group("segments_in_use")
    allowed = "" if in_use is None else f" in use, of {spelt(in_use.sizes['number'])} allowed"
    differ = " that differ" if fit.model == "normal-mixture" else ""
    return f"{spelt(fit.k).capitalize()} segments of stores{allowed}{differ}"


def sentences(fit: Fit) -> list[str]:
    """What the posterior says of shares, price and sales: one sentence for each segment, or for the average store."""
    words = words_of(fit)
    if words is not None:
        return sentences_of_responses(fit, words)
    price, axis = price_column(fit.coefficients), axis_of(fit.coefficients, fit.statistics)
    draws = fit.draws
    if fit.model == "hierarchical":  # whose one segment goes without saying
        alike = "Stores" if fit.between is None else f"Stores with the same {listed(list(fit.between.names))}"
        return _continuum(draws.mu[:, 0], None if draws.omega is None else draws.omega[:, 0], price, axis, alike)
    found = []
    for k in range(fit.k):
        alike = "All stores together" if draws.omega is not None else "All stores respond alike"
        start = alike if fit.k == 1 else f"{_share(draws.weight[:, k])} of the stores"
        parts = []
        if price is not None:
            parts.append(f"a price 1 % higher goes with {_change(draws.mu[:, k, price])}{_among(fit, k, price)}")
        if axis is not None:
            parts.append(f"a typical week sells {_sales(draws.mu[:, k] @ axis.at)} units at the average price")
        said = "; ".join(parts) or "this model has no price, so it says nothing of what a price does"
        found.append(f"{start}: {said}.")
    return found


def _among(fit: Fit, k: int, price: int) -> str:
    """How far the stores of a segment differ in what a price does; nothing where they are alike."""
    if fit.draws.omega is None:
        return ""
    sd = np.sqrt(np.maximum(fit.draws.omega[:, k, price, price], 0.0))
    stores = "stores'" if fit.between is None else "stores' (of the same traits)"
    return f" on average, and its {stores} elasticities have a standard deviation of {_number(sd)}" if sd.any() else ""


def _continuum(mu: Floats, omega: Floats | None, price: int | None, axis: Axis | None, alike: str) -> list[str]:
    if price is None:
        return ["Every store has coefficients of its own; this model has no price, so it says nothing of a price."]
    found = [f"In the average store a price 1 % higher goes with {_change(mu[:, price])}."]
    if omega is not None and omega[:, price, price].any():
        sd = np.sqrt(np.maximum(omega[:, price, price], 0.0))
        found.append(
            f"{alike} differ: their elasticities have a standard deviation of {_number(sd)}, about a mean of "
            f"{_number(mu[:, price])}."
        )
    if axis is not None:
        found.append(f"A typical week of the average store sells {_sales(mu @ axis.at)} units at the average price.")
    return found


def prior_words(fit: Fit) -> list[str]:
    """What was believed before the data, one sentence for each quantity; none where the file keeps only formulas."""
    numbers = fit.priors.get("numbers")
    if not numbers:
        return []
    whose = "the average store's" if fit.model == "hierarchical" else "each segment's" if fit.k > 1 else "all stores'"
    whose = "each segment's average store's" if fit.model == "normal-mixture" and fit.k > 1 else whose
    found = [
        f"{whose} {_of_coefficient(name, fit)}: most likely near {fixed(mean, 2)}, with 89 % probability "
        f"between {fixed(mean - Z * sd, 1)} and {fixed(mean + Z * sd, 1)}"
        for name, mean, sd in zip(numbers["coefficients"], numbers["mean"], numbers["sd"], strict=True)
    ]
    names = [_of_coefficient(name, fit) for name in fit.coefficients]
    of_traits = [(trait, name) for trait in numbers.get("traits", ()) for name in names]
    for (trait, name), mean, sd in zip(
        of_traits, numbers.get("effect_mean", ()), numbers.get("effect_sd", ()), strict=True
    ):
        low, high = figures(mean - Z * sd), figures(mean + Z * sd)
        found.append(f"{name} of stores with {trait} higher by 1: between {low} and {high} more, with 89 % probability")
    if fit.model != "hierarchical" and fit.k > 1:
        of_one = float(numbers["concentration"])
        likelier = "as likely as" if of_one == 1.0 else "likelier than" if of_one < 1.0 else "less likely than"
        found.append(f"shares of segments: few large ones are {likelier} even ones")
    if fit.sigma_rule != "fixed":
        median, spread = numbers["sigma_median"], np.exp(Z * numbers["sigma_log_sd"])
        what = "sigma" if words_of(fit) is None else "dispersion"
        found.append(
            f"{what}: as likely above {fixed(median, 2)} as below, with 89 % probability between "
            f"{fixed(median / spread, 2)} and {fixed(median * spread, 2)}"
        )
    if fit.draws.omega is not None:
        scales = np.broadcast_to(numbers["spread"], len(fit.coefficients))
        found += [
            f"sd of the stores' {spoken(name, words_of(fit))}: below {fixed(float(scale) * Z, 2)} with 89 % probability"
            for name, scale in zip(fit.coefficients, scales, strict=True)
            if scale > 0.0
        ]
    return [f"{line[0].upper()}{line[1:]}." for line in found]


def _of_coefficient(name: str, fit: Fit) -> str:
    words = words_of(fit)
    if name == "intercept":
        return "log sales at average prices" if words is None else f"{words.scale} of {words.name} in a typical row"
    said = spoken(name, words)
    plain = said != name or "intercept" not in fit.coefficients
    return said if plain else f"coefficient of {name}"


def _share(weight: Floats) -> str:
    low, high = np.quantile(weight, LEVELS)
    return f"{percent(float(weight.mean()))} ({percent(low)} to {percent(high)})"


def _change(elasticity: Floats) -> str:
    """What 1 % on the price does to sales, as a rise or a fall."""
    mean, sd = float(elasticity.mean()), float(elasticity.std())
    low, high = np.quantile(elasticity, LEVELS)
    if low < 0.0 < high:
        return (
            f"sales changed by {_round_off(mean, sd)} % ({_round_off(low, sd)} to {_round_off(high, sd)}: sign unclear)"
        )
    ends = sorted((abs(low), abs(high)))
    word = "lower" if mean < 0.0 else "higher"
    return f"sales {_round_off(abs(mean), sd)} % {word} ({_round_off(ends[0], sd)} to {_round_off(ends[1], sd)})"


def _sales(log_sales: Floats) -> str:
    low, middle, high = np.exp(np.quantile(log_sales, [LEVELS[0], 0.5, LEVELS[1]]))
    return f"{_round(middle, high - low)} ({_round(low, high - low)} to {_round(high, high - low)})"


def _round(value: float, spread: float) -> str:
    """A count with no more digits than its interval carries, also to tens and thousands."""
    coarse = 10.0 ** np.floor(np.log10(spread / 4.0) - 1e-9) if spread > 0.0 else 1.0
    return fixed(float(np.round(value / coarse) * coarse), max(0, int(-np.log10(coarse))) if coarse < 1.0 else 0)


def _number(draws: Floats) -> str:
    sd = float(draws.std())
    low, high = np.quantile(draws, LEVELS)
    return f"{_round_off(float(draws.mean()), sd)} ({_round_off(low, sd)} to {_round_off(high, sd)})"


def _round_off(value: float, sd: float) -> str:
    """One digit less than a table has."""
    return fixed(value, max(1, decimals(sd) - 1))
