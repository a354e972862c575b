"""The CSV of the stores under posteriors: the twin of `em.stores_file`, with intervals."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bayesmix.diagnose import INTERVAL
from bayesmix.fitted import Fit
from bayesmix.label_free import store_coefficients
from bayesmix.pooling import left_open
from bayesmix.segments_of_stores import membership
from bayesmix.stores import rows_of_stores
from em.stores_file import Columns, coefficient_columns, segment_columns, write_columns


def write_stores(path: Path, fits: Sequence[Fit]) -> None:
    """Write what every posterior says of each store: a row for each store, columns for each fit.

    Columns are those of `em.estimate --stores`: kK_segment and kK_membership_S of segments, and of each coefficient the
    posterior mean, _sd, _lower and _upper (ends of the 89 % equal-tailed interval) and _pooling (the share of the
    variance between stores that the store's weeks leave open), which begin with kK_ where there are segments.

    Parameters
    ----------
    fits : of one panel.
    """
    columns: Columns = {}
    for fit in fits:
        before = "" if fit.model == "hierarchical" else f"k{fit.k}_"
        if before:
            columns |= segment_columns(membership(fit))
        found = store_coefficients(fit, INTERVAL)
        ends = {"": "mean", "_sd": "sd", "_lower": "lower", "_upper": "upper"}
        told = {end: np.asarray(found[name].transpose("store", "coefficient")) for end, name in ends.items()}
        columns |= coefficient_columns(fit.coefficients, told | {"_pooling": left_open(fit)}, before)
    write_columns(path, fits[0].stores, rows_of_stores(fits[0].statistics), columns)
