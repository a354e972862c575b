"""The entry point of Python: fits or files, a table, a Dataset, and ArviZ on the same files."""

import arviz as az
import numpy as np
import pytest
from fits_for_comparisons import hierarchical_tree, mixture_tree, panel, segmented, write_fit, write_results

from bayesmix.fitted import Fit
from bayesmix.read import load
from bayesmix.run import fit_hierarchical, fit_mixture, fit_normal_mixture
from bayesmix.settings import Settings
from comparisons import compare
from comparisons.pseudo_bma import pseudo_bma_weights
from em.entries import mixture_entry
from em.errors import InputError
from em.fit import fit_mixture as by_em
from em.mixed_model import fit_mixed_model
from em.normal_mixture_fit import fit_normal_mixture as normals_by_em
from em.results import read_results

DATA = panel(segmented(60), weeks=20)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return (
        write_results(DATA, folder / "results.json"),
        write_fit(mixture_tree(DATA, 3), folder / "mixture.nc"),
        write_fit(hierarchical_tree(DATA), folder / "hierarchical.nc"),
    )


@pytest.fixture(scope="module")
def drawn():
    """Posteriors of all three models, never written to a file."""
    settings = Settings(draws=150, tune=150, chains=2)
    return [
        fit_mixture(DATA, 3, settings=settings),
        fit_hierarchical(DATA, settings=settings),
        fit_normal_mixture(DATA, 2, settings=settings),
    ]


def test_files_and_fits_are_judged_alike(files):
    results, *paths = files
    by_path, by_fit = compare(paths, results), compare([load(path) for path in paths], read_results(results))
    assert repr(by_path) == repr(by_fit)
    assert by_path.to_xarray().identical(by_fit.to_xarray())
    assert by_path.verdict == by_fit.verdict


def test_the_dataset_adds_up(files):
    results, *paths = files
    found = compare(paths, results).to_xarray()
    assert dict(found.sizes) == {"model": 2, "store": 60, "model_2": 2}
    for name in ("elpd_loo", "p_loo", "elpd_waic", "p_waic"):
        np.testing.assert_allclose(found[f"{name}_of_store"].sum("store"), found[name], rtol=1e-12)
    by_store = found["elpd_loo_of_store"]
    pair = by_store.sel(model="hierarchical") - by_store.sel(model="mixture K=3")
    at = {"model": "hierarchical", "model_2": "mixture K=3"}
    assert float(found["difference"].sel(at)) == pytest.approx(float(pair.sum()))
    assert float(found["difference_se"].sel(at)) == pytest.approx(float(np.sqrt(60 * pair.var(ddof=1))))
    assert float(found["weight_stacking"].sum()) == pytest.approx(1.0)
    assert float(found["weight_pseudo_bma"].sum()) == pytest.approx(1.0)
    assert float(found["bic"].sel(model="mixture K=3")) == pytest.approx(by_em(DATA, 3, starts=10).criteria.bic)
    assert np.isnan(float(found["bic"].sel(model="hierarchical")))
    assert found.attrs == {"unit": "store", "log_density_of": "log sales"}


def test_the_table_names_the_best_first_and_what_is_wrong(files):
    results, *paths = files
    lines = repr(compare(paths, results)).splitlines()
    assert lines[0] == "A new store, each of 60 left out in turn; log-density of log sales"
    assert [line.split("  ")[0] for line in lines[1:4]] == ["model", "mixture K=3", "hierarchical"]
    assert any("60 stores are fewer than 100" in line for line in lines)


def test_what_results_do_not_hold_is_read_from_the_fits(drawn):
    """The same criteria as maximum likelihood has by itself."""
    mine = compare(drawn).to_xarray()
    mixture, mixed, normals = by_em(DATA, 3), fit_mixed_model(DATA), normals_by_em(DATA, 2)
    for name, ml in {"mixture K=3": mixture, "hierarchical": mixed, "normal-mixture K=2": normals}.items():
        at = mine.sel(model=name)
        assert float(at["log_likelihood"]) == pytest.approx(ml.log_likelihood, abs=1e-6)
        assert int(at["n_parameters"]) == ml.n_parameters
        for criterion in ("aic", "bic", "bic_stores", "bic_hybrid", "icl"):
            assert float(at[criterion]) == pytest.approx(getattr(ml.criteria, criterion), abs=1e-5), (name, criterion)


def test_results_are_believed_before_the_files(drawn):
    entry = mixture_entry(by_em(DATA, 3)) | {"log_likelihood": -1.0}
    results = {"data": drawn[0].data, "settings": {"sigma": "fixed"}, "fits": [entry]}
    assert float(compare(drawn, results).to_xarray()["log_likelihood"].sel(model="mixture K=3")) == -1.0


def test_no_fits_and_other_panels_are_refused(files, drawn):
    with pytest.raises(InputError, match="expected one or more"):
        compare([])
    with pytest.raises(InputError, match="expected one or more"):
        compare(files[1])
    other = Fit(hierarchical_tree(panel(segmented(60), weeks=20, sha256="b" * 64), draws=50), "other")
    with pytest.raises(InputError, match=r"other and .*the data file \(sha256\) differ"):
        compare([drawn[0], other])
    tree = drawn[1].tree.copy()
    tree.attrs = {**tree.attrs, "log_density_of": "sales"}
    with pytest.raises(InputError, match="what the likelihood is a density of differ: sales and log sales"):
        compare([drawn[0], Fit(tree, "counts")])


@pytest.mark.filterwarnings("ignore:Estimated shape parameter:UserWarning")
def test_arviz_takes_the_files_as_they_are(files):
    results, *paths = files
    comparison = compare(paths, results)
    for score in comparison.scores:
        theirs = az.loo(score.fit.tree, var_name="store", reff=score.fit.reff, pointwise=True)
        assert theirs.elpd == pytest.approx(score.elpd, abs=1e-8)
        np.testing.assert_allclose(theirs.elpd_i, score.loo.elpd_i, rtol=0, atol=1e-10)
    table = az.compare({score.name: score.fit.tree for score in comparison.scores}, round_to="none")
    assert list(table.index) == [score.name for score in comparison.scores]
    np.testing.assert_allclose(table["elpd"], [score.elpd for score in comparison.scores], atol=0.05)  # another reff
    np.testing.assert_allclose(table["dse"], [score.difference.dse for score in comparison.scores], atol=0.05)
    np.testing.assert_allclose(table["weight"], [score.weight for score in comparison.scores], atol=0.01)


def test_pseudo_bma_is_that_of_arviz_up_to_the_bootstrap():
    rng = np.random.default_rng(2)
    elpd_i = -70.0 + rng.normal(size=(80, 1)) + 0.3 * rng.normal(size=(80, 3)) + [0.03, 0.0, -0.02]
    from comparisons.differences import _as_arviz

    table = az.compare({str(m): _as_arviz(elpd_i[:, m]) for m in range(3)}, method="bb-pseudo-bma", round_to="none")
    theirs = table["weight"].reindex(["0", "1", "2"]).to_numpy(dtype=float)
    np.testing.assert_allclose(pseudo_bma_weights(elpd_i), theirs, atol=0.03)
    assert pseudo_bma_weights(elpd_i).sum() == pytest.approx(1.0)
    np.testing.assert_array_equal(pseudo_bma_weights(elpd_i), pseudo_bma_weights(elpd_i))
    np.testing.assert_allclose(pseudo_bma_weights(elpd_i[:, [0, 0]]), [0.5, 0.5])
