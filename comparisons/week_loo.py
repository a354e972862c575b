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
from bayesmix.stores import family_of, rows_of_stores, some
from bayesmix.week_density import distinct, log_density_left_out, pieces, weeks_of
from em.errors import InputError
from em.families.family import Family
from em.panel import Panel
from em.statistics import Floats

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
    check_panel(fit, panel)
    draws = thinned(fit.draws, most)
    used = len(draws.weight)
    reff = min(1.0, relative_efficiency(fit.store_loglik) * len(fit.draws.weight) / used)
    elpd, khat = [], []
    weeks, index = distinct(weeks_of(panel))
    for stores, part in pieces(weeks, len(panel.stores), draws):
        density = log_density_left_out(some(fit.statistics, stores), draws, part, fit.traits_of(stores))
        loglik = np.ascontiguousarray(density.T)
        log_weight, k = smoothed(loglik, reff)
        elpd.append(logsumexp(log_weight + loglik, axis=1))
        khat.append(k)
    return WeekLoo(np.concatenate(elpd)[index], np.concatenate(khat)[index], khat_limit(used))


def check_panel(fit: Fit, panel: Panel) -> None:
    """Raise InputError unless a fit is of this panel.

    Raises
    ------
    InputError
        When the response, the stores or their numbers of weeks are others.
    """
    of, held = family_of(fit.statistics), None if panel.response is None else panel.response.family
    if of is not held:
        raise InputError(f"{panel.file}: holds {_responses(held)}; expected {_responses(of)}")
    if fit.stores != panel.stores or not np.array_equal(np.bincount(panel.store), rows_of_stores(fit.statistics)):
        raise InputError(f"{panel.file}: is not the panel of {fit.name}; expected the same stores and weeks")


def _responses(family: Family | None) -> str:
    return "log sales" if family is None else f"{family.name} responses"
