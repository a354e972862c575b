"""Segments drawn by their probabilities."""

import numpy as np

from em.statistics import Floats, Ints


def drawn_segments(share: Floats, uniform: Floats) -> Ints:
    """The segment in which uniform numbers fall, counted from 0.

    Parameters
    ----------
    share : (..., segment) probabilities.
    uniform : (...) numbers between 0 and 1; where rounding leaves the shares short of one, the last segment is meant.
    """
    return np.minimum((np.cumsum(share, -1) < uniform[..., None]).sum(-1), share.shape[-1] - 1)
