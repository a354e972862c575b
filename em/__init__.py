"""Segments of stores by maximum likelihood: panels, store statistics, hand-written EM.

>>> from em import read_panel, fit_mixture
>>> fit_mixture(read_panel("data/sample.csv"), k=3)  # doctest: +SKIP

Names are imported when first used, so that a command answers `--help` and Ctrl-C at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "em.classical": ("EM", "EStep", "Estimate", "LogL", "MStep"),
    "em.errors": ("InputError",),
    "em.fit": ("MixtureFit", "fit_mixture"),
    "em.mixture": ("MixtureParameters",),
    "em.panel": ("Panel", "read_panel", "store_statistics"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'em' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
