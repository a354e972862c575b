"""What the response of a family is called: its link, its rate, what a coefficient does to it, and in what unit."""

from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from bayesmix.count_words import family_title
from bayesmix.fitted import Fit
from bayesmix.stores import family_of
from em.families.family import Family
from em.statistics import Floats


class ResponseWords(NamedTuple):
    """A response in words.

    Attributes
    ----------
    family : its distribution.
    name : of the column.
    size : name of the column of exposure or trials; empty where there is none.
    """

    family: Family
    name: str
    size: str

    @property
    def title(self) -> str:
        """Distribution and link."""
        return f"{family_title(self.family.name)}, {self.family.link} link"

    @property
    def of_odds(self) -> bool:
        """Whether the linear predictor is the log odds of a probability, and not the logarithm of a mean."""
        return self.family.link == "logit"

    @property
    def ratio(self) -> str:
        """What the exponential of a coefficient is."""
        return "odds ratio" if self.of_odds else "rate ratio" if self.family.discrete else "ratio of means"

    @property
    def ratios(self) -> str:
        """Several of them."""
        return f"{self.ratio}s" if " of " not in self.ratio else self.ratio.replace("ratio", "ratios")

    @property
    def rate(self) -> str:
        """What a covariate multiplies."""
        return "odds" if self.of_odds else "rate" if self.family.discrete else "mean"

    @property
    def scale(self) -> str:
        """Name of the linear predictor."""
        return f"log {self.rate}"

    @property
    def per(self) -> str:
        """Of what a rate is, to stand after it."""
        if self.of_odds:
            return f" for one unit of {self.size}" if self.size else ""
        return f" per unit of {self.size}" if self.size else " per row"

    @property
    def level(self) -> str:
        """What the mean response of a store is."""
        return f"probability of {self.name}{self.per}" if self.of_odds else f"{self.name}{self.per}"

    @property
    def share(self) -> str:
        """What a store shows of it."""
        if not self.of_odds:
            return self.level
        return f"{self.name} as a share of {self.size}" if self.size else f"the share of rows with {self.name}"

    @property
    def sized(self) -> str:
        """What the rows of a store sum to, beside the response."""
        return self.size or "rows"

    def response(self, predictor: Floats) -> Floats:
        """Expected response of a unit of exposure or of one trial."""
        return expit(predictor) if self.of_odds else np.exp(predictor)

    def predictor(self, response: Floats) -> Floats:
        """The inverse, infinite at the ends."""
        with np.errstate(divide="ignore"):
            return logit(response) if self.of_odds else np.log(response)


def words_of(fit: Fit) -> ResponseWords | None:
    """The words of a fit; None for log sales."""
    family = family_of(fit.statistics)
    if family is None:
        return None
    columns = fit.data.get("columns", {})
    size = columns.get(family.size) if family.size else None
    return ResponseWords(family, fit.log_density_of, str(size or ""))
