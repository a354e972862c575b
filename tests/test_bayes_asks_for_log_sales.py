"""What is of log sales alone refuses counts and choices by the name of their family."""

import re
from dataclasses import replace

import numpy as np
import pytest
from fits_for_comparisons import mixture_tree, panel, segmented

import bayesmix
from bayesmix.fitted import Fit
from bayesmix.report import report
from bayesmix.settings import Settings
from bayesmix.week_residuals import residuals
from comparisons.another_week import another_week
from comparisons.week_loo import week_loo
from em.errors import InputError
from em.families import family_named
from em.mixed_model import fit_mixed_model
from em.normal_mixture_fit import fit_normal_mixture
from em.response import Response

SETTINGS = Settings(draws=20, tune=20)


@pytest.fixture(scope="module")
def fitted():
    """A posterior of log sales, and counts of the same stores and weeks."""
    sales = panel(segmented(12), weeks=10)
    zero = np.zeros(sales.y.size)
    counts = Response(family_named("poisson"), "visits", zero, zero + 1.0)
    return Fit(mixture_tree(sales, 2, draws=20), "mixture K=2"), replace(sales, y=np.floor(sales.y), response=counts)


@pytest.mark.parametrize(
    "asked",
    [
        lambda fit, data: bayesmix.fit_normal_mixture(data, 2, settings=SETTINGS),
        lambda fit, data: bayesmix.fit_sparse_mixture(data, 3, settings=SETTINGS),
        lambda fit, data: report(fit, data),
        lambda fit, data: residuals(fit, data),
        lambda fit, data: week_loo(fit, data),
        lambda fit, data: another_week(data, [fit]),
        lambda fit, data: fit_mixed_model(data),
        lambda fit, data: fit_normal_mixture(data, 2),
    ],
)
def test_another_family_is_refused(fitted, asked):
    with pytest.raises(InputError, match=re.escape("panel.csv: holds poisson responses; expected log sales")):
        asked(*fitted)
