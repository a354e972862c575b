"""Traits of stores that explain their coefficients: theta_i = mu + Gamma'z_i + what is left, z_i centred over stores.

With z~ = (1, z_i) that is a model with more coefficients, theta~ = (mu, rows of Gamma), and weeks kron(z~, x_it), whose
statistics need no week:

    n and rss as they are,   kron(z~ z~', X'X),   kron(z~, b) / z~'z~,

the last one of many least squares, of which only sum_m z~_m b_m matters; of other families the designs are so many
rows kron(z~, x). Effects of traits are coefficients that do not vary between stores, so whatever fits a mixed model
fits this one. Cost grows with the cube of the coefficients. Stores share a design where they share X'X, or x, and z.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from em.design_counts import DesignCounts, with_designs
from em.statistics import Floats, GaussianStatistics, Ints


class Between(NamedTuple):
    """Traits of the stores of a panel.

    Attributes
    ----------
    names : of the traits, as columns of a formula.
    values : (store, trait) in the user's units, less their means over stores.
    mean : (trait,) these means; the mean coefficients are those of a store with these traits.
    """

    names: tuple[str, ...]
    values: Floats
    mean: Floats

    @property
    def sd(self) -> Floats:
        """Standard deviation of each trait over stores; (trait,)."""
        return np.sqrt(np.square(self.values).mean(0))


def centred_traits(names: Sequence[str], values: Floats) -> Between:
    """Traits from their columns (store, trait) as they are."""
    mean = values.mean(0)
    return Between(tuple(names), values - mean, mean)


def of_some(between: Between, kept: NDArray[np.bool_] | Ints) -> Between:
    """Traits of some of the stores, less their means over these."""
    return centred_traits(between.names, (between.values + between.mean)[kept])


def effect_names(traits: Sequence[str], coefficients: Sequence[str]) -> tuple[str, ...]:
    """Names of the effects of traits on coefficients, all coefficients of the first trait first."""
    return tuple(f"{trait}:{name}" for trait in traits for name in coefficients)


def expanded[Stores: (GaussianStatistics, DesignCounts)](stats: Stores, between: Between) -> Stores:
    """Statistics of the same stores with the effects of traits as further coefficients."""
    z, m, p = _with_one(between.values), 1 + len(between.names), stats.n_coefficients
    if isinstance(stats, DesignCounts):
        products = z[stats.store][:, :, None] * stats.x[stats.design][:, None, :]
        return with_designs(stats, products.reshape(-1, m * p))
    xtx = np.einsum("sm,sl,spq->smplq", z, z, stats.xtx, optimize=True).reshape(-1, m * p, m * p)
    b = np.einsum("sm,sp->smp", z / np.square(z).sum(1)[:, None], stats.b).reshape(-1, m * p)
    return stats._replace(xtx=xtx, b=b)


def contracted[Stores: (GaussianStatistics, DesignCounts)](stats: Stores, between: Between) -> Stores:
    """The statistics that were expanded."""
    z, p = _with_one(between.values), stats.n_coefficients // (1 + len(between.names))
    if isinstance(stats, DesignCounts):
        return with_designs(stats, stats.x[stats.design, :p])
    b = np.einsum("sm,smp->sp", z, stats.b.reshape(len(z), -1, p))
    return stats._replace(xtx=stats.xtx[:, :p, :p], b=b)


def separated(values: Floats, between: Between) -> tuple[Floats, Floats]:
    """Values (..., coefficient) of mu and of the effects (..., trait, coefficient) from those of all coefficients."""
    rows = values.reshape(*values.shape[:-1], 1 + len(between.names), -1)
    return rows[..., 0, :], rows[..., 1:, :]


def shifted(stats: GaussianStatistics, shift: Floats) -> GaussianStatistics:
    """Statistics of the same stores with known parts (store, coefficient) of their coefficients taken off."""
    return stats._replace(b=stats.b - shift)


def _with_one(values: Floats) -> Floats:
    return np.column_stack([np.ones(len(values)), values])
