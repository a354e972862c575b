"""Special functions of SciPy that families of responses call, for compiled code: overloads that Numba finds by itself.

They take one number each. Errors are a few units in the last place, absolute ones near a zero of the function.
"""

import math

from numba.extending import overload
from scipy.special import betaln, digamma, expit, gammaln, log_expit, polygamma

from bayesmix.compiling import kernel

SPECIAL = (expit, log_expit, gammaln, betaln, digamma, polygamma)
LARGE = 12.0  # from where on asymptotic series are exact to rounding


@kernel
def share_of_log_odds(x: float) -> float:
    """1 / (1 + exp(-x)), which no x overflows; a compiler sees that x and -x have their exponential in common."""
    odds = math.exp(-abs(x))
    return (1.0 if x >= 0.0 else odds) / (1.0 + odds)


@kernel
def log_share_of_log_odds(x: float) -> float:
    """Its logarithm, with the rounding of 1 + odds made good, for less than what log1p costs."""
    odds = math.exp(-abs(x))
    whole = 1.0 + odds
    return min(x, 0.0) - (math.log(whole) + (odds - (whole - 1.0)) / whole)


@kernel
def log_gamma(x: float) -> float:
    """Logarithm of the gamma function of a positive number."""
    return math.lgamma(x)


@kernel
def beyond_stirling(x: float) -> float:
    """What log gamma(x) has beyond Stirling's [(x - 1/2) log x - x + 1/2 log 2 pi], for a large x (DLMF 5.11.1)."""
    s = 1.0 / (x * x)
    return (1.0 / 12 - s * (1.0 / 360 - s * (1.0 / 1260 - s * (1.0 / 1680 - s * (1.0 / 1188 - s * 691 / 360360))))) / x


@kernel
def log_beta(a: float, b: float) -> float:
    """Sum log gamma(a) + log gamma(b) - log gamma(a + b), of which the last two do not cancel for a large b."""
    less, more = min(a, b), max(a, b)
    if more < LARGE:
        return math.lgamma(less) + (math.lgamma(more) - math.lgamma(a + b))
    ratio = less - (more - 0.5) * math.log1p(less / more) - less * math.log(a + b)
    return math.lgamma(less) + (ratio + beyond_stirling(more) - beyond_stirling(a + b))


@kernel
def psi(x: float) -> float:
    """Slope of log gamma at a positive number: recurrence and series (DLMF 5.5.2, 5.11.2)."""
    below = 0.0
    while x < LARGE:
        below += 1.0 / x
        x += 1.0
    s = 1.0 / (x * x)
    tail = s * (1.0 / 12 - s * (1.0 / 120 - s * (1.0 / 252 - s * (1.0 / 240 - s * (1.0 / 132 - s * 691 / 32760)))))
    return math.log(x) - 0.5 / x - tail - below


@kernel
def psi_slope(x: float) -> float:
    """Slope of psi at a positive number (DLMF 5.15.5, 5.15.8)."""
    below = 0.0
    while x < LARGE:
        below += 1.0 / (x * x)
        x += 1.0
    s = 1.0 / (x * x)
    tail = s * (1.0 / 6 - s * (1.0 / 30 - s * (1.0 / 42 - s * (1.0 / 30 - s * (5.0 / 66 - s * 691 / 2730)))))
    return (1.0 + 0.5 / x + tail) / x + below


@overload(expit)
def _expit(x):
    return lambda x: share_of_log_odds(x)


@overload(log_expit)
def _log_expit(x):
    return lambda x: log_share_of_log_odds(x)


@overload(gammaln)
def _gammaln(x):
    return lambda x: log_gamma(x)


@overload(betaln)
def _betaln(a, b):
    return lambda a, b: log_beta(a, b)


@overload(digamma)
def _digamma(x):
    return lambda x: psi(x)


@overload(polygamma)
def _polygamma(n, x):
    """Families ask for the first derivative of digamma only."""
    return lambda n, x: psi_slope(x) if n == 1 else math.nan
