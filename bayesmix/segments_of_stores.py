"""Which stores are in which segment of a posterior mixture, and how surely."""

import numpy as np
import xarray as xr

from bayesmix.fitted import Fit
from em.statistics import Floats, Ints

SURE_OF = 0.9  # membership above which a store counts as surely in its segment


def membership(fit: Fit) -> Floats:
    """Posterior mean membership of a mixture; (store, segment)."""
    values: xr.DataArray = fit.by_store["membership"]
    return np.asarray(values.transpose("store", "segment"), dtype=float)


def most_probable(fit: Fit) -> Ints:
    """Index of each store's most probable segment under a mixture; (store,)."""
    return membership(fit).argmax(1)


def joining(fit: Fit) -> list[dict[str, int]]:
    """How many stores are most probably in each segment, and how many surely."""
    share = membership(fit)
    first, surest = share.argmax(1), share.max(1)
    return [
        {"segment": s + 1, "stores": int((first == s).sum()), "sure": int(((first == s) & (surest > SURE_OF)).sum())}
        for s in range(fit.k)
    ]
