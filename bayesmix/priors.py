"""Weakly informative priors, stated in the user's units: log sales (or the linear predictor) and elasticities."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from bayesmix.stores import Stores, family_of, mean_response
from em.between import Between, effect_names
from em.statistics import Floats, Ints


@dataclass(frozen=True)
class Priors:
    """What is believed before the data are seen.

    Attributes
    ----------
    coefficients : names of the coefficients.
    mean, sd : of the normal prior of each coefficient of a segment (of mu, its average store, where the stores of a
        segment differ): log sales at average prices for the intercept, the elasticity for log_price.
    concentration : of the symmetric Dirichlet prior of the segments' weights; 1 is uniform on the simplex.
    sigma_median, sigma_log_sd : of the log-normal prior of an estimated sigma, in log sales, or of a family's
        dispersion on the scale of a coefficient of variation. It vanishes at zero, so that a segment of one store with
        few weeks cannot pull its sigma there.
    spread : scale of the half-normal prior of the standard deviation of store coefficients around mu, in every
        segment: one number for all coefficients, or one for each; zero for a coefficient that does not vary.
    traits : names of what explains the coefficients of stores.
    effect_mean, effect_sd : of the normal prior of each effect, per unit of the trait: all coefficients of the first
        trait first; as for `mean`, at average prices.
    dispersed : whether the response has a scatter of its own, as log sales have; else sigma means nothing.
    lkj : shape of the prior of their correlation matrix (Lewandowski, Kurowicka & Joe 2009); 1 is uniform.
    """

    coefficients: tuple[str, ...]
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    concentration: float = 1.0
    sigma_median: float = 1.0
    sigma_log_sd: float = 1.0
    spread: float | tuple[float, ...] = 1.0
    lkj: float = 2.0
    traits: tuple[str, ...] = ()
    effect_mean: tuple[float, ...] = ()
    effect_sd: tuple[float, ...] = ()
    dispersed: bool = True

    @property
    def at_averages(self) -> str:
        """What the intercept is on the columns that are sampled, see `bayesmix.centre`."""
        return f"intercept at average {'prices' if 'log_price' in self.coefficients else 'covariates'}"

    @property
    def spreads(self) -> tuple[float, ...]:
        """`spread` of each coefficient."""
        return self.spread if isinstance(self.spread, tuple) else (self.spread,) * len(self.coefficients)

    @property
    def effects(self) -> tuple[str, ...]:
        """Names of the effects of traits on coefficients."""
        return effect_names(self.traits, self.coefficients)

    @property
    def varying(self) -> Ints:
        """Positions of the coefficients that vary between the stores of a segment."""
        return np.flatnonzero(self.spreads)


def default_priors(stats: Stores, coefficients: tuple[str, ...], between: Between | None = None) -> Priors:
    """The priors of a panel: N(mean log sales, 3), N(-1, 1.5) for log_price, N(0, 2.5) for any other covariate.

    For other families the intercept is centred on the linear predictor of the mean response with standard deviation
    2.5, and the dispersion has median 0.5. Without an intercept nothing is centred on the data. Effects of traits have
    those of `with_effects`.
    """
    mean = {"log_price": -1.0}
    if "intercept" in coefficients:
        mean["intercept"] = mean_response(stats, coefficients.index("intercept"))
    family = family_of(stats)
    logged = family is None
    sd = {"log_price": 1.5} | ({"intercept": 3.0} if logged else {})
    usual = Priors(
        coefficients,
        tuple(mean.get(name, 0.0) for name in coefficients),
        tuple(sd.get(name, 2.5) for name in coefficients),
        sigma_median=1.0 if logged else 0.5,
        dispersed=family is None or family.dispersed,
    )
    return usual if between is None else with_effects(usual, between)


def with_effects(priors: Priors, between: Between) -> Priors:
    """The priors with those of the effects of traits: N(0, sd of the coefficient's prior / sd of the trait)."""
    sd = np.array(priors.sd) / between.sd[:, None]
    return replace(
        priors,
        traits=between.names,
        effect_mean=(0.0,) * sd.size,
        effect_sd=tuple(float(value) for value in sd.ravel()),
    )


def statements(priors: Priors, model: str, sigma: str) -> dict[str, str]:
    """The priors of a model as one line for each of its quantities."""
    quantity = "theta" if model == "mixture" else "mu"
    names = [priors.at_averages if name == "intercept" else name for name in priors.coefficients]
    lines = {
        f"{quantity}[{name}]": f"normal({mean:.4g}, {sd:.4g})"
        for name, mean, sd in zip(names, priors.mean, priors.sd, strict=True)
    }
    lines |= {
        name: f"normal({mean:.4g}, {sd:.4g})"
        for name, mean, sd in zip(effect_names(priors.traits, names), priors.effect_mean, priors.effect_sd, strict=True)
    }
    if model != "mixture":
        of_one = {
            f"sd of store coefficients[{name}]": f"half-normal({spread:.4g})" if spread else "0"
            for name, spread in zip(names, priors.spreads, strict=True)
        }
        alike = len(set(priors.spreads)) == 1
        lines |= {"sd of store coefficients": next(iter(of_one.values()))} if alike else of_one
        if len(priors.varying) > 1:
            lines["correlation of store coefficients"] = f"LKJ({priors.lkj:.4g})"
    if model != "hierarchical":
        lines["weight"] = f"Dirichlet({priors.concentration:.4g})"
    if priors.dispersed:
        estimated = f"log-normal(median {priors.sigma_median:.4g}, {priors.sigma_log_sd:.4g})"
        lines["sigma"] = "fixed at 1" if sigma == "fixed" else estimated
    return lines


def partial_correlation_shapes(p: int, lkj: float) -> Floats:
    """Shape a of the symmetric Beta(a, a) prior on (-1, 1) of each canonical partial correlation of an LKJ matrix.

    Independent partial correlations of row i and column j < i (row by row), the first j columns given, have
    a = lkj + (p - 2 - j) / 2 (Lewandowski, Kurowicka & Joe 2009, section 2.4); (p (p - 1) / 2,).
    """
    column = np.tril_indices(p, -1)[1]
    return lkj + (p - 2 - column) / 2.0


def as_record(priors: Priors, model: str, sigma: str) -> dict[str, object]:
    """What the file keeps: the numbers, and the lines that a reader is shown."""
    return {"numbers": asdict(priors), "statements": statements(priors, model, sigma)}


def from_record(record: Mapping[str, Any]) -> Priors:
    """The priors that a file keeps: the inverse of `as_record`."""
    numbers: dict[str, Any] = {name: tuple(n) if isinstance(n, list) else n for name, n in record["numbers"].items()}
    return Priors(**numbers)
