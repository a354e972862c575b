"""The log-density of a PyMC model and its gradient as one C function, compiled once for all panels.

What PyTensor compiles takes the random variables one by one and the data as inputs of unknown size. A short wrapper,
the only other thing to compile, carves the variables out of the sampler's vector and finds the data by their addresses.
Both stay in PyTensor's cache on disk. nutpie's own compiler caches no wrapper and writes the sizes of variables into
the graph: 5.5 s in every run and more for another number of segments, against 0.4 s here.
"""

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, cast

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from numba import cfunc, types
from numba.np.numpy_support import carray
from nutpie.compile_pymc import address_as_void_pointer
from pymc.pytensorf import compile as compile_graph
from pytensor import __version__ as pytensor_version
from pytensor.compile.maker import function as plain_function
from pytensor.compile.mode import Mode
from pytensor.configdefaults import config
from pytensor.gradient import grad
from pytensor.graph.replace import vectorize_graph
from pytensor.graph.rewriting.utils import rewrite_graph
from pytensor.link.numba.cache import CACHED_SRC_FUNCTIONS, compile_numba_function_src
from pytensor.link.numba.dispatch.basic import numba_njit

from em.statistics import Floats

DOUBLE = ctypes.POINTER(ctypes.c_double)
PLAIN = Mode(linker="py", optimizer="None")  # for what runs once: nothing to compile


@dataclass(frozen=True)
class Density:
    """A log-density on the unconstrained vector q.

    Attributes
    ----------
    function : the C function; its `address` is what a sampler calls.
    table : (entry,) addresses and sizes of variables and data, which the function is given with every call.
    arrays : the data that the table points to, kept alive.
    names : of the arrays, as the model calls its data.
    starts : (start, dimension) the unconstrained vectors at the start values.
    shapes : of each unconstrained random variable, by its name, in the order of the vector.
    code : what tells the compiled graph from others, of other priors or likelihoods; "" where PyTensor cannot say.
    """

    function: Any
    table: np.ndarray
    arrays: tuple[np.ndarray, ...]
    starts: Floats
    shapes: Mapping[str, tuple[int, ...]]
    names: tuple[str, ...] = ()
    code: str = ""


def compile_density(model: pm.Model, starts: Sequence[Mapping[str, Floats]]) -> Density:
    """Compile the log-density of a model, or load it.

    Parameters
    ----------
    starts : one or more sets of values for every random variable, by name, in its own units.
    """
    values = [model.rvs_to_values[variable] for variable in model.free_RVs]
    points = _unconstrain(model, starts[0])
    with model, config.change_flags(numba__fastmath=False):  # so that cold and warm caches draw alike
        graph: Any = rewrite_graph(model.logp(), include=["canonicalize", "stabilize", "local_remove_check_parameter"])
        slopes = cast(list, grad(graph, values))
        function = cast(Any, compile_graph(values, [graph, *slopes], mode="NUMBA"))
        inner = cast(Any, numba_njit(function.vm.jit_fn.py_func))
        data = function.get_shared()
        arrays = tuple(np.ascontiguousarray(shared.get_value()) for shared in data)
        code = CACHED_SRC_FUNCTIONS.get(inner.py_func)
        compiled = _c_function(inner, code, points, arrays)
    shapes = {value.name: point.shape for value, point in zip(values, points, strict=True)}
    return Density(
        compiled,
        _table(shapes, arrays),
        arrays,
        np.array([np.concatenate([point.ravel() for point in _unconstrain(model, start)]) for start in starts]),
        shapes,
        tuple(shared.name for shared in data),
        code or "",
    )


def with_data(density: Density, data: Mapping[str, np.ndarray], starts: Floats | None = None) -> Density:
    """The density of the same model given other data: nothing is built or compiled again.

    Parameters
    ----------
    data : arrays by the names of `density.names`, of the dimensions and types that they have there.
    starts : (start, dimension) other starts; None keeps those there are.
    """
    arrays = tuple(
        np.ascontiguousarray(data.get(name, array), dtype=array.dtype)
        for name, array in zip(density.names, density.arrays, strict=True)
    )
    return replace(
        density,
        table=_table(density.shapes, arrays),
        arrays=arrays,
        starts=density.starts if starts is None else starts,
    )


def _table(shapes: Mapping[str, tuple[int, ...]], arrays: Sequence[np.ndarray]) -> np.ndarray:
    """What the C function is told of variables, by their offset in q, and of data, by their address."""
    offsets = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes.values())])
    entries = [(offset, *shape) for offset, shape in zip(offsets, shapes.values(), strict=False)]
    entries += [(array.ctypes.data, *array.shape) for array in arrays]
    return np.array([number for entry in entries for number in entry], dtype=np.int64)


def log_density(density: Density, q: Floats) -> Floats:
    """Log-density at unconstrained vectors (draw, dimension), up to the constant of the data; (draw,)."""
    q = np.ascontiguousarray(q)
    value, gradient = np.empty(1), np.empty(q.shape[1])
    result = np.full(len(q), -np.inf)
    call, out, slopes, table = density.function.ctypes, value.ctypes, gradient.ctypes.data, density.table.ctypes.data
    for i, point in enumerate(q):
        failed = call(q.shape[1], point.ctypes.data, slopes, out.data_as(DOUBLE), table)
        result[i] = -np.inf if failed else value[0]
    return result


def constrain(model: pm.Model, density: Density, q: Floats, names: Sequence[str]) -> dict[str, Floats]:
    """Quantities of the model at many unconstrained vectors; see `constraint`."""
    return constraint(model, density, names)(q)


