"""What a family is: the distribution of a response given its linear predictor, as one value.

Every family here is exponential for a given dispersion,

    log f(y | eta, sigma) = y a(eta, sigma) + n c(eta, sigma) + carrier(y, n, sigma),

n the trials of the row, or one. So rows with one linear predictor count by two sums, their number (or their trials)
and their total, however many they are; a(eta) = eta where the link is canonical. The dispersion sigma is on the scale
of a coefficient of variation, and least at zero: the residual standard deviation of a Gaussian, 1 / sqrt(shape) of a
gamma, 1 / sqrt(size) of a negative binomial, whose limit at zero is the Poisson distribution.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Pair(NamedTuple):
    """A function of eta that multiplies totals and one that multiplies numbers; plain zero and one stay numbers."""

    total: Floats | float
    n: Floats | float

    def of(self, total: Floats, n: Floats) -> Floats:
        """Total times the one plus number times the other."""
        return total * self.total + n * self.n


class DispersionSlopes(NamedTuple):
    """Derivatives of (a, c) by log sigma: first, second, and the first of the first two derivatives by eta."""

    first: Pair
    second: Pair
    of_first: Pair
    of_second: Pair


class Family(NamedTuple):
    """A distribution of the response and its link; all functions take arrays that broadcast.

    Attributes
    ----------
    name, title, link : in words; as commands and files call it, and as a reader does.
    canonical : whether a(eta) = eta, so that the sums X'y are sufficient.
    dispersed : whether sigma is a parameter; else it is ignored.
    size : what a second column can hold: "exposure" (eta gets its logarithm), "trials", or nothing.
    expected : what a response must be, in words.
    limit : the family that it is where sigma is zero; None where its density has no bound there.
    infinite_at : whether an infinite eta fits the lowest response (a total of 0) and the highest (all trials).
    terms : (eta, log_sigma) -> the pair (a, c).
    slopes : (eta, log_sigma) -> first, second and third derivatives of (a, c) by eta.
    dispersion_slopes : (eta, log_sigma) -> derivatives by log sigma.
    carrier, carrier_slopes : (y, trials, log_sigma) -> what does not depend on eta, and its first and second
        derivatives by log sigma.
    possible : (y, trials) -> whether each response can be one of this family.
    mean : (eta, trials) -> expected response.
    draw : (rng, eta, trials, log_sigma) -> responses.
    discrete : whether responses are whole numbers.
    variance : (eta, trials, log_sigma) -> variance of a response.
    cumulative : (y, eta, trials, log_sigma) -> P(Y <= y), for any number y.
    """

    name: str
    title: str
    link: Literal["identity", "log", "logit"]
    canonical: bool
    dispersed: bool
    size: Literal["exposure", "trials"] | None
    expected: str
    limit: str | None
    infinite_at: tuple[bool, bool]
    terms: Callable[[Floats, Floats | float], Pair]
    slopes: Callable[[Floats, Floats | float], tuple[Pair, Pair, Pair]]
    dispersion_slopes: Callable[[Floats, Floats | float], DispersionSlopes]
    carrier: Callable[[Floats, Floats, Floats | float], Floats]
    carrier_slopes: Callable[[Floats, Floats, Floats | float], tuple[Floats, Floats]]
    possible: Callable[[Floats, Floats], NDArray[np.bool_]]
    mean: Callable[[Floats, Floats], Floats]
    draw: Callable[[np.random.Generator, Floats, Floats, Floats | float], Floats]
    discrete: bool
    variance: Callable[[Floats, Floats, Floats | float], Floats]
    cumulative: Callable[[Floats, Floats, Floats, Floats | float], Floats]


def log_density(family: Family, y: Floats, eta: Floats, trials: Floats, log_sigma: Floats | float = 0.0) -> Floats:
    """Log-density of responses, carrier included."""
    return family.terms(eta, log_sigma).of(y, trials) + family.carrier(y, trials, log_sigma)


def linked_mean(family: Family, total: float, n: float) -> float:
    """Linear predictor at which the mean of n rows (trials, exposure) is total / n; half a count off infinite ones."""
    if family.link == "identity":
        return total / n
    total = total if total > 0.0 else 0.5
    if family.link == "log":
        return float(np.log(total / n))
    total = min(total, n - 0.5)
    return float(np.log(total / (n - total)))


NO_SLOPES = DispersionSlopes(*(Pair(0.0, 0.0),) * 4)


def undispersed(eta: Floats, log_sigma: Floats | float) -> DispersionSlopes:
    """Derivatives by log sigma where there is none."""
    return NO_SLOPES


def scaled_by_precision(pairs: tuple[Pair, Pair, Pair]) -> DispersionSlopes:
    """Derivatives by log sigma of (a, c) and their slopes by eta when all are proportional to sigma^-2."""
    values, first, second = pairs
    return DispersionSlopes(_times(values, -2.0), _times(values, 4.0), _times(first, -2.0), _times(second, -2.0))


def _times(pair: Pair, by: float) -> Pair:
    return Pair(by * pair.total, by * pair.n)


def flat_carrier(y: Floats, trials: Floats, log_sigma: Floats | float) -> tuple[Floats, Floats]:
    """Derivatives by log sigma of a carrier that it has no part in."""
    return 0.0 * (y + log_sigma), 0.0 * (y + log_sigma)
