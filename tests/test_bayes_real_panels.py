"""Figures on the developers' panels; skipped where these are missing."""

import json
import warnings

import arviz as az
import numpy as np
import pytest
import xarray as xr

from bayesmix.fit import command
from bayesmix.store_loo import loo

CHEESE = ("--store", "RETAILER", "--sales", "VOLUME", "--price", "PRICE", "--covariates", "DISP", "--sigma", "common")


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    """Fits of a panel by the command, each made once: fits(path, *words) gives the exit code and the tree."""
    folder, made = tmp_path_factory.mktemp("fits"), {}

    def fit(path, *words):
        if (path, words) not in made:
            out = folder / f"{len(made)}.nc"
            code = command([str(path), *words, "--out", str(out)])
            with xr.open_datatree(out, engine="netcdf4") as tree:
                made[path, words] = code, tree.load()
        return made[path, words]

    return fit


def test_the_mixture_of_609948_is_that_of_em_and_of_stan(fits, shared):
    stan = json.loads(shared("reference/reference.json").read_text())["bayes_stan"]["609948|fixed|3"]
    code, tree = fits(shared("data/609948.csv"), "--k", "3")
    posterior = tree.posterior
    assert code == 0
    mean, sd = posterior.mean(("chain", "draw")), posterior.std(("chain", "draw"))
    np.testing.assert_allclose(mean.theta, [[10.794, -1.065], [11.654, -1.822], [9.886, -1.202]], atol=0.02)
    for name, values in (("weight", "weight"), ("alpha", "theta"), ("beta", "theta")):
        part = slice(None) if name == "weight" else (slice(None), int(name == "beta"))
        # Stan's numbers are rounded to two places.
        np.testing.assert_allclose(mean[values].values[part], stan[name]["mean"], atol=0.012)
        np.testing.assert_allclose(sd[values].values[part], stan[name]["sd"], atol=0.009)


def test_the_hierarchical_posterior_of_609948_lies_about_the_mixed_model(fits, shared):
    lmm = json.loads(shared("reference/reference.json").read_text())["lmm_lme4"]["609948|REML"]
    code, tree = fits(shared("data/609948.csv"), "--model", "hierarchical")
    mean = tree.posterior.mean(("chain", "draw"))
    assert code == 0
    np.testing.assert_allclose(mean.mu, lmm["fixef"], atol=0.004)
    np.testing.assert_allclose(tree.posterior.mu.std(("chain", "draw")), lmm["se"], rtol=0.06)
    np.testing.assert_allclose(mean.omega, lmm["cov"], atol=0.006)


def test_stores_not_seen_are_predicted_better_by_segments_on_609948(fits, shared):
    path = shared("data/609948.csv")
    loo = [
        az.loo(fits(path, *words)[1], var_name="store", reff=1.0, pointwise=True)
        for words in (("--k", "3"), ("--model", "hierarchical"))
    ]
    assert loo[0].elpd == pytest.approx(-22172.5, abs=1.5)
    assert loo[1].elpd == pytest.approx(-22341.4, abs=1.5)
    difference = (loo[0].elpd_i - loo[1].elpd_i).values
    assert difference.sum() == pytest.approx(169.0, abs=3.0)
    assert difference.std(ddof=1) * np.sqrt(300) == pytest.approx(17.0, abs=1.0)


def test_stores_not_seen_are_predicted_better_by_a_continuum_on_cheese(fits, shared):
    path = shared("data/cheese.csv")
    lmm = json.loads(shared("reference/reference.json").read_text())["lmm_lme4"]["cheese|ML"]
    code, continuum = fits(path, *CHEESE, "--model", "hierarchical")
    assert code == 0
    mean = continuum.posterior.mean(("chain", "draw"))
    np.testing.assert_allclose(mean.mu, lmm["fixef"], atol=0.03)
    assert float(mean.sigma) == pytest.approx(lmm["sigma"], abs=0.001)
    code, segments = fits(path, *CHEESE, "--k", "2")
    assert code == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # k-hat of two stores: far less than what is compared here
        elpd = [az.loo(tree, var_name="store", reff=1.0).elpd for tree in (continuum, segments)]
    assert elpd[0] - elpd[1] > 1000.0


def test_segments_whose_stores_differ_predict_as_well_as_the_better_of_the_two(fits, shared):
    """Within a few units where stores are alike inside segments (609948), and better on cheese."""

    def elpd(name, *words):
        code, tree = fits(shared(name), *words)
        assert code == 0
        return loo(tree.log_likelihood.store).elpd_i

    found = elpd("data/609948.csv", "--model", "normal-mixture", "--k", "3")
    lost = elpd("data/609948.csv", "--k", "3") - found
    assert -1.0 < lost.sum() < 4.0
    assert lost.std(ddof=1) * np.sqrt(300) < 3.0
    found = elpd("data/cheese.csv", *CHEESE, "--model", "normal-mixture", "--k", "2")
    assert found.sum() > elpd("data/cheese.csv", *CHEESE, "--model", "hierarchical").sum() + 20.0


def test_cheese_with_five_segments_is_told_to_have_modes_and_never_averages_them(fits, shared):
    code, tree = fits(shared("data/cheese.csv"), *CHEESE, "--k", "5")
    assert code == 3
    assert "different modes" in json.loads(tree.attrs["warnings"])[0]
    modes = tree.modes
    assert modes.log_likelihood.values[0] == pytest.approx(-1892.8, abs=0.7)  # mean over draws; the maximum is -1883.04
    assert modes.log_likelihood.values[1] < -1900.0
    assert modes.weight.values[0] > 0.999
    assert float(modes.log_weight_se.max()) < 0.5
    level = tree.log_likelihood.store.sum("store_name").mean("draw")
    assert float(level.max() - level.min()) < 1.0
    assert float(tree.mode_2.log_likelihood.store.sum("store_name").mean()) == pytest.approx(
        float(modes.log_likelihood[1]), abs=1e-6
    )


def test_three_segments_are_in_use_on_609948_and_as_many_as_allowed_on_cheese(fits, shared):
    code, tree = fits(shared("data/609948.csv"), "--k", "10", "--sparse", "--draws", "1500")
    assert code == 0
    assert float(tree.segments_in_use.probability.sel(number=3)) > 0.95
    np.testing.assert_allclose(
        tree.posterior.theta.mean(("chain", "draw"))[:3],
        [[10.794, -1.065], [11.654, -1.822], [9.886, -1.202]],
        atol=0.02,
    )
    code, tree = fits(shared("data/cheese.csv"), *CHEESE, "--k", "10", "--sparse", "--draws", "200")
    assert code == 3
    assert "all 10 segments are in use" in json.loads(tree.attrs["warnings"])[0]
