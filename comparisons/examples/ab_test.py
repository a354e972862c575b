"""The example of an A/B test with sessions nested in users: GLM, GEE and mixed model beside each other."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm

from bayesmix.rounding import by_error, fixed
from bayesmix.svg import segment_colour
from comparisons.examples.ab_coverage import TRUTHS, Coverage, coverage, kept
from comparisons.examples.ab_experiment import Sessions, draw, table
from comparisons.examples.ab_models import NODES, Answer, Models, answers, contrasts, fit_models
from comparisons.examples.ab_pictures import coverage_picture, users_picture
from comparisons.examples.averages import Contrast, attenuated, true_average
from comparisons.examples.example import Findings, rendered
from comparisons.examples.forest import Line, forest
from comparisons.examples.intervals import Z, percent
from em.command import replacing
from em.panel import Panel, read_panel

SEED = 1
TRUTH_NAME = "users randomised"
NO_EFFECT = "users randomised, no effect"
TRUTH = TRUTHS[TRUTH_NAME]
FILE = "ab-test.csv"
FORMULA = "bought ~ variant"
TONES = {"average": segment_colour(0), "user": segment_colour(1)}


class DesignEffect(NamedTuple):
    """By how much coming back widens the error.

    Attributes
    ----------
    measured : ratio of the standard errors of the log odds ratio, users counted to users ignored.
    expected : sqrt(1 + (m - 1) correlation), m the sessions of the user of a session, on average (Kish 1965).
    sessions, worth : how many there are, and of how many users with one session each they are worth.
    """

    measured: float
    expected: float
    sessions: int
    worth: float

    @property
    def covered(self) -> float:
        """Share of 95 % intervals too short by `measured` that hold the truth."""
        return 2.0 * float(norm.cdf(Z / self.measured)) - 1.0


def worked(folder: Path) -> Findings:
    """Draw the experiment, write and read its file, fit, and tell."""
    path = folder / FILE
    with replacing(path) as temporary:
        table(draw(np.random.default_rng(SEED), TRUTH)).to_csv(temporary, index=False)
    panel = read(path)
    sessions = Sessions(panel.store, panel.x, panel.y)
    models = fit_models(sessions)
    return findings(sessions, models, coverage(kept()))


def read(path: Path) -> Panel:
    """The file as a panel: users take the place of stores, sessions that of weeks."""
    return read_panel(path, store="user", week="session", family="bernoulli", formula=FORMULA)


def findings(sessions: Sessions, models: Models, covered: list[Coverage]) -> Findings:
    """What the fits of one experiment and the study of many say, in words, as a page and as numbers."""
    found, averages = {one.name: one for one in answers(models)}, contrasts(models)
    truth = true_average(TRUTH.intercept, TRUTH.effect, TRUTH.sd)
    effect = design_effect(sessions, models)
    by_model = {row.model: row for row in covered if row.truth == TRUTH_NAME}
    glm, gee = found["GLM, users ignored"], found["GEE, exchangeable"]
    headline = (
        f"Counting sessions and not users makes an A/B test look {fixed(effect.measured, 1)} times as sure as it is"
    )
    lead = (
        f"B changes the share of sessions with a purchase by {points(averages[gee.name])} percentage points "
        f"(95\N{NO-BREAK SPACE}% interval by GEE, which counts {sessions.users} users; the truth is "
        f"{100.0 * truth.difference:.1f}). A logistic regression of the same {sessions.user.size:,} sessions that "
        f"ignores users says {points(averages[glm.name])}. In {by_model[glm.name].experiments} simulated experiments "
        f"of this kind its 95\N{NO-BREAK SPACE}% intervals held the truth in {share(by_model[glm.name])}, those of GEE "
        f"in {share(by_model[gee.name])}."
    )
    contents = {
        "headline": headline,
        "lead": lead,
        "truth": TRUTH,
        "average": truth,
        "sessions": sessions,
        "models": models,
        "answers": list(found.values()),
        "averages": averages,
        "effect": effect,
        "glm": glm,
        "gee": gee,
        "covered": covered,
        "by_model": by_model,
        "no_effect": {row.model: row for row in covered if row.truth == NO_EFFECT},
        "sd": (float(np.sqrt(models.quadrature.parameters.omega[0, 0])), float(models.quadrature.sd_errors[0])),
        "laplace_sd": (float(np.sqrt(models.laplace.parameters.omega[0, 0])), float(models.laplace.sd_errors[0])),
        "nearly": attenuated(TRUTH.effect, TRUTH.sd),
        "nodes": NODES,
        "seed": SEED,
        "file": FILE,
        "formula": FORMULA,
        "z": Z,
        "interval": interval,
        "points": points,
        "share": share,
    }
    pictures = {
        "forest": (forest(_lines(found, truth), "Odds ratio of B against A"), _told(found)),
        "coverage": (
            coverage_picture(covered),
            "Coverage by model: " + "; ".join(f"{row.model}, {row.truth}: {share(row)}" for row in covered) + ".",
        ),
        "users": (
            users_picture(TRUTH),
            "Eleven users' curves of the probability of a purchase, all equally steep, and their average, which is "
            f"flatter: from A to B it rises from {percent(truth.rates[0])} to {percent(truth.rates[1])}.",
        ),
    }
    return Findings(
        headline, lead, rendered("ab-test.html", pictures, **contents), _numbers(found, averages, truth, effect)
    )


def design_effect(sessions: Sessions, models: Models) -> DesignEffect:
    """From the two standard errors, and from the sessions of the users and their correlation alone."""
    number = np.bincount(sessions.user)
    of_session = float(np.square(number).sum() / number.sum())
    expected = float(np.sqrt(1.0 + (of_session - 1.0) * models.gee.correlation))
    measured = float(models.clustered.standard_errors[1] / models.glm.standard_errors[1])
    return DesignEffect(measured, expected, sessions.user.size, sessions.user.size / measured**2)


def interval(value: float, error: float, scale: float = 1.0) -> str:
    """The ends of a 95 % interval, with the decimals that its error carries."""
    low, high = (by_error(scale * (value + side * Z * error), scale * error) for side in (-1.0, 1.0))
    return f"{low} to {high}"


def points(average: Contrast) -> str:
    """B less A in percentage points, with its 95 % interval."""
    value, error = average.difference, average.difference_error
    return f"{by_error(100.0 * value, 100.0 * error)} ({interval(value, error, 100.0)})"


def share(row: Coverage) -> str:
    """How many intervals hold the truth, with the 95 % interval of that share."""
    low, high = row.interval
    return f"{percent(row.share)} ({100.0 * low:.0f} to {100.0 * high:.0f})"


def _lines(found: dict[str, Answer], truth: Contrast) -> list[Line]:
    return [
        Line(
            one.name, one.log_odds_ratio, one.log_odds_ratio - Z * one.error, one.log_odds_ratio + Z * one.error,
            TRUTH.effect if one.whose == "user" else truth.log_odds_ratio, TONES[one.whose],
        )
        for one in found.values()
    ]  # fmt: skip


def _told(found: dict[str, Answer]) -> str:
    each = (
        f"{one.name}: {np.exp(one.log_odds_ratio):.2f} ({np.exp(one.log_odds_ratio - Z * one.error):.2f} to "
        f"{np.exp(one.log_odds_ratio + Z * one.error):.2f})"
        for one in found.values()
    )
    return f"Odds ratios with 95 % intervals. {'; '.join(each)}."


def _numbers(
    found: dict[str, Answer], averages: dict[str, Contrast], truth: Contrast, effect: DesignEffect
) -> dict[str, Any]:
    return {
        "truth": {**TRUTH._asdict(), "average": truth._asdict()},
        "seed": SEED,
        "answers": [one._asdict() for one in found.values()],
        "averages": {name: one._asdict() for name, one in averages.items()},
        "design_effect": effect._asdict(),
    }
