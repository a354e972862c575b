import json

import numpy as np
import pytest
import xarray as xr
from fits_for_comparisons import altered, hierarchical_tree, mixture_tree, panel, segmented, write_fit, write_results

from bayesmix.read import load
from comparisons.same_panel import check_same_panel, name_apart
from em.errors import InputError
from em.results import read_results

DATA = panel(segmented(12), weeks=8)


@pytest.fixture(scope="module")
def tree():
    return mixture_tree(DATA, 2, draws=50)


@pytest.fixture(scope="module")
def pair(tmp_path_factory, tree):
    folder = tmp_path_factory.mktemp("pair")
    fits = [
        load(write_fit(tree, folder / "mixture.nc")),
        load(write_fit(hierarchical_tree(DATA, draws=50), folder / "hierarchical.nc")),
    ]
    return read_results(write_results(DATA, folder / "results.json", (1, 2))), fits


def changed(tree, group=None, drop=None, **attributes):
    groups = {name: node.to_dataset() for name, node in tree.children.items()}
    if group and drop:
        groups[group] = groups[group].drop_vars(drop)
    elif group:
        del groups[group]
    other = xr.DataTree.from_dict({f"/{name}": dataset for name, dataset in groups.items()})
    other.attrs = {**tree.attrs, **attributes}
    return other


def test_a_fit_is_read_as_it_was_written(tree, tmp_path):
    fit = load(write_fit(tree, tmp_path / "fit.nc"))
    assert (fit.name, fit.model, fit.k, fit.sigma_rule, fit.trusted) == ("mixture K=2", "mixture", 2, "fixed", True)
    assert fit.stores == DATA.stores
    assert fit.coefficients == DATA.coefficients
    assert fit.data["sha256"] == DATA.sha256
    np.testing.assert_array_equal(fit.store_loglik, tree["log_likelihood/store"])
    np.testing.assert_array_equal(fit.statistics.rss, tree["constant_data/rss"])
    (tmp_path / "fit.nc").unlink()
    assert np.isfinite(fit.posterior["theta"]).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": "something/2"}, "'something/2'; expected a netCDF file written by bayesmix.fit"),
        ({"model": "neural"}, "model is 'neural'; expected one of mixture, hierarchical"),
        ({"data": "{"}, "attribute 'data' is not JSON"),
        ({"data": "[]"}, "attribute 'data' is '\\[\\]'"),
        ({"group": "log_likelihood"}, "has no /log_likelihood/store"),
        ({"group": "posterior", "drop": "theta"}, "has no /posterior/theta"),
        ({"group": "stores", "drop": "membership"}, "has no /stores/membership"),
    ],
)
def test_what_is_not_ours_is_refused(tree, tmp_path, change, said):
    path = write_fit(changed(tree, **change), tmp_path / "wrong.nc")
    with pytest.raises(InputError, match=said) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_an_attribute_that_is_missing_is_named(tree, tmp_path):
    other = changed(tree)
    del other.attrs["unit"]
    with pytest.raises(InputError, match="no attribute 'unit'"):
        load(write_fit(other, tmp_path / "wrong.nc"))


