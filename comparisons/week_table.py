"""The table of another week, as rows for the screen and the page, as a data set, and as plain text."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bayesmix.rounding import NONE, by_error, fixed, listed
from comparisons.another_week import AnotherWeek
from comparisons.differences import SURE
from comparisons.judged_regressions import COMMON, OWN
from comparisons.judged_weeks import Judged
from comparisons.week_scores import Mean
from em.show import narrow


class WeekRow(NamedTuple):
    """One model's line; every mean with its standard error over stores, None where there is none.

    Attributes
    ----------
    score, behind, crps : of the later weeks, predicted all at once from the first ones.
    ahead, behind_ahead : one step ahead.
    out, behind_out : leave one week out.
    inside : share of the later weeks inside their 89 % intervals.
    error : typical error, see `week_words`.
    spread : standard deviation of the coefficients of the stores that `week_words` names.
    refits : times the model was fitted again to go on one step ahead; None of regressions.
    """

    name: str
    model: str
    flags: tuple[str, ...]
    best: bool
    score: Mean
    behind: Mean
    crps: Mean
    ahead: Mean
    behind_ahead: Mean
    out: Mean | None
    behind_out: Mean | None
    inside: Mean
    error: Mean
    spread: float | None
    refits: int | None


def week_rows(of: AnotherWeek) -> list[WeekRow]:
    """The lines, best first."""
    return [_row(of, one) for one in of.models]


def _row(of: AnotherWeek, one: Judged) -> WeekRow:
    out = of.left_out(one)
    return WeekRow(
        name=one.name,
        model=one.model,
        flags=one.flags,
        best=one is of.best,
        score=of.mean(one.scores.log_score),
        behind=of.behind(one),
        crps=of.mean(one.scores.crps),
        ahead=of.mean(one.future_i),
        behind_ahead=of.behind_ahead(one),
        out=out[0] if out else None,
        behind_out=out[1] if out else None,
        inside=of.mean(one.scores.inside),
        error=of.error(one),
        spread=None if one.slopes is None else float(one.slopes.std()),
        refits=None if one.future is None else int(one.future.refitted.sum()),
    )


def told(of: AnotherWeek) -> str:
    """Which model predicts another week best, by which score, and which are as good, in a few sentences."""
    best, others = of.best, [(one, of.behind(one)) for one in of.models[1:]]
    level = [one.name for one, behind in others if abs(behind.value) < SURE * behind.se]
    said = f"By log score, {best.name} predicts the later weeks best"
    if level:
        said += f", within two standard errors of {listed(level)}."
    else:
        one, (value, se) = others[0]
        ahead = f"{by_error(-value, se)} (standard error {by_error(se, se)})"
        said += f": {ahead} in log-{of.words.score} per week ahead of {one.name}, the next."
    nearest = min(of.models, key=lambda one: float(one.scores.crps.mean()))
    if nearest is not best:
        said += f" By CRPS it is {nearest.name}."
    own, common = (next((one for one in of.models if one.name == name), None) for name in (OWN, COMMON))
    if own and common:
        gain = of.mean(own.scores.log_score - common.scores.log_score)
        if gain.value > SURE * gain.se:
            said += (
                f" Stores differ in their weekly scatter: a sigma for each is worth {by_error(*gain)} (standard error "
                f"{by_error(gain.se, gain.se)}) to least squares, and none of the models here has one."
            )
    return said


def parted(of: AnotherWeek) -> str:
    """What was fitted and what was scored."""
    split = of.split
    later = int(split.later.sum())
    return (
        f"Fitted to the first {split.share:.0%} of weeks ({split.step.size - later:,} rows), scored on the rest "
        f"({later:,} rows of {np.unique(of.store).size} stores); "
        + ("all stores cut at the same week." if split.aligned else "each store cut at its own week.")
    )


def screen_table(of: AnotherWeek) -> Table:
    """The table for the screen."""
    shown = narrow(f"Another week of a known store: mean per week of {of.words.what}")
    shown.add_column("model")
    with_loo = any(one.loo is not None for one in of.models)
    heads = [
        "log\nscore",
        "se",
        "differ-\nence",
        "se of\nit",
        "CRPS",
        "se",
        "one step\nahead",
        "differ-\nence",
        "se of\nit",
    ]
    heads += ["one week\nleft out", "differ-\nence", "se of\nit"] if with_loo else []
    for head in [*heads, "inside\n89 %", "typical\nerror"]:
        shown.add_column(head, justify="right")
    for row in week_rows(of):
        cells = [*_pair(row.score), *_difference(row.behind), *_pair(row.crps)]
        cells += [_pair(row.ahead)[0], *_difference(row.behind_ahead)]
        if with_loo:
            cells += [_pair(row.out)[0], *_difference(row.behind_out)] if row.out and row.behind_out else [NONE] * 3
        shown.add_row(escape(row.name), *cells, _share(row.inside), _pair(row.error)[0])
    return shown


def _pair(mean: Mean) -> tuple[str, str]:
    return by_error(*mean), by_error(mean.se, mean.se)


def _share(inside: Mean) -> str:
    return f"{fixed(100.0 * inside.value, 0)} %"


def _difference(mean: Mean | None) -> tuple[str, str]:
    if mean is None or mean.se == 0.0:
        return fixed(0.0, 0), NONE
    return _pair(mean)


def show(of: AnotherWeek, console: Console) -> None:
    """Print what was judged, the table, and what to bear in mind."""
    console.print(told(of), style="bold", highlight=False, markup=False, soft_wrap=True)
    console.print(parted(of), highlight=False, markup=False, soft_wrap=True)
    console.print(screen_table(of))
    for one in of.models:
        for flag in one.flags:
            console.print(f"{one.name}: {flag}", highlight=False, markup=False, soft_wrap=True)
    worst = max(one.crps_error for one in of.models)
    console.print(
        f"Standard errors are over stores. The log score is a {of.words.score}, higher is better; CRPS is in "
        f"{of.words.what}, lower is better, with an error by simulation of at most {worst:.1g}. Typical error: "
        f"{of.words.error}.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    for note in of.notes:
        console.print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)


def plain(of: AnotherWeek) -> str:
    """The same as text."""
    console = Console(width=150, color_system=None)
    with console.capture() as caught:
        show(of, console)
    return "\n".join(line.rstrip() for line in caught.get().splitlines())


def data_set(of: AnotherWeek) -> xr.Dataset:
    """Scores of every later week by model, (model, row), and their means with standard errors, (model,)."""
    split, rows, panel = of.split, week_rows(of), of.split.panel
    later = split.later
    what, score = of.words.what, of.words.score
    by_row = {
        "log_score": (f"log predictive {score} of {what}", [one.scores.log_score for one in of.models]),
        "crps": (f"continuous ranked probability score, {what}", [one.scores.crps for one in of.models]),
        "error": (
            f"{what} less the {'mean' if panel.response is None else 'median'} predicted",
            [one.scores.error for one in of.models],
        ),
        "pit": ("predicted probability below, with half of what came", [one.scores.pit for one in of.models]),
        "inside": ("whether inside the 89 % interval", [one.scores.inside for one in of.models]),
        "one_step_ahead": (f"log {score} given all weeks before", [one.future_i for one in of.models]),
    }
    by_model = {
        "mean_log_score": [row.score for row in rows],
        "difference": [row.behind for row in rows],
        "mean_crps": [row.crps for row in rows],
        "mean_one_step_ahead": [row.ahead for row in rows],
        "difference_one_step_ahead": [row.behind_ahead for row in rows],
        "share_inside": [row.inside for row in rows],
        "typical_error": [row.error for row in rows],
    }
    if any(row.out for row in rows):
        by_model["mean_left_out"] = [row.out or Mean(np.nan, np.nan) for row in rows]
        by_model["difference_left_out"] = [row.behind_out or Mean(np.nan, np.nan) for row in rows]
    variables = {name: (("model", "row"), np.stack(v), {"long_name": told}) for name, (told, v) in by_row.items()}
    for name, means in by_model.items():
        variables[name] = ("model", [mean.value for mean in means])  # pyright: ignore[reportArgumentType]
        variables[f"{name}_se"] = ("model", [mean.se for mean in means], {"long_name": "standard error over stores"})  # pyright: ignore[reportArgumentType]
    coords = {
        "model": [one.name for one in of.models],
        "store": ("row", np.array(panel.stores)[panel.store[later]]),
        "week": ("row", np.array(panel.weeks)[panel.week[later]]),
        "step": ("row", split.step[later]),
    }
    return xr.Dataset(variables, coords, {"share": split.share, "aligned": int(split.aligned), "unit": "week"})
