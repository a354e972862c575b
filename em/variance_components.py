"""How stores differ: standard deviations and correlations, how well they are known, and how much they explain."""

from typing import Literal, NamedTuple

import numpy as np
from scipy.special import ndtri

from em.glmm import GlmmFit
from em.mixed_model import MixedFit
from em.spread import spread
from em.statistics import Floats
from em.variance_slice import root_at

Kind = Literal["mean", "sd", "correlation", "sigma"]


class Interval(NamedTuple):
    """An estimate and the ends of its interval.

    Attributes
    ----------
    kind : what it is about.
    of : the coefficients it is about; none for sigma.
    """

    kind: Kind
    of: tuple[str, ...]
    estimate: float
    lower: float
    upper: float


class VarianceComponents(NamedTuple):
    """How stores differ, and by how much that is known; standard errors NaN where there are none.

    A standard deviation of zero or a perfect correlation is at the edge of what is possible, and has none.

    Attributes
    ----------
    sd, sd_error : (random,)
    correlation, correlation_error : (random, random)
    sigma, sigma_error : residual standard deviation, or a family's dispersion; an error of zero where it is fixed.
    """

    sd: Floats
    sd_error: Floats
    correlation: Floats
    correlation_error: Floats
    sigma: float
    sigma_error: float


def variance_components(fit: MixedFit | GlmmFit) -> VarianceComponents:
    """Components of a fit, standard errors by the delta method from the observed information."""
    if isinstance(fit, GlmmFit):
        return VarianceComponents(*fit.spread, fit.parameters.sigma, fit.sigma_error)
    columns, part, summit = fit.random_columns, fit.summit.part, fit.summit.summit
    omega, back = (m[np.ix_(columns, columns)] for m in (fit.parameters.omega, fit.back))
    sigma_error = 0.0 if fit.sigma_rule == "fixed" else np.nan
    covariance = _inverse(summit.point.information, ~summit.held)
    own = None
    if covariance is not None:
        if fit.sigma_rule == "common":
            sigma_error = fit.parameters.sigma * float(np.sqrt(covariance[-1, -1]))
        if fit.summit.rank == columns.size:
            own = covariance[: len(part.basis), : len(part.basis)]
    found = spread(omega, back @ root_at(part, summit.place), back @ part.basis, own)
    return VarianceComponents(*found, fit.parameters.sigma, float(sigma_error))


def _inverse(information: Floats, free: np.ndarray) -> Floats | None:
    """Covariance of the free numbers, zero for those held; None where the information is not positive definite."""
    covariance = np.zeros_like(information)
    inside = information[np.ix_(free, free)]
    if not inside.size:
        return covariance
    scale = 1.0 / np.sqrt(np.maximum(np.diagonal(inside), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(inside * scale[:, None] * scale)
    if values[0] < 1e-10:
        return None
    half = scale[:, None] * vectors / np.sqrt(values)
    covariance[np.ix_(free, free)] = half @ half.T
    return covariance


def wald_intervals(fit: MixedFit | GlmmFit, *, level: float = 0.95) -> list[Interval]:
    """Intervals from standard errors: of standard deviations on the logarithmic scale, of correlations on atanh's.

    They are quick and rough; `em.profile` is the better judge of variances.
    """
    z = float(ndtri(0.5 + 0.5 * level))
    at = variance_components(fit)
    found = []
    for a, name in enumerate(fit.random):
        found.append(Interval("sd", (name,), float(at.sd[a]), *_on_log(at.sd[a], at.sd_error[a], z)))
    for a, name in enumerate(fit.random):
        for c in range(a + 1, len(fit.random)):
            value, error = at.correlation[a, c], at.correlation_error[a, c]
            if np.isfinite(error) and abs(value) < 1.0:
                reach = z * error / (1.0 - value**2)
                ends = np.tanh(np.arctanh(value) + np.array([-reach, reach]))
            else:
                ends = np.full(2, np.nan)
            found.append(Interval("correlation", (name, fit.random[c]), float(value), float(ends[0]), float(ends[1])))
    if fit.sigma_rule == "common":
        found.append(Interval("sigma", (), at.sigma, *_on_log(at.sigma, at.sigma_error, z)))
    for name, value, error in zip(fit.coefficients, fit.parameters.mu, fit.standard_errors, strict=True):
        found.append(Interval("mean", (name,), float(value), float(value - z * error), float(value + z * error)))
    return found


def _on_log(value: float, error: float, z: float) -> tuple[float, float]:
    if not (np.isfinite(error) and value > 0.0):
        return np.nan, np.nan
    reach = float(np.exp(z * error / value))
    return float(value / reach), float(value * reach)
