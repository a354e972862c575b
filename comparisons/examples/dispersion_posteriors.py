"""Posteriors of the models of counts on one panel, judged by stores left out one at a time."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.left_out import leave_out
from bayesmix.run import fit_hierarchical, fit_mixture
from bayesmix.settings import Settings
from bayesmix.store_loo import Loo, with_left_out
from bayesmix.target import target_of
from comparisons.differences import Difference, difference
from comparisons.examples.dispersion_models import BOTH, LEVELS, NEGATIVE_BINOMIAL, POISSON, PROMOTION, SEGMENTS
from comparisons.examples.dispersion_panels import BREAK_EVEN, Rows
from comparisons.examples.pearson import Pearson, pearson
from em.fit import MixtureFit
from em.fit import fit_mixture as fit_segments
from em.glmm import GlmmFit, fit_glmm
from em.panel import Panel, read_panel
from em.statistics import Floats

FORMULA = "units ~ promotion"
MOST_SEGMENTS = 6
NODES = 9  # of the quadrature over levels of stores


class Judged(NamedTuple):
    """A model on a panel.

    Attributes
    ----------
    name : of the model.
    log_likelihood, n_parameters, bic : at the maximum; `bic` counts rows.
    loo : leaving a store out, exactly where importance sampling is in doubt.
    log_ratio : (draw,) what the promotion adds to the log rate, on average over segments where there are several.
    trusted : whether nothing speaks against the draws.
    """

    name: str
    log_likelihood: float
    n_parameters: int
    bic: float
    loo: Loo
    log_ratio: Floats
    trusted: bool

    @property
    def total(self) -> float:
        """Sum of elpd over stores."""
        return float(self.loo.elpd_i.sum())

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, equal-tailed, of the log rate ratio."""
        low, high = np.quantile(self.log_ratio, [0.025, 0.975])
        return float(low), float(high)

    @property
    def earns(self) -> float:
        """Probability that the promotion earns more than it costs."""
        return float((self.log_ratio > BREAK_EVEN).mean())


class PanelJudged(NamedTuple):
    """A panel and what the models make of it.

    Attributes
    ----------
    rows : the panel.
    pearson : its dispersions about a Poisson regression.
    k : segments of the mixture, by BIC.
    promotions : (segment,) estimated effects of the promotion in these, log rate ratios.
    models : by name.
    """

    rows: Rows
    pearson: Pearson
    k: int
    promotions: Floats
    models: dict[str, Judged]

    @property
    def best(self) -> Judged:
        """The model that predicts a store left out best."""
        return max(self.models.values(), key=lambda one: one.total)

    def behind(self, name: str, other: str | None = None) -> Difference:
        """The elpd of a model less that of another, or of the best, with the standard error of the difference."""
        against = self.best if other is None else self.models[other]
        return difference(self.models[name].loo.elpd_i, against.loo.elpd_i)


def judged(path: Path, settings: Settings, most: int = MOST_SEGMENTS) -> PanelJudged:
    """Read a panel and fit every model to it, by maximum likelihood and as a posterior.

    Parameters
    ----------
    most : segments that are tried; BIC chooses.
    """
    poisson, dispersed = (read_panel(path, family=name, formula=FORMULA) for name in ("poisson", "negative-binomial"))
    of_k = [fit_segments(poisson, k, starts=20) for k in range(1, most + 1)]
    segments = min(of_k[1:], key=lambda fit: fit.criteria.bic)
    found = {
        POISSON: (of_k[0], fit_mixture(poisson, 1, settings=settings)),
        NEGATIVE_BINOMIAL: (fit_segments(dispersed, 1), fit_mixture(dispersed, 1, settings=settings)),
        LEVELS: _with_levels(poisson, settings),
        SEGMENTS: (segments, fit_mixture(poisson, segments.k, settings=replace(settings, draws=2 * settings.draws))),
        BOTH: _with_levels(dispersed, settings),
    }
    mean = np.exp(poisson.x @ of_k[0].parameters.theta[0])
    return PanelJudged(
        Rows(poisson.store, poisson.x, poisson.y),
        pearson(poisson.store, poisson.y, mean, poisson.x.shape[1]),
        segments.k,
        segments.parameters.theta[:, PROMOTION],
        {name: _judged(name, *fits) for name, fits in found.items()},
    )


def _with_levels(panel: Panel, settings: Settings) -> tuple[GlmmFit, Fit]:
    random = ["intercept"]
    return (
        fit_glmm(panel, random=random, quadrature=NODES),
        fit_hierarchical(panel, random=random, quadrature=NODES, settings=settings),
    )


def _judged(name: str, at: MixtureFit | GlmmFit, fit: Fit) -> Judged:
    doubtful = np.flatnonzero(fit.psis.khat_i > fit.psis.khat_limit)
    exact = leave_out(target_of(fit), [np.array([store]) for store in doubtful], what=name) if doubtful.size else None
    draws = fit.draws
    log_ratio = np.einsum("dk,dk->d", draws.weight, draws.mu[..., PROMOTION])
    loo = with_left_out(fit.psis, exact)
    return Judged(name, at.log_likelihood, at.n_parameters, at.criteria.bic, loo, log_ratio, fit.trusted)
