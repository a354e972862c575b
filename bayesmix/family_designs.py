"""Counts on designs as the kernel of families takes them: plain arrays, with the nodes of the quadrature."""

from typing import NamedTuple

import numpy as np

from em.design_counts import DesignCounts
from em.quadrature import product_rule
from em.statistics import Floats, Ints


class FamilyDesigns(NamedTuple):
    """What is known of the stores, and how their integrals are taken.

    Attributes
    ----------
    x, offset : (design, coefficient) and (design,), each distinct row of the panel once.
    first : (store + 1,) where the cells of each store begin.
    design, n, total : (cell,) a design that a store met, the number (or trials) and the total of its responses.
    y, trials : (value,) each distinct response once.
    first_value : (store + 1,) where what is seen of each store begins.
    value, count : (seen,) a response of a store, and how often it was seen.
    node, node_weight : (node, direction) of a Gauss-Hermite rule, and (node,) log weights with v'v added.
    varying : (direction,) positions of the coefficients that vary between the stores of a segment.
    traits : (store, trait) that explain coefficients; without columns where nothing does.
    """

    x: Floats
    offset: Floats
    first: Ints
    design: Ints
    n: Floats
    total: Floats
    y: Floats
    trials: Floats
    first_value: Ints
    value: Ints
    count: Floats
    node: Floats
    node_weight: Floats
    varying: Ints
    traits: Floats


def family_designs(
    stats: DesignCounts, traits: Floats | None = None, nodes: int = 1, varying: Ints | None = None
) -> FamilyDesigns:
    """Arrays for the kernel.

    Parameters
    ----------
    traits : (store, trait); None where nothing explains coefficients.
    nodes : of the quadrature, in each direction; 1 is Laplace's approximation.
    varying : (direction,) positions of the coefficients that vary between the stores of a segment; None is none.
    """
    columns = np.zeros(0, dtype=np.int64) if varying is None else np.asarray(varying, dtype=np.int64)
    rule = product_rule(nodes if columns.size else 1, columns.size)
    stores = np.arange(stats.n_stores + 1)
    return FamilyDesigns(
        np.ascontiguousarray(stats.x),
        np.ascontiguousarray(stats.offset),
        np.searchsorted(stats.store, stores).astype(np.int64),
        stats.design.astype(np.int64),
        stats.n.astype(float),
        stats.total.astype(float),
        np.ascontiguousarray(stats.y),
        np.ascontiguousarray(stats.trials),
        np.searchsorted(stats.value_store, stores).astype(np.int64),
        stats.value.astype(np.int64),
        stats.count.astype(float),
        np.ascontiguousarray(rule.v),
        rule.log_weight,
        columns,
        np.zeros((stats.n_stores, 0)) if traits is None else np.ascontiguousarray(traits),
    )
