"""Any real number with the same spread everywhere: Gaussian with the identity link."""

import numpy as np
from scipy.special import ndtr

from em.families.family import Family, Floats, Pair, scaled_by_precision


def _terms(eta: Floats, log_sigma: Floats | float) -> Pair:
    precision = np.exp(-2.0 * log_sigma)
    return Pair(precision * eta, -0.5 * precision * np.square(eta))


def _slopes(eta: Floats, log_sigma: Floats | float) -> tuple[Pair, Pair, Pair]:
    precision = np.exp(-2.0 * log_sigma) + 0.0 * eta
    return Pair(precision, -precision * eta), Pair(0.0, -precision), Pair(0.0, 0.0 * eta)


def _dispersion_slopes(eta: Floats, log_sigma: Floats | float):
    first, second, _ = _slopes(eta, log_sigma)
    return scaled_by_precision((_terms(eta, log_sigma), first, second))


def _carrier(y: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    return -0.5 * np.square(y) * np.exp(-2.0 * log_sigma) - 0.5 * np.log(2.0 * np.pi) - log_sigma


def _carrier_slopes(y: Floats, trials: Floats, log_sigma: Floats | float) -> tuple[Floats, Floats]:
    squares = np.square(y) * np.exp(-2.0 * log_sigma)
    return squares - 1.0, -2.0 * squares


def _draw(rng: np.random.Generator, eta: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    return eta + np.exp(log_sigma) * rng.standard_normal(np.shape(eta))


def _variance(eta: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    return np.exp(2.0 * np.asarray(log_sigma)) + 0.0 * eta


def _cumulative(y: Floats, eta: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    return ndtr((y - eta) * np.exp(-np.asarray(log_sigma)))


GAUSSIAN = Family(
    name="gaussian",
    title="Gaussian",
    link="identity",
    canonical=False,  # a(eta) = eta / sigma^2: canonical only for a known sigma
    dispersed=True,
    size=None,
    expected="a number",
    limit=None,
    infinite_at=(False, False),
    terms=_terms,
    slopes=_slopes,
    dispersion_slopes=_dispersion_slopes,
    carrier=_carrier,
    carrier_slopes=_carrier_slopes,
    possible=lambda y, trials: np.isfinite(y),
    mean=lambda eta, trials: eta,
    draw=_draw,
    discrete=False,
    variance=_variance,
    cumulative=_cumulative,
)
