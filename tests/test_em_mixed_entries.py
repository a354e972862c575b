"""Mixed models and mixtures of normals in results.json: whole, and readable by what reads it."""

import numpy as np
import pytest
from test_em_mixed_laws import panel, statistics
from test_em_mixed_reference import sines

from em.entries import mixed_entry, normal_mixture_entry
from em.likelihood import component_loglik, store_loglik
from em.mixed_model import fit_mixed_model
from em.normal_mixture_fit import fit_normal_mixture
from em.profile import profile_intervals
from em.random_effect_test import random_effect_test
from em.results import MODELS, SCHEMA, read_results, write_json
from em.variance_components import wald_intervals


@pytest.mark.parametrize("make", ["mixed", "singular", "reml", "normal mixture"])
def test_an_entry_is_read_back_with_its_log_likelihood(tmp_path, make):
    stats = sines("one") if make == "singular" else statistics(panel(3, stores=30, weeks=(8, 9)))
    if make == "normal mixture":
        entry = normal_mixture_entry(fit_normal_mixture(stats, 2, sigma="common", starts=4))
    else:
        fit = fit_mixed_model(stats, sigma="common", reml=make == "reml")
        intervals = profile_intervals(fit, kinds=("sd",)) if make == "mixed" else wald_intervals(fit)
        entry = mixed_entry(fit, intervals, "profile", [random_effect_test(fit, name) for name in fit.random])
    data = {"file": "f", "sha256": "0", "stores": 1, "weeks": 1, "observations": 1}
    data["coefficients"] = ["intercept", "log_price"]
    path = tmp_path / "results.json"
    write_json(path, {"schema": SCHEMA, "data": data, "settings": {}, "best_k": entry["k"], "fits": [entry]})
    back = read_results(path, MODELS)["fits"][0]
    component = component_loglik(stats, *(np.array(back[name]) for name in ("theta", "sigma", "omega")))
    total = store_loglik(np.log(back["pi"]), component).sum()
    assert back["log_likelihood"] == pytest.approx(total, abs=1e-9)
    assert back["model"] == ("normal-mixture" if make == "normal mixture" else "hierarchical")
