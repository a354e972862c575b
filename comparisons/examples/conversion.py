"""The example of conversions: odds ratios of sessions, and what their probabilities are worth on new users."""

from pathlib import Path
from typing import Any

import numpy as np

from bayesmix.rounding import by_ratio, fixed
from comparisons.examples.calibration import Calibration
from comparisons.examples.conversion_models import COSTS, NODES, RESAMPLES, SEED, Contents, OddsRatio, contents
from comparisons.examples.conversion_pictures import calibration_picture, cost_picture, roc_picture
from comparisons.examples.conversion_sessions import PARTNER, TRUTH, draw, with_partner
from comparisons.examples.decisions import Cost, cost, per_thousand
from comparisons.examples.example import Findings, rendered
from comparisons.examples.forest import Line, forest
from comparisons.examples.intervals import Z, percent
from comparisons.examples.roc import Roc, resampled_users
from comparisons.examples.shares_by_user import Share
from em.command import replacing
from em.panel import Panel, read_panel

USERS, NEW_USERS = 1500, 1000
FITTED, NEW, RARE = "conversion.csv", "conversion-new-users.csv", "conversion-partner.csv"
FORMULA = "bought ~ log(minutes) + pages + referral"


def worked(folder: Path) -> Findings:
    """Draw the sessions, write and read the files, fit, judge on new users, and tell."""
    rng = np.random.default_rng(SEED)
    sessions, new_users = draw(rng, USERS, "U"), draw(rng, NEW_USERS, "N")
    for name, frame in ((FITTED, sessions), (NEW, new_users), (RARE, with_partner(sessions))):
        with replacing(folder / name) as temporary:
            frame.drop(columns="own").to_csv(temporary, index=False)
    panel, new, rare = (read(folder / name) for name in (FITTED, NEW, RARE))
    return findings(contents(panel, new, rare, new_users["own"].to_numpy()))


def read(path: Path) -> Panel:
    """A file as a panel: users take the place of stores, sessions that of weeks."""
    return read_panel(path, store="user", week="session", family="bernoulli", formula=FORMULA)


def findings(found: Contents) -> Findings:
    """In words, as a page and as numbers."""
    ratios = {one.change: one for one in found.ratios}
    ours = found.judged["mixed model, averaged over users"]
    twice, email = ratios["twice the minutes"], ratios["email, not direct"]
    does = found.decisions
    headline = f"Twice the minutes on the site go with {by_ratio(*_ends(twice))} times the odds of a purchase"
    lead = (
        f"The odds ratio of twice the minutes is {ratio(twice)}, that of coming by email rather than directly "
        f"{ratio(email)}, pages and user held the same. Of {len(found.new.stores):,} users who were not fitted, a "
        f"session that ends in a purchase has the higher probability of two in {area(ours.roc)}. Acting above "
        f"{percent(COSTS.threshold)} reaches {of_share(does.sensitivity)} of the purchases; {of_share(does.precision)} "
        "of the sessions acted on end in one."
    )
    page = rendered(
        "conversion.html", _pictures(found), headline=headline, lead=lead, found=found, ours=ours, truth=TRUTH,
        costs=COSTS, seed=SEED, nodes=NODES, resamples=RESAMPLES, partner=PARTNER, formula=FORMULA, fitted=FITTED,
        new=NEW, rare=RARE, ratio=ratio, ratio_of=ratio_of, area=area, of_share=of_share, percent=percent, slope=slope,
        of_cost=of_cost, sd=(float(np.sqrt(found.fit.parameters.omega[0, 0])), float(found.fit.sd_errors[0])),
    )  # fmt: skip
    return Findings(headline, lead, page, _numbers(found))


