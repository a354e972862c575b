"""The example of integrals: Laplace, quadrature and MCMC on a panel with a few yes or no for each store."""

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bayesmix.diagnose import summarise
from bayesmix.fitted import Fit
from bayesmix.judged import Integral
from bayesmix.rounding import by_error, fixed
from bayesmix.run import fit_hierarchical
from bayesmix.settings import Settings
from comparisons.examples.example import Findings, rendered
from comparisons.examples.integrals_panel import FAMILY, FORMULA, RANDOM, Truth, Weeks, draw, read, write
from comparisons.examples.integrals_pictures import integrands_picture, posteriors_picture, study_picture
from comparisons.examples.integrals_store import Integrand, integrand
from comparisons.examples.integrals_study import QUANTITIES, Estimate, Study, estimates, kept, studied
from comparisons.examples.intervals import percent
from em.glmm import GlmmFit, fit_glmm
from em.mixed_model import MixedParameters
from em.panel import Panel
from em.statistics import Floats

SEED = 1
FILE = "integrals.csv"
TRUTH = Truth()
SETTINGS = Settings(draws=1000, tune=500, chains=4, seed=0)
NODES = (1, 3, 5, 9, 25)
POSTERIORS: dict[
    str, tuple[int, Integral]
] = {  # by name, nodes and how the coefficients of stores are treated while drawing
    "Laplace": (1, "quadrature"),
    "9 nodes": (9, "quadrature"),
    "MCMC": (9, "mcmc"),
}
WORDS = {"sd": "sd between stores", "intercept": "intercept", "effect": "effect of promotion"}


class Rung(NamedTuple):
    """One integral.

    Attributes
    ----------
    name : of it, and how often the responses of a store are looked at for one value of its integral, 0 is never.
    estimates : of each quantity: estimate and standard error, or mean and standard deviation of the posterior.
    level : log-likelihood at the estimates; None of a posterior.
    seconds : of the fit; of a posterior of sampling, without compiling, which happens once on a machine.
    effective : least effective draws of the three; None of maximum likelihood.
    """

    name: str
    estimates: dict[str, Estimate]
    level: float | None
    seconds: float
    effective: float | None


def worked(folder: Path) -> Findings:
    """Draw the panel, write and read its file, climb the ladder, and tell."""
    weeks = draw(np.random.default_rng(SEED), TRUTH)
    write(folder / FILE, weeks)
    panel = read(folder / FILE)
    likelihoods = {nodes: _timed(panel, nodes) for nodes in NODES}
    posteriors = {name: posterior(panel, name) for name in POSTERIORS}
    return findings(weeks, likelihoods, posteriors, studied(kept()))


def _timed(panel: Panel, nodes: int) -> tuple[GlmmFit, float]:
    began = time.perf_counter()
    fit = fit_glmm(panel, random=RANDOM, quadrature=nodes)
    return fit, time.perf_counter() - began


def posterior(panel: Panel, name: str) -> Fit:
    """The posterior by one of POSTERIORS."""
    nodes, integral = POSTERIORS[name]
    return fit_hierarchical(panel, random=RANDOM, quadrature=nodes, integral=integral, settings=SETTINGS)


def drawn(fit: Fit) -> dict[str, Floats]:
    """Draws of each of QUANTITIES, (chain, draw)."""
    mu, omega = fit.posterior["mu"].to_numpy(), fit.posterior["omega"].to_numpy()
    return dict(zip(QUANTITIES, (np.sqrt(omega[..., 0, 0]), mu[..., 0], mu[..., 1]), strict=True))


def of_likelihood(nodes: int, fit: GlmmFit, seconds: float) -> Rung:
    """Maximum likelihood on one rung."""
    return Rung("Laplace" if nodes == 1 else f"{nodes} nodes", estimates(fit), fit.log_likelihood, seconds, None)


def of_posterior(name: str, fit: Fit) -> Rung:
    """A posterior on one rung."""
    found = {quantity: summarise(values) for quantity, values in drawn(fit).items()}
    return Rung(
        name,
        {quantity: Estimate(float(one.mean), float(one.sd)) for quantity, one in found.items()},
        None,
        float(fit.sampler["seconds"]["sampling"]),
        min(float(one.ess_bulk) for one in found.values()),
    )


