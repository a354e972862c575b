"""Pseudo-BMA+: weights of models by their elpd, with the uncertainty of a sample of stores taken into account."""

import numpy as np
from scipy.special import softmax

from em.statistics import Floats

SAMPLES = 2000


def pseudo_bma_weights(elpd_i: Floats, seed: int = 0) -> Floats:
    """exp(elpd) by the Bayesian bootstrap: the mean of softmax(n sum_i a_i elpd_i) over a ~ Dirichlet(1, ..., 1).

    Yao, Vehtari, Simpson & Gelman 2018, Bayesian Analysis 13, section 3.4.

    Parameters
    ----------
    elpd_i : (store, model)

    Returns
    -------
    (model,) non-negative, summing to one.
    """
    n = len(elpd_i)
    share = np.random.default_rng(seed).dirichlet(np.ones(n), SAMPLES)
    return softmax(n * share @ (elpd_i - elpd_i.max(1, keepdims=True)), axis=1).mean(0)
