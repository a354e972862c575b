"""The mixed model against lme4: the developers' panels, and small panels of sines that anybody can make.

Numbers are of lme4 1.1-31 (R 4.2.2), `lmer(y ~ x + (x | store), REML = , control = tight)` with
`tight <- lmerControl(optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12), calc.derivs = FALSE)`; y = log sales, x and lp
= log price. Those of ../shared/reference/reference.json have the same origin.
"""

import json
import time

import numpy as np
import pytest
from numpy.testing import assert_allclose

from em.likelihood import component_loglik
from em.mixed_model import fit_mixed_model
from em.panel import read_panel, store_statistics
from em.statistics import build

CHEESE = {"store": "RETAILER", "sales": "VOLUME", "price": "PRICE", "covariates": ["DISP"]}

# random coefficients, REML: log-likelihood, sigma, fixed effects, their standard errors, covariance between stores
SUBSETS = {
    ("609948", "intercept", False): (
        -22346.43536246, 0.997964620702, [10.8053272794, -1.14382984649], [0.023542339824, 0.0171361591789],
        [[0.077484282513]],
    ),
    ("609948", "log_price", False): (
        -22458.9269364, 1.0074439568, [10.8053272794, -1.14382984649], [0.0173669224026, 0.0221955888389],
        [[0.0580173565557]],
    ),
    ("609948", "intercept", True): (
        -22352.68348828, 0.997997239019, [10.8053272794, -1.14382984649], [0.023565528991, 0.0171367192716],
        [[0.0778061960293]],
    ),
    ("609948", "log_price", True): (
        -22465.27278225, 1.00747688191, [10.8053272794, -1.14382984649], [0.0173674899853, 0.022215359074],
        [[0.0582748928444]],
    ),
    ("cheese", "intercept", False): (
        -1071.771381968, 0.279619305952, [10.4969020327, -2.38233900614, 0.913438273807],
        [0.0868520446016, 0.0331195398194, 0.0305861838566], [[0.552452667828]],
    ),
    ("cheese", "intercept log_price", False): (
        -713.352118966, 0.257383561804, [10.4248910542, -2.27661367802, 0.798318111074],
        [0.138411094513, 0.111727783914, 0.0299533222592],
        [[1.482749375576, -0.910041983652], [-0.910041983652, 0.887889608813]],
    ),
    ("cheese", "log_price DISP", False): (
        -930.2672846138, 0.267046125501, [10.3670533951, -2.28620993483, 1.32368575194],
        [0.0379920939591, 0.0798236244898, 0.171117565371],
        [[0.447029859496, 0.254729463682], [0.254729463682, 2.129042064739]],
    ),
    ("cheese", "intercept log_price", True): (
        -718.8256644233, 0.257407415765, [10.424885984, -2.27656248646, 0.798218660644],
        [0.139226385715, 0.112408780491, 0.0299590952042],
        [[1.501906825224, -0.922659123326], [-0.922659123326, 0.900378147450]],
    ),
    ("cheese", "log_price DISP", True): (
        -935.2085897892, 0.267060792304, [10.3668820845, -2.28604086948, 1.32531555968],
        [0.0379986574785, 0.0801936845004, 0.172592116563],
        [[0.452201713081, 0.257867529171], [0.257867529171, 2.170210623519]],
    ),
}  # fmt: skip