def constraint(model: pm.Model, density: Density, names: Sequence[str]) -> Callable[[Floats], dict[str, Floats]]:
    """The function from unconstrained vectors (draw, dimension) to quantities of the model.

    Returns
    -------
    A function of q whose values are arrays by name, with the axis of draws in front.
    """
    variables = [model.named_vars[name] for name in names]
    values = [model.rvs_to_values[variable] for variable in model.free_RVs]
    batches = [pt.tensor(dtype=value.dtype, shape=(None,) * (value.ndim + 1)) for value in values]
    graphs = vectorize_graph(model.replace_rvs_by_values(variables), dict(zip(values, batches, strict=True)))
    function: Any = plain_function(batches, graphs, mode=PLAIN, on_unused_input="ignore")
    ends = np.cumsum([int(np.prod(shape)) for shape in density.shapes.values()])

    def quantities(q: Floats) -> dict[str, Floats]:
        pieces = [
            piece.reshape(len(q), *shape)
            for piece, shape in zip(np.split(q, ends[:-1], axis=1), density.shapes.values(), strict=True)
        ]
        return {  # what depends on no random variable has no axis of draws yet
            name: result if result.ndim > variable.ndim else np.broadcast_to(result, (len(q), *result.shape))
            for name, variable, result in zip(names, variables, function(*pieces), strict=True)
        }

    return quantities


def _unconstrain(model: pm.Model, start: Mapping[str, Floats]) -> list[np.ndarray]:
    """Values of the model's value variables at given values of its random variables."""
    graphs = []
    for variable in model.free_RVs:
        point, transform = pt.as_tensor_variable(start[variable.name]), model.rvs_to_transforms[variable]
        graphs.append(point if transform is None else transform.forward(point, *variable.owner.inputs))
    function: Any = plain_function([], graphs, mode=PLAIN)
    return function()


def _c_function(inner: Callable, key: str | None, points: list[np.ndarray], arrays: tuple[np.ndarray, ...]) -> Any:
    """The wrapper of a compiled graph that nutpie's sampler can call, and its cache entry."""
    source = _source([point.ndim for point in points], [(array.ndim, str(array.dtype)) for array in arrays])
    environment = {
        "__name__": __name__,  # a module that numba can import when it loads the function from its cache
        "np": np,
        "carray": carray,
        "pointer": address_as_void_pointer,
        "inner": inner,
    }
    entry = None if key is None else sha256(f"{key} {pytensor_version} {source}".encode()).hexdigest()
    function = compile_numba_function_src(source, "log_density", environment, cache_key=entry)
    double, address = types.CPointer(types.double), types.uintp
    signature = types.int64(types.uint64, address, address, double, types.voidptr)
    return cfunc(signature, cache=entry is not None)(function)


def _source(variables: list[int], arrays: list[tuple[int, str]]) -> str:
    """Source of the wrapper, for variables of given dimensions and arrays of given dimensions and types.

    Its table has for each variable an offset into q and its shape, then for each array its address and shape.
    """
    size = sum(1 + ndim for ndim in variables) + sum(1 + ndim for ndim, _ in arrays)
    lines = [f"table = carray(table_, ({size},), np.int64)"]
    entry = 0
    for v, ndim in enumerate(variables):
        shape = "".join(f"table[{entry + 1 + axis}], " for axis in range(ndim))
        lines += [
            f"v{v} = carray(pointer(q_ + 8 * table[{entry}]), ({shape}), np.float64)",
            f"g{v} = carray(pointer(gradient_ + 8 * table[{entry}]), ({shape}), np.float64)",
        ]
        entry += 1 + ndim
    for a, (ndim, dtype) in enumerate(arrays):
        shape = "".join(f"table[{entry + 1 + axis}], " for axis in range(ndim))
        lines.append(f"a{a} = carray(pointer(table[{entry}]), ({shape}), np.{dtype})")
        entry += 1 + ndim
    inputs = [f"v{v}" for v in range(len(variables))] + [f"a{a}" for a in range(len(arrays))]
    outputs = ["value"] + [f"slope{v}" for v in range(len(variables))]
    # Python builds calls of more than thirty arguments by way of a list, which Numba does not read: tuples are joined.
    parts = [f"({', '.join(inputs[begin : begin + 20])},)" for begin in range(0, len(inputs), 20)]
    # Numba has no narrower except; a linear-algebra failure becomes the sampler's code for a point to turn back from.
    lines += ["try:", f"    {', '.join(outputs)}, = inner(*({' + '.join(parts)}))", "except Exception:", "    return 1"]
    lines += ["value_[0] = value[()]"]
    for v, ndim in enumerate(variables):  # loops: assigning whole arrays costs two seconds of compiling
        index = ", ".join(f"i{axis}" for axis in range(ndim)) or "()"
        loops = [f"{4 * axis * ' '}for i{axis} in range(slope{v}.shape[{axis}]):" for axis in range(ndim)]
        lines += [*loops, f"{4 * ndim * ' '}g{v}[{index}] = slope{v}[{index}]"]
    lines += [
        "gradient = carray(pointer(gradient_), (dimension,), np.float64)",
        "for i in range(dimension):",
        "    if not np.isfinite(gradient[i]):",
        "        return 3",
        "return 0 if np.isfinite(value_[0]) else 4",
    ]
    body = "\n    ".join(lines)
    return f"def log_density(dimension, q_, gradient_, value_, table_):\n    {body}\n"
