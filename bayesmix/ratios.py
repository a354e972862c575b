"""What columns do to the response of a family: rate ratios and odds ratios, and the response in a typical row."""

import re
from typing import NamedTuple

import numpy as np

from bayesmix.diagnose import INTERVAL
from bayesmix.drawn_stores import coefficients_of_stores
from bayesmix.fitted import Fit
from bayesmix.in_use import number_in_use
from bayesmix.response_words import ResponseWords, words_of
from bayesmix.stores import mean_row
from em.statistics import Floats

LEVELS = (0.5 - 0.5 * INTERVAL, 0.5, 0.5 + 0.5 * INTERVAL)
HIGHER = 0.1  # share by which a column that enters by its logarithm is taken to be higher


class Ends(NamedTuple):
    """Median and ends of the equal-tailed 89 % interval."""

    low: float
    middle: float
    high: float


class Ratio(NamedTuple):
    """What a column does.

    Attributes
    ----------
    segment : counted from 1; None where there is one.
    change : of the column, such as "detailing higher by 1".
    coefficient : on the scale of the linear predictor, per unit of the column as it enters.
    ratio : factor by which the change multiplies the rate or the odds, of the segment's average store.
    stores : the same of 89 % of stores; None where they are alike in it.
    """

    segment: int | None
    change: str
    coefficient: Ends
    ratio: Ends
    stores: Ends | None


class Level(NamedTuple):
    """The response of a segment's average store.

    Attributes
    ----------
    typical : expected in a typical row, at the means of the columns, for a unit of exposure or one trial.
    at_zero : where every column is zero: what the intercept says.
    average : of all stores of the segment in a typical row; None where they are alike.
    """

    segment: int | None
    typical: Ends
    at_zero: Ends
    average: Ends | None


def ratios(fit: Fit) -> list[Ratio]:
    """A line for each column of each segment; none for log sales."""
    if words_of(fit) is None:
        return []
    between, found = coefficients_of_stores(fit), []
    for k in range(number_in_use(fit)):
        for c, name in enumerate(fit.coefficients):
            if name == "intercept":
                continue
            change, by = step(name)
            draws, vary = fit.draws.mu[:, k, c], between is not None and np.ptp(fit.draws.omega[:, k, c, c]) > 0.0  # pyright: ignore[reportOptionalSubscript]
            stores = _ends(np.exp(by * between[:, k, c])) if between is not None and vary else None
            found.append(Ratio(_numbered(fit, k), change, _ends(draws), _ends(np.exp(by * draws)), stores))
    return found


def levels(fit: Fit) -> list[Level]:
    """The response of each segment in a typical row; none for log sales or without an intercept."""
    words = words_of(fit)
    if words is None or "intercept" not in fit.coefficients:
        return []
    one, found = fit.coefficients.index("intercept"), []
    at = mean_row(fit.statistics, one)
    for k in range(number_in_use(fit)):
        eta = fit.draws.mu[:, k] @ at
        average = None
        if fit.draws.omega is not None:
            spread = np.einsum("p,dpq,q->d", at, fit.draws.omega[:, k], at)
            average = _ends(over_stores(words, eta, spread)) if spread.any() else None
        zero = _ends(words.response(fit.draws.mu[:, k, one]))
        found.append(Level(_numbered(fit, k), _ends(words.response(eta)), zero, average))
    return found


def over_stores(words: ResponseWords, eta: Floats, variance: Floats) -> Floats:
    """Expected response over stores whose linear predictors are N(eta, variance), by Gauss-Hermite nodes; (draw,)."""
    v, weight = np.polynomial.hermite.hermgauss(31)
    at = eta[:, None] + np.sqrt(2.0 * np.maximum(variance, 0.0))[:, None] * v
    return words.response(at) @ weight / np.sqrt(np.pi)


def step(name: str) -> tuple[str, float]:
    """A change of a column in words, and by how much it changes the column as it enters."""
    logged = "price" if name == "log_price" else next(iter(re.findall(r"^log\((.+)\)$", name)), None)
    if logged is not None:
        return f"{logged} higher by {HIGHER:.0%}".replace("%", " %"), float(np.log1p(HIGHER))
    level = re.fullmatch(r"C\((\w+)\)\[(?:T\.)?(.+)\]", name) or re.fullmatch(r"(\w+)\[T\.(.+)\]", name)
    if level is not None:
        value = level[2].removesuffix(".0")
        return f"{level[1]} {value} against the first", 1.0
    return f"{name} higher by 1", 1.0


def _numbered(fit: Fit, k: int) -> int | None:
    return k + 1 if fit.k > 1 else None


def _ends(draws: Floats) -> Ends:
    return Ends(*map(float, np.quantile(draws, LEVELS)))
