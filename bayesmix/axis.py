"""The two numbers by which a picture or a sentence shows a store: sales in a typical week, and the price elasticity."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from bayesmix.stores import Stores
from em.statistics import Floats, GaussianStatistics

WIDE = 2.0  # standard deviations of log price that a demand curve spans where the range is not known


class Axis(NamedTuple):
    """How store coefficients become the two numbers that a picture of stores shows.

    Attributes
    ----------
    price : index of the price coefficient.
    at : (coefficient,) a typical week: the mean of every regressor over the panel.
    price_sd : standard deviation of log price over the panel.
    """

    price: int
    at: Floats
    price_sd: float


def axis_of(coefficients: tuple[str, ...], stats: Stores) -> Axis | None:
    """The axes for a panel of log sales; None when its design has no intercept or no log price, and of families."""
    if not isinstance(stats, GaussianStatistics):
        return None
    names = [name.casefold() for name in coefficients]
    price = price_column(coefficients)
    if price is None or "intercept" not in names:
        return None
    rows = stats.xtx.sum(0)
    one = names.index("intercept")
    at = rows[one] / rows[one, one]
    return Axis(price, at, float(np.sqrt(max(rows[price, price] / rows[one, one] - at[price] ** 2, 0.0))))


def price_column(coefficients: tuple[str, ...]) -> int | None:
    """Index of the coefficient of log price, the first where there are several; None where there is none."""
    return next((i for i, name in enumerate(coefficients) if _is_log_price(name.casefold())), None)


def _is_log_price(name: str) -> bool:
    return name == "log_price" or (name.startswith("log(") and "price" in name)


def place(theta: Floats, axis: Axis) -> Floats:
    """Log sales in a typical week and price elasticity; (..., coefficient) to (..., 2)."""
    return np.stack([theta @ axis.at, theta[..., axis.price]], -1)


def price_range(constant: xr.Dataset | None, axis: Axis | None) -> tuple[tuple[float, float], str] | None:
    """Lowest and highest log price that a demand curve spans, and what they are; None where none can be drawn.

    Parameters
    ----------
    constant : the group of a fit's file that holds the ranges of the columns.
    """
    if axis is None:
        return None
    if constant is not None and "column_min" in constant:
        low, high = (float(constant[name].to_numpy()[axis.price]) for name in ("column_min", "column_max"))
        if high > low:
            return (low, high), "over the prices of the panel"
    middle, reach = float(axis.at[axis.price]), WIDE * max(axis.price_sd, 0.05)
    return (middle - reach, middle + reach), "about the average price"
