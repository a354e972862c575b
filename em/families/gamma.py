"""Amounts above zero whose spread grows with their mean: gamma with a logarithmic link, shape sigma^-2."""

import numpy as np
from scipy.special import digamma, gammainc, gammaln, polygamma

from em.families.family import DispersionSlopes, Family, Floats, Pair, scaled_by_precision
from em.families.poisson import HIGHEST, log_mean


def _shape(log_sigma: Floats | float) -> Floats:
    return np.exp(-2.0 * log_sigma)


def _inverse_mean(eta: Floats) -> Floats:
    return np.exp(np.minimum(-eta, HIGHEST))


def _terms(eta: Floats, log_sigma: Floats | float) -> Pair:
    shape = _shape(log_sigma)
    return Pair(-shape * _inverse_mean(eta), -shape * eta)


def _slopes(eta: Floats, log_sigma: Floats | float) -> tuple[Pair, Pair, Pair]:
    shape = _shape(log_sigma)
    pull = shape * _inverse_mean(eta)
    return Pair(pull, -shape + 0.0 * eta), Pair(-pull, 0.0), Pair(pull, 0.0)


def _dispersion_slopes(eta: Floats, log_sigma: Floats | float) -> DispersionSlopes:
    first, second, _ = _slopes(eta, log_sigma)
    return scaled_by_precision((_terms(eta, log_sigma), first, second))


def _carrier(y: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    shape = _shape(log_sigma)
    return shape * np.log(shape) - gammaln(shape) + (shape - 1.0) * np.log(y)


def _carrier_slopes(y: Floats, trials: Floats, log_sigma: Floats | float) -> tuple[Floats, Floats]:
    shape = _shape(log_sigma)
    by_shape = np.log(shape) + 1.0 - digamma(shape) + np.log(y)
    return -2.0 * shape * by_shape, 4.0 * shape * (by_shape + 1.0 - shape * polygamma(1, shape))


def _draw(rng: np.random.Generator, eta: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    shape = _shape(log_sigma)
    return rng.gamma(shape, log_mean(eta, trials) / shape)


def _variance(eta: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    return np.exp(np.minimum(2.0 * (eta + log_sigma), HIGHEST))


def _cumulative(y: Floats, eta: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    shape = _shape(log_sigma)
    return gammainc(shape, shape * np.maximum(y, 0.0) * _inverse_mean(eta))


GAMMA = Family(
    name="gamma",
    title="gamma",
    link="log",
    canonical=False,
    dispersed=True,
    size="exposure",
    expected="a number above zero",
    limit=None,
    infinite_at=(False, False),
    terms=_terms,
    slopes=_slopes,
    dispersion_slopes=_dispersion_slopes,
    carrier=_carrier,
    carrier_slopes=_carrier_slopes,
    possible=lambda y, trials: (y > 0.0) & np.isfinite(y),
    mean=log_mean,
    draw=_draw,
    discrete=False,
    variance=_variance,
    cumulative=_cumulative,
)
