"""Panels, exact posteriors by Gibbs, and the files that bayesmix.fit would write of them: material for the tests.

The Gibbs samplers share nothing with bayesmix: they are another road to the same posterior (sigma = 1).
"""

import json
from pathlib import Path

import numpy as np
import xarray as xr

from bayesmix.fitted import Fit
from em.entries import mixture_entry
from em.fit import fit_mixture
from em.likelihood import component_loglik, membership, store_loglik
from em.panel import Panel, store_statistics
from em.results import SCHEMA, data_of

THETA = np.array([[10.8, -1.1], [12.2, -2.2], [9.4, -0.6]])
WEIGHT = np.array([0.6, 0.25, 0.15])
MU, OMEGA = np.array([10.8, -1.4]), np.array([[0.30, -0.12], [-0.12, 0.20]])
PRIOR_MEAN, PRIOR_SD = np.array([10.0, -1.0]), np.array([3.0, 1.5])


def panel(theta: np.ndarray, *, weeks: int = 30, seed: int = 0, unequal: bool = False, sha256: str = "a" * 64) -> Panel:
    """A panel of stores with given coefficients (store, coefficient), one price for all unless `unequal`."""
    rng = np.random.default_rng(seed)
    n = len(theta)
    length = rng.integers(4, weeks + 1, n) if unequal else np.full(n, weeks)
    store = np.repeat(np.arange(n), length)
    week = np.concatenate([np.arange(t) for t in length])
    log_price = rng.normal(0.9, 0.5, store.size) if unequal else rng.normal(0.9, 0.5, weeks)[week]
    x = np.column_stack([np.ones(store.size), log_price])
    y = np.einsum("rp,rp->r", x, theta[store]) + rng.normal(size=store.size)
    return Panel(
        stores=tuple(f"Store {i + 1}" for i in range(n)),
        weeks=tuple(str(t + 1) for t in range(weeks)),
        coefficients=("intercept", "log_price"),
        store=store, week=week, x=x, y=y, file="panel.csv", sha256=sha256,
    )  # fmt: skip


def segmented(n: int = 60, seed: int = 1) -> np.ndarray:
    """Coefficients of stores in three segments."""
    return THETA[np.random.default_rng(seed).choice(3, n, p=WEIGHT)]


def continuous(n: int = 60, seed: int = 2) -> np.ndarray:
    """Coefficients of stores along a continuum."""
    return np.random.default_rng(seed).multivariate_normal(MU, OMEGA, n)


