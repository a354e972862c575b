"""Yes or no: one trial of a binomial, with a logit link."""

import numpy as np
from scipy.special import expit

from em.families.binomial import BINOMIAL
from em.families.family import Floats


def _carrier(y: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    return 0.0 * y + 0.0 * log_sigma


def _possible(y: Floats, trials: Floats) -> np.ndarray:
    return (y == 0.0) | (y == 1.0)


def _draw(rng: np.random.Generator, eta: Floats, trials: Floats, log_sigma: Floats | float) -> Floats:
    return (rng.random(np.shape(eta)) < expit(eta)).astype(float)


BERNOULLI = BINOMIAL._replace(
    name="bernoulli",
    title="Bernoulli",
    size=None,
    expected="0 (no) or 1 (yes)",
    carrier=_carrier,
    possible=_possible,
    draw=_draw,
)
