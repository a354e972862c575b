"""What a comparison of weeks is called, by what was predicted: log sales, or a response of another family."""

from typing import NamedTuple

from bayesmix.axis import price_column
from em.panel import Panel


class Words(NamedTuple):
    """How tables and sentences speak of weeks.

    Attributes
    ----------
    what : is predicted: "log sales", or the name of the response.
    score : what a log score is the logarithm of: "density" or "probability".
    error : what a typical error is.
    known : what the error of the picture by known weeks is.
    slopes : whose spread is shown; None where stores have no such coefficient.
    column : its position.
    own : what a store's own regression is called.
    """

    what: str
    score: str
    error: str
    known: str
    slopes: str | None
    column: int | None
    own: str


def words_of(panel: Panel) -> Words:
    """The words for a panel."""
    column, names = price_column(panel.coefficients), panel.coefficients
    if panel.response is None:
        slopes = None if column is None else "price elasticities"
        error = "root mean square in the log sales of later weeks"
        known = "Error in the log sales of later weeks (root mean square of a store, median of the stores)"
        return Words("log sales", "density", error, known, slopes, column, "least squares")
    other = [i for i, name in enumerate(names) if name.casefold() != "intercept"]
    column = column if column is not None or not other else other[0]
    slopes = None if column is None else f"coefficients of {names[column]}"
    name = panel.response.name
    error = f"mean distance of {name} in later weeks from the median predicted"
    known = f"Mean distance of {name} in later weeks from the median predicted (median of the stores)"
    score = "probability" if panel.response.family.discrete else "density"
    return Words(name, score, error, known, slopes, column, "own regression")
