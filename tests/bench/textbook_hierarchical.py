"""The hierarchical model as textbooks write it in PyMC: python textbook_hierarchical.py panel.npz draws.npz form

panel.npz holds y and log price x by row, and the store of each row. Forms: "centred" draws the stores' coefficients
from a multivariate normal; "non-centred" makes them of standard normals.
"""

import sys
from time import process_time
from typing import Any

import numpy as np
import nutpie
import pymc as pm


def main() -> None:
    """Sample, and write the draws of mu with the seconds of sampling on the clock and of processor."""
    sample, used = nutpie.sample, []

    def timed(*given: Any, **options: Any) -> Any:
        began = process_time()
        result = sample(*given, **options)
        used.append(process_time() - began)
        return result

    nutpie.sample = timed  # which PyMC calls once all is compiled
    panel = np.load(sys.argv[1])
    y, x, store = panel["y"], panel["x"], panel["store"]
    n = int(store.max()) + 1
    with pm.Model():
        mu = pm.Normal("mu", [y.mean(), -1.0], [3.0, 1.5])
        factor, *_ = pm.LKJCholeskyCov("factor", n=2, eta=2.0, sd_dist=pm.HalfNormal.dist(1.0, shape=2))
        if sys.argv[3] == "centred":
            theta: Any = pm.MvNormal("theta", mu, chol=factor, shape=(n, 2))
        else:
            theta = mu + pm.Normal("z", 0.0, 1.0, shape=(n, 2)) @ factor.T
        sigma = pm.LogNormal("sigma", 0.0, 1.0)
        pm.Normal("y", theta[store, 0] + theta[store, 1] * x, sigma, observed=y)
        tree = pm.sample(1000, tune=1000, chains=4, cores=2, random_seed=1, progressbar=False)
    seconds = np.array([tree["posterior"].attrs["sampling_time"], sum(used)])
    np.savez(sys.argv[2], seconds=seconds, mu=tree["posterior"]["mu"].to_numpy())


if __name__ == "__main__":
    main()
