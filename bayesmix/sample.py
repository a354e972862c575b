"""Drawing from the posterior: nutpie, called directly, chain by chain, from explicit starting points.

Every chain is a run of its own with a seed of its own, so that one that is finished can be kept while others are not,
and is the same whichever others run beside it.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import nutpie
import pymc as pm
import xarray as xr
from numba import cfunc, types
from numba.np.numpy_support import carray
from nutpie.compile_pymc import CompiledPyMCModel
from pytensor.link.numba.cache import compile_numba_function_src

from bayesmix.density import Density, compile_density, constrain, log_density
from bayesmix.kept import Chain, key_of, read_chain, write_chain
from bayesmix.settings import Settings
from bayesmix.streams import stream
from em.command import CORES, display
from em.errors import InputError
from em.statistics import Floats

ADAPTATION = "diag"  # of the mass matrix: on centred columns "low_rank" gains little and can leave a chain standing
JITTER = 0.05  # standard deviation of a chain's start around the one given, on the unconstrained scale


@dataclass(frozen=True)
class Draws:
    """What a sampler returned, labels as drawn.

    Attributes
    ----------
    quantities : by name, (chain, draw, ...).
    sampler : the sampler's own statistics, (chain, draw).
    seconds : of sampling and of compiling.
    resumed : how many chains were finished before and only read.
    keys : what each chain is kept under, see `bayesmix.kept`.
    unconstrained, density : (chain, draw, dimension) the same on the sampler's scale, and the density there; None where
        they are not a gradient sampler's.
    quantities_at : what makes the former of the latter.
    coefficients : (chain, draw, store, coefficient) of stores, where they were drawn with the parameters; None where
        they follow from them.
    """

    quantities: Mapping[str, Floats]
    sampler: xr.Dataset
    seconds: Mapping[str, float]
    resumed: int = 0
    keys: Sequence[str] = ()
    unconstrained: Floats | None = None
    density: Density | None = None
    quantities_at: Callable[[Floats], Mapping[str, Floats]] | None = None
    coefficients: Floats | None = None


def sample(
    model: pm.Model,
    names: Iterable[str],
    starts: Sequence[Mapping[str, Floats]],
    settings: Settings,
    keep: Path | None = None,
) -> Draws:
    """Draw from the posterior of a model.

    Parameters
    ----------
    names : the quantities to keep.
    starts : where each chain starts, up to a small jitter: a value of every random variable, by name, in its own units.
    keep : a folder where finished chains are kept, and from where those of the same model, start and settings are read
        instead of being drawn again.

    Raises
    ------
    KeyboardInterrupt
        When interrupted.
    InputError
        When there is no density where chains start, or a chain came back short.
    """
    with _progress(settings) as report:
        began = time.perf_counter()
        density = compile_density(model, starts)
        compiled = time.perf_counter()
        if not np.isfinite(log_density(density, density.starts)).all():
            raise InputError(
                "the posterior has no density where the chains start: a prior is too narrow or too far off"
            )
        how = (settings.draws, settings.tune, settings.seed, ADAPTATION, JITTER)
        keys = [key_of(density, how, c) for c in range(settings.chains)]
        chains, resumed = _chains(density, settings, keys, keep, report)
        sampled = time.perf_counter()
    q, names = np.stack([chain.q for chain in chains]), list(names)

    def quantities_at(q: Floats) -> dict[str, Floats]:
        flat = constrain(model, density, q.reshape(-1, q.shape[-1]), names)
        return {name: value.reshape(*q.shape[:2], *value.shape[1:]) for name, value in flat.items()}

    statistics = {name: (("chain", "draw"), np.stack([c.statistics[name] for c in chains])) for name in STATISTICS}
    return Draws(
        quantities_at(q),
        xr.Dataset(statistics),
        {"compiling": round(compiled - began, 2), "sampling": round(sampled - compiled, 2)},
        resumed,
        keys,
        q,
        density,
        quantities_at,
    )


STATISTICS = {  # ArviZ's names and nutpie's
    "diverging": "diverging",
    "energy": "energy",
    "lp": "logp",
    "n_steps": "n_steps",
    "step_size": "step_size",
    "tree_depth": "depth",
    "reached_max_treedepth": "maxdepth_reached",
    "acceptance_rate": "mean_tree_accept",
}


def _chains(
    density: Density,
    settings: Settings,
    keys: Sequence[str],
    keep: Path | None,
    report: Callable[[int, int], None],
) -> tuple[list[Chain], int]:
    """All chains, in their order, and how many of them were read from `keep`."""
    chains: dict[int, Chain] = {}
    for number in range(settings.chains):
        if keep is None:
            break
        shape = (settings.draws, density.starts.shape[1])
        found = read_chain(keep, number, keys[number], shape, STATISTICS)
        if found is not None:
            chains[number] = found
            report(number, settings.draws + settings.tune)
    resumed, stop = len(chains), Event()

    def finished(number: int, chain: Chain) -> None:
        chains[number] = chain
        if keep:
            try:
                write_chain(keep, number, keys[number], chain)
            except InputError as refused:  # keeping is a convenience: what is drawn is not lost for it
                print(f"note: chain {number + 1} is not kept ({refused})", file=sys.stderr)

    with ThreadPoolExecutor(max_workers=CORES, thread_name_prefix="chain") as pool:
        running: dict[Future[Chain], int] = {
            pool.submit(draw_chain, density, settings, number, stop, partial(report, number)): number
            for number in range(settings.chains)
            if number not in chains
        }
        try:
            while running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    finished(running.pop(future), future.result())
        except BaseException:
            stop.set()
            for future, number in running.items():
                if not future.cancel() and future.done() and future.exception() is None:
                    finished(number, future.result())
            raise
    return [chains[number] for number in range(settings.chains)], resumed


def draw_chain(density: Density, settings: Settings, number: int, stop: Event, report: Callable[[int], None]) -> Chain:
    """One chain; raises KeyboardInterrupt where it was stopped, InputError where it came back short by itself."""
    sampler = nutpie.sample(
        _for_nutpie(density, settings, number),
        draws=settings.draws,
        tune=settings.tune,
        chains=1,
        cores=1,
        seed=int(stream(settings.seed, "chain", number).generate_state(1)[0]),
        save_warmup=False,
        progress_bar=False,
        progress_callback=lambda told: report(sum(chain.finished_draws for chain in told)),
        adaptation=ADAPTATION,
        blocking=False,
    )
    trace = None
    while trace is None:
        try:
            trace = sampler.wait(timeout=0.1)
        except TimeoutError:
            if stop.is_set():
                sampler.cancel()
                raise KeyboardInterrupt from None
    q = trace["posterior"]["q"].to_numpy()[0]
    if len(q) != settings.draws or not np.isfinite(q).all():
        if stop.is_set():
            raise KeyboardInterrupt
        whole = int(np.isfinite(q).all(1).sum())
        raise InputError(
            f"the sampler gave {whole} of {settings.draws} draws of chain {number + 1}, though it was not interrupted; "
            "expected all: try another --seed"
        )
    statistics = trace["sample_stats"].to_dataset()
    return Chain(q, {name: statistics[theirs].to_numpy()[0] for name, theirs in STATISTICS.items()})


@contextmanager
def _progress(settings: Settings) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr where that is a terminal; yields what takes a chain's number and its draws so far."""
    done: dict[int, int] = {}
    with display() as shown:
        if shown is None:
            yield lambda chain, draws: None
            return
        task = shown.add_task("compiling (kept for the next run)", total=None)

        def report(chain: int, draws: int) -> None:
            done[chain] = draws
            whole = settings.chains * (settings.draws + settings.tune)
            shown.update(task, description="sampling", completed=sum(done.values()), total=whole)

        try:
            yield report
        finally:
            shown.remove_task(task)


def _for_nutpie(density: Density, settings: Settings, number: int) -> CompiledPyMCModel:
    """The density as nutpie takes it, with the unconstrained vector q as its only quantity."""
    at = density.starts[number]
    dimension = at.size

    def start(_: int) -> Floats:
        rng = np.random.default_rng(stream(settings.seed, "start", number))
        return at + JITTER * rng.standard_normal(dimension)

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
