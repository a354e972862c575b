"""What is calibrated: models, the priors that truths come from, and the panels that are drawn from these."""

from dataclasses import dataclass, field, replace
from zlib import crc32

import numpy as np
from scipy.stats import beta, dirichlet, halfnorm, norm

from bayesmix.centre import centre
from bayesmix.posterior import ParameterDraws
from bayesmix.priors import Priors
from bayesmix.stores import CountedStores
from em.between import Between, centred_traits
from em.design_counts import count_designs
from em.families import family_named
from em.families.family import Family
from em.panel import Panel
from em.response import LOG_SALES
from em.simulator import Truth, draw_prices, draw_stores, simulate_panel
from em.statistics import build

NAMES = ("intercept", "log_price")
PROMOTED = ("intercept", "display")
EXPOSURES = np.array([0.5, 1.0, 2.0])
MOST_TRIALS = 5

DEFAULT = Priors(NAMES, (9.0, -1.0), (3.0, 1.5))  # what a panel is given, but for its mean log sales
CLOSE = Priors(NAMES, (9.0, -1.0), (0.7, 0.7), sigma_log_sd=0.5)  # segments overlap
STRONG = Priors(NAMES, (9.0, -1.0), (0.5, 0.5), concentration=2.0, sigma_log_sd=0.5)  # for few data: priors matter
# Rates from 0.1 to 30, odds of 0.05 to 20: panels that a fit is possible of.
LOGGED = Priors(PROMOTED, (0.5, 0.0), (1.0, 0.5), 2.0, sigma_median=0.5, sigma_log_sd=0.4, spread=0.7)
ODDS = Priors(PROMOTED, (0.0, 0.0), (1.5, 0.7), 2.0, spread=0.7)


@dataclass(frozen=True)
class Setting:
    """A model, its prior and the size of the panels.

    Attributes
    ----------
    k : number of segments; 0 is the hierarchical model.
    differ : whether the stores of a segment differ, a mixture of normals.
    drawn : the prior that truths come from.
    told : the prior that the fit is told; None is the same.
    noise : by what the residuals (a family's dispersion) of the panels are multiplied, so that the fit's sigma is wrong
        unless it is 1.
    traits : whether a trait of the stores explains their coefficients.
    family : of the response; "gaussian" is log sales.
    size : whether rows have an exposure or trials.
    nodes : of the fit's quadrature in each direction; None is the usual number.
    fits : how many there should be.
    draws, chains : kept draws of a chain, and as many to tune it.
    """

    k: int
    sigma: str
    drawn: Priors
    stores: int = 40
    weeks: int = 12
    told: Priors | None = None
    noise: float = 1.0
    differ: bool = field(default=False, repr=False)
    traits: bool = field(default=False, repr=False)
    family: str = field(default=LOG_SALES, repr=False)
    size: bool = field(default=False, repr=False)
    nodes: int | None = field(default=None, repr=False)
    fits: int = field(default=200, repr=False)
    draws: int = field(default=500, repr=False)
    chains: int = field(default=4, repr=False)

    @property
    def seed(self) -> tuple[int, ...]:
        """What its panels are drawn by; the quadrature is no part of it, so that it can be changed on the same ones."""
        of_family = 0 if self.family == LOG_SALES else crc32(self.family.encode())
        return crc32(repr(self).encode()), int(self.differ) + 2 * int(self.traits) + of_family


SETTINGS = {
    "K = 2, sigma fixed": Setting(2, "fixed", DEFAULT),
    "K = 2, sigma common": Setting(2, "common", DEFAULT),
    "K = 2, sigma common, few data": Setting(2, "common", STRONG, stores=10, weeks=4),
    "K = 3, sigma fixed": Setting(3, "fixed", DEFAULT),
    "K = 3, sigma common, close segments": Setting(3, "common", CLOSE),
    "K = 3, sigma segment": Setting(3, "segment", DEFAULT),
    "K = 3, sigma fixed, few data": Setting(3, "fixed", STRONG, stores=10, weeks=4),
    "hierarchical, sigma common": Setting(0, "common", DEFAULT),
    "normal-mixture K = 2, sigma common": Setting(2, "common", DEFAULT, differ=True),
    "hierarchical, sigma common, a trait": Setting(0, "common", DEFAULT, traits=True),
}
SHIFTED = replace(STRONG, mean=tuple(m + 0.3 * s for m, s in zip(STRONG.mean, STRONG.sd, strict=True)))
WRONG = {
    "prior means 0.3 sd off": replace(SETTINGS["K = 3, sigma fixed, few data"], told=SHIFTED),
    "residuals 25 % too large": replace(SETTINGS["K = 2, sigma fixed"], noise=1.25),
}


def _of_family(name: str, drawn: Priors, k: int, size: bool = False) -> Setting:
    """A small panel of a family, few draws."""
    return Setting(
        k, "common" if family_named(name).dispersed else "fixed", drawn, stores=25, weeks=10,
        family=name, size=size, fits=100 if k else 60, draws=400, chains=2,
    )  # fmt: skip


FAMILIES = {
    f"{name}, {model}": _of_family(name, drawn, k, size)
    for model, k in (("K = 2", 2), ("hierarchical", 0))
    for name, drawn, size in (
        ("poisson", LOGGED, True),
        ("negative-binomial", LOGGED, False),
        ("bernoulli", ODDS, False),
        ("binomial", ODDS, True),
        ("gamma", LOGGED, False),
    )
}
WRONG_FAMILIES = {"dispersion 25 % too large": replace(FAMILIES["gamma, K = 2"], noise=1.25, fits=40)}


