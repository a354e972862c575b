"""The mixture as textbooks write it in PyMC: python textbook_mixture.py panel.npz draws.npz

panel.npz holds y (store, week) log sales, x (week,) log prices, and weight, alpha, beta (segment,) to start from.
"""

import sys
from time import process_time
from typing import Any

import numpy as np
import nutpie
import pymc as pm
import pytensor.tensor as pt


def main() -> None:
    """Sample, and write the draws with the seconds of sampling on the clock and of processor."""
    sample, used = nutpie.sample, []

    def timed(*given: Any, **options: Any) -> Any:
        began = process_time()
        result = sample(*given, **options)
        used.append(process_time() - began)
        return result

    nutpie.sample = timed  # which PyMC calls once all is compiled
    panel = np.load(sys.argv[1])
    y, x, k = panel["y"], panel["x"], len(panel["weight"])
    with pm.Model():
        weight = pm.Dirichlet("weight", np.ones(k))
        alpha = pm.Normal("alpha", y.mean(), 3.0, shape=k)
        beta = pm.Normal("beta", -1.0, 1.5, shape=k)
        by_week = pm.logp(pm.Normal.dist(alpha + beta * x[:, None], 1.0), y[:, :, None])
        pm.Potential("loglik", pt.logsumexp(pt.log(weight) + by_week.sum(axis=1), axis=1).sum())
        start: Any = {name: panel[name] for name in ("weight", "alpha", "beta")}
        tree = pm.sample(1000, tune=1000, chains=4, cores=2, random_seed=1, initvals=start, progressbar=False)
    draws = {name: tree["posterior"][name].to_numpy() for name in start}
    seconds = np.array([tree["posterior"].attrs["sampling_time"], sum(used)])
    np.savez(sys.argv[2], seconds=seconds, **draws)


if __name__ == "__main__":
    main()