# panel of sines, random coefficients, REML: log-likelihood, sigma, covariance, what lme4 calls a singular fit
SINES = {
    ("slope", "intercept", False): (-40.79329288307, 0.339775229476, [[0.353103887999]]),
    ("slope", "log_price", False): (-73.01637359194, 0.697167054633, [[0.0]]),
    ("slope", "log_price", True): (-75.76532408536, 0.707496018053, [[0.0]]),
    ("slope", "intercept log_price", False): (
        -40.70804168922, 0.33934898923, [[0.3520468142801, -0.01417429620544], [-0.01417429620544, 0.00057069305777]],
    ),
    ("none", "intercept log_price", False): (
        -22.75154200554, 0.323663709978, [[0.0077974960597, -0.00644450796958], [-0.00644450796958, 0.00532627774213]],
    ),
    ("none", "intercept log_price", True): (
        -26.78563712683, 0.326294250208, [[0.00973184090116, -0.00805003757751], [-0.00805003757751, 0.00665887427235]],
    ),
    ("one", "intercept log_price", False): (
        -12.43424941513, 0.20694686883, [[0.284541764425, 0.212707768209], [0.212707768209, 0.15900862479]],
    ),
    ("one", "intercept log_price", True): (
        -15.64325363501, 0.208787681339, [[0.310840073557, 0.23238860013], [0.23238860013, 0.173737127431]],
    ),
    ("one", "log_price", False): (-67.3297735316, 0.634610199117, [[0.0203849222588]]),
    ("full", "intercept log_price", False): (
        -51.76034995033, 0.363518586093, [[0.3536970237105, 0.0195134340407], [0.0195134340407, 0.1105853932273]],
    ),
    ("full", "intercept log_price", True): (
        -53.76636853938, 0.363437782911, [[0.387989549142, 0.0210477144554], [0.0210477144554, 0.1255773164093]],
    ),
}  # fmt: skip
SINGULAR = {
    ("slope", "log_price"): "the variance of log_price between stores is zero",
    ("slope", "intercept log_price"): "intercept and log_price of stores are perfectly correlated (-1)",
    ("none", "intercept log_price"): "intercept and log_price of stores are perfectly correlated (-1)",
    ("one", "intercept log_price"): "intercept and log_price of stores are perfectly correlated (+1)",
}


def sines(kind):
    """Statistics of 12 stores with 4 to 8 weeks, the same on every machine."""
    store, x, y = [], [], []
    for i in range(12):
        for t in range(4 + i % 5):
            at = round(np.sin(1.7 * i + 2.3 * t + 0.4), 6)
            error = np.sin(37.0 * i + 101.0 * t + i * t)
            y.append(
                {
                    "slope": 2 + 0.9 * np.sin(5.1 * i) - 1.2 * at + 0.5 * error,
                    "none": 2 - 1.2 * at + 0.5 * np.sin(997.0 * (i * 31 + t) ** 1.1),
                    "one": 2 - 1.2 * at + np.sin(5.1 * i) * (0.8 + 0.6 * at) + 0.3 * error,
                    "full": 2 - 1.2 * at + 0.9 * np.sin(5.1 * i) + 0.6 * np.cos(3.3 * i) * at + 0.5 * error,
                }[kind]
            )
            store.append(i)
            x.append([1.0, at])
    return build(np.array(store), np.array(x), np.round(y, 6), 12)


@pytest.fixture(scope="module")
def panels(shared):
    return {"609948": read_panel(shared("data/609948.csv")), "cheese": read_panel(shared("data/cheese.csv"), **CHEESE)}


@pytest.fixture(scope="module")
def lme4(shared):
    return json.loads(shared("reference/reference.json").read_text())["lmm_lme4"]


def maximised(fit):
    return fit.restricted_log_likelihood if fit.restricted else fit.log_likelihood


@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.parametrize("name", ["609948", "cheese"])
def test_all_coefficients_random(panels, lme4, name, reml):
    known = lme4[f"{name}|{'REML' if reml else 'ML'}"]
    fit = fit_mixed_model(panels[name], sigma="common", reml=reml)
    assert fit.converged
    assert fit.warnings == ()
    assert fit.singular == ()
    assert maximised(fit) == pytest.approx(known["ll"], abs=1e-4)
    assert_allclose(fit.parameters.mu, known["fixef"], atol=1e-5)
    assert fit.parameters.sigma == pytest.approx(known["sigma"], rel=1e-4)
    if "se" in known:
        assert_allclose(fit.standard_errors, known["se"], rtol=1e-4)
    if "cov" in known:
        assert_allclose(fit.parameters.omega, known["cov"], rtol=1e-3)
    if "var" in known:
        assert_allclose(np.diagonal(fit.parameters.omega), known["var"], rtol=1e-3)
        theirs = [known["cov_intercept_lp"], known["cov_intercept_disp"], known["cov_lp_disp"]]
        assert_allclose(fit.parameters.omega[[0, 0, 1], [1, 2, 2]], theirs, rtol=1e-3)
    for store, mode in known.get("ranef", {}).items():
        ours = fit.modes.theta[fit.stores.index(store)] - fit.parameters.mu
        assert_allclose(ours, mode, atol=1e-4)


