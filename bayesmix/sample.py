"""Drawing from the posterior: nutpie, called directly, from explicit starting points."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import nutpie
import pymc as pm
import xarray as xr
from numba import cfunc, types
from numba.np.numpy_support import carray
from nutpie.compile_pymc import CompiledPyMCModel
from pytensor.link.numba.cache import compile_numba_function_src
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from bayesmix.density import Density, compile_density, constrain
from em.statistics import Floats

ADAPTATION = "low_rank"  # of the mass matrix; intercept and slope are correlated: 4 times the draws of "diag"
JITTER = 0.05  # standard deviation of a chain's start around the common one, on the unconstrained scale


@dataclass(frozen=True)
class Settings:
    """How many draws: kept and tuning ones of each chain, the chains, and the seed that fixes them all."""

    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    seed: int = 0


@dataclass(frozen=True)
class Draws:
    """What a sampler returned.

    Attributes
    ----------
    quantities : by name, (chain, draw, ...).
    statistics : the sampler's own, (chain, draw).
    seconds : of sampling and of compiling.
    """

    quantities: dict[str, Floats]
    statistics: xr.Dataset
    seconds: dict[str, float]


def sample(model: pm.Model, names: Mapping[str, object], start: Mapping[str, Floats], settings: Settings) -> Draws:
    """Draw from the posterior of a model.

    Parameters
    ----------
    names : the quantities to keep.
    start : where chains start, up to a small jitter: a value of every random variable, by name, in its own units.

    Raises
    ------
    KeyboardInterrupt
        When interrupted, or when a chain came back short.
    """
    with _progress(settings) as report:
        began = time.perf_counter()
        density = compile_density(model, start)
        compiled = time.perf_counter()
        trace = _run(_for_nutpie(density), settings, report)
        sampled = time.perf_counter()
    q = trace["posterior"]["q"].to_numpy()
    if q.shape[:2] != (settings.chains, settings.draws) or not np.isfinite(q).all():
        raise KeyboardInterrupt
    flat = constrain(model, density, q.reshape(-1, q.shape[-1]), list(names))
    quantities = {name: value.reshape(*q.shape[:2], *value.shape[1:]) for name, value in flat.items()}
    seconds = {"compiling": round(compiled - began, 2), "sampling": round(sampled - compiled, 2)}
    return Draws(quantities, trace["sample_stats"].to_dataset(), seconds)


def _run(model: CompiledPyMCModel, settings: Settings, report: Callable[[list[Any]], None]) -> xr.DataTree:
    sampler = nutpie.sample(
        model,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        seed=settings.seed,
        save_warmup=False,
        progress_bar=False,
        progress_callback=report,
        adaptation=ADAPTATION,
        blocking=False,
    )
    try:
        return sampler.wait()
    except KeyboardInterrupt:
        sampler.cancel()
        raise


@contextmanager
def _progress(settings: Settings) -> Iterator[Callable[[list[Any]], None]]:
    """A bar on stderr where that is a terminal; yields what takes the sampler's reports."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("compiling (kept for the next run)", total=None)

        def report(chains: list[Any]) -> None:
            done = sum(chain.finished_draws for chain in chains)
            progress.update(
                task, description="sampling", completed=done, total=settings.chains * (settings.draws + settings.tune)
            )

        yield report


def _for_nutpie(density: Density) -> CompiledPyMCModel:
    """The density as nutpie takes it, with the unconstrained vector q as its only quantity."""
    dimension = density.start.size

    def start(seed: int) -> Floats:
        return density.start + JITTER * np.random.default_rng(seed).standard_normal(dimension)

    return CompiledPyMCModel(
        dims={"q": ("unconstrained_parameter",)},
        _coords={"unconstrained_parameter": np.arange(dimension)},
        _n_dim=dimension,
        _shapes={"q": (dimension,)},
        compiled_logp_func=density.function,
        compiled_expand_func=_identity(),
        initial_point_func=start,
        shared_data={},
        shared_var_keys={},
        user_data=density.table,
        n_expanded=dimension,
        shape_info=(["q"], [slice(0, dimension)], [(dimension,)]),
        logp_func=None,
        expand_func=None,
    )


def _identity() -> Any:
    """A C function that keeps a draw as it is: quantities are worked out afterwards, for all draws at once."""
    source = (
        "def keep(dimension, size, q_, out_, data_):\n"
        "    q, out = carray(q_, (dimension,)), carray(out_, (dimension,))\n"
        "    for i in range(dimension):\n"
        "        out[i] = q[i]\n"
        "    return 0\n"
    )
    environment = {"__name__": __name__, "carray": carray}
    function = compile_numba_function_src(source, "keep", environment, cache_key="bayesmix-keep-1")
    double = types.CPointer(types.double)
    signature = types.int64(types.uint64, types.uint64, double, double, types.voidptr)
    return cfunc(signature, cache=True)(function)