def draw_truth(rng: np.random.Generator, setting: Setting, between: Between | None = None) -> ParameterDraws:
    """One draw from the prior, on centred columns."""
    priors, k, p = setting.drawn, max(setting.k, 1), len(setting.drawn.mean)
    mu = rng.normal(priors.mean, priors.sd, (k, p))
    n_free = {"fixed": 0, "common": 1, "segment": k}[setting.sigma]
    sigma = np.ones(k)
    if n_free:
        sigma = sigma * np.exp(rng.normal(np.log(priors.sigma_median), priors.sigma_log_sd, n_free))
    weight = rng.dirichlet(np.full(k, priors.concentration))
    omega = None
    if setting.k == 0 or setting.differ:
        sd, r = np.abs(rng.normal(0.0, priors.spread, (k, 2))), 2.0 * rng.beta(priors.lkj, priors.lkj, k) - 1.0
        omega = (sd[:, :, None] * sd[:, None] * np.where(np.eye(2), 1.0, r[:, None, None]))[None]
    gamma = None if between is None else rng.normal(0.0, priors.sd / between.sd[:, None])[None]
    return ParameterDraws(weight[None], mu[None], sigma[None], omega, gamma)


def draw_panel(rng: np.random.Generator, setting: Setting) -> tuple[ParameterDraws, Panel]:
    """A truth on centred columns, and a panel from it in which every store has rows of its own."""
    if setting.family != LOG_SALES:
        return _draw_responses(rng, setting, family_named(setting.family))
    n, t = setting.stores, setting.weeks
    x = np.stack([np.column_stack([np.ones(t), np.log(draw_prices(rng, t))]) for _ in range(n)])
    store, rows = np.repeat(np.arange(n), t), x.reshape(n * t, 2)
    back = centre(build(store, rows, np.zeros(n * t), n), NAMES).back
    between = centred_traits(("income",), rng.normal(size=(n, 1))) if setting.traits else None
    truth = draw_truth(rng, setting, between)
    there = _uncentred(truth, back, setting.noise)
    y = np.concatenate([draw_stores(rng, there, design, 1).y[0] for design in x])
    if between is not None and truth.gamma is not None:
        y = y + np.einsum("rp,rp->r", rows, (between.values @ truth.gamma[0] @ back.T)[store])
    names = tuple(f"store {i + 1}" for i in range(n))
    return truth, Panel(
        names, ("1",), NAMES, store, 0 * store, rows, y, "simulated", "0" * 64, between=between
    )  # fmt: skip


def _draw_responses(rng: np.random.Generator, setting: Setting, family: Family) -> tuple[ParameterDraws, Panel]:
    """The same of a family: 0, 1 or 2 displays a week."""
    n, t = setting.stores, setting.weeks
    x = np.stack([np.ones((n, t)), rng.integers(0, 3, (n, t)).astype(float)], axis=2)
    exposure = trials = np.ones((n, t))
    if setting.size and family.size == "exposure":
        exposure = rng.choice(EXPOSURES, (n, t))
    if setting.size and family.size == "trials":
        trials = rng.integers(1, MOST_TRIALS + 1, (n, t)).astype(float)
    counts = count_designs(
        family, np.repeat(np.arange(n), t), x.reshape(n * t, 2), np.zeros(n * t), n,
        offset=np.log(exposure).ravel(), trials=trials.ravel(),
    )  # fmt: skip
    back = centre(CountedStores(counts, 1), PROMOTED).back
    truth = draw_truth(rng, setting)
    there = _uncentred(truth, back, setting.noise)
    return truth, simulate_panel(
        rng, family, there, x, n, coefficients=PROMOTED, exposure=exposure, trials=trials
    ).panel


def _uncentred(truth: ParameterDraws, back: np.ndarray, noise: float) -> Truth:
    """A truth on the columns as they are."""
    mu = truth.mu[0] @ back.T
    omega = np.zeros((len(mu), 2, 2)) if truth.omega is None else back @ truth.omega[0] @ back.T
    return Truth(truth.weight[0], mu, noise * truth.sigma[0], omega)


def log_prior(draws: ParameterDraws, setting: Setting) -> np.ndarray:
    """Log-density of the prior that truths come from, (draw,)."""
    priors = setting.drawn
    total = norm.logpdf(draws.mu, priors.mean, priors.sd).sum((1, 2))
    if setting.sigma != "fixed":
        free = draws.sigma[:, :1] if setting.sigma == "common" else draws.sigma
        total += norm.logpdf(np.log(free), np.log(priors.sigma_median), priors.sigma_log_sd).sum(1)
    if setting.k > 1:
        alpha = np.full(setting.k, priors.concentration)
        inside = np.maximum(draws.weight, 1e-300)
        total += dirichlet.logpdf((inside / inside.sum(1, keepdims=True)).T, alpha)
    if draws.omega is not None:
        sd = np.sqrt(np.diagonal(draws.omega, axis1=2, axis2=3))
        total += halfnorm.logpdf(sd, scale=priors.spread).sum((1, 2))
        partial = 0.5 * (1.0 + draws.omega[:, :, 0, 1] / sd.prod(2))
        total += beta.logpdf(partial, priors.lkj, priors.lkj).sum(1)
    return total
