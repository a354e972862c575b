"""Log sales and counts of one panel beside each other: elasticities, and how well each predicts a store left out."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from bayesmix.run import fit_mixture
from bayesmix.settings import Settings
from comparisons.differences import Difference, difference
from comparisons.examples.logs_limits import ONE_MORE, WITHOUT_ZEROS
from comparisons.examples.logs_panels import FORMULA, LOGARITHMS, Truth, draw
from comparisons.one_scale import BetweenThem, scale_of
from em.command import replacing
from em.errors import InputError
from em.fit import MixtureFit
from em.fit import fit_mixture as fit_segments
from em.panel import Panel, read_panel
from em.statistics import Floats

SEGMENTS, STARTS = 2, 10
PRICE = 1  # position of its coefficient
COUNTS, POISSON, LOG_NORMAL = "negative binomial", "Poisson", "log-normal"


class Elasticities(NamedTuple):
    """Price elasticities of the two segments, the steeper first, and their standard errors; (segment,) both."""

    value: Floats
    error: Floats


class Scored(NamedTuple):
    """Models of a panel without zeros, on the scale of units.

    Attributes
    ----------
    elpd : by model, the log-density that it gives to stores left out, sum over stores.
    behind : by model, the difference to the negative binomial.
    doubtful : by model, stores whose value is not reliable.
    between : what the density of the log-normal would gain as probabilities of whole numbers.
    """

    elpd: dict[str, float]
    behind: dict[str, Difference]
    doubtful: dict[str, int]
    between: BetweenThem | None


class PanelOfVolume(NamedTuple):
    """A panel and what the models find in it.

    Attributes
    ----------
    volume : units of an average row at the middle price.
    rows, zeros, below_ten : how many there are, without sales, and below 10 units.
    refused : what reading logarithms of its zeros says; empty where there are none.
    elasticities : by model.
    scored : None where there are zeros.
    """

    volume: float
    rows: int
    zeros: int
    below_ten: int
    refused: str
    elasticities: dict[str, Elasticities]
    scored: Scored | None


def panel_of_volume(
    path: Path, rng: np.random.Generator, truth: Truth, volume: float, settings: Settings
) -> PanelOfVolume:
    """Draw a panel, write and read its file, and fit.

    Parameters
    ----------
    path : of the file; where there are zeros, the rows without them go to a second file beside it.
    """
    frame = draw(rng, truth, volume)
    _write(frame, path)
    units = frame["units"].to_numpy()
    sold = frame.loc[units > 0]
    above = path if len(sold) == len(frame) else path.with_stem(f"{path.stem}-above-zero")
    if above != path:
        _write(sold, above)
    counts, poisson = (read_panel(path, family=name, formula=FORMULA) for name in ("negative-binomial", "poisson"))
    logs, one_more = (
        read_panel(above, formula=LOGARITHMS),
        read_panel(path, formula=LOGARITHMS.replace("units", "one_more")),
    )
    elasticities = {
        COUNTS: _elasticities(counts, None),
        POISSON: _elasticities(poisson, None),
        WITHOUT_ZEROS: _elasticities(logs, "common"),
        ONE_MORE: _elasticities(one_more, "common"),
    }
    scored = _scored(counts, poisson, logs, settings) if above == path else None
    below_ten = int((units < 10).sum())
    return PanelOfVolume(volume, len(frame), len(frame) - len(sold), below_ten, _refused(path), elasticities, scored)


def _write(frame: pd.DataFrame, path: Path) -> None:
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False)


def _refused(path: Path) -> str:
    """What reading the logarithms of a file says of its zeros, without the folder."""
    try:
        read_panel(path, formula=LOGARITHMS)
    except InputError as told:
        return str(told).replace(str(path), path.name)
    return ""


def _elasticities(panel: Panel, sigma: str | None) -> Elasticities:
    fit: MixtureFit = fit_segments(panel, SEGMENTS, sigma=sigma, starts=STARTS)  # pyright: ignore[reportArgumentType]
    errors = fit.standard_errors
    value = fit.parameters.theta[:, PRICE]
    error = np.full(SEGMENTS, np.nan) if errors is None else errors.theta[:, PRICE]
    steeper_first = np.argsort(value)
    return Elasticities(value[steeper_first], error[steeper_first])


def _scored(counts: Panel, poisson: Panel, logs: Panel, settings: Settings) -> Scored:
    fits = {
        COUNTS: fit_mixture(counts, SEGMENTS, settings=settings),
        POISSON: fit_mixture(poisson, SEGMENTS, settings=settings),
        LOG_NORMAL: fit_mixture(logs, SEGMENTS, sigma="common", settings=settings),
    }
    scale = scale_of([fits[COUNTS], fits[LOG_NORMAL]])
    assert scale is not None  # the two are of different families
    elpd_i = {name: fit.psis.elpd_i + scale.shift(fit.family) for name, fit in fits.items()}
    return Scored(
        {name: float(each.sum()) for name, each in elpd_i.items()},
        {name: difference(each, elpd_i[COUNTS]) for name, each in elpd_i.items()},
        {name: fit.psis.n_doubtful for name, fit in fits.items()},
        scale.between[fits[LOG_NORMAL].name],
    )