def _pictures(found: Contents) -> dict[str, Any]:
    ours = found.judged["mixed model, averaged over users"]
    middle = found.judged["mixed model, the user in the middle"]
    lines = [
        Line(one.change, one.value, one.value - Z * one.error, one.value + Z * one.error, one.truth)
        for one in found.ratios
    ]
    does, acted = found.decisions, found.costs_of
    y, user = found.new.y, found.new.store
    drawn = resampled_users(np.random.default_rng(SEED), len(found.new.stores), RESAMPLES)
    thresholds = np.linspace(0.01, 0.6, 60)
    by_threshold = [per_thousand(cost(COSTS, ours.probability > at, y), user, drawn) for at in thresholds]
    each = "; ".join(f"{one.change}: {ratio(one)}" for one in found.ratios)
    tenths = "; ".join(f"{percent(one.told)}: {of_share(one.found)}" for one in ours.calibration.tenths)
    return {
        "forest": (forest(lines, "Odds ratio of a purchase, for each user"), f"Odds ratios, 95 % intervals. {each}."),
        "calibration": (
            calibration_picture(ours.calibration, middle.calibration),
            f"Share with a purchase by tenths of probability told: {tenths}.",
        ),
        "roc": (
            roc_picture(ours.roc, does),
            f"True against false positives; area {area(ours.roc)}; at the threshold {of_share(does.sensitivity)} of "
            f"purchases are reached and {of_share(does.specificity)} of the others passed by.",
        ),
        "cost": (
            cost_picture(thresholds, by_threshold, acted["everybody"].value, acted["nobody"].value, COSTS.threshold),
            f"Cost of a thousand sessions by threshold: {of_cost(ours.cost)} at {percent(COSTS.threshold)}, "
            f"{of_cost(acted['everybody'])} acting on all, {of_cost(acted['nobody'])} on none.",
        ),
    }


def _ends(one: OddsRatio) -> tuple[float, float, float]:
    return tuple(float(np.exp(one.value + side * Z * one.error)) for side in (0.0, -1.0, 1.0))  # pyright: ignore[reportReturnType]


def ratio_of(value: float, error: float) -> str:
    """An odds ratio with its 95 % interval, from its logarithm and the error of that."""
    middle, low, high = (fixed(float(np.exp(value + side * Z * error)), 2) for side in (0.0, -1.0, 1.0))
    return f"{middle} ({low} to {high})"


def ratio(one: OddsRatio) -> str:
    """The odds ratio of a change for each user."""
    return ratio_of(one.value, one.error)


def area(one: Roc) -> str:
    """Area under the curve in per cent, with its 95 % interval."""
    return f"{percent(one.area)} ({100.0 * one.low:.1f} to {100.0 * one.high:.1f})"


def of_share(one: Share) -> str:
    """A share in per cent, with its 95 % interval."""
    return f"{percent(one.value)} ({100.0 * one.low:.1f} to {100.0 * one.high:.1f})"


def of_cost(one: Cost) -> str:
    """A cost of a thousand sessions, with its 95 % interval."""
    return f"{fixed(one.value, 0)} ({fixed(one.low, 0)} to {fixed(one.high, 0)})"


def slope(one: Calibration) -> str:
    """Slope of a calibration with its 95 % interval."""
    low, high = one.slope_interval
    return f"{fixed(one.slope, 2)} ({fixed(low, 2)} to {fixed(high, 2)})"


def _numbers(found: Contents) -> dict[str, Any]:
    does = found.decisions
    return {
        "truth": TRUTH._asdict(),
        "seed": SEED,
        "odds_ratios": [one._asdict() for one in found.ratios],
        "sd": float(np.sqrt(found.fit.parameters.omega[0, 0])),
        "held_out": {
            name: {
                "area": one.roc.area, "area_interval": [one.roc.low, one.roc.high],
                "told": one.calibration.told, "found": one.calibration.found.value,
                "slope": one.calibration.slope, "slope_error": one.calibration.slope_error,
                "cost": one.cost._asdict(),
            }
            for name, one in found.judged.items()
        },
        "threshold": COSTS.threshold,
        "costs": COSTS._asdict(),
        "table": does.table.tolist(),
        **{name: getattr(does, name)._asdict() for name in ("sensitivity", "specificity", "precision", "acted")},
        "separated": found.separated._asdict(),
    }  # fmt: skip
