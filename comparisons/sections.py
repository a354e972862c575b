"""What the further sections of the page say: BIC against LOO, EM against posterior, the average of models."""

import base64
from typing import Any

import numpy as np
import xarray as xr
from markupsafe import Markup

from bayesmix.axis import price_column
from bayesmix.rounding import by_error, fixed
from bayesmix.svg import inline_svg
from comparisons.average import OF_FAMILIES, as_csv
from comparisons.comparison import Comparison, Score
from comparisons.differences import difference
from comparisons.disagreement import MOST, Disagreement
from comparisons.em_beside_posterior import Beside
from comparisons.pictures import difference_picture
from comparisons.pictures_of_roads import beside_picture, charges_picture


def sections(comparison: Comparison, mixture: Score | None, continuum: Score | None) -> dict[str, Any]:
    """Contents of the templates disagreement.html, beside.html and average.html, by the names that they use.

    Parameters
    ----------
    mixture, continuum : the fits that the page shows; None where there is none.
    """
    apart, both, averaged = comparison.apart, comparison.beside, comparison.averaged
    shown = _shown(both, mixture or continuum)
    return {
        "apart": apart,
        "because": because(apart) if apart else None,
        "between_them": difference(apart.by_loo.score.loo.elpd_i, apart.by_bic.score.loo.elpd_i) if apart else None,
        "both": [(one, farthest(one), ratio(one)) for one in both],
        "shown": shown,
        "averaged": averaged,
        "most_divided": _most_divided(averaged) if averaged is not None else None,
        "csv": _as_url(comparison, averaged) if averaged is not None else None,
        "pictures": _pictures(apart, shown, mixture, continuum),
    }


def because(apart: Disagreement) -> str:
    """Why BIC and LOO part, in figures."""
    a, b = apart.by_loo, apart.by_bic
    return (
        f"From {b.score.name} to {a.score.name} the log-likelihood at the maximum rises by "
        f"{fixed(a.log_likelihood - b.log_likelihood, 1)}, for which BIC charges {fixed(a.charge - b.charge, 1)} more; "
        f"the posterior’s own log-density of the stores rises by {fixed(a.lppd - b.lppd, 1)}, for which leaving stores "
        f"out takes off {fixed(a.p_loo - b.p_loo, 1)} more."
    )


def farthest(one: Beside) -> float:
    """The largest distance of EM from the posterior mean, in posterior standard deviations; NaN without EM."""
    return max((abs(e.em - e.mean) / e.sd for _, e in one.rows if e.em is not None), default=float("nan"))


def ratio(one: Beside) -> tuple[float, float] | None:
    """The smallest and largest standard error of EM, in posterior standard deviations; None without any."""
    found = [e.em_se / e.sd for _, e in one.rows if e.em_se is not None and np.isfinite(e.em_se)]
    return (min(found), max(found)) if found else None


def _shown(both: list[Beside], page_shows: Score | None) -> Beside | None:
    """The model whose parameters are set side by side: the one that the page shows, or else the best."""
    return next((one for one in both if one.score is page_shows), both[0] if both else None)


def _most_divided(averaged: xr.Dataset) -> xr.Dataset | None:
    """The stores on which the models differ most; None where there is one model."""
    if averaged.sizes["model"] < 2:
        return None
    return averaged.isel(store=np.argsort(-averaged["between"].to_numpy(), kind="stable")[:MOST])


def _as_url(comparison: Comparison, averaged: xr.Dataset) -> str:
    moved, c = comparison.shrinkage, price_column(comparison.best.fit.coefficients)
    if moved.level is None or moved.level_se is None:
        text = as_csv(averaged, moved.own[:, c], moved.own_se[:, c], moved.n)
    elif c is not None and averaged.attrs["coefficient"] == comparison.best.fit.coefficients[c]:
        text = as_csv(averaged, moved.own[:, c], moved.own_se[:, c], moved.n, OF_FAMILIES)
    else:
        text = as_csv(averaged, moved.level, moved.level_se, moved.n, OF_FAMILIES)
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(text.encode()).decode()


def _pictures(
    apart: Disagreement | None, shown: Beside | None, mixture: Score | None, continuum: Score | None
) -> dict[str, Markup]:
    drawn = []
    if apart:
        each = "; ".join(f"{r.score.name} {fixed(r.charge, 1)} and {fixed(r.p_loo, 1)}" for r in apart.rows)
        alt = f"Two marks for each model: half of what BIC charges, and the p of leaving one store out. {each}."
        drawn.append(("charges", charges_picture(apart.rows), alt))
        if {id(apart.first), id(apart.second)} != {id(mixture), id(continuum)}:
            above = int((apart.diff_i > 0.0).sum())
            alt = (
                f"A bar for each store: {apart.first.name} minus {apart.second.name} in log-density of the store left "
                f"out. {above} stores are above zero, {apart.diff_i.size - above} are not; the sum is "
                f"{by_error(apart.difference.elpd_diff, apart.difference.dse)}."
            )
            ends = (apart.first.name, apart.second.name)
            drawn.append(("parts", difference_picture(apart.diff_i, None, ends), alt))
    if shown and any(e.em is not None for _, e in shown.rows):
        alt = (
            f"A line for each parameter of {shown.score.name}: EM’s estimate with an 89 % interval from its standard "
            f"error, against the posterior’s. The farthest is {fixed(farthest(shown), 1)} posterior standard "
            "deviations from the posterior mean."
        )
        drawn.append(("em-beside", beside_picture(shown), alt))
    return {name: Markup(inline_svg(figure, name, alt)) for name, figure, alt in drawn}