def conjugate(stats, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of theta given some of the stores, all of one segment, sigma = 1."""
    precision = np.diag(PRIOR_SD**-2) + stats.xtx[keep].sum(0)
    xty = np.einsum("spq,sq->p", stats.xtx[keep], stats.b[keep])
    covariance = np.linalg.inv(precision)
    return covariance @ (PRIOR_MEAN / PRIOR_SD**2 + xty), covariance


def draw_mixture(stats, start, draws: int, rng) -> dict[str, np.ndarray]:
    """Gibbs: memberships given parameters, parameters given memberships; (draw, segment, ...)."""
    weight, theta, sigma = (np.array(value) for value in start)
    k = len(weight)
    kept = {"weight": np.empty((draws, k)), "theta": np.empty((draws, k, 2)), "sigma": np.ones((draws, k))}
    for d in range(-50, draws):
        share = membership(np.log(weight), component_loglik(stats, theta, sigma))
        z = (share.cumsum(1) < rng.random((stats.n_stores, 1))).sum(1).clip(max=k - 1)
        weight = rng.dirichlet(1.0 + np.bincount(z, minlength=k))
        theta = np.stack([rng.multivariate_normal(*conjugate(stats, z == s)) for s in range(k)])
        if d >= 0:
            kept["weight"][d], kept["theta"][d] = weight, theta
    return kept


def draw_hierarchical(stats, draws: int, rng) -> dict[str, np.ndarray]:
    """Gibbs: store coefficients, their mean (flat prior), their covariance (inverse Wishart); (draw, ...)."""
    from scipy.stats import invwishart

    n, p = stats.b.shape
    mu, omega = stats.b.mean(0), np.cov(stats.b.T)
    xty = np.einsum("spq,sq->sp", stats.xtx, stats.b)
    kept = {"mu": np.empty((draws, p)), "omega": np.empty((draws, p, p)), "sigma": np.ones(draws)}
    for d in range(-50, draws):
        inverse = np.linalg.inv(omega)
        covariance = np.linalg.inv(stats.xtx + inverse)
        mean = np.einsum("spq,sq->sp", covariance, xty + inverse @ mu)
        theta = mean + np.einsum("spq,sq->sp", np.linalg.cholesky(covariance), rng.normal(size=(n, p)))
        mu = rng.multivariate_normal(theta.mean(0), omega / n)
        omega = np.atleast_2d(
            invwishart.rvs(n + p + 1, (theta - mu).T @ (theta - mu) + 0.05 * np.eye(p), random_state=rng)
        )
        if d >= 0:
            kept["mu"][d], kept["omega"][d] = mu, omega
    return kept


def mixture_tree(data: Panel, k: int, *, chains: int = 4, draws: int = 250, seed: int = 0) -> xr.DataTree:
    """A mixture posterior as bayesmix.fit writes it."""
    stats = store_statistics(data)
    start = fit_mixture(stats, k, starts=10, seed=seed).parameters
    rng = np.random.default_rng(seed)
    runs = [draw_mixture(stats, (start.weight, start.theta, start.sigma), draws, rng) for _ in range(chains)]
    value = {name: np.stack([run[name] for run in runs]) for name in runs[0]}
    component = component_loglik(stats, value["theta"], value["sigma"])
    share = membership(np.log(value["weight"]), component)
    coefficients = np.einsum("cdsk,cdkp->cdsp", share, value["theta"])
    posterior = xr.Dataset(
        {
            "weight": (("chain", "draw", "segment"), value["weight"]),
            "theta": (("chain", "draw", "segment", "coefficient"), value["theta"]),
            "sigma": (("chain", "draw", "segment"), value["sigma"]),
        },
        coords={"segment": np.arange(1, k + 1), "coefficient": list(data.coefficients)},
    )
    by_store = _by_store(data, coefficients)
    by_store["membership"] = (("store", "segment"), share.mean((0, 1)))
    by_store["membership_sd"] = (("store", "segment"), share.std((0, 1)))
    by_store = by_store.assign_coords(segment=np.arange(1, k + 1))
    loglik = store_loglik(np.log(value["weight"]), component)
    return _tree(data, posterior, loglik, by_store, name=f"mixture K={k}", model="mixture", k=k)


def hierarchical_tree(data: Panel, *, chains: int = 4, draws: int = 250, seed: int = 0) -> xr.DataTree:
    """A hierarchical posterior as bayesmix.fit writes it."""
    stats = store_statistics(data)
    rng = np.random.default_rng(seed)
    runs = [draw_hierarchical(stats, draws, rng) for _ in range(chains)]
    value = {name: np.stack([run[name] for run in runs]) for name in runs[0]}
    loglik = component_loglik(
        stats, value["mu"][..., None, :], value["sigma"][..., None], value["omega"][..., None, :, :]
    )[..., 0]
    inverse = np.linalg.inv(value["omega"])[:, :, None]
    pull = np.einsum("cdspq,cdq->cdsp", inverse, value["mu"]) + np.einsum("spq,sq->sp", stats.xtx, stats.b)
    coefficients = np.linalg.solve(stats.xtx + inverse, pull[..., None])[..., 0]
    posterior = xr.Dataset(
        {
            "mu": (("chain", "draw", "coefficient"), value["mu"]),
            "omega": (("chain", "draw", "coefficient", "coefficient_2"), value["omega"]),
            "sigma": (("chain", "draw"), value["sigma"]),
        },
        coords={"coefficient": list(data.coefficients), "coefficient_2": list(data.coefficients)},
    )
    return _tree(data, posterior, loglik, _by_store(data, coefficients), name="hierarchical", model="hierarchical", k=1)


def _by_store(data: Panel, coefficients: np.ndarray) -> xr.Dataset:
    return xr.Dataset(
        {
            "coefficients": (("store", "coefficient"), coefficients.mean((0, 1))),
            "coefficients_sd": (("store", "coefficient"), coefficients.std((0, 1))),
        },
        coords={"store": list(data.stores), "coefficient": list(data.coefficients)},
    )


def _tree(data: Panel, posterior, loglik, by_store, **attributes) -> xr.DataTree:
    stats = store_statistics(data)
    names = list(data.coefficients)
    constant = xr.Dataset(
        {
            "n": ("store", stats.n),
            "xtx": (("store", "coefficient", "coefficient_2"), stats.xtx),
            "b": (("store", "coefficient"), stats.b),
            "rss": ("store", stats.rss),
        },
        coords={"store": list(data.stores), "coefficient": names, "coefficient_2": names},
    )
    tree = xr.DataTree.from_dict(
        {
            "/posterior": posterior,
            "/log_likelihood": xr.Dataset(
                {"store": (("chain", "draw", "store_name"), loglik)}, coords={"store_name": list(data.stores)}
            ),
            "/sample_stats": xr.Dataset({"diverging": (("chain", "draw"), np.zeros(loglik.shape[:2], dtype=int))}),
            "/constant_data": constant,
            "/stores": by_store,
        }
    )
    tree.attrs = {
        "schema": "bayesmix-fit/1",
        "software": json.dumps({"python": "3.12", "gibbs": "of the tests"}),
        "family": "gaussian",
        "sigma_rule": "fixed",
        "data": json.dumps(data_of(data)),
        "priors": json.dumps({"theta": "normal", "weight": "Dirichlet(1)"}),
        "sampler": json.dumps(
            {"draws": loglik.shape[1], "tune": 50, "chains": loglik.shape[0], "seed": 0, "seconds": 0.1}
        ),
        "trusted": 1,
        "warnings": json.dumps([]),
        "log_density_of": "log sales",
        "unit": "store",
        **attributes,
    }
    return tree


def altered(fit, **values):
    """The same fit saying something else of itself."""
    other = Fit(fit.tree, fit.name, fit.file, fit.sha256)
    other.__dict__.update({"statistics": fit.statistics, **values})
    return other


def write_fit(tree: xr.DataTree, path: Path) -> Path:
    """Write a fit's file."""
    tree.to_netcdf(path, engine="netcdf4")
    return path


def write_results(data: Panel, path: Path, ks: tuple[int, ...] = (1, 2, 3, 4)) -> Path:
    """Write what the agreed results.json holds of a panel."""
    fits = [fit_mixture(data, k, starts=10) for k in ks]
    record = {
        "schema": SCHEMA,
        "software": {"python": "3.12"},
        "data": data_of(data),
        "settings": {"k": list(ks), "starts": 10, "sigma": "fixed", "seed": 0, "formula": None, "common": []},
        "best_k": min(fits, key=lambda fit: fit.criteria.bic).k,
        "fits": [mixture_entry(fit) for fit in fits],
    }
    path.write_text(json.dumps(record), encoding="utf-8")
    return path
