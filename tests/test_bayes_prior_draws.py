"""Draws and densities of the prior against PyMC's own, and what they say of stores."""

import subprocess
import sys
from pathlib import Path

import fits_for_comparisons as gibbs
import numpy as np
import oracles
import pymc as pm
import pytest
import xarray as xr
from pytensor.compile.mode import Mode
from scipy.stats import ks_2samp, kstest, norm

from bayesmix.centre import centre
from bayesmix.fitted import PARAMETERS
from bayesmix.hierarchical import without_segment
from bayesmix.mixture import mixture_model
from bayesmix.normal_mixture import normal_mixture_model
from bayesmix.prior_draws import correlation_factors, draw_prior, log_prior, prior_predictive, shown_by_stores
from bayesmix.priors import Priors
from em.likelihood import component_loglik, store_loglik
from em.statistics import build, take

PLAIN = Mode(linker="py", optimizer="fast_compile")
NAMES = ("intercept", "log_price", "display", "feature")
PRIORS = Priors(NAMES, (9.0, -1.5, 0.3, 0.0), (2.0, 0.7, 1.5, 1.0), 2.5, 0.6, 0.4, (0.5, 0.2, 1.5, 0.8), 3.0)
CASES = [("mixture", 1, "fixed", 2), ("mixture", 3, "common", 3), ("mixture", 2, "segment", 2)]
CASES += [("hierarchical", 1, "fixed", 2), ("hierarchical", 1, "common", 3), ("hierarchical", 1, "segment", 4)]
CASES += [("hierarchical", 1, "fixed", 1), ("normal-mixture", 2, "common", 2), ("normal-mixture", 3, "fixed", 3)]


def priors_of(p):
    return Priors(
        NAMES[:p], PRIORS.mean[:p], PRIORS.sd[:p], PRIORS.concentration, PRIORS.sigma_median, PRIORS.sigma_log_sd,
        PRIORS.spreads[:p], PRIORS.lkj,
    )  # fmt: skip


def statistics(p=2, stores=8, seed=0):
    rows = oracles.draw_rows(np.random.default_rng(seed), stores, 2, p=p)
    return build(rows.store, rows.x, rows.y, stores)


def model_of(stats, model, k, sigma, p):
    if model != "mixture":
        return normal_mixture_model(stats, k, priors_of(p), sigma)
    return mixture_model(stats, k, priors_of(p), sigma)


def drawn_by_pymc(model, k, sigma, p, back, n):
    """PyMC's draws, brought back to the columns as they are."""
    names = list(PARAMETERS[model])
    made = model_of(statistics(p), model, k, sigma, p)
    values = pm.draw([made[name] for name in names], draws=n, mode=PLAIN, random_seed=1)
    found = dict(zip(names, values, strict=True))
    for name in ("mu", "theta"):
        if name in found:
            found[name] = found[name] @ back.T
    if "omega" in found:
        found["omega"] = back @ found["omega"] @ back.T
    return without_segment(found, 1) if model == "hierarchical" else found


@pytest.mark.parametrize(("model", "k", "sigma", "p"), CASES)
def test_draws_have_the_distribution_of_pymcs(model, k, sigma, p):
    back = centre(statistics(p), NAMES[:p]).back
    ours = draw_prior(priors_of(p), model, k, sigma, back, 4000, 0)
    theirs = drawn_by_pymc(model, k, sigma, p, back, 4000)
    assert {name: value.shape for name, value in ours.items()} == {name: v.shape for name, v in theirs.items()}
    levels, tested = [], 0
    for name, value in ours.items():
        for one, other in zip(value.reshape(4000, -1).T, theirs[name].reshape(4000, -1).T, strict=True):
            if np.ptp(other) > 1e-9:
                levels.append(ks_2samp(one, other).pvalue)
                tested += 1
            else:
                np.testing.assert_allclose(one, other)
    assert min(levels) * tested > 1e-3
    if model != "mixture" and p > 1:  # the joint distribution, too
        omegas = [d["omega"].reshape(4000, -1, p, p)[:, -1] for d in (ours, theirs)]
        joint = [omega[:, 0, 1] / np.sqrt(omega[:, 0, 0] * omega[:, 1, 1]) for omega in omegas]
        assert ks_2samp(*joint).pvalue > 1e-3