def test_files_that_cannot_be_read_are_refused(tree, tmp_path):
    whole = write_fit(tree, tmp_path / "whole.nc").read_bytes()
    for name, content in (("empty", b""), ("text", b"a,b\n1,2\n"), ("cut", whole[: len(whole) // 2])):
        path = tmp_path / f"{name}.nc"
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"{name}.nc"):
            load(path)
    with pytest.raises(InputError, match=r"none.nc: cannot be read \(No such file"):
        load(tmp_path / "none.nc")
    with pytest.raises(InputError, match="Is a directory"):
        load(tmp_path)


def test_a_netcdf_of_something_else_is_refused(tmp_path):
    xr.Dataset({"t": ("x", [1.0, 2.0])}).to_netcdf(tmp_path / "other.nc", engine="netcdf4")
    with pytest.raises(InputError, match="its schema is None"):
        load(tmp_path / "other.nc")


def test_log_likelihoods_that_are_not_numbers_name_the_store(tree, tmp_path):
    other = changed(tree)
    loglik = other["log_likelihood/store"].copy(deep=True)
    loglik[0, 3, 4] = np.nan
    other["log_likelihood/store"] = loglik
    with pytest.raises(InputError, match=r"not finite for store Store 5 \(1 such"):
        load(write_fit(other, tmp_path / "nan.nc"))


def test_few_draws_are_refused(pair, tmp_path):
    few = load(write_fit(mixture_tree(DATA, 2, draws=10), tmp_path / "few.nc"))
    with pytest.raises(InputError, match="holds 40 draws; expected at least 100"):
        check_same_panel("results.json", pair[0], [few])


def test_one_panel_passes(pair):
    results, fits = pair
    check_same_panel("results.json", results, fits)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sha256": "b" * 64}, r"the data file \(sha256\) differ: bbbbbbbbbbbbbbbb and aaaaaaaaaaaaaaaa"),
        ({"observations": 95}, "the number of observations differ: 95 and 96"),
        ({"coefficients": ["intercept", "log_price", "DISP"]}, "the coefficients differ"),
    ],
)
def test_fits_of_another_panel_than_the_results_are_refused(pair, change, said):
    results, fits = pair
    other = altered(fits[1], data={**fits[1].data, **change})
    with pytest.raises(InputError, match=said) as caught:
        check_same_panel("results.json", results, [fits[0], other])
    assert fits[1].file in str(caught.value)
    assert "results.json" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"unit": "week"}, "the unit of the likelihood differ: week and store"),
        ({"log_density_of": "sales"}, "what the likelihood is a density of differ: sales and log sales"),
        ({"stores": (*DATA.stores[1:], "Store 99")}, "the stores differ"),
    ],
)
def test_fits_that_differ_among_themselves_are_refused(pair, change, said):
    results, fits = pair
    with pytest.raises(InputError, match=said) as caught:
        check_same_panel("results.json", results, [fits[0], altered(fits[1], **change)])
    assert fits[0].file in str(caught.value)
    assert fits[1].file in str(caught.value)


def test_other_columns_of_the_same_file_are_refused(pair):
    results, fits = pair
    stats = fits[1].statistics
    with pytest.raises(InputError, match="different columns"):
        check_same_panel(
            "results.json", results, [fits[0], altered(fits[1], statistics=stats._replace(b=stats.b + 0.1))]
        )


def test_the_same_fit_twice_is_refused(pair):
    results, fits = pair
    with pytest.raises(InputError, match="is the same fit as"):
        check_same_panel("results.json", results, [fits[0], altered(fits[0], file="copy.nc")])


def test_results_without_a_panel_are_refused(pair, tmp_path):
    _, fits = pair
    path = tmp_path / "results.json"
    write_results(DATA, path, (2,))
    record = json.loads(path.read_text())
    for change, said in (
        ({"data": "panel.csv"}, "data is no record"),
        ({"fits": [{**record["fits"][0], "bic": None}]}, "the fit of K = 2: bic is None, no number"),
    ):
        path.write_text(json.dumps({**record, **change}))
        with pytest.raises(InputError, match=said):
            check_same_panel(str(path), read_results(path), fits)


def test_fits_of_one_name_are_named_apart(pair):
    _, fits = pair
    mixture, hierarchical = fits
    named = name_apart([mixture, altered(mixture, sigma_rule="common"), hierarchical])
    assert [fit.name for fit in named] == ["mixture K=2, sigma fixed", "mixture K=2, sigma common", "hierarchical"]
    named = name_apart([altered(mixture, file="a/one.nc"), altered(mixture, file="a/two.nc")])
    assert [fit.name for fit in named] == ["mixture K=2 (one.nc)", "mixture K=2 (two.nc)"]
    named = name_apart([altered(mixture, file="a/one.nc"), altered(mixture, file="b/one.nc")])
    assert len({fit.name for fit in named}) == 2
    assert name_apart([mixture, hierarchical]) == [mixture, hierarchical]
