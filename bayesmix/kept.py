"""Finished chains on disk, so that an interrupted or killed run loses none of them.

A chain is known by a key over all that determines it: the data and priors, the code that they are put into, the start,
how it is drawn, the seed and the versions of the sampler. A file of another key is not touched and not read.
"""

import hashlib
import zipfile
from collections.abc import Collection, Hashable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bayesmix.density import Density
from bayesmix.kernel_sources import CACHE_KEY, FAMILY_KEY
from em.command import replacing
from em.errors import InputError
from em.statistics import Floats


class Chain(NamedTuple):
    """One chain: q (draw, dimension) on the unconstrained scale, and the sampler's statistics by name, (draw,)."""

    q: Floats
    statistics: dict[str, np.ndarray]


def key_of(density: Density, how: Hashable, number: int) -> str:
    """What tells a chain from every other.

    Parameters
    ----------
    how : all that says how it is drawn, numbers and seed.
    """
    digest = hashlib.sha256(repr((CACHE_KEY, FAMILY_KEY, density.code, density.shapes, how, number)).encode())
    for package in ("bayesmix", "nutpie", "numba", "pytensor"):
        digest.update(version(package).encode())
    for array in (density.starts[number], *density.arrays):
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def read_chain(folder: Path, number: int, key: str, shape: tuple[int, int], names: Collection[str]) -> Chain | None:
    """The chain, or None where it is not kept or its file is damaged.

    Parameters
    ----------
    shape : draws and dimension.
    names : of the sampler's statistics.
    """
    path = _path(folder, number, key)
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            values = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    q = values.pop("q", None)
    whole = q is not None and q.shape == shape and set(values) == set(names) and np.isfinite(q).all()
    return Chain(q, values) if q is not None and whole else None


def write_chain(folder: Path, number: int, key: str, chain: Chain) -> None:
    """Keep a chain, whole or not at all."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as refused:
        raise InputError(f"{folder}: finished chains cannot be kept there ({refused.strerror})") from refused
    with replacing(_path(folder, number, key)) as temporary:
        np.savez(temporary, allow_pickle=False, q=chain.q, **chain.statistics)


def forget(folder: Path, keys: Sequence[str]) -> None:
    """Remove the chains of these keys from a folder, and the folder where nothing else is in it."""
    for number, key in enumerate(keys):
        _path(folder, number, key).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _path(folder: Path, number: int, key: str) -> Path:
    return folder / f"chain-{number}-{key}.npz"
