"""The hierarchical model: theta_i ~ N(mu, Omega), a mixture of normals with one segment, which goes without saying."""

from collections.abc import Mapping

import numpy as np

from bayesmix.posterior import OF_ALL_SEGMENTS
from em.statistics import Floats

QUANTITIES = {"mu": ("coefficient",), "omega": ("coefficient", "coefficient_2"), "sigma": ()}


def without_segment(quantities: Mapping[str, Floats], before: int) -> dict[str, Floats]:
    """Quantities of a mixture of normals with one segment under the names and shapes of the hierarchical model.

    Parameters
    ----------
    before : number of axes in front of that of the segment.
    """
    of_one = {name: np.asarray(np.take(quantities[name], 0, axis=before)) for name in QUANTITIES}
    return of_one | {name: quantities[name] for name in quantities.keys() & set(OF_ALL_SEGMENTS)}
