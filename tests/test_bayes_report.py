"""The diagnostic report: its structure, its numbers against the fit, and that it comes out whatever the fit lacks."""

import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from fits_for_comparisons import continuous, hierarchical_tree, mixture_tree, panel, segmented, write_fit
from test_comparisons_report import Page, table_rows

import bayesmix
from bayesmix.report import command, report
from bayesmix.report_contents import contents
from bayesmix.rounding import by_error, fixed, percent
from bayesmix.some_stores import some_stores
from bayesmix.store_loo import loo

ROOT = Path(__file__).resolve().parent.parent


def with_the_rest(tree: xr.DataTree, seed: int = 0) -> xr.DataTree:
    """What bayesmix.fit writes beside the posterior: energy, EM, prior, its density, the range of prices."""
    rng = np.random.default_rng(seed)
    posterior = tree["posterior"].to_dataset()
    shape = posterior.sizes["chain"], posterior.sizes["draw"]
    stats = tree["sample_stats"].to_dataset()
    stats["energy"] = (("chain", "draw"), rng.normal(size=shape))
    stats["acceptance_rate"] = (("chain", "draw"), np.full(shape, 0.8))
    stats["n_steps"] = (("chain", "draw"), np.full(shape, 7))
    constant = tree["constant_data"].to_dataset()
    constant["column_min"] = ("coefficient", np.array([1.0, -0.2]))
    constant["column_max"] = ("coefficient", np.array([1.0, 1.9]))
    mean = posterior.mean(("chain", "draw"))
    em = xr.merge([mean, (0.1 * abs(mean) + 0.01).rename({str(name): f"{name}_se" for name in mean})])
    prior = xr.Dataset(
        {name: (values.dims, rng.normal(size=(1, 1000, *values.shape[2:]))) for name, values in posterior.items()}
    )
    prior["weight"] = abs(prior["weight"])
    spread = ((posterior["theta"] + 1.0) ** 2).sum(("segment", "coefficient"))
    parts = {f"/{name}": node.to_dataset() for name, node in tree.children.items()}
    parts |= {"/sample_stats": stats, "/constant_data": constant, "/em": em, "/prior": prior}
    whole = xr.DataTree.from_dict({**parts, "/log_prior": xr.Dataset({"theta": -0.1 * spread})})
    whole.attrs = dict(tree.attrs)
    whole.attrs["priors"] = json.dumps(
        {
            "statements": {"theta[log_price]": "normal(-1, 1.5)"},
            "numbers": {"coefficients": ["intercept", "log_price"], "mean": [10.0, -1.0], "sd": [3.0, 1.5],
                        "concentration": 1.0, "sigma_median": 1.0, "sigma_log_sd": 1.0, "spread": 1.0, "lkj": 2.0},
        }
    )  # fmt: skip
    return whole


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Three segments of 60 stores, with everything that bayesmix.fit writes."""
    tree = with_the_rest(mixture_tree(panel(segmented(60)), 3))
    return write_fit(tree, tmp_path_factory.mktemp("fit") / "mixture.nc")


@pytest.fixture(scope="module")
def fit(file):
    return bayesmix.load(file)


@pytest.fixture(scope="module")
def html(fit):
    return report(fit)


def test_sections_are_in_order_the_verdict_before_all(html):
    ids = re.findall(r'<h2 id="([^"]+)"', html)
    assert ids == ["segments", "stores", "pooling", "chains", "leaving-out", "calibration", "priors", "sensitivity",
                   "missing", "settings", "reading"]  # fmt: skip
    assert (
        html.index("<h1>")
        < html.index("<h2>The draws are to be trusted</h2>")
        < html.index('class="lines"')
        < html.index('<h2 id="segments"')
    )
    levels = [int(tag[1]) for tag, _ in Page(html).elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_title_says_what_was_fitted_and_to_what(html):
    text = Page(html).text
    assert "Three segments of stores, fitted to panel.csv" in text
    facts = " ".join(re.search(r'class="facts">(.*?)</p>', html, re.DOTALL)[1].split())
    for said in ("mixture K=3", "sigma fixed at 1", "intercept, log_price", "60 stores", "30 weeks", "1,800 obs",
                 "4 chains of 250 draws", "seed 0"):  # fmt: skip
        assert said in facts


def test_pictures_can_be_read_out(html):
    page = Page(html)
    assert page.unclosed == []
    pictures = page.all("svg")
    names = [picture["class"] for picture in pictures]
    assert len(set(names)) == len(names)
    wanted = {"demand", "membership", "together", "caterpillar-0", "caterpillar-1", "moved", "plane", "effective",
              "energy", "levels", "khat", "pit-level", "pit-slope", "predicted-level", "predicted-slope"}  # fmt: skip
    assert wanted | {f"{kind}-{i}" for kind in ("rank", "prior") for i in range(9)} == set(names)
    assert all(picture["role"] == "img" and re.search(r"\d", picture["aria-label"]) for picture in pictures)
    assert len({picture["aria-label"] for picture in pictures}) == len(pictures)
    assert html.count("<figure>") == html.count("<figcaption>") == len(pictures)
    assert all("scope" in header for header in page.all("th"))
    assert html.count("<caption>") == html.count("<table") - 1  # settings are named by their region
    assert re.search(r"#0[0-9]0[0-9][0-9f]{2}", html) is None
    assert "<image" not in html


def test_the_page_asks_for_nothing_and_runs_nothing(html):
    page = Page(html)
    for tag, attributes in page.elements:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "img")
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
            assert attributes.get(name, "#").startswith("#"), (tag, attributes)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', html)) <= set(ids)


def test_the_table_of_parameters_is_the_posterior(html, fit):
    rows = table_rows(html, "Table of parameters")
    assert [row[0] for row in rows[:3]] == ["1 share of stores", "1 intercept", "1 price elasticity"]
    theta = fit.posterior["theta"].values.reshape(-1, 3, 2)
    for k in range(3):
        draws = theta[:, k, 1]
        sd = draws.std(ddof=1)
        low, high = np.quantile(draws, [0.055, 0.945])
        row = rows[3 * k + 2]
        assert row[3:6] == [
            by_error(draws.mean(), sd),
            by_error(sd, sd),
            f"{by_error(low, sd)} to {by_error(high, sd)}",
        ]
        error = float(fit.group("em")["theta_se"].values[k, 1])
        assert row[1:3] == [by_error(float(fit.group("em")["theta"].values[k, 1]), error), by_error(error, error)]


def test_the_sentences_give_shares_and_what_a_price_does(html, fit):
    said = Page(html).text
    draws = fit.draws
    for k in range(3):
        weight, elasticity = draws.weight[:, k], draws.mu[:, k, 1]
        low, high = np.quantile(weight, [0.055, 0.945])
        assert f"{percent(weight.mean())} ({percent(low)} to {percent(high)}) of the stores" in said
        lower = re.findall(r"sales ([\d.]+) % lower", said)[k]
        assert float(lower) == pytest.approx(-elasticity.mean(), abs=0.06)


def test_leaving_out_is_that_of_arviz(html, fit):
    left_out = loo(fit.store_loglik)
    rows = table_rows(html, "Table of stores that are hardest to leave out")
    order = np.argsort(-left_out.khat_i)
    assert [row[0] for row in rows] == [fit.stores[i] for i in order[:5]]
    assert [row[1] for row in rows] == [fixed(left_out.khat_i[i], 2) for i in order[:5]]
    assert f"p_loo, {fixed(float(left_out.p_i.sum()), 1)}" in Page(html).text


def test_stores_are_counted_by_segment(html, fit):
    share = fit.by_store["membership"].values
    rows = table_rows(html, "Table of memberships")
    assert [int(row[1]) for row in rows] == np.bincount(share.argmax(1), minlength=3).tolist()
    assert sum(int(row[2]) for row in rows) == int((share.max(1) > 0.9).sum())


def test_prior_sensitivity_is_that_of_arviz(html, fit):
    import arviz as az

    table = az.psense_summary(fit.tree, var_names="theta", round_to=9)
    rows = table_rows(html, "Table of prior sensitivity")
    elasticity = next(row for row in rows if row[0] == "1 price elasticity")
    assert elasticity[1] == fixed(float(table.loc["theta[1, log_price]", "prior"]), 3)
    assert elasticity[2] == fixed(float(table.loc["theta[1, log_price]", "likelihood"]), 3)


def test_the_same_fit_writes_the_same_bytes(html, fit):
    assert report(fit) == html


def test_an_untrusted_fit_says_every_reason_first(fit):
    tree = fit.tree.copy()
    tree.attrs.update(trusted=0, warnings=json.dumps(["R-hat is <b>2</b>", "12 draws diverged"]))
    html = report(type(fit)(tree, fit.name))
    assert "Not to be trusted" in html
    assert html.index("R-hat is &lt;b&gt;2&lt;/b&gt;") < html.index("12 draws diverged") < html.index('class="lines"')
    assert "<h2>The draws are to be trusted</h2>" not in html


def test_modes_are_apart_and_never_averaged(fit):
    """Two chains in one mode, two in another whose elasticities are one lower."""
    first = fit.tree.copy()
    parts = {}
    for name in ("posterior", "log_likelihood", "sample_stats", "stores", "log_prior"):
        group = first[name].to_dataset()
        chained = "chain" in group.dims
        parts[f"/{name}"] = group.isel(chain=[0, 1]).assign_coords(chain=[0, 1]) if chained else group
        parts[f"/mode_2/{name}"] = group.isel(chain=[2, 3]).assign_coords(chain=[2, 3]) if chained else group
    parts["/mode_2/posterior"] = parts["/mode_2/posterior"].assign(theta=parts["/mode_2/posterior"]["theta"] - 1.0)
    parts |= {f"/{name}": first[name].to_dataset() for name in ("constant_data", "em", "prior")}
    parts["/modes"] = xr.Dataset(
        {
            **{
                name: ("mode", np.array(values))
                for name, values in {
                    "weight": [0.9, 0.1], "log_weight": [-0.11, -2.3], "log_weight_se": [0.02, 0.05],
                    "log_likelihood": [-100.0, -103.0], "log_likelihood_sd": [2.0, 2.1],
                }.items()
            },
            "of_chain": ("every_chain", np.array([1, 1, 2, 2])),
        }
    )  # fmt: skip
    tree = xr.DataTree.from_dict(parts)
    tree.attrs = {**first.attrs, "trusted": 0, "warnings": json.dumps(["chains are in 2 different modes"])}
    two = type(fit)(tree, fit.name)
    html = report(two)
    assert [row[:2] for row in table_rows(html, "Table of modes")] == [["1", "1, 2"], ["2", "3, 4"]]
    assert [row[4] for row in table_rows(html, "Table of modes")] == ["90 %", "10 %"]
    means = [float(table_rows(html, f"Table of parameters of mode {m}")[2][3].replace("−", "-")) for m in (1, 2)]
    draws = fit.posterior["theta"].values[:, :, 0, 1]
    assert means == pytest.approx([draws[:2].mean(), draws[2:].mean() - 1.0], abs=2e-3)
    assert html.count('class="demand-mode-') == 2
    assert [row[1] for row in table_rows(html, "Table of chains")] == ["1", "1", "2", "2"]


def test_a_continuum(tmp_path):
    fit = bayesmix.load(write_fit(hierarchical_tree(panel(continuous(40), unequal=True), draws=100), tmp_path / "h.nc"))
    html = report(fit)
    rows = [row[0] for row in table_rows(html, "Table of parameters")]
    assert rows == ["mean of intercept", "mean of price elasticity", "sd of intercept", "sd of price elasticity",
                    "correlation of intercept and price elasticity"]  # fmt: skip
    omega = fit.posterior["omega"].values
    correlation = omega[..., 0, 1] / np.sqrt(omega[..., 0, 0] * omega[..., 1, 1])
    shown = table_rows(html, "Table of parameters")[4][1].replace("−", "-")
    assert float(shown) == pytest.approx(correlation.mean(), abs=0.006)
    assert "In the average store a price 1 % higher goes with" in html
    assert "No segments: this model has none." in html
    assert 'class="together"' not in html


def without(fit, coefficient: str, tmp_path):
    """The same file as if a coefficient had another name."""
    tree = fit.tree.copy()
    names = ["intercept", "log_price"]
    names[names.index(coefficient)] = "display" if coefficient == "log_price" else "trend"
    parts = {}
    for name, node in tree.children.items():
        group = node.to_dataset()
        axes = [axis for axis in ("coefficient", "coefficient_2") if axis in group.coords]
        parts[f"/{name}"] = group.assign_coords({axis: names for axis in axes})
    other = xr.DataTree.from_dict(parts)
    other.attrs = dict(tree.attrs)
    return bayesmix.load(write_fit(other, tmp_path / "other.nc"))


@pytest.mark.parametrize(
    ("coefficient", "said", "gone"),
    [("log_price", "the model has no log price", ("demand", "plane", "pit-slope")),
     ("intercept", "without an intercept", ("demand", "moved", "pit-level", "predicted-level"))],
)  # fmt: skip
def test_what_a_model_does_not_have_is_said(fit, coefficient, said, gone, tmp_path):
    html = report(without(fit, coefficient, tmp_path))
    assert said in html
    assert not any(f'class="{name}"' in html for name in gone)
    assert 'class="together"' in html


def test_stores_without_a_price_of_their_own_are_told(tmp_path):
    data = panel(segmented(30), unequal=True)
    x = data.x.copy()
    for s in (0, 1):
        x[data.store == s, 1] = 0.7
    one = data.store == 2
    keep = ~one | (np.cumsum(one) == 1)
    changed = type(data)(data.stores, data.weeks, data.coefficients, data.store[keep], data.week[keep], x[keep],
                         data.y[keep], data.file, data.sha256)  # fmt: skip
    fit = bayesmix.load(write_fit(mixture_tree(changed, 2, draws=100), tmp_path / "flat.nc"))
    html = report(fit)
    assert "3 of 30 stores have no elasticity of their own" in html
    assert "27 stores" in html[html.index("own price elasticity</strong>") :][:200]


def test_one_segment_and_one_chain(tmp_path):
    fit = bayesmix.load(write_fit(mixture_tree(panel(segmented(12)), 1, draws=60, chains=1), tmp_path / "one.nc"))
    html = report(fit)
    assert "No rank plots: they compare chains, and there is one." in html
    assert "No store left out" in html
    assert "All stores respond alike: a price 1 % higher goes with sales" in html


def test_names_are_escaped_and_drawn_as_they_are(tmp_path):
    data = panel(segmented(12))
    names = tuple(f"<b>S{i}</b> & $x_{i}$ 1.23456" for i in range(12))
    tree = mixture_tree(type(data)(names, *list(data.__dict__.values())[1:]), 2)
    loglik = tree["log_likelihood/store"]
    loglik.values[:, :, 3] *= 30.0
    html = report(bayesmix.load(write_fit(tree, tmp_path / "names.nc")))
    assert "<b>S" not in html
    assert html.count("&lt;b&gt;S3&lt;/b&gt; &amp; $x_3$ 1.23456") >= 2  # in the table, and beside its point


def test_large_panels_are_drawn_in_part(monkeypatch, fit):
    monkeypatch.setattr("bayesmix.report_stores.SHOWN", 20)
    monkeypatch.setattr("bayesmix.report_checks.CHECKED", 30)
    c = contents(fit)
    assert c.stores.together[0].shape == (20, 20)
    assert [one.mean.size for one in c.stores.caterpillars] == [20, 20]
    assert [check.pit.size for check in c.checks] == [30, 30]
    assert c.loo.khat_i.size == 60
    html = report(fit)
    assert "An even selection of 20 of the 60 stores is drawn." in html
    assert "the 20 largest of 60" in html


def test_a_selection_of_stores_keeps_them_together(fit):
    some = some_stores(fit, np.array([5, 40]))
    assert some.stores == (fit.stores[5], fit.stores[40])
    np.testing.assert_array_equal(some.statistics.b, fit.statistics.b[[5, 40]])
    np.testing.assert_array_equal(some.store_loglik, fit.store_loglik[:, :, [5, 40]])


def test_the_command_writes_the_page(file, html, tmp_path, ended):
    end = ended(command, file, "--out", tmp_path / "fit.html")
    assert (end.code, "to be trusted" in end.out) == (0, True)
    written = (tmp_path / "fit.html").read_text(encoding="utf-8")
    assert written == html
    assert [path.name for path in tmp_path.iterdir()] == ["fit.html"]


def test_the_command_ends_in_3_for_a_fit_not_trusted(fit, tmp_path, ended):
    tree = fit.tree.copy()
    tree.attrs.update(trusted=0, warnings=json.dumps(["chains disagree"]))
    end = ended(command, write_fit(tree, tmp_path / "bad.nc"), "--out", tmp_path / "fit.html")
    assert end.code == 3
    assert end.err.splitlines()[-1] == "not to be trusted: chains disagree"
    assert "chains disagree" in (tmp_path / "fit.html").read_text(encoding="utf-8")


def test_wrong_calls_are_refused(file, tmp_path, ended):
    (tmp_path / "text.nc").write_text("no netCDF")
    for arguments, said in (
        ((), "required"),
        ((tmp_path / "none.nc",), "none.nc: cannot be read"),
        ((tmp_path / "text.nc", "--out", tmp_path / "fit.html"), "text.nc"),
        ((file, "--out", file), "is also the input"),
        ((file, "--out", tmp_path / "no" / "fit.html"), "there is no folder"),
    ):
        end = ended(command, *arguments)
        assert (end.code, end.out) == (2, "")
        assert end.err.startswith("error: ")
        assert said in end.err
    assert [path.name for path in tmp_path.iterdir()] == ["text.nc"]


def test_reporting_loads_no_sampler():
    modules = ["bayesmix.report", "bayesmix.report_contents", "bayesmix.report_pictures", "bayesmix.pages"]
    program = f"import sys, {', '.join(modules)}; print(*sorted({{'pymc', 'pytensor', 'nutpie'}} & set(sys.modules)))"
    end = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert end.stdout.strip() == ""
