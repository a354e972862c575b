"""Yes or no: one trial of a binomial, with a logit link."""

import numpy as np
from scipy.special import expit

from em.families.binomial import expected_successes, log_odds_slopes, log_odds_terms
from em.families.family import Family, Floats, flat_carrier, undispersed


def _carrier(y: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    return 0.0 * y + 0.0 * log_sigma


def _possible(y: Floats, trials: Floats) -> np.ndarray:
    return (y == 0.0) | (y == 1.0)


def _draw(rng: np.random.Generator, eta: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    return (rng.random(np.shape(eta)) < expit(eta)).astype(float)


BERNOULLI = Family(
    name="bernoulli",
    link="logit",
    canonical=True,
    dispersed=False,
    size=None,
    expected="0 (no) or 1 (yes)",
    limit=None,
    infinite_at=(True, True),
    terms=log_odds_terms,
    slopes=log_odds_slopes,
    dispersion_slopes=undispersed,
    carrier=_carrier,
    carrier_slopes=flat_carrier,
    possible=_possible,
    mean=expected_successes,
    draw=_draw,
)
