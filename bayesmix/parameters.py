"""Every parameter of a posterior as one named number: its draws, EM's estimate and what was believed before."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

from bayesmix.fitted import Fit
from bayesmix.in_use import number_in_use
from bayesmix.response_words import ResponseWords, words_of
from em.statistics import Floats

SPOKEN = {"log_price": "price elasticity"}


class Parameter(NamedTuple):
    """One number that was sampled.

    Attributes
    ----------
    segment : of which segment, counted from 1; None where it is of all stores.
    name : as a reader knows it, such as "price elasticity".
    draws : (chain, draw)
    em, em_se : EM's estimate and its standard error; None where there is none.
    prior : (draw,) from the prior; None where the file has none.
    """

    segment: int | None
    name: str
    draws: Floats
    em: float | None = None
    em_se: float | None = None
    prior: Floats | None = None

    @property
    def label(self) -> str:
        """A name that no other parameter of the fit has."""
        return self.name if self.segment is None else f"{self.name}, segment {self.segment}"


def parameters(fit: Fit) -> list[Parameter]:
    """The parameters of a fit that are not fixed: segment by segment, then those of all stores."""
    every = [*(_of_hierarchical(fit) if fit.model == "hierarchical" else _of_segments(fit)), *_of_traits(fit)]
    return [parameter for parameter in every if np.ptp(parameter.draws) > 0.0]


def _of_traits(fit: Fit) -> Iterator[Parameter]:
    """Effects of traits on coefficients, of all stores, per unit of the trait."""
    for m, trait in enumerate(() if fit.between is None else fit.between.names):
        for c, coefficient in enumerate(fit.coefficients):
            yield _one(fit, None, f"{spoken(coefficient, words_of(fit))} per unit of {trait}", "gamma", m, c)


def spoken(coefficient: str, words: ResponseWords | None = None) -> str:
    """A coefficient's name for a reader; of log odds, the logarithm of the price has no elasticity."""
    return coefficient if words is not None and words.of_odds else SPOKEN.get(coefficient, coefficient)


def deviating(coefficient: str, words: ResponseWords | None = None) -> str:
    """What a store's deviation in a coefficient is of, for a reader."""
    level = "log sales in a typical week" if words is None else f"{words.scale} of {words.name} in a typical row"
    return level if coefficient == "intercept" else spoken(coefficient, words)


def _of_segments(fit: Fit) -> Iterator[Parameter]:
    alone = fit.k == 1
    common = fit.sigma_rule == "common"
    for k in range(number_in_use(fit)):
        segment = None if alone else k + 1
        yield _one(fit, segment, "share of stores", "weight", k)
        name = "theta" if "theta" in fit.posterior else "mu"
        for c, coefficient in enumerate(fit.coefficients):
            yield _one(fit, segment, spoken(coefficient, words_of(fit)), name, k, c)
        if "omega" in fit.posterior:
            yield from _spread(fit, segment, (k,))
        if not common:
            yield _one(fit, segment, _of_sigma(fit), "sigma", k)
    if common:
        yield _one(fit, None, _of_sigma(fit), "sigma", 0)


def _of_hierarchical(fit: Fit) -> Iterator[Parameter]:
    for c, coefficient in enumerate(fit.coefficients):
        yield _one(fit, None, f"mean of {spoken(coefficient, words_of(fit))}", "mu", c)
    yield from _spread(fit, None, ())
    yield _one(fit, None, _of_sigma(fit), "sigma")


def _of_sigma(fit: Fit) -> str:
    """What sigma is: the scatter of log sales, or the dispersion of a family."""
    return "sigma" if words_of(fit) is None else "dispersion"


def _spread(fit: Fit, segment: int | None, at: tuple[int, ...]) -> Iterator[Parameter]:
    """Standard deviations and correlations of the coefficients of stores."""
    posterior, prior = _sd_and_correlation(fit.posterior, at), _sd_and_correlation(fit.group("prior"), at)
    if posterior is None:
        return
    sd, correlation = posterior
    prior_sd, prior_correlation = prior or (None, None)
    em = fit.group("em")
    for c, name in enumerate(fit.coefficients):
        before = None if prior_sd is None else prior_sd[..., c].ravel()
        estimate, error = (_estimate(em, variable, (*at, c)) for variable in ("sd", "sd_se"))
        yield Parameter(segment, f"sd of {spoken(name, words_of(fit))}", sd[..., c], estimate, error, before)
    for a in range(len(fit.coefficients)):
        for c in range(a):
            name = " and ".join(spoken(fit.coefficients[i], words_of(fit)) for i in (c, a))
            before = None if prior_correlation is None else prior_correlation[..., a, c].ravel()
            of_em = _correlation(em, (*at, a, c))
            yield Parameter(segment, f"correlation of {name}", correlation[..., a, c], of_em, prior=before)


def _correlation(em: xr.Dataset | None, at: tuple[int, ...]) -> float | None:
    *segment, a, c = at
    covariance, first, second = (
        _estimate(em, variable, (*segment, *index))
        for variable, index in (("omega", (a, c)), ("sd", (a,)), ("sd", (c,)))
    )
    return covariance / (first * second) if covariance is not None and first and second else None


def _sd_and_correlation(group: xr.Dataset | None, at: tuple[int, ...]) -> tuple[Floats, Floats] | None:
    if group is None or "omega" not in group:
        return None
    omega = _values(group, "omega", at)
    sd = np.sqrt(np.maximum(np.diagonal(omega, axis1=-2, axis2=-1), np.finfo(float).tiny))
    return sd, omega / (sd[..., :, None] * sd[..., None, :])


def _one(fit: Fit, segment: int | None, name: str, variable: str, *index: int) -> Parameter:
    em, prior = fit.group("em"), fit.group("prior")
    return Parameter(
        segment,
        name,
        _values(fit.posterior, variable, index),
        _estimate(em, variable, index),
        _estimate(em, f"{variable}_se", index),
        None if prior is None or variable not in prior else _values(prior, variable, index).ravel(),
    )


def _values(group: xr.Dataset, variable: str, index: tuple[int, ...]) -> Floats:
    values = group[variable].transpose("chain", "draw", ...).to_numpy()
    return np.asarray(values[(slice(None), slice(None), *index)], dtype=float)


def _estimate(em: xr.Dataset | None, variable: str, index: tuple[int, ...]) -> float | None:
    if em is None or variable not in em:
        return None
    value = float(np.asarray(em[variable].to_numpy())[index])
    return value if np.isfinite(value) else None
