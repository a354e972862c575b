"""The numbers of the checks of counts, choices and amounts under their names: an xarray Dataset and a data frame."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesmix.count_checks import CountChecks
from bayesmix.envelope import BAND
from bayesmix.pit_of_rows import BINS


def table(checks: CountChecks) -> pd.DataFrame:
    """A row for each statistic and group of stores: observed, and mean, 89 % interval and p-value of replicates."""
    return pd.DataFrame(
        [
            {"statistic": name, "group": group, **one._asdict(), "departs": one.departs}
            for name, ones in checks.statistics.items()
            for group, one in zip(checks.groups, ones, strict=True)
        ]
    ).set_index(["statistic", "group"])


def dataset(checks: CountChecks) -> xr.Dataset:
    """All numbers.

    Returns
    -------
    Dataset with `observed`, `predicted`, `low`, `high` and `above` by statistic and group; of the pictures there are,
    `frequency_*` by bin (named by its upper end), `pit_*` by tenth (its upper end), `calibration_*` by point.
    """
    whole = table(checks).drop(columns="departs").to_xarray()
    whole = whole.sel(statistic=list(checks.statistics), group=list(checks.groups))
    variables: dict[str, Any] = {}
    coords: dict[str, Any] = {}
    if checks.frequencies is not None:
        coords["bin"] = checks.frequencies.bins.upper
        for name in ("observed", "expected", "low", "high"):
            variables[f"frequency_{name}"] = ("bin", getattr(checks.frequencies, name))
    if checks.pit is not None:
        coords["tenth"] = np.arange(1, BINS + 1) / BINS
        variables |= {f"pit_{name}": ("tenth", values) for name, values in checks.pit._asdict().items()}
    if checks.calibration is not None:
        for name in ("predicted", "observed", "low", "high", "density"):
            variables[f"calibration_{name}"] = ("point", getattr(checks.calibration, name))
        for name in ("miscalibration", "discrimination"):
            variables[name] = ("end", np.array(getattr(checks.calibration, name)[:4]))
        coords["end"] = ["observed", "predicted", "low", "high"]
        variables["uncertainty"] = ((), checks.calibration.uncertainty)
    attributes = {name: getattr(checks, name) for name in ("family", "kind", "rows", "stores", "draws", "replicates")}
    return whole.assign(variables).assign_coords(coords).assign_attrs(attributes, band=BAND)
