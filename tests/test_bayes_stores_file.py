"""The CSV of the stores: what a posterior says of each, in the columns of its twin by maximum likelihood."""

import numpy as np
import pandas as pd
from fits_for_comparisons import continuous, hierarchical_tree, mixture_tree, panel, segmented
from numpy.testing import assert_allclose

from bayesmix.fitted import Fit
from bayesmix.stores_file import write_stores
from em import stores_file
from em.mixed_model import fit_mixed_model


def test_a_row_for_each_store_of_every_fit(tmp_path):
    data = panel(segmented(20), unequal=True, seed=6)
    fits = [Fit(mixture_tree(data, k, draws=60), f"mixture K={k}") for k in (2, 3)]
    write_stores(tmp_path / "stores.csv", fits)
    table = pd.read_csv(tmp_path / "stores.csv")
    assert list(table["store"]) == list(data.stores)
    assert list(table["weeks"]) == list(np.bincount(data.store))
    share = fits[1].by_store["membership"].values
    assert_allclose(table[[f"k3_membership_{s}" for s in (1, 2, 3)]], share, rtol=1e-9)
    assert list(table["k3_segment"]) == list(share.argmax(1) + 1)
    found = fits[0].store_coefficients().sel(coefficient="log_price")
    for end, name in (("", "mean"), ("_sd", "sd"), ("_lower", "lower"), ("_upper", "upper")):
        assert_allclose(table[f"k2_theta_log_price{end}"], found[name], rtol=1e-9)
    assert table["k2_theta_log_price_pooling"].between(0.0, 1.0).all()


def test_a_continuum_lies_about_its_twin_by_maximum_likelihood(tmp_path):
    data = panel(continuous(80), unequal=True, seed=7)
    write_stores(tmp_path / "posterior.csv", [Fit(hierarchical_tree(data, draws=150), "hierarchical")])
    stores_file.write_stores(tmp_path / "likelihood.csv", data, [fit_mixed_model(data)])
    posterior, likelihood = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("posterior", "likelihood"))
    assert set(likelihood) < set(posterior)
    for name in ("theta_intercept", "theta_log_price"):
        off = (posterior[name] - likelihood[name]) / posterior[f"{name}_sd"]
        assert np.sqrt(np.mean(off**2)) < 0.6
        assert np.corrcoef(posterior[f"{name}_pooling"], likelihood[f"{name}_pooling"])[0, 1] > 0.9
        assert posterior[name].between(posterior[f"{name}_lower"], posterior[f"{name}_upper"]).all()
