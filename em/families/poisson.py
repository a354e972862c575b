"""Counts whose variance is their mean: Poisson with a logarithmic link, the canonical one."""

import numpy as np
from scipy.special import gammaincc, gammaln

from em.families.family import Family, Floats, Pair, flat_carrier, undispersed

HIGHEST = 650.0  # of eta: its exponential is the last that a double holds with room for sums
LARGEST = 2.0**62  # mean of a count that is drawn: beyond it counts are no whole numbers of the machine


def _rate(eta: Floats) -> Floats:
    return np.exp(np.minimum(eta, HIGHEST))


def _terms(eta: Floats, log_sigma: Floats | float) -> Pair:
    return Pair(eta, -_rate(eta))


def _slopes(eta: Floats, log_sigma: Floats | float) -> tuple[Pair, Pair, Pair]:
    less = -_rate(eta)
    return Pair(1.0, less), Pair(0.0, less), Pair(0.0, less)


def _carrier(y: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    return -gammaln(y + 1.0) + 0.0 * log_sigma


def whole(y: Floats, trials: Floats) -> np.ndarray:
    """Whether each response is a count."""
    return (y >= 0.0) & (y == np.floor(y))


def log_mean(eta: Floats, trials: Floats) -> Floats:
    """The mean under a logarithmic link."""
    return _rate(eta)


def drawn_counts(rng: np.random.Generator, mean: Floats) -> Floats:
    """Poisson counts; means that no machine can count to are taken as `LARGEST`."""
    return rng.poisson(np.minimum(mean, LARGEST)).astype(float)


def _draw(rng: np.random.Generator, eta: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    return drawn_counts(rng, _rate(eta))


def _variance(eta: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    return _rate(eta) + 0.0 * log_sigma


def _cumulative(y: Floats, eta: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    return np.where(y < 0.0, 0.0, gammaincc(np.maximum(np.floor(y), 0.0) + 1.0, _rate(eta))) + 0.0 * log_sigma


POISSON = Family(
    name="poisson",
    title="Poisson",
    link="log",
    canonical=True,
    dispersed=False,
    size="exposure",
    expected="a count: a whole number, 0 or more",
    limit=None,
    infinite_at=(True, False),
    terms=_terms,
    slopes=_slopes,
    dispersion_slopes=undispersed,
    carrier=_carrier,
    carrier_slopes=flat_carrier,
    possible=whole,
    mean=log_mean,
    draw=_draw,
    discrete=True,
    variance=_variance,
    cumulative=_cumulative,
)
