"""The CSV of the stores: a row for each, and what every fit says of it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from em.command import replacing
from em.conditional import StoreCoefficients
from em.fit import MixtureFit
from em.glmm import GlmmFit
from em.mixed_model import MixedFit
from em.normal_mixture_fit import NormalMixtureFit
from em.panel import Panel

Columns = dict[str, np.ndarray]


def write_stores(path: Path, panel: Panel, fits: Sequence[MixtureFit | MixedFit | GlmmFit | NormalMixtureFit]) -> None:
    """Write each store's segment and membership, or its coefficients, their sd and pooling, under every fit."""
    columns: Columns = {
        "store": np.array(panel.stores, dtype=object),
        "weeks": np.bincount(panel.store, minlength=len(panel.stores)),
    }
    for fit in fits:
        if isinstance(fit, MixedFit | GlmmFit):
            columns |= _coefficients(fit.store_coefficients, fit.coefficients, "")
        elif isinstance(fit, NormalMixtureFit):
            columns |= _segments(fit) | _coefficients(fit.store_coefficients, fit.coefficients, f"k{fit.k}_")
        else:
            columns |= _segments(fit)
    with replacing(path) as temporary:
        pd.DataFrame(columns).to_csv(temporary, index=False)


def _segments(fit: MixtureFit | NormalMixtureFit) -> Columns:
    """The most probable segment and the probability of each."""
    shares = {f"k{fit.k}_membership_{k + 1}": fit.memberships[:, k] for k in range(fit.k)}
    return {f"k{fit.k}_segment": fit.segment} | shares


def _coefficients(of: StoreCoefficients, names: Sequence[str], before: str) -> Columns:
    """Expected coefficients, their standard deviations, and how far each is pooled to the mean of all stores."""
    columns, sd = {}, np.sqrt(np.diagonal(of.covariance, axis1=-2, axis2=-1))
    for c, name in enumerate(names):
        columns[f"{before}theta_{name}"] = of.mean[:, c]
        columns[f"{before}theta_{name}_sd"] = sd[:, c]
        columns[f"{before}theta_{name}_pooling"] = of.pooling[:, c]
    return columns
