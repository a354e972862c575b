"""Passes over the stores of a family, compiled once for each family and found on disk by other processes."""

import sys
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
from numba import njit
from pytensor.link.numba.cache import compile_numba_function_src

from bayesmix import family_components
from bayesmix.compiled_family import FamilyFunctions, compiled_family
from bayesmix.family_designs import FamilyDesigns
from bayesmix.kernel_sources import FAMILY_KEY
from em.families.family import Family


@cache
def compiled_pass(family: Family, loops: Callable, arguments: str) -> Callable:
    """The compiled pass of a family; it lets other threads run.

    Parameters
    ----------
    loops : for Numba, `loops(of, dispersed, <arguments>, data)`.
    arguments : names of arrays and numbers, which the arrays of a `FamilyDesigns` follow in a call.
    """
    source = f"""def of_family({arguments}, *arrays):
    of = FamilyFunctions({", ".join(FamilyFunctions._fields)})
    {loops.__name__}(of, dispersed, {arguments}, FamilyDesigns(*arrays))
"""
    compiled = compiled_family(family)
    files = b"".join(Path(str(one.__file__)).read_bytes() for one in (family_components, sys.modules[loops.__module__]))
    key = sha256(f"{FAMILY_KEY} {compiled.key} {source}".encode() + files).hexdigest()
    environment = {
        "__name__": __name__,
        loops.__name__: loops,
        "FamilyFunctions": FamilyFunctions,
        "FamilyDesigns": FamilyDesigns,
        "dispersed": compiled.dispersed,
        **compiled.functions._asdict(),
    }
    of_family = compile_numba_function_src(source, "of_family", environment, cache_key=key)
    return njit(of_family, error_model="numpy", nogil=True, cache=True)


def plain(array: np.ndarray) -> np.ndarray:
    """As a compiled pass knows it, whose argument types include whether one may write."""
    return np.require(array, requirements=["C", "W"])
