"""Successes among trials: binomial with a logit link, the canonical one."""

import numpy as np
from scipy.special import betainc, betaln, expit, log_expit

from em.families.family import Family, Floats, Pair, flat_carrier, undispersed


def log_odds_terms(eta: Floats, log_sigma: Floats | float) -> Pair:
    """(a, c) of successes among trials."""
    return Pair(eta, log_expit(-eta))


def log_odds_slopes(eta: Floats, log_sigma: Floats | float) -> tuple[Pair, Pair, Pair]:
    """Their derivatives by eta."""
    share, rest = expit(eta), expit(-eta)
    variance = share * rest
    return Pair(1.0, -share), Pair(0.0, -variance), Pair(0.0, variance * (share - rest))


def _carrier(y: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    return -betaln(y + 1.0, trials - y + 1.0) - np.log1p(trials) + 0.0 * log_sigma


def successes(y: Floats, trials: Floats) -> np.ndarray:
    """Whether each response is a count of at most its trials."""
    return (y >= 0.0) & (y == np.floor(y)) & (trials == np.floor(trials)) & (y <= trials)


def expected_successes(eta: Floats, trials: Floats) -> Floats:
    """Trials times the share."""
    return trials * expit(eta)


def _draw(rng: np.random.Generator, eta: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    return rng.binomial(np.asarray(trials, dtype=np.int64), expit(eta)).astype(float)


def _variance(eta: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    return trials * expit(eta) * expit(-eta) + 0.0 * log_sigma


def _cumulative(y: Floats, eta: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    most = np.floor(y) + 0.0 * trials
    inside = betainc(np.maximum(trials - most, 1.0), np.maximum(most, 0.0) + 1.0, expit(-eta))
    return np.where(y < 0.0, 0.0, np.where(most >= trials, 1.0, inside)) + 0.0 * log_sigma


BINOMIAL = Family(
    name="binomial",
    title="binomial",
    link="logit",
    canonical=True,
    dispersed=False,
    size="trials",
    expected="a count of successes: a whole number from 0 to the trials",
    limit=None,
    infinite_at=(True, True),
    terms=log_odds_terms,
    slopes=log_odds_slopes,
    dispersion_slopes=undispersed,
    carrier=_carrier,
    carrier_slopes=flat_carrier,
    possible=successes,
    mean=expected_successes,
    draw=_draw,
    discrete=True,
    variance=_variance,
    cumulative=_cumulative,
)