def findings(
    weeks: Weeks, likelihoods: dict[int, tuple[GlmmFit, float]], posteriors: dict[str, Fit], study: list[Study]
) -> Findings:
    """What the rungs say, in words, as a page and as numbers."""
    by_likelihood = [of_likelihood(nodes, *fit) for nodes, fit in likelihoods.items()]
    by_posterior = [of_posterior(name, fit) for name, fit in posteriors.items()]
    of_sd = {one.rule: one for one in study if one.quantity == "sd"}
    laplace, nine = of_sd["Laplace"], of_sd["9 nodes"]
    short = 1.0 - laplace.mean / laplace.truth
    sd = {one.name: one.estimates["sd"] for one in by_posterior}
    headline = (
        f"With {TRUTH.weeks} weeks of yes or no for each store Laplace’s approximation makes stores "
        f"{100.0 * short:.0f} % too alike; nine nodes, or MCMC, do not"
    )
    lead = (
        f"The posterior of the standard deviation between stores is {told(sd['Laplace'])} by Laplace, "
        f"{told(sd['9 nodes'])} by nine nodes and {told(sd['MCMC'])} by MCMC, which approximates no integral; the "
        f"truth is {fixed(TRUTH.sd, 1)}. In {laplace.panels} simulated panels of this kind 95 % intervals by Laplace "
        f"held the truth in {share(laplace)}, those by nine nodes in {share(nine)}."
    )
    best = likelihoods[max(NODES)][0].parameters
    curves = curves_of(weeks, best)
    missed = {sd: [one.ratio for one in curves_of(weeks, with_sd(best, sd)).values()] for sd in (1, 3)}
    contents = {
        "headline": headline,
        "lead": lead,
        "truth": TRUTH,
        "by_likelihood": by_likelihood,
        "by_posterior": by_posterior,
        "study": study,
        "of_sd": of_sd,
        "short": short,
        "missed": missed,
        "words": WORDS,
        "settings": SETTINGS,
        "trusted": all(fit.trusted for fit in posteriors.values()),
        "seed": SEED,
        "file": FILE,
        "family": FAMILY,
        "formula": FORMULA,
        "random": RANDOM[0],
        "share": share,
        "told": told,
    }
    draws = {
        name: {WORDS[quantity]: values.ravel() for quantity, values in drawn(fit).items()}
        for name, fit in posteriors.items()
    }
    pictures = {
        "posteriors": (
            posteriors_picture(draws, {WORDS[quantity]: float(getattr(TRUTH, quantity)) for quantity in QUANTITIES}),
            "Posterior densities. "
            + "; ".join(f"{one.name}: {WORDS[q]} {told(one.estimates[q])}" for one in by_posterior for q in QUANTITIES)
            + ".",
        ),
        "integrands": (
            integrands_picture(curves),
            "Two stores' integrands with Laplace's normal curve on each. "
            + "; ".join(f"{name}: its area is {100.0 * one.ratio:.1f} % of the exact" for name, one in curves.items())
            + ".",
        ),
        "study": (
            study_picture(study, WORDS),
            "Share of 95 % intervals that hold the truth. "
            + "; ".join(f"{WORDS[one.quantity]}, {one.rule}: {share(one)}" for one in study)
            + ".",
        ),
    }
    numbers = {
        "truth": TRUTH._asdict(),
        "seed": SEED,
        "maximum_likelihood": [_record(one) for one in by_likelihood],
        "posterior": [_record(one) for one in by_posterior],
        "study": [one._asdict() for one in study],
        "area_of_laplace": {name: one.ratio for name, one in curves.items()},
    }
    return Findings(headline, lead, rendered("integrals.html", pictures, **contents), numbers)


def curves_of(weeks: Weeks, parameters: MixedParameters) -> dict[str, Integrand]:
    """The integrands of a store that reordered in every week and of one that did so in half of them."""
    reorders = np.bincount(weeks.store, weeks.reordered)
    chosen = {"reordered in every week": TRUTH.weeks, "in half of the weeks": TRUTH.weeks // 2}
    found = {}
    for name, number in chosen.items():
        rows = weeks.store == int(np.flatnonzero(reorders == number)[0])
        found[name] = integrand(weeks.promotion[rows], weeks.reordered[rows], parameters)
    return found


def with_sd(parameters: MixedParameters, sd: float) -> MixedParameters:
    """The same with another standard deviation between stores."""
    return parameters._replace(omega=np.diag([sd**2, 0.0]))


def told(one: Estimate) -> str:
    """A number with its standard error or standard deviation."""
    return f"{by_error(one.value, one.error)} ± {by_error(one.error, one.error)}"


def share(row: Study) -> str:
    """How many intervals hold the truth, with the 95 % interval of that share."""
    low, high = row.interval
    return f"{percent(row.share)} ({100.0 * low:.0f} to {100.0 * high:.0f})"


def _record(one: Rung) -> dict[str, Any]:
    return one._asdict() | {"estimates": {name: value._asdict() for name, value in one.estimates.items()}}
