"""A family of responses for compiled code: Numba reads the family's own functions, so no formula stands twice.

A family is written in plain functions of arrays that broadcast (`em.families.family`). The same source is compiled
here for one number at a time, with everything of ours that it calls; what it calls of SciPy is in
`bayesmix.special_functions`.
"""

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import FunctionType
from typing import NamedTuple

from bayesmix import compiling, special_functions
from bayesmix.compiling import kernel
from bayesmix.special_functions import SPECIAL
from em.families import family as family_module
from em.families.family import Family


class FamilyFunctions(NamedTuple):
    """What the kernel calls of a family; see `em.families.family.Family` for what each returns."""

    terms: Callable
    slopes: Callable
    dispersion_slopes: Callable
    carrier: Callable
    carrier_slopes: Callable


class CompiledFamily(NamedTuple):
    """A family that compiled code can call.

    Attributes
    ----------
    functions : plain functions, which Numba compiles wherever it meets them.
    dispersed : whether sigma is a parameter.
    key : changes with every source that the functions are made of.
    """

    functions: FamilyFunctions
    dispersed: bool
    key: str


@cache
def compiled_family(family: Family) -> CompiledFamily:
    """Make the functions of a family known to Numba, with those of ours that they call."""
    functions = FamilyFunctions(*(getattr(family, name) for name in FamilyFunctions._fields))
    reached: dict[FunctionType, None] = {}
    constants: dict[str, object] = {}
    for function in functions:
        _reach(function, reached, constants)
    for function in reached:
        _known(function)
    files = {function.__code__.co_filename for function in reached}
    files |= {str(module.__file__) for module in (compiling, special_functions, family_module)}
    parts = [repr((family.name, family.dispersed, sorted(constants.items()), [f.__qualname__ for f in functions]))]
    parts += [Path(name).read_text(encoding="utf-8") for name in sorted(files, key=lambda name: Path(name).name)]
    return CompiledFamily(functions, family.dispersed, sha256("\n".join(parts).encode()).hexdigest())


@cache
def _known(function: FunctionType) -> None:
    """Tell Numba of a function, once: families share some."""
    kernel(function)


def _reach(function: Callable, reached: dict[FunctionType, None], constants: dict[str, object]) -> None:
    """Collect a function, those that it calls by a global name, and the numbers that it reads by one."""
    if not isinstance(function, FunctionType) or function in reached or function in SPECIAL:
        return
    reached[function] = None
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if isinstance(value, (float, int, tuple)):
            constants[f"{function.__module__}.{name}"] = value
        elif isinstance(value, FunctionType):
            _reach(value, reached, constants)
