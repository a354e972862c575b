"""The CSV of the stores: a row for each, and what every fit says of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from em.command import replacing
from em.fit import MixtureFit
from em.glmm import GlmmFit
from em.mixed_model import MixedFit
from em.normal_mixture_fit import NormalMixtureFit
from em.panel import Panel
from em.statistics import Floats, Ints

Columns = dict[str, np.ndarray]


def write_stores(path: Path, panel: Panel, fits: Sequence[MixtureFit | MixedFit | GlmmFit | NormalMixtureFit]) -> None:
    """Write each store's segment and membership, or its coefficients, their sd and pooling, under every fit."""
    columns: Columns = {}
    for fit in fits:
        if not isinstance(fit, MixedFit | GlmmFit):
            columns |= segment_columns(fit.memberships)
        if not isinstance(fit, MixtureFit):
            of, before = fit.store_coefficients, "" if isinstance(fit, MixedFit | GlmmFit) else f"k{fit.k}_"
            sd = np.sqrt(np.diagonal(of.covariance, axis1=-2, axis2=-1))
            told = {"": of.mean, "_sd": sd, "_pooling": of.pooling}
            columns |= coefficient_columns(fit.of_stores, told, before)
    write_columns(path, panel.stores, np.bincount(panel.store, minlength=len(panel.stores)), columns)


def segment_columns(memberships: Floats) -> Columns:
    """The most probable segment, counted from 1, and the probability of each; memberships (store, segment)."""
    k = memberships.shape[1]
    shares = {f"k{k}_membership_{s + 1}": memberships[:, s] for s in range(k)}
    return {f"k{k}_segment": memberships.argmax(1) + 1} | shares


def coefficient_columns(names: Sequence[str], told: Mapping[str, Floats], before: str) -> Columns:
    """What is told of each coefficient, coefficient by coefficient.

    Parameters
    ----------
    told : (store, coefficient) by how the columns end: expected coefficients, standard deviations, and how far each is
        pooled to the mean of all stores (with traits: of stores with the same traits).
    before : how the columns begin.
    """
    return {f"{before}theta_{name}{end}": values[:, c] for c, name in enumerate(names) for end, values in told.items()}


def write_columns(path: Path, stores: Sequence[str], weeks: Ints, columns: Columns) -> None:
    """Write the file, whole or not at all.

    Parameters
    ----------
    weeks : (store,) how many are observed.
    """
    first = {"store": np.array(stores, dtype=object), "weeks": weeks}
    with replacing(path) as temporary:
        pd.DataFrame(first | columns).to_csv(temporary, index=False)
