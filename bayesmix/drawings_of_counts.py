"""What the diagnostic report draws of counts, choices and amounts beside what the model has them be."""

from collections.abc import Iterator

from bayesmix.count_checks import CountChecks
from bayesmix.count_words import verdicts
from bayesmix.drawings import Drawing, later
from bayesmix.pictures_of_counts import calibration_picture, classes_picture, rootogram_picture, tenths_picture


def of_counts(checks: CountChecks | None) -> Iterator[Drawing]:
    """Frequencies, places of rows in their predictions, and calibration; those that the family has."""
    if checks is None:
        return
    said = {one.name: f"{one.title}. {one.text}" for one in verdicts(checks)}
    if checks.frequencies is not None:
        draw = rootogram_picture if checks.frequencies.bins.whole else classes_picture
        alt = f"Observed and expected frequencies of {checks.frequencies.observed.size} classes. {said['frequencies']}"
        yield Drawing("count-frequencies", later(draw, checks.frequencies), alt)
    if checks.pit is not None:
        alt = f"Histogram of the places of rows in what is predicted of them. {said['pit']}"
        yield Drawing("count-pit", later(tenths_picture, checks.pit), alt)
    if checks.calibration is not None:
        alt = f"Shares that came true against probabilities predicted. {said['calibration']}"
        yield Drawing("count-calibration", later(calibration_picture, checks.calibration), alt)
