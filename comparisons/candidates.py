"""Models to be fitted to parts of a panel, each described by a few words, so that it can be fitted again."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from bayesmix.fitted import Fit
from bayesmix.in_use import number_in_use
from bayesmix.known_stores import positions
from bayesmix.run import fit_hierarchical, fit_mixture, fit_normal_mixture
from bayesmix.settings import Settings
from comparisons.agreement import varying
from em.between import Between, of_some
from em.mixture import SigmaRule
from em.panel import Panel


class Candidate(NamedTuple):
    """A model to fit.

    Attributes
    ----------
    name : what tables call it.
    model : "mixture", "hierarchical" or "normal-mixture".
    k : number of segments; 1 for the hierarchical model.
    sigma : how the residual standard deviation, or the dispersion, is treated.
    random : the coefficients that vary between stores (of a segment); None is all.
    between : traits of the stores that explain their coefficients; None where nothing does.
    stores : names of these stores, in the order of the traits.
    quadrature : nodes in each random direction, where the response is not log sales; None is the usual number. A fit
        whose stores were drawn by MCMC is fitted again by quadrature, which is quicker.
    """

    name: str
    model: str
    k: int
    sigma: SigmaRule
    random: tuple[str, ...] | None = None
    between: Between | None = None
    stores: tuple[str, ...] = ()
    quadrature: int | None = None

    def fit(self, panel: Panel, settings: Settings) -> Fit:
        """Its posterior on a panel of the same stores or some of them, with the default priors and its own traits."""
        between = None if self.between is None else of_some(self.between, positions(self.stores, panel.stores))
        panel = replace(panel, between=between)
        if self.model == "mixture":
            return fit_mixture(panel, self.k, sigma=self.sigma, settings=settings)
        sigma = "fixed" if self.sigma == "fixed" else "common"
        if self.model == "hierarchical":
            return fit_hierarchical(
                panel, random=self.random, sigma=sigma, quadrature=self.quadrature, settings=settings
            )
        return fit_normal_mixture(panel, self.k, random=self.random, sigma=sigma, settings=settings)


def candidates(
    panel: Panel,
    ks: Sequence[int],
    sigma: SigmaRule,
    normals: Sequence[int] = (2,),
    random: tuple[str, ...] | None = None,
) -> list[Candidate]:
    """Mixtures of so many segments, the continuum, and mixtures of so many normals, these with so many random ones.

    Where sigma is one for each segment, the continuum and the normals have one for all. What explains the coefficients
    of the panel's stores does so where they differ: in the continuum and the normals.
    """
    found = [Candidate(f"mixture K={k}", "mixture", k, sigma) for k in ks]
    differ = [("hierarchical", "hierarchical", 1)]
    differ += [(f"normal-mixture K={k}", "normal-mixture", k) for k in normals]
    return found + [Candidate(name, model, k, sigma, random, panel.between, panel.stores) for name, model, k in differ]


def candidate_of(fit: Fit) -> Candidate:
    """The model of a fit, to be fitted to another panel; of a sparse mixture, with the segments most often in use."""
    random = None if fit.draws.omega is None else varying(fit)
    k = number_in_use(fit) if fit.model == "mixture" else fit.k
    nodes = fit.quadrature or None
    return Candidate(fit.name, fit.model, k, fit.sigma_rule, random, fit.between, fit.stores, nodes)  # pyright: ignore[reportArgumentType]
