"""What the diagnostic report draws of segments, or of the average store, mode by mode."""

from collections.abc import Iterator

from bayesmix.axis import price_range
from bayesmix.diagnose import INTERVAL
from bayesmix.drawings import Drawing, later
from bayesmix.drawn_stores import coefficients_of_stores
from bayesmix.fitted import Fit
from bayesmix.pictures_of_segments import demand_picture, membership_picture
from bayesmix.report_contents import Contents
from bayesmix.rounding import by_error
from bayesmix.segments_of_stores import SURE_OF, membership


def of_segments(c: Contents) -> Iterator[Drawing]:
    """Demand curves and memberships."""
    span = price_range(c.fit.group("constant_data"), c.axis)
    for mode in c.modes:
        fit = mode.fit
        end = "" if len(c.modes) == 1 else f"-mode-{mode.number}"
        if span is not None and c.axis is not None:
            draw = later(demand_picture, fit.draws.mu, c.axis, span[0], coefficients_of_stores(fit))
            yield Drawing(f"demand{end}", draw, _demand_alt(fit, c.axis.price))
        if fit.k > 1 and mode.joining:
            each = ", ".join(f"{row['stores']} in segment {row['segment']}" for row in mode.joining)
            surely = sum(row["sure"] for row in mode.joining)
            alt = (
                f"A column for each store, divided by its probabilities of belonging to the {fit.k} segments: {each}, "
                f"{surely} of {len(fit.stores)} with more than {SURE_OF:.0%}."
            )
            yield Drawing(f"membership{end}", later(membership_picture, membership(fit)), alt)


def _demand_alt(fit: Fit, price: int) -> str:
    mean, sd = fit.draws.mu[..., price].mean(0), fit.draws.mu[..., price].std(0)
    numbers = [by_error(float(m), float(s)) for m, s in zip(mean, sd, strict=True)]
    if fit.k == 1:
        return f"A curve of sales against price with its {INTERVAL:.0%} interval; the price elasticity is {numbers[0]}."
    each = ", ".join(f"{number} in segment {s}" for s, number in enumerate(numbers, start=1))
    return f"Curves of sales against price with {INTERVAL:.0%} intervals, one for each segment; elasticities: {each}."
