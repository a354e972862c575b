"""Sampling on columns centred at the panel's means, so that neither priors nor steps depend on the currency.

The intercept is log sales (or a family's linear predictor) where every other column is zero, at a price of one; on
centred columns it is that at the average (log) price, of which something is known before the data are seen. With
x_c = x - mean,

    theta = back theta_c,   mu = back mu_c,   Omega = back Omega_c back'.

Where an intercept does not vary between stores that have slopes of their own, it is zero prices at which they do not
differ, so the columns of those slopes stay as they are.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bayesmix.stores import Stores, mean_row, on_columns
from em.mixture import MixtureParameters
from em.normal_mixture import NormalMixtureParameters
from em.statistics import Floats


class Centred(NamedTuple):
    """Statistics on centred columns.

    Attributes
    ----------
    statistics : of the same stores.
    back : (coefficient, coefficient), from coefficients of centred columns to those of the columns as they are.
    """

    statistics: Stores
    back: Floats


def centre(stats: Stores, coefficients: tuple[str, ...], random: Sequence[str] | None = None) -> Centred:
    """Statistics on columns centred at their means over all rows; as they are where there is no intercept.

    Parameters
    ----------
    random : names of the coefficients that vary between the stores of a segment; None is all of them or none.
    """
    back = np.eye(stats.n_coefficients)
    if "intercept" not in coefficients:
        return Centred(stats, back)
    one = coefficients.index("intercept")
    mean = mean_row(stats, one)
    mean[one] = 0.0
    if random is not None and "intercept" not in random:
        mean[[name in random for name in coefficients]] = 0.0
    back[one] -= mean
    return centred_by(stats, back)


def centred_by(stats: Stores, back: Floats) -> Centred:
    """Statistics on columns centred as `back` says, such as those of other stores were."""
    return Centred(on_columns(stats, back), back)


def centred_parameters[Parameters: (MixtureParameters, NormalMixtureParameters)](
    params: Parameters, centred: Centred
) -> Parameters:
    """Segments on centred columns."""
    onto = np.linalg.inv(centred.back)
    if isinstance(params, MixtureParameters):
        return params._replace(theta=params.theta @ onto.T)
    gamma = None if params.gamma is None else params.gamma @ onto.T
    return params._replace(mu=params.mu @ onto.T, omega=onto @ params.omega @ onto.T, gamma=gamma)


def uncentred(quantities: Mapping[str, Floats], centred: Centred) -> dict[str, Floats]:
    """Draws (..., coefficient) of theta, mu, gamma and omega on the columns as they are; others unchanged."""
    back = centred.back
    moved = dict(quantities)
    for name in moved.keys() & {"theta", "mu", "gamma"}:
        moved[name] = quantities[name] @ back.T
    if "omega" in moved:
        moved["omega"] = back @ quantities["omega"] @ back.T
    return moved
