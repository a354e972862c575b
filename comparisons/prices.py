"""What the fits say about prices, in one sentence."""

from bayesmix.fitted import Fit
from bayesmix.rounding import by_error, listed, percent
from comparisons.agreement import Segment, population, segments


def price_sentence(fit: Fit, price: int) -> str:
    """How sales go with price under a fit; posterior means.

    Parameters
    ----------
    price : index of the coefficient of log price.
    """
    if fit.model != "hierarchical":
        rows = segments(fit, None)
        each = [
            f"{_change(row.coefficients[price].mean, row.coefficients[price].sd)} in segment {row.segment} "
            f"({percent(row.weight.mean)} of stores{_among(row, price)})"
            for row in rows
        ]
        where = (
            listed(each) if len(rows) > 1 else _change(rows[0].coefficients[price].mean, rows[0].coefficients[price].sd)
        )
        return f"Where the price is 1 % higher, sales are {where}."
    rows = population(fit)
    mean, spread = rows[price], rows[len(fit.coefficients) + price]
    low, high = (mean.mean + sign * spread.mean for sign in (-1.0, 1.0))
    return (
        f"Where the price is 1 % higher, sales are {_change(mean.mean, mean.sd)} in the average store, and between "
        f"{_change(high, spread.sd)} and {_change(low, spread.sd)} in two stores of three."
    )


def _among(row: Segment, price: int) -> str:
    """The spread of elasticities inside a segment; nothing where its stores are alike."""
    return f", with a standard deviation of {by_error(row.spreads[price].mean, 0.1)}" if row.spreads else ""


def _change(elasticity: float, error: float) -> str:
    size = by_error(abs(elasticity), max(error, 0.1))  # two decimals at most
    return f"{size} % {'lower' if elasticity < 0.0 else 'higher'}"
