"""Does a coefficient vary between stores? The likelihood-ratio test, with the null distribution of its boundary.

A variance of zero lies on the edge of what is possible. With q random coefficients in the larger model and one of them,
its variance and q - 1 covariances, left out, the statistic is distributed as chi-squared with q - 1 or q degrees of
freedom, each half of the time (Self & Liang 1987, case 6; Stram & Lee 1994, case 3). The naive chi-squared with q is
conservative. For families other than the Gaussian the likelihoods are those of the fit's own quadrature.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc

from em import glmm, mixed_model
from em.errors import InputError
from em.glmm import GlmmFit
from em.mixed_model import MixedFit


class RandomEffectTest(NamedTuple):
    """A likelihood-ratio test of one random coefficient.

    Attributes
    ----------
    coefficient : that does not vary between stores under the null.
    statistic : twice the difference in (restricted) log-likelihood.
    degrees : of the two chi-squared distributions that are mixed in equal shares.
    p_value : from that mixture.
    p_value_naive : from the larger of the two alone.
    """

    coefficient: str
    statistic: float
    degrees: tuple[int, int]
    p_value: float
    p_value_naive: float


def random_effect_test(fit: MixedFit | GlmmFit, coefficient: str) -> RandomEffectTest:
    """Test that a coefficient does not vary between stores, against a fit in which it does.

    Raises
    ------
    InputError
        When the coefficient does not vary in the fit.
    """
    if coefficient not in fit.random:
        raise InputError(
            f"{coefficient!r} does not vary between stores in this fit; expected one of {', '.join(fit.random)}"
        )
    q, others = len(fit.random), [name for name in fit.random if name != coefficient]
    if isinstance(fit, MixedFit):
        smaller = mixed_model.refitted(fit, others, reml=fit.restricted)
    else:
        smaller = glmm.refitted(fit, others)
    statistic = max(2.0 * (_maximised(fit) - _maximised(smaller)), 0.0)
    return RandomEffectTest(coefficient, statistic, (q - 1, q), *boundary_p_values(statistic, q))


def boundary_p_values(statistic: float, q: int) -> tuple[float, float]:
    """P-values from the mixture of chi-squared with q - 1 and q degrees of freedom, and from the latter alone."""
    naive = float(chdtrc(q, statistic))
    below = float(chdtrc(q - 1, statistic)) if q > 1 else float(np.less_equal(statistic, 0.0))
    return 0.5 * (below + naive), naive


def _maximised(fit: MixedFit | GlmmFit) -> float:
    if isinstance(fit, GlmmFit) or fit.restricted_log_likelihood is None:
        return fit.log_likelihood
    return fit.restricted_log_likelihood
