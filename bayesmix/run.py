"""From a panel to a posterior: sample, relabel, work out the stores, judge."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr

from bayesmix import hierarchical, mixture
from bayesmix.centre import Centred, centre, centred_parameters
from bayesmix.diagnose import reasons_for_distrust
from bayesmix.labels import relabel, share_switched
from bayesmix.posterior import ParameterDraws, StorePosterior, store_posterior
from bayesmix.priors import Priors, default_priors
from bayesmix.sample import Draws, Settings, sample
from em.errors import InputError
from em.mixture import MixtureParameters, SigmaRule, e_step
from em.panel import Panel, store_statistics
from em.scatter import against_fixed_sigma
from em.statistics import Floats, GaussianStatistics


@dataclass(frozen=True)
class Posterior:
    """A posterior and what is needed to judge it.

    Attributes
    ----------
    panel, statistics : the data, and their sufficient statistics.
    model : "mixture" or "hierarchical".
    k : number of segments; 1 for the hierarchical model.
    sigma : the rule of the residual standard deviation.
    priors, settings : what was believed, how much was drawn.
    quantities : relabelled draws by name, (chain, draw, ...): weight, theta, sigma, or mu, omega, sigma.
    stores : every store under every draw.
    sampler : the sampler's own statistics.
    seconds : spent on compiling and on sampling.
    switched : share of draws whose segments were renumbered.
    reasons : why not to trust the draws; empty when they are to be trusted.
    """

    panel: Panel
    statistics: GaussianStatistics = field(repr=False)
    model: str
    k: int
    sigma: SigmaRule
    priors: Priors
    settings: Settings
    quantities: Mapping[str, Floats] = field(repr=False)
    stores: StorePosterior = field(repr=False)
    sampler: xr.Dataset = field(repr=False)
    seconds: Mapping[str, float]
    switched: float
    reasons: tuple[str, ...]

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.model if self.model == "hierarchical" else f"{self.model} K={self.k}"


def fit_mixture(
    panel: Panel,
    start: MixtureParameters,
    *,
    sigma: SigmaRule = "fixed",
    priors: Priors | None = None,
    settings: Settings = Settings(),  # noqa: B008
) -> Posterior:
    """Posterior of a finite mixture with as many segments as `start`.

    Parameters
    ----------
    start : a solution of EM; chains start there and its segments give theirs their numbers.

    Raises
    ------
    InputError
        When the panel explains membership by traits, or the settings allow no draws.
    """
    if panel.traits is not None:
        raise InputError(f"{panel.file}: covariates of membership are not part of the Bayesian mixture yet")
    stats, centred, priors = _ready(panel, priors, settings)
    model = mixture.mixture_model(centred.statistics, start.n_segments, priors, sigma)
    first = mixture.mixture_start(centred_parameters(start, centred), sigma)
    draws = _uncentred(sample(model, mixture.QUANTITIES, first, settings), centred)
    weight, theta, sd = (_flat(draws.quantities[name]) for name in mixture.QUANTITIES)
    stores = store_posterior(stats, ParameterDraws(weight, theta, sd), e_step(start, stats)[0])
    quantities = {
        name: relabel(_flat(value), stores.permutation).reshape(value.shape) for name, value in draws.quantities.items()
    }
    return _posterior(panel, stats, "mixture", start.n_segments, sigma, priors, settings, draws, quantities, stores)


def fit_hierarchical(
    panel: Panel,
    *,
    sigma: SigmaRule = "fixed",
    priors: Priors | None = None,
    settings: Settings = Settings(),  # noqa: B008
) -> Posterior:
    """Posterior of the hierarchical model.

    Raises
    ------
    InputError
        When the settings allow no draws.
    """
    stats, centred, priors = _ready(panel, priors, settings)
    model = hierarchical.hierarchical_model(centred.statistics, priors, sigma)
    start = hierarchical.hierarchical_start(centred.statistics, sigma)
    draws = _uncentred(sample(model, hierarchical.QUANTITIES, start, settings), centred)
    mu, omega, sd = (_flat(draws.quantities[name]) for name in hierarchical.QUANTITIES)
    parameters = ParameterDraws(np.ones((len(mu), 1)), mu[:, None], sd, omega[:, None])
    stores = store_posterior(stats, parameters, np.ones((stats.n_stores, 1)))
    quantities = {**draws.quantities, "sigma": draws.quantities["sigma"][..., 0]}
    return _posterior(panel, stats, "hierarchical", 1, sigma, priors, settings, draws, quantities, stores)


def _uncentred(draws: Draws, centred: Centred) -> Draws:
    """The draws on the columns as they are."""
    back = centred.back
    quantities = dict(draws.quantities)
    for name in ("theta", "mu"):
        if name in quantities:
            quantities[name] = quantities[name] @ back.T
    if "omega" in quantities:
        quantities["omega"] = back @ quantities["omega"] @ back.T
    return replace(draws, quantities=quantities)


def _ready(panel: Panel, priors: Priors | None, settings: Settings) -> tuple[GaussianStatistics, Centred, Priors]:
    for name in ("draws", "tune", "chains"):
        if getattr(settings, name) < 1:
            raise InputError(f"{name} is {getattr(settings, name)}; expected at least 1")
    stats = store_statistics(panel)
    centred = centre(stats, panel.coefficients)
    return stats, centred, priors or default_priors(centred.statistics, panel.coefficients)


def _flat(value: Floats) -> Floats:
    """(chain, draw, ...) to (chain x draw, ...)."""
    return value.reshape(-1, *value.shape[2:])


def _posterior(
    panel: Panel,
    stats: GaussianStatistics,
    model: str,
    k: int,
    sigma: SigmaRule,
    priors: Priors,
    settings: Settings,
    draws: Draws,
    quantities: Mapping[str, Floats],
    stores: StorePosterior,
) -> Posterior:
    reasons = reasons_for_distrust(
        quantities,
        stores.loglik.sum(1).reshape(settings.chains, settings.draws),
        draws.statistics["diverging"].to_numpy(),
        draws.statistics["energy"].to_numpy(),
        (settings.chains, settings.draws),
    )
    if sigma == "fixed":
        reasons += against_fixed_sigma(stats)
    switched = share_switched(stores.permutation)
    return Posterior(
        panel, stats, model, k, sigma, priors, settings, quantities, stores, draws.statistics, draws.seconds, switched,
        tuple(reasons),
    )  # fmt: skip