def test_moments_and_quantiles_are_those_of_the_priors_named():
    back = np.array([[1.0, -0.8], [0.0, 1.0]])
    n = 20_000
    ours = draw_prior(priors_of(2), "mixture", 3, "common", back, n, 3)
    centred = ours["theta"] @ np.linalg.inv(back).T
    for c in range(2):
        assert kstest(centred[:, 1, c], norm(PRIORS.mean[c], PRIORS.sd[c]).cdf).pvalue > 1e-3
    assert np.median(ours["sigma"][:, 0]) == pytest.approx(0.6, rel=0.02)
    np.testing.assert_array_equal(ours["sigma"], ours["sigma"][:, :1] * np.ones(3))
    assert ours["weight"].var(0) == pytest.approx(3 * [(1 / 3) * (2 / 3) / 8.5], rel=0.05)
    ours = draw_prior(priors_of(2), "hierarchical", 1, "fixed", np.eye(2), n, 3)
    scale = np.sqrt(np.diagonal(ours["omega"], axis1=1, axis2=2))
    assert np.quantile(scale[:, 1], [0.5, 0.9]) == pytest.approx(0.2 * norm.ppf([0.75, 0.95]), rel=0.03)
    correlation = ours["omega"][:, 0, 1] / scale.prod(1)
    assert correlation.var() == pytest.approx(1.0 / 7.0, rel=0.04)  # Beta(3, 3) on (-1, 1)


