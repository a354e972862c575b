"""Leave one week of a known store out: conditional PSIS-LOO, week by week.

With phi the parameters that all stores share, p(phi | y) is proportional to p(phi) prod_j p(y_j | phi), and without
week t of store i its factor p(y_i | phi) becomes p(y_i,-t | phi). As p(y_i | phi) = p(y_it | y_i,-t, phi)
p(y_i,-t | phi), it follows

    p(phi | y without y_it) ~ p(phi | y) / p(y_it | y_i,-t, phi),

so draws given everything are weighted by the inverse of the very density that is wanted, exact in the store's segment
and coefficients (`bayesmix.week_density`). Integrating these out is what keeps Pareto k low (Vehtari et al. 2016, JMLR
17(103); Merkle, Furr & Rabe-Hesketh 2019 on conditional against marginal).
"""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from bayesmix.fitted import Fit
from bayesmix.posterior import thinned
from bayesmix.store_loo import khat_limit, relative_efficiency, smoothed
from bayesmix.week_density import Weeks, log_density_left_out, pieces
from em.errors import InputError
from em.panel import Panel, log_sales
from em.statistics import Floats, take

DRAWS = 1000


class WeekLoo(NamedTuple):
    """Leave one week out.

    Attributes
    ----------
    elpd_i : (row,) log-density of each week, in the order of the panel's rows.
    khat_i : (row,) Pareto k; NaN where the value is exact.
    khat_limit : above it elpd_i is not reliable; min(1 - 1 / log10(draws), 0.7).
    """

    elpd_i: Floats
    khat_i: Floats
    khat_limit: float

    @property
    def n_doubtful(self) -> int:
        """Weeks whose Pareto k is above the limit."""
        return int((self.khat_i > self.khat_limit).sum())


def week_loo(fit: Fit, panel: Panel, most: int = DRAWS) -> WeekLoo:
    """PSIS-LOO of every week of a panel, given the other weeks of its store.

    Parameters
    ----------
    fit : a posterior of this panel.
    most : draws used, evenly taken, so that memory and time stay those of `most` whatever was drawn.

    Raises
    ------
    InputError
        When the fit is of another panel.
    """
    if fit.stores != panel.stores or not np.array_equal(np.bincount(panel.store), fit.statistics.n):
        raise InputError(f"{panel.file}: is not the panel of {fit.name}; expected the same stores and weeks")
    draws = thinned(fit.draws, most)
    used = len(draws.weight)
    reff = min(1.0, relative_efficiency(fit.store_loglik) * len(fit.draws.weight) / used)
    elpd, khat = [], []
    for stores, part in pieces(weeks_of(panel), len(panel.stores), draws):
        density = log_density_left_out(take(fit.statistics, stores), draws, part, fit.traits_of(stores))
        loglik = np.ascontiguousarray(density.T)
        log_weight, k = smoothed(loglik, reff)
        elpd.append(logsumexp(log_weight + loglik, axis=1))
        khat.append(k)
    return WeekLoo(np.concatenate(elpd), np.concatenate(khat), khat_limit(used))


def weeks_of(panel: Panel) -> Weeks:
    """The rows of a panel of log sales.

    Raises
    ------
    InputError
        When the panel holds the response of another family.
    """
    return Weeks(panel.store, panel.x, log_sales(panel))
