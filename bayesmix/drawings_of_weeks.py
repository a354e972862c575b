"""What the diagnostic report draws of single weeks."""

from collections.abc import Iterator

import numpy as np

from bayesmix.drawings import Drawing, later
from bayesmix.pictures_of_residuals import fitted_picture, quantiles_picture, weeks_picture
from bayesmix.report_contents import Contents
from bayesmix.rounding import fixed
from bayesmix.svg import INK, segment_colour


def of_weeks(c: Contents) -> Iterator[Drawing]:
    """Residuals against fitted, against a normal distribution, and in time."""
    if c.weeks is None:
        return
    for s, band in c.weeks.bands.items():
        middle = band.quantiles[2]
        whose = f" of segment {s + 1}" if c.fit.k > 1 else ""
        alt = (
            f"Bands of {c.weeks.scatter[s].rows:,} standardised residuals{whose} by fitted sales: the median goes from "
            f"{fixed(float(middle.min()), 2)} to {fixed(float(middle.max()), 2)}, the width of the middle 89 % from "
            f"{fixed(float(np.ptp(band.quantiles, 0).min()), 1)} to {fixed(float(np.ptp(band.quantiles, 0).max()), 1)} "
            "standard deviations."
        )
        colour = segment_colour(s) if c.fit.k > 1 else INK
        yield Drawing(f"fitted-{s}", later(fitted_picture, band, colour), alt)
    if c.weeks.quantiles:
        each = "; ".join(
            f"{f'segment {s + 1}: ' if c.fit.k > 1 else ''}{fixed(float(z[0]), 1)} to {fixed(float(z[-1]), 1)}"
            for s, (_, z) in c.weeks.quantiles.items()
        )
        alt = f"Ordered residuals of weeks against those of a normal distribution, in standard deviations: {each}."
        yield Drawing("residuals-normal", later(quantiles_picture, c.weeks.quantiles), alt)
    weeks = c.weeks.weeks
    low, high = (fixed(float(100.0 * np.expm1(end)), 0) for end in (weeks.mean.min(), weeks.mean.max()))
    alt = (
        f"The average residual of each of {weeks.week.size} weeks, from {low} to {high} %; {weeks.unusual.size} are "
        "beyond the limits of chance."
    )
    yield Drawing("weeks", later(weeks_picture, weeks, c.weeks.labels), alt)
