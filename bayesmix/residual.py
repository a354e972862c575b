"""The residual standard deviation of log sales under its three rules."""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from bayesmix.likelihood import Symbolic
from bayesmix.priors import Priors
from em.mixture import SigmaRule
from em.statistics import Floats


def residual_sd(priors: Priors, rule: SigmaRule, k: int) -> Symbolic:
    """Sigma of each of k segments, (segment,), as the quantity `sigma` of the model at hand.

    The logarithm of sigma is the sum over free numbers of (free, segment) zeros and ones: without rows sigma is 1, one
    row of ones makes it common. The rule is data, so the three rules are one graph.
    """
    design = free_by_segment(rule, k)
    model: Any = pm.modelcontext(None)
    model.add_coord("free_sigma", np.arange(1, len(design) + 1))
    location, scale = np.log(priors.sigma_median), priors.sigma_log_sd
    log_sigma = pm.Normal(
        "log_sigma", pm.Data("log_sigma_mean", location), pm.Data("log_sigma_sd", scale), dims="free_sigma"
    )
    total = pt.sum(log_sigma[:, None] * pm.Data("free_by_segment", design), axis=0)
    return pm.Deterministic("sigma", pt.exp(total), dims="segment")


def free_by_segment(rule: SigmaRule, k: int) -> Floats:
    """Which free number is the sigma of which segment; (free, segment)."""
    return {"fixed": np.zeros((0, k)), "common": np.ones((1, k)), "segment": np.eye(k)}[rule]


def log_sigma_start(rule: SigmaRule, sigma: Floats) -> Floats:
    """The free numbers at given sigmas (segment,)."""
    return np.log(sigma)[: len(free_by_segment(rule, len(sigma)))]
