"""Counts that scatter more than Poisson's: negative binomial with a logarithmic link, size r = sigma^-2.

The rate of a row is its mean times a gamma variable of mean 1 and standard deviation sigma, so that the variance is
mean + sigma^2 mean^2 ("NB2"). Sigma at zero is Poisson.
"""

import numpy as np
from scipy.special import betainc, betaln, digamma, expit, log_expit, polygamma

from em.families.family import DispersionSlopes, Family, Floats, Pair
from em.families.poisson import HIGHEST, drawn_counts, log_mean, whole

WIDEST = 115.0  # of log sigma: the squared size is still a number


def _terms(eta: Floats, log_sigma: Floats | float) -> Pair:
    over = eta + 2.0 * log_sigma  # log of mean / size
    return Pair(log_expit(over), _size(log_sigma) * log_expit(-over))


def _slopes(eta: Floats, log_sigma: Floats | float) -> tuple[Pair, Pair, Pair]:
    over, size = eta + 2.0 * log_sigma, _size(log_sigma)
    share, rest = expit(over), expit(-over)
    variance = share * rest
    bend = variance * (rest - share)
    return Pair(rest, -size * share), Pair(-variance, -size * variance), Pair(-bend, -size * bend)


def _dispersion_slopes(eta: Floats, log_sigma: Floats | float) -> DispersionSlopes:
    over, size = eta + 2.0 * log_sigma, _size(log_sigma)
    share, rest, soft = expit(over), expit(-over), -log_expit(-over)
    variance = share * rest
    return DispersionSlopes(
        Pair(2.0 * rest, 2.0 * size * (soft - share)),
        Pair(-4.0 * variance, 4.0 * size * (2.0 * share - soft - variance)),
        Pair(-2.0 * variance, 2.0 * size * np.square(share)),
        Pair(-2.0 * variance * (rest - share), 4.0 * size * share * variance),
    )


def _size(log_sigma: Floats | float) -> Floats:
    return np.exp(-2.0 * np.minimum(log_sigma, WIDEST))


def _carrier(y: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    at_least_one = np.maximum(y, 1.0)
    # gamma(y + r) / gamma(r) y! by the beta function, which does not cancel for a large r.
    return (y > 0.0) * (-betaln(_size(log_sigma), at_least_one) - np.log(at_least_one))


def _carrier_slopes(y: Floats, trials: Floats, log_sigma: Floats | float) -> tuple[Floats, Floats]:
    size = _size(log_sigma)
    first = -2.0 * size * (digamma(y + size) - digamma(size))
    return first, -2.0 * first + 4.0 * size**2 * (polygamma(1, y + size) - polygamma(1, size))


def _draw(rng: np.random.Generator, eta: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    size = _size(log_sigma)
    return drawn_counts(rng, rng.gamma(size, log_mean(eta, trials) / size))


def _variance(eta: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    return log_mean(eta, trials) + np.exp(np.minimum(2.0 * (eta + log_sigma), HIGHEST))


def _cumulative(y: Floats, eta: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    over, size, above = eta + 2.0 * log_sigma, _size(log_sigma), np.maximum(np.floor(y), 0.0) + 1.0
    # The smaller of the two shares, so that neither a large nor a small size rounds it to one.
    low = over < 0.0
    share = betainc(np.where(low, above, size), np.where(low, size, above), expit(-np.abs(over)))
    return np.where(y < 0.0, 0.0, np.where(low, 1.0 - share, share))


NEGATIVE_BINOMIAL = Family(
    name="negative-binomial",
    title="negative binomial",
    link="log",
    canonical=False,
    dispersed=True,
    size="exposure",
    expected="a count: a whole number, 0 or more",
    limit="poisson",
    infinite_at=(True, False),
    terms=_terms,
    slopes=_slopes,
    dispersion_slopes=_dispersion_slopes,
    carrier=_carrier,
    carrier_slopes=_carrier_slopes,
    possible=whole,
    mean=log_mean,
    draw=_draw,
    discrete=True,
    variance=_variance,
    cumulative=_cumulative,
)
