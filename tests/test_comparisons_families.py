"""Families in comparisons: one scale with log sales, what is refused, and every section of the page."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from families_for_comparisons import DENSITY, hierarchical_of, mixture_of, read_as, write_sales
from fits_for_comparisons import altered
from numpy.testing import assert_allclose
from scipy import stats as scipy_stats

from bayesmix.evidence import Evidence
from bayesmix.posterior import average as posterior_mean
from bayesmix.store_loo import LeftOut
from bayesmix.stores import CountedStores, segment_loglik
from bayesmix.wbic import Wbic
from comparisons import compare
from comparisons.agreement import em_twin
from comparisons.approximations import of_score
from comparisons.average import average, shown_number
from comparisons.checks import Checked
from comparisons.comparison import compare as judged
from comparisons.families_compared import dispersion_sentence
from comparisons.information import waic
from comparisons.one_scale import between_them, is_whole, log_probability
from comparisons.own_estimates import own_estimates
from comparisons.page import page
from comparisons.quadrature_check import finer
from comparisons.record import record
from comparisons.report_options import parsed
from comparisons.same_panel import name_apart
from comparisons.same_rows import check_same_rows
from comparisons.screen import prices_of
from comparisons.standard_set import standard_set
from em.errors import InputError
from em.families import FAMILIES
from em.panel import statistics_of


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_sales(tmp_path_factory.mktemp("sales") / "sales.csv")


@pytest.fixture(scope="module")
def panels(path):
    """The same file as log sales and as three families."""
    return {name: read_as(path, name) for name in ("gaussian", "poisson", "negative-binomial", "gamma")}


@pytest.fixture(scope="module")
def fits(panels):
    return {
        "log one": mixture_of(panels["gaussian"], 1),
        "log two": mixture_of(panels["gaussian"], 2),
        "poisson": mixture_of(panels["poisson"], 2),
        "poisson one": mixture_of(panels["poisson"], 1),
        "negative-binomial": mixture_of(panels["negative-binomial"], 1),
        "gamma": mixture_of(panels["gamma"], 2),
        "continuum": hierarchical_of(panels["poisson"]),
    }


@pytest.fixture(scope="module")
def mixed(fits):
    return compare([fits[name] for name in ("log one", "log two", "poisson", "negative-binomial", "gamma")])


def score(comparison, name):
    return next(one for one in comparison.scores if one.name == name)


def test_log_sales_become_sales_row_by_row(mixed, fits, panels):
    """The draws' log-densities of sales by SciPy's log-normal, and elpd and WAIC from these."""
    data, fit = panels["gaussian"], fits["log one"]
    y, theta, sigma = np.exp(data.y), fit.posterior["theta"].to_numpy()[:, :, 0], fit.posterior["sigma"].to_numpy()
    rows = scipy_stats.lognorm.logpdf(y, sigma, scale=np.exp(theta @ data.x.T))
    by_store = np.stack([rows[..., data.store == i].sum(-1) for i in range(len(data.stores))], -1)
    expected = fit.store_loglik.copy(data=by_store)
    one = score(mixed, "log-normal mixture K=1")
    assert_allclose(one.waic.elpd_i, waic(expected).elpd_i, rtol=1e-9)
    assert_allclose(one.loo.elpd_i, altered(fit, store_loglik=expected).psis.elpd_i, rtol=1e-9)
    assert one.loo.p_i == pytest.approx(fit.psis.p_i)
    poisson = score(mixed, "poisson mixture K=2")
    assert_allclose(poisson.loo.elpd_i, fits["poisson"].psis.elpd_i, rtol=1e-12)
    assert mixed.log_density_of == "sales"


def test_the_difference_of_two_fits_of_log_sales_is_the_same_on_both_scales(mixed, fits):
    alone = compare([fits["log one"], fits["log two"]])
    names = ("mixture K=1", "mixture K=2")
    first = score(alone, names[0]).loo.elpd_i - score(alone, names[1]).loo.elpd_i
    second = np.subtract(*(score(mixed, f"log-normal {name}").loo.elpd_i for name in names))
    assert_allclose(first, second, rtol=0.0, atol=1e-9)
    assert alone.scale is None
    assert alone.log_density_of == "log sales"


def test_maximum_likelihood_of_log_sales_moves_with_its_criteria(mixed, fits, panels):
    moved = panels["gaussian"].y.sum()
    entry, plain = em_twin(fits["log one"], mixed.results), em_twin(fits["log one"], compare([fits["log one"]]).results)
    assert entry["log_likelihood"] == pytest.approx(plain["log_likelihood"] - moved)
    penalty = entry["n_parameters"] * np.log(panels["gaussian"].y.size)
    assert entry["bic"] == pytest.approx(penalty - 2.0 * entry["log_likelihood"])
    assert entry["aic"] == pytest.approx(2.0 * entry["n_parameters"] - 2.0 * entry["log_likelihood"])
    other = em_twin(fits["poisson"], mixed.results)
    assert (other["family"], other["n_parameters"]) == ("poisson", 5)
    data = panels["poisson"]
    density = [DENSITY["poisson"](data.y, data.x @ theta, 1.0) for theta in np.array(other["theta"])]
    by_store = np.stack([np.bincount(data.store, of) for of in density], 1)
    assert other["log_likelihood"] == pytest.approx(np.log(np.exp(by_store) @ other["pi"]).sum(), rel=1e-9)


def test_what_was_checked_moves_to_the_scale_too(fits, panels):
    both = name_apart([fits["log two"], fits["poisson"]])
    left = LeftOut(np.array([3]), np.array([-30.0]), np.array([0.1]), np.array([True]), 1)
    checked = {one.name: Checked(left, Evidence(-500.0, 0.1), Wbic(510.0, 0.2)) for one in both}
    found = judged(None, both, checked)
    data = panels["gaussian"]
    for name, moved in (("log-normal mixture K=2", data.y), ("poisson mixture K=2", np.zeros(data.y.size))):
        one = score(found, name)
        assert one.loo.elpd_i[3] == pytest.approx(-30.0 - moved[data.store == 3].sum())
        row = of_score(one, found)
        assert (row.log_evidence, row.minus_wbic) == pytest.approx((-500.0 - moved.sum(), -510.0 - moved.sum()))
        assert row.exact == pytest.approx(one.loo.elpd_i[3])


def test_a_density_against_the_probability_of_a_whole_number(fits, panels):
    y, sigma = np.array([1.0, 3.0, 40.0, 900.0]), 0.4
    of = scipy_stats.lognorm(sigma, scale=np.array([2.0, 3.0, 30.0, 1000.0]))
    exact = np.log(of.cdf(y + 0.5) - of.cdf(y - 0.5))
    assert_allclose(log_probability(lambda at: of.logpdf(at), y), exact, rtol=1e-8)
    found, data = between_them(fits["log one"]), panels["gaussian"]
    theta, sigma = np.asarray(fits["log one"].by_store["coefficients"]), float(fits["log one"].draws.sigma.mean())
    of = scipy_stats.lognorm(sigma, scale=np.exp((data.x * theta[data.store]).sum(1)))
    sales = np.exp(data.y)
    change = np.log(of.cdf(sales + 0.5) - of.cdf(sales - 0.5)) - of.logpdf(sales)
    assert found == pytest.approx((change.sum(), np.abs(change).max()), rel=1e-6)
    assert is_whole(FAMILIES["poisson"])
    assert not is_whole(FAMILIES["gamma"])
    assert not is_whole(None)


def test_small_counts_are_told_of(mixed, panels):
    small = float((panels["poisson"].y < 10).mean())
    assert mixed.scale.small == pytest.approx(small)
    note = next(note for note in mixed.notes if "rows are below 10" in note)
    assert f"{100 * small:.0f} %" in note
    assert set(mixed.scale.between) == {"log-normal mixture K=1", "log-normal mixture K=2", "gamma mixture K=2"}


def test_densities_alone_have_no_probabilities_beside(fits):
    found = compare([fits["log two"], fits["gamma"]])
    assert found.scale.small is None
    assert not any("below 10" in note for note in found.notes)


def test_what_differs_is_refused(fits, panels, path, tmp_path):
    other = mixture_of(read_as(path, "poisson", sales="other"), 1)
    with pytest.raises(InputError, match=r"the store statistics differ \(12 of 12 stores, first shop 1\)"):
        compare([fits["log one"], other])
    with pytest.raises(InputError, match="what the likelihood is a density of differ: other and sales"):
        compare([fits["poisson"], other])
    shuffled = read_as(path, "poisson")
    order = np.lexsort((shuffled.week[::-1], shuffled.store))
    rows = mixture_of(replace(shuffled, x=shuffled.x[order]), 1)
    with pytest.raises(InputError, match="the store statistics differ"):
        compare([fits["poisson"], rows])
    zeros = write_sales(tmp_path / "zeros.csv", zeros=(14, 37))
    with pytest.raises(InputError, match="sales is 0 in 2 rows, the first of store shop 2, week 5; mixture K=1 is"):
        compare([fits["log one"], mixture_of(read_as(zeros, "poisson"), 1)])
    of_poisson = compare([fits["poisson"]]).results
    results = {**of_poisson, "settings": {"family": "poisson", "sigma": "fixed"}}
    with pytest.raises(InputError, match="is of --family poisson, and mixture K=1 of gaussian"):
        compare([fits["log one"]], results)


def test_trials_must_be_the_same_and_exposures_are_told_of(tmp_path, fits, path):
    frame = pd.read_csv(path)
    frame = frame.assign(most=frame.sales.max(), more=frame.sales + 50.0, size=1.0 + frame.week % 3)
    frame.to_csv(tmp_path / "trials.csv", index=False)
    counts = [statistics_of(read_as(tmp_path / "trials.csv", "binomial", trials=name)) for name in ("most", "more")]
    first, second = (altered(fits["poisson"], statistics=CountedStores(one, 1)) for one in counts)
    with pytest.raises(InputError, match="b and a: the trials differ; expected the same --trials"):
        check_same_rows(first, second, ("a", "b"))
    check_same_rows(first, fits["poisson"], ("a", "b"))
    assert shown_number([first]).name == "log odds of sales in a typical row"  # a price, and no elasticity
    assert shown_number([first, fits["poisson"]]) is None
    plain, exposed = (read_as(tmp_path / "trials.csv", "poisson", **how) for how in ({}, {"exposure": "size"}))
    found = compare([mixture_of(plain, 1), replace(mixture_of(exposed, 1), name="exposed")])
    told = next(note for note in found.notes if "differ in their exposure" in note)
    assert "poisson mixture K=1: none" in told
    assert "exposed: size" in told


def test_a_twin_is_of_the_same_family_and_quadrature(fits):
    results = compare([fits["continuum"], fits["poisson"]]).results
    entry = em_twin(fits["continuum"], results)
    assert (entry["family"], entry["quadrature"], entry["random"]) == ("poisson", 9, ["intercept"])
    assert em_twin(fits["negative-binomial"], results) is None
    of_counts = compare([fits["negative-binomial"]]).results
    assert em_twin(fits["negative-binomial"], of_counts) is not None
    assert em_twin(fits["log one"], of_counts) is None
    laplace = {**results, "fits": [{**one, "quadrature": 1} for one in results["fits"] if "quadrature" in one]}
    assert em_twin(fits["continuum"], laplace) is None


def test_the_verdict_is_read_off_the_best_family_and_tells_of_dispersion(mixed, fits):
    assert mixed.best.fit.family in ("gaussian", "gamma")
    assert set(mixed.of_best_family.families) == {mixed.best.fit.family}
    assert "Of the families fitted, " in mixed.verdict.number
    assert "Of the families" not in compare([fits["log one"], fits["log two"]]).verdict.number
    assert "One negative-binomial dispersion for all stores" in dispersion_sentence(mixed)
    poisson, other = fits["poisson"], fits["negative-binomial"]
    ahead = altered(poisson, store_loglik=other.store_loglik + np.linspace(1.0, 2.0, 12))
    told = dispersion_sentence(compare([ahead, other]))
    assert told.startswith("Two poisson segments predict better than one negative-binomial dispersion")
    level = altered(poisson, store_loglik=other.store_loglik + 0.01 * np.linspace(-1.0, 1.0, 12))
    assert "may be no more than rows that scatter" in dispersion_sentence(compare([level, other]))


def test_own_estimates_are_each_stores_maximum_likelihood(panels):
    data = panels["poisson"]
    alone = replace(data, x=data.x[:, :1], coefficients=("intercept",), y=np.where(data.store == 4, 0.0, data.y))
    found = own_estimates(mixture_of(alone, 1))
    total = np.bincount(alone.store, alone.y)
    seen = total > 0.0
    assert_allclose(found.theta[seen, 0], np.log(total[seen] / found.rows[seen]), atol=2e-3)
    assert_allclose(found.error[seen, 0], total[seen] ** -0.5, rtol=1e-3)
    assert_allclose(found.level, found.theta[:, 0])
    assert np.flatnonzero(np.isinf(found.error[:, 0])).tolist() == [4]


def test_the_average_is_of_elasticities_where_links_allow_it_and_else_of_levels(mixed, fits):
    assert shown_number(mixed.fits).name == "log_price"
    without = [altered(fits[name], coefficients=("intercept", "x")) for name in ("poisson", "log one")]
    assert shown_number(without) is None
    shown = shown_number(without[:1])
    assert shown.name == "log of expected sales in a typical row"
    assert shown.along[0] == 1.0
    one = average(compare([fits["poisson"]]))
    assert_allclose(one["mean"], fits["poisson"].by_store["coefficients"][:, 1], rtol=1e-6)


def test_a_quadrature_that_is_too_coarse_is_flagged(panels):
    rng = np.random.default_rng(4)
    store = np.repeat(np.arange(60), 3)
    y = (rng.random(store.size) < 1.0 / (1.0 + np.exp(-rng.normal(0.0, 3.0, 60)[store]))).astype(float)
    base = panels["poisson"]
    names = tuple(f"user {i}" for i in range(60))
    response = base.response._replace(family=FAMILIES["bernoulli"], offset=np.zeros(y.size), trials=np.ones(y.size))
    binary = replace(
        base, stores=names, store=store, week=np.tile(np.arange(3), 60), x=np.ones((y.size, 1)), y=y,
        coefficients=("intercept",), response=response,
    )  # fmt: skip
    coarse, fine = (hierarchical_of(binary, nodes=nodes) for nodes in (1, 25))
    few, many = (finer(fit, waic(fit.store_loglik), 1.0) for fit in (coarse, fine))
    one = posterior_mean(coarse.draws)
    by = [segment_loglik(coarse.statistics._replace(nodes=n), one.mu, one.sigma, one.omega).sum() for n in (1, 3)]
    assert few.change == pytest.approx(by[1] - by[0])
    assert not few.enough
    assert "Laplace’s approximation too coarse: 3 nodes move elpd by" in few.told
    assert many.enough
    assert abs(many.change) < 1e-3 * abs(few.change)
    assert any("too coarse" in flag for flag in compare([coarse]).best.flags)


def test_the_page_and_its_numbers(mixed, fits):
    for comparison in (mixed, compare([fits["poisson"], fits["poisson one"], fits["continuum"]])):
        said = comparison.verdict
        html = page(comparison, said, prices_of(comparison, said))
        contents = json.loads(json.dumps(record(comparison, said, ""), allow_nan=False))
        assert contents["log_density_of"] == "sales"
        assert "a log-density of sales," in html
        assert "nan" not in html.replace("nance", "")
        for model in contents["models"]:
            assert ("family" in model) == ("log-normal" not in model["name"])
        if comparison is mixed:
            assert contents["one_scale"]["below_10"] == pytest.approx(mixed.scale.small)
            assert len(contents["one_scale"]["density_to_probability"]) == 3
        else:
            assert "one_scale" not in contents
            assert contents["models"][0]["more_nodes"] is None or contents["models"][0]["more_nodes"]["nodes"] == 19
            for words in ("log sales", "weekly scatter", "own weeks", "least squares", "sigma, "):
                assert words not in html.replace("panels of log sales", "")
            for words in ("ratio of expected sales", "By the store’s own rows", "price elasticity"):
                assert words in html


def test_the_standard_set_of_a_family(panels, tmp_path, monkeypatch):
    monkeypatch.setattr("comparisons.standard_set._posterior", lambda model, k, **_: (model, k))
    args = parsed(["--fit", "a.csv", "--family", "poisson", "--exposure", "days", "--k", "1", "2"])
    assert (args.family, args.exposure, args.sigma) == ("poisson", "days", None)
    with pytest.raises(InputError, match="--family is for --fit DATA"):
        parsed(["r.json", "a.nc", "--family", "poisson"])
    results, made = standard_set(panels["poisson"], [1, 2], "fixed", args.settings, tmp_path, {})
    assert made == [("mixture", 1), ("mixture", 2), ("hierarchical", 1)]
    assert [(one["model"], one["family"], one.get("quadrature")) for one in results["fits"]] == [
        ("mixture", "poisson", None), ("mixture", "poisson", None), ("hierarchical", "poisson", 5),
    ]  # fmt: skip
    assert results["settings"]["family"] == "poisson"
