"""Where replicated curves lie: a band that a whole curve leaves with a known probability."""

import numpy as np

from em.statistics import Floats

BAND = 0.99  # probability that a curve of the model stays inside everywhere
ROUNDING = 1e-9  # no nearer is a curve said to leave a band
NORMALS = 10_000  # draws from which the height of a band of normal curves is read


def envelope(curves: Floats, band: float = BAND) -> tuple[Floats, Floats]:
    """A band around replicated curves, as many standard deviations wide everywhere.

    Parameters
    ----------
    curves : (replicate, point)
    band : share of the replicates that stay inside everywhere.

    Returns
    -------
    low, high : (point,)
    """
    mean, sd = curves.mean(0), curves.std(0)
    known = np.where(sd > 0.0, sd, 1.0)
    reach = float(np.quantile(np.abs((curves - mean) / known).max(1), band)) * sd
    return mean - reach, mean + reach


def normal_reach(covariance: Floats, band: float = BAND, seed: int = 0) -> Floats:
    """How far a normal curve of mean zero goes from it, in the same number of standard deviations everywhere; (point,).

    Parameters
    ----------
    covariance : (point, point)
    """
    values, vectors = np.linalg.eigh(covariance)
    sd = np.sqrt(np.diagonal(covariance))
    known = np.where(sd > 0.0, sd, 1.0)
    normal = np.random.default_rng(seed).standard_normal((NORMALS, values.size))
    curves = normal @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    return float(np.quantile(np.abs(curves / known).max(1), band)) * sd
