"""Uniform random numbers that fill (0, 1) evenly, so that quantiles of what is made of them move less with the seed."""

import numpy as np

from em.statistics import Floats


def evenly_spread(rng: np.random.Generator, n: int, rows: int) -> Floats:
    """Uniform numbers, those of a row spread evenly over (0, 1), in random order (McKay, Beckman & Conover 1979).

    Returns
    -------
    (n, row)
    """
    return (rng.permuted(np.tile(np.arange(n), (rows, 1)), axis=1).T + rng.uniform(0.001, 0.999, (n, rows))) / n
