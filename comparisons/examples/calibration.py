"""Whether probabilities can be taken at their word: tenths of sessions by probability, and how often they came true."""

from typing import NamedTuple

import numpy as np
from scipy.special import logit

from comparisons.examples.intervals import Z
from comparisons.examples.marginal_models import clustered
from comparisons.examples.shares_by_user import Share, share_by_user
from em.statistics import Floats, Ints


class Tenth(NamedTuple):
    """Sessions of similar probability: its mean, and the share that ended in a purchase."""

    told: float
    found: Share


class Calibration(NamedTuple):
    """How probabilities fare on sessions not fitted.

    Attributes
    ----------
    tenths : from the lowest probabilities up.
    told, found : mean probability, and share with a purchase, of all sessions.
    slope, slope_error : of the found log odds on the told ones: 1 is right, below it extremes are overdone.
    """

    tenths: list[Tenth]
    told: float
    found: Share
    slope: float
    slope_error: float

    @property
    def slope_interval(self) -> tuple[float, float]:
        """95 % interval, users counted."""
        return self.slope - Z * self.slope_error, self.slope + Z * self.slope_error

    @property
    def right(self) -> int:
        """Tenths whose interval holds the mean probability told."""
        return sum(tenth.found.low <= tenth.told <= tenth.found.high for tenth in self.tenths)


def calibration(probability: Floats, y: Floats, user: Ints, groups: int = 10) -> Calibration:
    """Probabilities (session,) against what happened.

    Parameters
    ----------
    y, user : (session,) 0 or 1, and index of the user.
    groups : of as many sessions each, by probability.
    """
    group = np.empty(y.size, dtype=int)
    group[np.argsort(probability, kind="stable")] = np.arange(y.size) * groups // y.size
    tenths = [Tenth(float(probability[group == g].mean()), share_by_user(y, user, group == g)) for g in range(groups)]
    line = clustered(np.column_stack([np.ones(y.size), logit(probability)]), y, user)
    everyone = share_by_user(y, user, np.ones(y.size, dtype=bool))
    errors = line.standard_errors
    return Calibration(tenths, float(probability.mean()), everyone, float(line.estimate[1]), float(errors[1]))
