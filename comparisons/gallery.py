"""The pictures that a comparison allows, each with what it shows in words and figures for those who do not see it."""

from collections.abc import Iterator

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bayesmix.axis import Axis, axis_of, price_range
from bayesmix.pictures_of_pooling import pooling_picture
from bayesmix.pictures_of_segments import demand_picture, membership_picture
from bayesmix.rounding import fixed, percent
from bayesmix.segments_of_stores import SURE_OF, membership, most_probable
from bayesmix.svg import inline_svg
from comparisons import pictures
from comparisons.comparison import Comparison, Score
from comparisons.shrinkage import Shrinkage
from comparisons.words_of_families import linear_predictor
from em.statistics import Floats, GaussianStatistics, Ints

Drawn = tuple[str, Figure, str]


def gallery(
    comparison: Comparison, mixture: Score | None, continuum: Score | None, normals: Score | None = None
) -> dict[str, Markup]:
    """Pictures as inline SVG, by name.

    Parameters
    ----------
    mixture, continuum, normals : the fits that the page shows; None where there is none.
    """
    fit = comparison.best.fit
    axis = axis_of(fit.coefficients, fit.statistics) if isinstance(fit.statistics, GaussianStatistics) else None
    segment = most_probable(mixture.fit) if mixture else None
    drawn: list[Drawn] = []
    if mixture:
        drawn += _of_mixture(mixture, axis, comparison.shrinkage)
    for name, score in (("levels-to-segments", mixture), ("levels-to-mean", continuum)):
        if score and comparison.shrinkage.level is not None:
            drawn.append(_levels(name, score, comparison.shrinkage, segment))
    if continuum and axis:
        drawn += _of_continuum(continuum, axis, comparison.shrinkage, segment)
    if normals and axis:
        drawn += _of_normals(normals, axis, comparison.shrinkage)
    if mixture and continuum and len(fit.stores) > 1:
        drawn.append(_differences(mixture, continuum))
    return {name: Markup(inline_svg(figure, name, alt)) for name, figure, alt in drawn}


def _of_mixture(mixture: Score, axis: Axis | None, moved: Shrinkage) -> Iterator[Drawn]:
    fit, share = mixture.fit, membership(mixture.fit)
    surely = int((share.max(1) > SURE_OF).sum())
    if fit.k > 1:
        counts = np.bincount(share.argmax(1), minlength=fit.k)
        each = ", ".join(f"{count} in segment {s + 1}" for s, count in enumerate(counts))
        alt = f"A column for each store, divided by its probabilities of belonging to the {fit.k} segments: {each}, "
        yield "membership", membership_picture(share), f"{alt}{surely} of {len(share)} with more than 90 %."
    if axis is None:
        return
    theta = _means(mixture, "theta")
    each = ", ".join(f"{fixed(value[axis.price], 2)} in segment {s + 1}" for s, value in enumerate(theta))
    alt = f"Curves of sales against price with 89 % intervals, one for each segment; price elasticities: {each}."
    span = price_range(fit.group("constant_data"), axis)
    if span is not None:
        yield "demand", demand_picture(fit.draws.mu, axis, span[0]), alt
    alt = (
        f"{_hollow(moved, axis)} Under {mixture.name} {surely} of {len(share)} stores move to the values of one "
        f"segment; {_spread(moved.after[mixture.name], axis)}."
    )
    yield "to-segments", pictures.shrinkage_picture(moved, mixture.name, axis, most_probable(fit), theta), alt


def _of_continuum(continuum: Score, axis: Axis, moved: Shrinkage, segment: Ints | None) -> Iterator[Drawn]:
    name, share = continuum.name, moved.pooling[continuum.name][:, axis.price]
    alt = (
        f"{_hollow(moved, axis)} Under {name} they move towards the average store; {_spread(moved.after[name], axis)}."
    )
    average = _means(continuum, "mu")[None]
    yield "to-mean", pictures.shrinkage_picture(moved, name, axis, segment, average), alt
    if not moved.same_information:
        alt = (
            f"A point for each store: the share of its estimate that comes from the other stores, "
            f"{percent(share.min())} to {percent(share.max())}, against the standard error of its own price elasticity."
        )
        yield "pooling", pooling_picture(moved.own_se[:, axis.price], share), alt


def _of_normals(normals: Score, axis: Axis, moved: Shrinkage) -> Iterator[Drawn]:
    name, centres, segment = normals.name, _means(normals, "mu"), most_probable(normals.fit)
    alt = (
        f"{_hollow(moved, axis)} Under {name} each moves part of the way to the mean of its segment; "
        f"{_spread(moved.after[name], axis)}."
    )
    yield "to-normals", pictures.shrinkage_picture(moved, name, axis, segment, centres), alt


def _levels(name: str, score: Score, moved: Shrinkage, segment: Ints | None) -> Drawn:
    """Stores of a family before and after, in a typical row."""
    own, after, known = levels(moved, score)
    of = linear_predictor(score.fit)
    alt = (
        f"A point for each of {int(known.sum())} stores: {of} in a typical row by the store’s own rows, from "
        f"{fixed(own[known].min(), 2)} to {fixed(own[known].max(), 2)}, against the same under {score.name}, from "
        f"{fixed(after.min(), 2)} to {fixed(after.max(), 2)}."
    )
    return name, pictures.levels_picture(own[known], after[known], None if segment is None else segment[known], of), alt


def levels(moved: Shrinkage, score: Score) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Linear predictors of stores in a typical row, by their own rows and under a model; which their own rows tell."""
    if moved.level is None or moved.level_se is None or moved.row is None:
        raise ValueError("stores of log sales have no level; their sales and elasticities are shown")
    return moved.level, moved.after[score.name] @ moved.row, np.isfinite(moved.level_se)


def _differences(mixture: Score, continuum: Score) -> Drawn:
    diff_i = mixture.loo.elpd_i - continuum.loo.elpd_i
    above = int((diff_i > 0.0).sum())
    alt = (
        f"A bar for each store: {mixture.name} minus {continuum.name} in log-density of the store left out. {above} "
        f"stores are above zero, {diff_i.size - above} below; the largest is {fixed(diff_i.max(), 1)}, the smallest "
        f"{fixed(diff_i.min(), 1)}."
    )
    return "differences", pictures.difference_picture(diff_i, most_probable(mixture.fit)), alt


def _hollow(moved: Shrinkage, axis: Axis) -> str:
    spread = _spread(moved.own, axis)
    return f"Sales and price elasticity of {len(moved.stores)} stores by their own least squares: {spread}."


def _spread(theta: Floats, axis: Axis) -> str:
    low, high = np.min(theta[:, axis.price]), np.max(theta[:, axis.price])
    return f"price elasticities from {fixed(low, 2)} to {fixed(high, 2)}"


def _means(score: Score, name: str) -> Floats:
    """Posterior mean of a parameter."""
    return np.asarray(score.fit.posterior[name].mean(("chain", "draw")), dtype=float)
