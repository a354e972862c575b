"""Segments of stores, or a continuum of them, as a posterior.

>>> import bayesmix
>>> from em.panel import read_panel
>>> fit = bayesmix.fit_mixture(read_panel("sales.csv"), 3)  # doctest: +SKIP
>>> bayesmix.load("mixture-3.nc").by_store["membership"]  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bayesmix.fitted import Fit
    from bayesmix.priors import Priors
    from bayesmix.read import load
    from bayesmix.run import fit_hierarchical, fit_mixture, fit_normal_mixture, fit_sparse_mixture
    from bayesmix.settings import Settings

__all__ = [
    "Fit",
    "Priors",
    "Settings",
    "fit_hierarchical",
    "fit_mixture",
    "fit_normal_mixture",
    "fit_sparse_mixture",
    "load",
]

_HOME = {
    "Fit": "fitted",
    "Priors": "priors",
    "Settings": "settings",
    "fit_hierarchical": "run",
    "fit_mixture": "run",
    "fit_normal_mixture": "run",
    "fit_sparse_mixture": "run",
    "load": "read",
}


def __getattr__(name: str) -> object:
    """Load what is asked for, so that reading a file does not load the sampler."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
