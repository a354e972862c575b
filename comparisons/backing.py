"""What the page advises on criteria, in the figures of a study of panels with a known truth.

The figures are those of tests/calibration/confusion.md, which tests/confusion.py writes together with
templates/backing.json; no advice is given that they do not back.
"""

import json
from importlib.resources import files
from typing import Any

APART, CLOSE = ("two segments, well apart", "three segments, well apart"), "three segments, close"
PAIR, INSIDE, ONE, CONTINUUM = "two segments, close", "two segments whose stores differ", "one segment", "continuum"
RULE, SIMPLEST = "LOO, the page's rule", "LOO, simplest unbeaten"


def study() -> dict[str, Any]:
    """The study in figures: size of the panels, panels of each truth, and by criterion and truth (right, its error)."""
    return json.loads((files("comparisons") / "templates" / "backing.json").read_text(encoding="utf-8"))


def advice() -> list[str]:
    """How far each criterion can be believed, a sentence or two each."""
    found = study()
    right, rule = found["right"], found["rule"]

    def told(criterion: str, truth: str) -> str:
        share, error = right[criterion][truth]
        return f"{100 * share:.0f} ± {100 * error:.0f} %"

    panels = [found["panels"][truth] for truth in found["panels"]]
    number = f"{min(panels)}" if min(panels) == max(panels) else f"{min(panels)} to {max(panels)}"
    (worst, error), where = max((parts["wrong"], truth) for truth, parts in rule.items())
    return [
        f"From {number} simulated panels of each of seven truths, {found['stores']} stores over {found['weeks']} "
        "weeks; shares of panels where the model that made them is picked out of six, with binomial standard errors.",
        f"Segments well apart (by five standard errors of a store’s own estimates) are mostly found by all: three "
        f"of them by BIC in {told('BIC', APART[1])}, by ICL in {told('ICL', APART[1])}, by the highest elpd in "
        f"{told('LOO', APART[1])}, by the simplest model that none beats beyond doubt "
        f"in {told(SIMPLEST, APART[1])}.",
        f"Three segments that overlap (apart by two and a half) BIC finds in {told('BIC', CLOSE)}, ICL in "
        f"{told('ICL', CLOSE)}, the highest elpd in {told('LOO', CLOSE)}, AIC in {told('AIC', CLOSE)}. A small number "
        "by BIC is then no proof of few segments.",
        f"Segments whose stores differ are taken for something else by BIC, which finds them in "
        f"{told('BIC', INSIDE)}; the highest elpd finds them in {told('LOO', INSIDE)}.",
        f"The verdict of this page would rather say nothing than err: it was wrong most often, in "
        f"{100 * worst:.0f} ± {100 * error:.0f} %, where the truth was {where}. It was right in "
        f"{told(RULE, APART[0])} where two segments were well apart, in {told(RULE, CONTINUUM)} where the truth was a "
        f"continuum, and in {told(RULE, ONE)} where all stores were alike; else it mostly left the question open.",
    ]
