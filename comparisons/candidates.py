"""Models to be fitted to parts of a panel, each described by a few words, so that it can be fitted again."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.in_use import number_in_use
from bayesmix.run import fit_hierarchical, fit_mixture, fit_normal_mixture
from bayesmix.settings import Settings
from em.mixture import SigmaRule
from em.panel import Panel


class Candidate(NamedTuple):
    """A model to fit.

    Attributes
    ----------
    name : what tables call it.
    model : "mixture", "hierarchical" or "normal-mixture".
    k : number of segments; 1 for the hierarchical model.
    sigma : how the residual standard deviation is treated.
    random : the coefficients that vary between stores (of a segment); None is all.
    """

    name: str
    model: str
    k: int
    sigma: SigmaRule
    random: tuple[str, ...] | None = None

    def fit(self, panel: Panel, settings: Settings) -> Fit:
        """Its posterior on a panel, with the default priors."""
        if self.model == "mixture":
            return fit_mixture(panel, self.k, sigma=self.sigma, settings=settings)
        sigma = "fixed" if self.sigma == "fixed" else "common"
        if self.model == "hierarchical":
            return fit_hierarchical(panel, random=self.random, sigma=sigma, settings=settings)
        return fit_normal_mixture(panel, self.k, random=self.random, sigma=sigma, settings=settings)


def candidates(ks: Sequence[int], sigma: SigmaRule, normals: Sequence[int] = (2,)) -> list[Candidate]:
    """Mixtures of so many segments, the continuum, and mixtures of so many normals.

    Where sigma is one for each segment, the continuum and the normals have one for all.
    """
    found = [Candidate(f"mixture K={k}", "mixture", k, sigma) for k in ks]
    found += [Candidate("hierarchical", "hierarchical", 1, sigma)]
    return found + [Candidate(f"normal-mixture K={k}", "normal-mixture", k, sigma) for k in normals]


def candidate_of(fit: Fit) -> Candidate:
    """The model of a fit, to be fitted to another panel; of a sparse mixture, with the segments most often in use."""
    omega = fit.draws.omega
    random = None
    if omega is not None:
        varies = np.diagonal(omega, axis1=-2, axis2=-1).any((0, 1))
        random = tuple(name for name, does in zip(fit.coefficients, varies, strict=True) if does)
    k = number_in_use(fit) if fit.model == "mixture" else fit.k
    return Candidate(fit.name, fit.model, k, fit.sigma_rule, random)  # pyright: ignore[reportArgumentType]
