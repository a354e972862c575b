"""Log sales and sales on one scale: a density of log sales as one of sales.

With f the density of log sales, sales s have density f(log s) / s. Beside the probability of a count it stands for that
of the interval from s - 1/2 to s + 1/2, which it is where the density is nearly straight over one unit.
"""

from em.statistics import Floats


def density_of_sales(log_density: Floats, log_sales: Floats) -> Floats:
    """Log-density of sales, of whose logarithm the log-density is given.

    Parameters
    ----------
    log_density : (..., row), or (..., store) of all rows of stores.
    log_sales : (row,), or (store,) their sums.
    """
    return log_density - log_sales
