"""The total log-likelihood of all stores as one PyTensor operation, whose gradient comes from the same pass.

The stores' statistics are inputs, not constants: nothing compiles again for another panel. It is the twin of
`em.likelihood` for log sales, and of `em.family_segments` and `em.quadrature` for a family of responses, which tests
hold it to.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_and_cache_key

from bayesmix import family_kernel, joint_kernel, kernel
from bayesmix.compiled_family import compiled_family
from bayesmix.designs import StoresByDesign, by_design
from bayesmix.family_designs import FamilyDesigns, family_designs
from bayesmix.kernel_sources import CACHE_KEY, FAMILY_KEY, JOINT_KEY
from bayesmix.stores import CountedStores, Stores
from em.families.family import Family
from em.statistics import Floats, Ints

Symbolic = Any  # a PyTensor variable, whose operators carry no types
NONE = np.zeros(0, dtype=np.intp)
PARAMETERS = 5  # log_weight, mu, sigma, spread, effect, or the last four and z; the other inputs are data


class StoreLogLikelihood(Op):
    """Total log-likelihood and its gradient; inputs and outputs are those of `kernel.value_and_gradient`.

    Parameters
    ----------
    family : of the responses, for which those of `family_kernel.kernel_of` are meant; None is log sales.
    joint : whether the coefficients of stores are given and not integrated out: `joint_kernel.joint_kernel_of`.
    """

    __props__ = ("family", "joint")

    def __init__(self, family: Family | None = None, joint: bool = False) -> None:
        self.family, self.joint = family, joint
        self.function, self.key = kernel.value_and_gradient, CACHE_KEY
        if family is not None:
            compiled = compiled_family(family)
            self.function, self.key = family_kernel.kernel_of(compiled), f"{FAMILY_KEY} {compiled.key}"
            if joint:
                self.function, self.key = joint_kernel.joint_kernel_of(compiled), f"{JOINT_KEY} {compiled.key}"

    def make_node(self, *inputs: Any) -> Apply:
        """The operation applied to symbolic parameters and data."""
        variables = [pt.as_tensor_variable(x) for x in inputs]
        shapes = [x.type.clone(shape=(None,) * x.type.ndim)() for x in variables[:PARAMETERS]]
        return Apply(self, variables, [pt.dscalar(), *shapes])

    def perform(self, node: Apply, inputs: Sequence[object], output_storage: list[list[object]]) -> None:
        """The kernel in plain Python."""
        for storage, result in zip(output_storage, self.function(*inputs), strict=True):
            storage[0] = result

    def infer_shape(self, node: Apply, shapes: list) -> list:
        """A number, and arrays shaped like the parameters."""
        return [(), *shapes[:PARAMETERS]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Only the value can be differentiated, and only with respect to the parameters."""
        value_only = [True] + [False] * PARAMETERS
        nothing = [False] * (1 + PARAMETERS)
        return [value_only] * PARAMETERS + [nothing] * (len(node.inputs) - PARAMETERS)

    def pullback(
        self, inputs: Sequence[Symbolic], outputs: Sequence[Symbolic], cotangents: Sequence[Symbolic]
    ) -> list[Symbolic]:
        """The gradient is already among the outputs."""
        data = [disconnected_type() for _ in inputs[PARAMETERS:]]
        return [cotangents[0] * gradient for gradient in outputs[1:]] + data


@register_funcify_and_cache_key(StoreLogLikelihood)
def _compile(op: StoreLogLikelihood, node: Apply | None = None, **_: object) -> tuple[Callable, str]:
    return numba_njit(op.function, error_model="numpy"), op.key


def arrays_of(stores: Stores, traits: Floats | None = None, varying: Ints = NONE) -> StoresByDesign | FamilyDesigns:
    """The stores as the kernel takes them.

    Parameters
    ----------
    traits : (store, trait) that explain coefficients; None where nothing does.
    varying : positions of the coefficients that vary between the stores of a segment.
    """
    if isinstance(stores, CountedStores):
        return family_designs(stores.counts, traits, stores.nodes, varying)
    return by_design(stores, traits)


def store_data(stores: Stores, traits: Floats | None = None, varying: Ints = NONE) -> list[Symbolic]:
    """The stores as data of the model at hand, in the order in which the kernel takes them; see `arrays_of`."""
    return [pm.Data(f"stores_{name}", value) for name, value in arrays_of(stores, traits, varying)._asdict().items()]


def total_loglik(
    data: list[Symbolic],
    log_weight: Symbolic,
    mu: Symbolic,
    sigma: Symbolic,
    spread: Symbolic | None = None,
    effect: Symbolic | None = None,
    family: Family | None = None,
) -> Symbolic:
    """Total log-likelihood of all stores, a symbolic number.

    It is multiplied by the data `power` of the model, 1 unless a density is tempered (`bayesmix.wbic`).

    Parameters
    ----------
    data : from `store_data`.
    log_weight, sigma : (segment,)
    mu : (segment, coefficient)
    spread : (segment, coefficient, coefficient) a factor C of the covariance C C' of store coefficients inside a
        segment; None where they do not vary.
    effect : (trait, coefficient) of the traits among `data`; None where there are none.
    family : of the responses; None is log sales.
    """
    if spread is None:
        spread = pm.Data("no_spread", np.zeros((0, 0, 0)))
    if effect is None:
        effect = pm.Data("no_effect", np.zeros((0, 0)))
    outputs: Any = StoreLogLikelihood(family)(log_weight, mu, sigma, spread, effect, *data)
    tempered: Symbolic = pm.Data("power", np.ones(1)) * outputs[0]
    return pt.sum(tempered)


def joint_loglik(
    data: list[Symbolic],
    curvature: list[Symbolic],
    mu: Symbolic,
    sigma: Symbolic,
    spread: Symbolic,
    effect: Symbolic,
    z: Symbolic,
    family: Family,
) -> Symbolic:
    """Joint log-density of responses and coefficients of stores, a symbolic number; see `bayesmix.joint_kernel`.

    Parameters
    ----------
    data, curvature : from `store_data`, and what `bayesmix.store_curvature` holds.
    mu, sigma, spread, effect : as for `total_loglik`, of one segment.
    z : (store, direction)
    """
    outputs: Any = StoreLogLikelihood(family, joint=True)(mu, sigma, spread, effect, z, *curvature, *data)
    return outputs[0]
