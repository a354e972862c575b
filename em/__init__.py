"""Segments of stores by maximum likelihood: panels, store statistics, hand-written EM.

>>> from em import read_panel, fit_mixture
>>> fit_mixture(read_panel("data/sample.csv"), k=3)  # doctest: +SKIP
"""

from em.classical import EM, EStep, Estimate, LogL, MStep
from em.errors import InputError
from em.fit import MixtureFit, fit_mixture
from em.mixture import MixtureParameters
from em.panel import Panel, read_panel, store_statistics

__all__ = [
    "EM",
    "EStep",
    "Estimate",
    "InputError",
    "LogL",
    "MStep",
    "MixtureFit",
    "MixtureParameters",
    "Panel",
    "fit_mixture",
    "read_panel",
    "store_statistics",
]
