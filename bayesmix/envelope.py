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


def rank_envelope(curves: Floats, band: float = BAND) -> tuple[Floats, Floats]:
    """A band around replicated curves between the same ranks everywhere, for values that scatter askew.

    How deep a curve lies is how many others are as low, or as high, as it is where it lies furthest out
    (Myllymaki, Mrkvicka, Grabarnik, Seijo & Hahn 2017). No number that none of the replicates has is inside.

    Parameters
    ----------
    curves : (replicate, point)
    band : share of the replicates that stay inside everywhere, or more where ranks are tied.

    Returns
    -------
    low, high : (point,)
    """
    rising = np.sort(curves, axis=0)
    depth = np.full(len(curves), len(curves))
    for point in range(curves.shape[1]):
        as_low = np.searchsorted(rising[:, point], curves[:, point], side="right")
        as_high = len(curves) - np.searchsorted(rising[:, point], curves[:, point], side="left")
        depth = np.minimum(depth, np.minimum(as_low, as_high))
    least = max(1, int(np.sort(depth)[int((1.0 - band) * len(curves))]))
    return rising[least - 1], rising[len(curves) - least]


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
