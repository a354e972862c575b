"""What the checks of counts, choices and amounts say to an analyst: a finding for each, with its numbers."""

from bayesmix.count_checks import CountChecks
from bayesmix.distribution_words import Verdict, count, of_calibration, of_frequencies, of_pit
from bayesmix.replicates import Replicated
from bayesmix.rounding import figures, fixed, listed
from em.families import FAMILIES

ONE = {"counts": "a count", "shares": "a share", "amounts": "an amount"}
HONESTLY = (
    "Posterior predictive checks of the known stores’ own rows: could the model have made the panel that it was fitted "
    "to? They are conservative (the draws have seen these rows) and not cross-validated. Numbers in brackets are 89 % "
    "intervals of replicated panels; a number departs when fewer than 1 % of them are as far out."
)
ONE_ESTIMATE = (
    " Here one estimate is taken for the truth: rows lie nearer to what is fitted than to what is true, so scatter is "
    "understated, the more so the fewer rows a store has."
)


def verdicts(checks: CountChecks) -> list[Verdict]:
    """The findings, in the order in which they are best read."""
    of = checks.statistics
    found = [_scatter(checks)] if "rows" in of else []
    found.append(_stores(checks))
    found += [_number(checks, name) for name in ("zeros", "full") if name in of]
    if "largest" in of:
        found.append(_largest(checks))
    if checks.frequencies is not None:
        found.append(of_frequencies(checks.frequencies))
    if checks.pit is not None:
        found.append(of_pit(checks.pit))
    if checks.calibration is not None:
        found.append(of_calibration(checks.calibration))
    return found


def caveat(checks: CountChecks) -> str:
    """What kind of checks these are."""
    return HONESTLY + (ONE_ESTIMATE if checks.draws == 1 else "")


def family_title(name: str) -> str:
    """A family's name in a sentence."""
    return FAMILIES[name].title


def _scatter(checks: CountChecks) -> Verdict:
    one = checks.statistics["rows"][0]
    ratio, family = one.ratio, family_title(checks.family)
    numbers = f"{_ends(one, 2)}; 1 is the variance of the {family} model{_tail(one, checks)}"
    text = f"Squared distance of {ONE[checks.kind]} from what is expected, in units of its variance: {numbers}."
    if not one.departs:
        title = f"{checks.kind.capitalize()} scatter as much as the {family} model has them"
    elif ratio > 1.0:
        title = f"{checks.kind.capitalize()} scatter {figures(ratio, 2)} times as much as the {family} model allows"
        text += f" Its intervals are too narrow, by a factor of about {figures(ratio**0.5, 2)}. {_advice(checks)}"
    else:
        title = f"{checks.kind.capitalize()} scatter only {figures(ratio, 2)} times as much as the {family} model says"
        text += " Its intervals are too wide: what keeps these rows alike is not in the model."
    return Verdict("rows", one.departs, title, text + _segments(checks, "rows", 2))


def _advice(checks: CountChecks) -> str:
    """What to try where rows scatter more than the model allows."""
    wider = _wider(checks)
    if _apart(checks):
        also = f", and then see whether --family {wider} is still needed" if wider else ""
        return (
            f"The stores’ totals scatter even more ({figures(checks.statistics['stores'][0].observed, 2)}): first let "
            f"stores differ (more segments, or --model hierarchical){also}."
        )
    if wider:
        return f"Try --family {wider}."
    return "No family here scatters more: look for a covariate that tells these rows apart."


def _apart(checks: CountChecks) -> bool:
    """Whether stores differ by more than their rows scatter."""
    rows, stores = (checks.statistics[name][0] for name in ("rows", "stores"))
    return stores.departs and stores.observed > rows.observed


def _wider(checks: CountChecks) -> str | None:
    """The family that has this one as its limit without dispersion."""
    return next((name for name, family in FAMILIES.items() if family.limit == checks.family), None)


def _stores(checks: CountChecks) -> Verdict:
    one = checks.statistics["stores"][0]
    ratio = one.ratio
    text = (
        f"Squared distance of a store’s total from what is expected, in units of its variance: {_ends(one, 2)}"
        f"{_tail(one, checks)}."
    )
    if not one.departs:
        title = "Stores’ totals scatter as much as the model has them"
    elif ratio > 1.0:
        title = f"Stores’ totals scatter {figures(ratio, 2)} times as much as the model allows"
        text += " Stores differ in more than the model lets them: more segments, or --model hierarchical."
    else:
        title = f"Stores’ totals scatter only {figures(ratio, 2)} times as much as the model says"
        text += " Rows of a store make up for each other, which no model here has."
    return Verdict("stores", one.departs, title, text + _segments(checks, "stores", 2))


def _number(checks: CountChecks, name: str) -> Verdict:
    """Rows that are zero, or in which all trials succeeded."""
    one = checks.statistics[name][0]
    what = "are zero" if checks.kind == "counts" else "have no success" if name == "zeros" else "have successes alone"
    title = f"{fixed(one.observed, 0)} of {fixed(checks.rows, 0)} rows {what}"
    title += f", where the model expects {count(one.predicted)}" if one.departs else ", as the model expects"
    text = f"Replicated panels have {count(one.predicted)} ({count(one.low)} to {count(one.high)}){_tail(one, checks)}."
    if one.departs and one.above < 0.5 and name == "zeros" and checks.kind == "counts":
        first = "stores that differ more have" if _apart(checks) else ""
        wider = _wider(checks)
        if wider and not first and checks.statistics["rows"][0].departs:
            first = f"--family {wider} has"
        text += f" More scatter makes more zeros too: see whether {first} as many." if first else ""
        text += (
            " No family here has zeros of a kind of their own: if rows are zero for a reason (not on sale, closed), "
            "leave them out or give them a covariate."
        )
    return Verdict(name, one.departs, title, text + _segments(checks, name, 0))


def _largest(checks: CountChecks) -> Verdict:
    one = checks.statistics["largest"][0]
    size = figures if checks.kind == "amounts" else count
    title = f"The largest {checks.kind[:-1]} is {size(one.observed)}"
    title += f", where the model reaches {size(one.predicted)}" if one.departs else ", as the model has it"
    text = f"Replicated panels reach {size(one.predicted)} ({size(one.low)} to {size(one.high)}){_tail(one, checks)}."
    if one.departs and one.above < 0.5:
        text += " Look at that row; if it is right, tails are longer than the model’s."
    return Verdict("largest", one.departs, title, text + _segments(checks, "largest", 0))


def _segments(checks: CountChecks, name: str, digits: int) -> str:
    """Segments in which a number departs."""
    said = [
        f"{group} ({fixed(one.observed, digits)}; {fixed(one.low, digits)} to {fixed(one.high, digits)})"
        for group, one in zip(checks.groups[1:], checks.statistics[name][1:], strict=True)
        if one.departs
    ]
    return f" It departs in {listed(said)}." if said else ""


def _ends(one: Replicated, digits: int) -> str:
    return (
        f"{fixed(one.observed, digits)} on average, {fixed(one.predicted, digits)} ({fixed(one.low, digits)} to "
        f"{fixed(one.high, digits)}) in replicated panels"
    )


def _tail(one: Replicated, checks: CountChecks) -> str:
    """How many replicates are as far out as the number observed."""
    beyond = round(min(one.above, 1.0 - one.above) * checks.replicates)
    return f"; {beyond or 'none'} of {checks.replicates} are {'higher' if one.above < 0.5 else 'lower'}"
