"""How stores differ, by maximum likelihood: panels, store statistics, segments by hand-written EM, mixed models.

>>> from em import read_panel, fit_mixture, fit_mixed_model
>>> fit_mixture(read_panel("data/sample.csv"), k=3)  # doctest: +SKIP
>>> fit_mixed_model(read_panel("data/sample.csv"), sigma="common")  # doctest: +SKIP

Names are imported when first used, so that a command answers `--help` and Ctrl-C at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from em.classical import EM, EStep, Estimate, LogL, MStep
    from em.errors import InputError
    from em.fit import MixtureFit, fit_mixture
    from em.glmm import GlmmFit, fit_glmm
    from em.mixed_model import MixedFit, fit_mixed_model
    from em.mixture import MixtureParameters
    from em.normal_mixture_fit import NormalMixtureFit, fit_normal_mixture
    from em.panel import Panel, read_panel, store_statistics
    from em.profile import profile_intervals

__all__ = [
    "EM",
    "EStep",
    "Estimate",
    "GlmmFit",
    "InputError",
    "LogL",
    "MStep",
    "MixedFit",
    "MixtureFit",
    "MixtureParameters",
    "NormalMixtureFit",
    "Panel",
    "fit_glmm",
    "fit_mixed_model",
    "fit_mixture",
    "fit_normal_mixture",
    "profile_intervals",
    "read_panel",
    "store_statistics",
]

_HOMES = {
    "em.classical": ("EM", "EStep", "Estimate", "LogL", "MStep"),
    "em.errors": ("InputError",),
    "em.fit": ("MixtureFit", "fit_mixture"),
    "em.glmm": ("GlmmFit", "fit_glmm"),
    "em.mixed_model": ("MixedFit", "fit_mixed_model"),
    "em.mixture": ("MixtureParameters",),
    "em.normal_mixture_fit": ("NormalMixtureFit", "fit_normal_mixture"),
    "em.panel": ("Panel", "read_panel", "store_statistics"),
    "em.profile": ("profile_intervals",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'em' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
