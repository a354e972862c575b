"""The simplex of segment weights, as free numbers for the sampler."""

import numpy as np
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform

from bayesmix.likelihood import Symbolic
from em.statistics import Floats

LEAST = 1e-3  # weight below which no segment starts


class LogRatio(Transform):
    """Log-ratios of all weights but the first to the first; additive log-ratios (Aitchison 1986, section 6.2).

    With the heaviest segment first they are nearly independent, and a model of one segment has none of them. Zero gets
    its place by a sum of products: joining and splitting arrays, as PyMC's own transform does, takes long to compile.
    """

    name = "logratio"
    ndim_supp = 1

    def forward(self, value: Symbolic, *inputs: Symbolic) -> Symbolic:
        """Weights (segment,) to log-ratios (segment - 1,)."""
        ratios: Symbolic = value[1:] / value[0]
        return pt.log(ratios)

    def backward(self, value: Symbolic, *inputs: Symbolic) -> Symbolic:
        """Log-ratios (segment - 1,) to weights (segment,)."""
        k = value.shape[0] + 1
        place: Symbolic = pt.eq(pt.arange(1, k)[:, None], pt.arange(k)[None])
        ratios: Symbolic = pt.exp(pt.sum(value[:, None] * place, axis=0))
        return ratios / pt.sum(ratios)

    def log_jac_det(self, value: Symbolic, *inputs: Symbolic) -> Symbolic:
        """The determinant is the product of the weights."""
        return pt.sum(pt.log(self.backward(value)))


def weight_start(weight: Floats) -> Floats:
    """Weights (segment,) near given ones, none of them at zero."""
    weight = np.maximum(weight, LEAST)
    return weight / weight.sum()
