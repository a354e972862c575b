"""Coordinates in which the columns of a panel are orthogonal and of unit size, so that units decide nothing.

theta = back theta*. The random coefficients turn among themselves only and the others take up what is left, so that a
covariance of the random coefficients stays one: Omega = back Omega* back'.
"""

from collections.abc import Sequence

import numpy as np

from em.errors import InputError
from em.statistics import Floats, GaussianStatistics, Ints, spectrum


def whitening(stats: GaussianStatistics, random: Ints, names: Sequence[str]) -> Floats:
    """The matrix `back` (coefficient, coefficient) with back' (sum X'X / rows) back = I.

    Parameters
    ----------
    random : positions of the random coefficients.
    names : of the coefficients.

    Raises
    ------
    InputError
        When the stores together do not identify every coefficient.
    """
    gram = stats.xtx.sum(0) / stats.n.sum()
    if not np.all(spectrum(gram).seen):
        raise InputError(f"the stores together do not identify the coefficients {', '.join(names)}; leave one out")
    order = np.concatenate([random, np.setdiff1d(np.arange(len(gram)), random)])
    back = np.zeros_like(gram)
    back[np.ix_(order, order)] = np.linalg.inv(np.linalg.cholesky(gram[np.ix_(order, order)])).T
    return back