def test_conditional_variances(panels):
    """`attr(ranef(f, condVar = TRUE)$RETAILER, "postVar")` of LOS ANGELES - LUCKY, ML, all coefficients random."""
    known = [
        [0.1060914172736, -0.0848867438891, -0.1167497064063],
        [-0.0848867438891, 0.0716649987181, 0.0672362435332],
        [-0.1167497064063, 0.0672362435332, 0.3650654394424],
    ]
    fit = fit_mixed_model(panels["cheese"], sigma="common")
    store = fit.stores.index("LOS ANGELES - LUCKY")
    assert_allclose(fit.modes.covariance[store], known, rtol=1e-4)
    assert_allclose(fit.modes.theta[store] - fit.parameters.mu, [1.00911093, 0.27732598372, 0.756122237038], atol=1e-4)


@pytest.mark.parametrize(("name", "random", "reml"), sorted(SUBSETS))
def test_some_coefficients_random(panels, name, random, reml):
    loglik, sigma, fixed, errors, covariance = SUBSETS[name, random, reml]
    fit = fit_mixed_model(panels[name], random=random.split(), sigma="common", reml=reml)
    assert maximised(fit) == pytest.approx(loglik, abs=1e-4)
    assert fit.parameters.sigma == pytest.approx(sigma, rel=1e-5)
    assert_allclose(fit.parameters.mu, fixed, atol=1e-5)
    assert_allclose(fit.standard_errors, errors, rtol=1e-4)
    inside = np.ix_(fit.random_columns, fit.random_columns)
    assert_allclose(fit.parameters.omega[inside], covariance, rtol=1e-3)
    others = np.setdiff1d(np.arange(len(fixed)), fit.random_columns)
    assert np.all(fit.parameters.omega[others] == 0.0)


@pytest.mark.parametrize(("kind", "random", "reml"), sorted(SINES))
def test_small_panels_and_singular_fits(kind, random, reml):
    loglik, sigma, covariance = SINES[kind, random, reml]
    fit = fit_mixed_model(sines(kind), random=random.split(), sigma="common", reml=reml)
    assert fit.converged
    assert fit.warnings == ()
    assert maximised(fit) == pytest.approx(loglik, abs=1e-7)
    assert fit.parameters.sigma == pytest.approx(sigma, rel=1e-5)
    inside = np.ix_(fit.random_columns, fit.random_columns)
    assert_allclose(fit.parameters.omega[inside], covariance, rtol=1e-3, atol=1e-7)
    told = SINGULAR.get((kind, random))
    assert fit.singular == (() if told is None else (told,))


def test_the_log_likelihood_is_that_of_the_stores(panels):
    for name, panel in panels.items():
        for reml in (False, True):
            fit = fit_mixed_model(panel, sigma="common", reml=reml)
            p = fit.parameters
            stores = component_loglik(store_statistics(panel), p.mu[None], np.array([p.sigma]), p.omega[None])
            assert fit.log_likelihood == pytest.approx(stores.sum(), abs=1e-9), name


@pytest.mark.bench
def test_seconds_beside_lme4(panels):
    """lme4 needs 0.17 s on 609948 and 0.22 to 0.3 s on cheese, without the start of R."""
    for name, theirs in (("609948", 0.17), ("cheese", 0.22)):
        stats = store_statistics(panels[name])
        begin = time.perf_counter()
        for _ in range(5):
            fit_mixed_model(panels[name], sigma="common", stats=stats)
        ours = (time.perf_counter() - begin) / 5
        print(f"{name}: {ours * 1e3:.1f} ms, lme4 {theirs * 1e3:.0f} ms")
        assert ours < 0.5 * theirs