@pytest.mark.parametrize("p", [1, 2, 3, 5])
def test_factors_are_those_of_the_model(p):
    from pytensor.compile.maker import function

    from bayesmix.spread import correlation_factor

    partial = np.random.default_rng(p).uniform(-0.9, 0.9, (4, p * (p - 1) // 2))
    with pm.Model():
        symbol = pm.Flat("partial", shape=partial.shape[1])
        symbolic = function([symbol], correlation_factor(symbol[None], p)[0], mode=PLAIN)
    np.testing.assert_allclose(correlation_factors(partial, p), [symbolic(row) for row in partial], atol=1e-14)


@pytest.mark.parametrize(("model", "k", "sigma", "p"), CASES)
def test_log_priors_differ_as_pymcs(model, k, sigma, p):
    """PyMC takes log sigma and partial correlations where the user is told of sigma and of a correlation matrix."""
    stats = statistics(p)
    centred = centre(stats, NAMES[:p])
    made = model_of(centred.statistics, model, k, sigma, p)
    density = made.compile_logp(jacobian=False, mode=PLAIN)
    rng = np.random.default_rng(p)
    quantities, theirs = [], []
    for _ in range(6):
        point, on_centred, volume = points(rng, model, k, sigma, p)
        theirs.append(density(point) - loglik(centred.statistics, model, on_centred) + volume)
        quantities.append(uncentred(on_centred, centred.back))
    stacked = {name: np.stack([q[name] for q in quantities]).reshape(2, 3, *quantities[0][name].shape)
               for name in quantities[0]}  # fmt: skip
    found = log_prior(stacked, priors_of(p), model, sigma, centred.back)
    expected = {
        "mixture": {"theta", "weight"},
        "hierarchical": {"mu", "spread"},
        "normal-mixture": {"mu", "spread", "weight"},
    }[model]
    expected |= {"sigma"} if sigma != "fixed" else set()
    expected |= {"correlation"} if model != "mixture" and p > 1 else set()
    assert set(found) == expected
    assert all(part.shape == (2, 3) for part in found.values())
    total = sum(found.values()).ravel()
    np.testing.assert_allclose(total - total[0], np.array(theirs) - theirs[0], rtol=1e-9, atol=1e-9)


def points(rng, model, k, sigma, p):
    """A value of every variable, on centred columns and as PyMC takes it, and what a change of variables adds."""
    free = {"fixed": 0, "common": 1, "segment": k}[sigma]
    log_sigma = rng.normal(-0.5, 0.4, free)
    sigmas = np.exp(log_sigma) * np.ones(k) if free else np.ones(k)
    volume = -log_sigma.sum()
    if model == "mixture":
        weight, theta = rng.dirichlet(3.0 * np.ones(k)), rng.normal(size=(k, p)) + np.array(PRIORS.mean[:p])
        point = {"weight_logratio__": np.log(weight[1:] / weight[0]), "theta": theta, "log_sigma": log_sigma}
        return point, {"weight": weight, "theta": theta, "sigma": sigmas}, volume
    weight = rng.dirichlet(3.0 * np.ones(k))
    mu, scale = rng.normal(size=(k, p)) + np.array(PRIORS.mean[:p]), rng.uniform(0.1, 1.0, (k, p))
    share = rng.uniform(0.2, 0.8, (k, p * (p - 1) // 2))
    factor = scale[..., None] * correlation_factors(2.0 * share - 1.0, p)
    point = {"mu": mu, "scale_log__": np.log(scale), "partial_logodds__": np.log(share / (1.0 - share))}
    point |= {"weight_logratio__": np.log(weight[1:] / weight[0]), "log_sigma": log_sigma}
    point["effect"] = np.zeros((0, p))

    def lower(values):
        """Correlations below the diagonal."""
        made = correlation_factors(values, p)
        return (made @ made.T)[np.tril_indices(p, -1)]

    if p > 2:
        volume -= sum(np.linalg.slogdet(oracles.slope(lower, 2.0 * one - 1.0))[1] for one in share)
    omega = factor @ np.swapaxes(factor, 1, 2)
    found = {"weight": weight, "mu": mu, "omega": omega, "sigma": sigmas}
    return point, without_segment(found, 0) if model == "hierarchical" else found, volume


def loglik(stats, model, q):
    if model == "mixture":
        return store_loglik(np.log(q["weight"]), component_loglik(stats, q["theta"], q["sigma"])).sum()
    if model == "hierarchical":
        return component_loglik(stats, q["mu"][None], np.atleast_1d(q["sigma"]), q["omega"][None]).sum()
    return store_loglik(np.log(q["weight"]), component_loglik(stats, q["mu"], q["sigma"], q["omega"])).sum()


def uncentred(q, back):
    change = {"theta": lambda v: v @ back.T, "mu": lambda v: v @ back.T, "omega": lambda v: back @ v @ back.T}
    return {name: change.get(name, np.asarray)(value) for name, value in q.items()}


def test_a_weight_of_zero_leaves_the_density_finite():
    quantities = {"weight": np.array([[[1.0, 0.0]]]), "theta": np.zeros((1, 1, 2, 2)), "sigma": np.ones((1, 1, 2))}
    sparse = Priors(NAMES[:2], (0.0, 0.0), (1.0, 1.0), concentration=0.01)
    assert np.isfinite(log_prior(quantities, sparse, "mixture", "fixed", np.eye(2))["weight"]).all()


def test_weighing_draws_by_the_prior_is_fitting_with_another_prior():
    """The conjugate posterior under the prior raised to a power: its precision times that power."""
    stats = statistics(stores=3)
    rng, n = np.random.default_rng(0), 60_000
    mean, precision = np.array([9.0, -1.0]), np.diag([1.0 / 0.3**2, 1.0 / 0.2**2])
    xty = np.einsum("spq,sq->p", stats.xtx, stats.b)

    def posterior(power):
        covariance = np.linalg.inv(power * precision + stats.xtx.sum(0))
        return covariance @ (power * precision @ mean + xty), covariance

    theta = rng.multivariate_normal(*posterior(1.0), n)
    draws = {"weight": np.ones((1, n, 1)), "theta": theta[None, :, None], "sigma": np.ones((1, n, 1))}
    priors = Priors(NAMES[:2], tuple(mean), (0.3, 0.2))
    density = sum(log_prior(draws, priors, "mixture", "fixed", np.eye(2)).values())[0]
    for power in (0.7, 1.4):
        weight = np.exp((power - 1.0) * (density - density.max()))
        exact = posterior(power)[0]
        assert np.abs(exact - posterior(1.0)[0]).min() > 0.015
        np.testing.assert_allclose(weight @ theta / weight.sum(), exact, atol=0.004)


@pytest.mark.parametrize("model", ["mixture", "hierarchical"])
def test_power_scaling_of_arviz_takes_it(model):
    """A prior that says little is not felt, one that contradicts the data is."""
    import arviz as az

    made = gibbs.mixture_tree if model == "mixture" else gibbs.hierarchical_tree
    data = gibbs.panel(gibbs.segmented() if model == "mixture" else gibbs.continuous())
    tree = made(data, **({"k": 3} if model == "mixture" else {}))
    quantities = {str(name): value.to_numpy() for name, value in tree["posterior"].data_vars.items()}
    name = "theta" if model == "mixture" else "mu"
    felt = []
    for sd in (3.0, 0.02):
        priors = Priors(NAMES[:2], (10.0, -1.0), (sd, sd))
        parts = log_prior(quantities, priors, model, "fixed", np.eye(2))
        tree["log_prior"] = xr.DataTree(xr.Dataset({part: (("chain", "draw"), v) for part, v in parts.items()}))
        table = az.psense_summary(tree, var_names=[name], prior_var_names=[name])
        felt.append(table["prior"].astype(float).max())
    assert felt[0] < 0.05 < felt[1]


def test_stores_drawn_from_a_narrow_prior_look_like_those_it_describes():
    """Replicated stores against stores whose weeks are drawn one by one from the same coefficients."""
    rng = np.random.default_rng(5)
    rows = oracles.draw_rows(rng, 4000, 1, weeks=(3, 9))
    theta = np.array([10.0, -1.4])
    y = rows.x @ theta + 0.7 * rng.standard_normal(len(rows.x))
    stats = build(rows.store, rows.x, y, 4000)
    draws = {"weight": np.ones((6000, 1)), "theta": np.tile(theta, (6000, 1, 1)), "sigma": np.full((6000, 1), 0.7)}
    prior, observed = prior_predictive(draws, stats, NAMES[:2], 0), shown_by_stores(stats, NAMES[:2])
    assert set(prior) == {"log_sales", "sales", "elasticity"}
    for name in prior:
        assert ks_2samp(prior[name], observed[name]).pvalue > 1e-3
    assert observed["log_sales"][7] == pytest.approx(y[rows.store == 7].mean())
    average = rows.x.mean(0)
    assert observed["sales"][7] == pytest.approx(np.exp(stats.b[7] @ average))


def test_a_continuum_shows_in_the_stores_drawn():
    rng = np.random.default_rng(6)
    rows = oracles.draw_rows(rng, 3000, 1, weeks=(20, 40))
    omega = np.array([[0.3, -0.1], [-0.1, 0.2]])
    theta = rng.multivariate_normal([10.0, -1.4], omega, 3000)
    y = np.einsum("rp,rp->r", rows.x, theta[rows.store]) + 0.5 * rng.standard_normal(len(rows.x))
    stats = build(rows.store, rows.x, y, 3000)
    draws = {"mu": np.tile([10.0, -1.4], (5000, 1)), "omega": np.tile(omega, (5000, 1, 1)), "sigma": np.full(5000, 0.5)}
    prior, observed = prior_predictive(draws, stats, NAMES[:2], 0), shown_by_stores(stats, NAMES[:2])
    for name in prior:
        assert ks_2samp(prior[name], observed[name]).pvalue > 1e-3


def test_a_store_that_cannot_tell_says_so():
    stats = statistics()
    flat = take(stats, np.arange(8))
    x = np.column_stack([np.ones(4), np.full(4, 0.7)])
    flat.xtx[2], flat.n[2] = x.T @ x, 4.0
    flat.b[2] = np.linalg.lstsq(x, np.full(4, 9.0))[0]
    shown = shown_by_stores(flat, NAMES[:2])
    assert shown["log_sales"][2] == pytest.approx(9.0)
    assert np.isnan([shown["elasticity"][2], shown["sales"][2]]).all()
    assert np.isfinite(np.delete(shown["elasticity"], 2)).all()
    assert set(shown_by_stores(stats, ("log_price", "display"))) == {"elasticity"}


def test_no_sampler_is_loaded():
    program = (
        "import sys, bayesmix.prior_text, bayesmix.prior_draws, bayesmix.predict, bayesmix.label_free; "
        "print(*{'pymc', 'pytensor', 'nutpie', 'arviz', 'matplotlib'} & set(sys.modules))"
    )
    root = Path(__file__).resolve().parent.parent
    end = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert end.stdout.strip() == ""
