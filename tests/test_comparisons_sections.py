"""The further sections of the page: BIC against LOO, EM against posterior, the average of models."""

import base64
import csv
import io
import json
import re
from itertools import combinations

import numpy as np
import pytest
from fits_for_comparisons import altered, hierarchical_tree, mixture_tree, panel, segmented

from bayesmix.fitted import Fit
from bayesmix.label_free import quantiles_of_values
from bayesmix.rounding import shares
from bayesmix.run import fit_hierarchical, fit_mixture
from bayesmix.settings import Settings
from comparisons import compare
from comparisons.agreement import em_twin, varying
from comparisons.average import as_csv, average
from comparisons.cross_table import adjusted_rand, cross_table
from comparisons.disagreement import disagreement
from comparisons.em_beside_posterior import beside
from comparisons.page import page
from comparisons.record import record
from em.entries import mixed_entry
from em.fit import fit_mixture as by_em
from em.mixed_model import fit_mixed_model
from em.results import results_record
from em.variance_components import variance_components

DATA = panel(segmented(50), weeks=20)
SETTINGS = Settings(draws=200, tune=200, chains=2)


@pytest.fixture(scope="module")
def comparison():
    """Three posteriors with the likelihoods of their own files."""
    fits = [fit_mixture(DATA, k, settings=SETTINGS) for k in (2, 3)]
    return compare([*fits, fit_hierarchical(DATA, settings=SETTINGS)])


@pytest.fixture(scope="module")
def html(comparison):
    return page(comparison, comparison.verdict, "")


def test_fit_less_charge_is_the_value_by_both_roads(comparison):
    apart = disagreement(comparison)
    n = DATA.y.size
    for row in apart.rows:
        parameters = {"mixture K=2": 5, "mixture K=3": 8, "hierarchical": 5}[row.score.name]
        assert row.charge == pytest.approx(0.5 * parameters * np.log(n))
        assert row.by_bic == pytest.approx(row.log_likelihood - row.charge)
        assert row.by_loo == pytest.approx(row.lppd - row.p_loo) == pytest.approx(row.score.elpd)
    assert apart.by_bic.by_bic == max(row.by_bic for row in apart.rows)
    assert apart.by_loo.score is comparison.best


def test_the_largest_parts_and_the_rest_are_the_difference(comparison):
    apart = disagreement(comparison)
    parts = np.array([part.part for part in apart.parts])
    assert parts.sum() + apart.rest.elpd_diff == pytest.approx(apart.difference.elpd_diff)
    others = np.setdiff1d(np.abs(apart.diff_i), np.abs(parts))
    assert np.abs(parts).min() >= others.max()
    for part in apart.parts:
        i = DATA.stores.index(part.store)
        assert part.part == pytest.approx(apart.first.loo.elpd_i[i] - apart.second.loo.elpd_i[i])
        own = np.linalg.lstsq(DATA.x[DATA.store == i], DATA.y[DATA.store == i])[0]
        np.testing.assert_allclose(part.own, own, atol=1e-9)
        assert part.weeks == 20


def test_where_bic_and_loo_part_the_two_they_prefer_are_taken_apart(comparison):
    three, two = (next(f for f in comparison.fits if f.name == f"mixture K={k}") for k in (3, 2))
    bent = altered(two, store_loglik=three.store_loglik + 1.0)
    apart = disagreement(compare([bent, three]))
    assert not apart.agree
    assert (apart.first.name, apart.second.name) == ("mixture K=2", "mixture K=3")
    assert apart.difference.elpd_diff == pytest.approx(50.0)
    said = page(compare([bent, three]), compare([bent, three]).verdict, "")
    assert "Where BIC and leaving stores out disagree, and why" in said
    assert "From mixture K=3 to mixture K=2 the log-likelihood" in said
    assert "Which stores speak for mixture K=2, and which for mixture K=3" in said


def test_the_adjusted_rand_index_is_that_of_pairs_counted_one_by_one():
    rng = np.random.default_rng(0)
    first = rng.integers(3, size=40)
    second = np.where(rng.random(40) < 0.7, first, rng.integers(3, size=40))
    pairs = [(first[i] == first[j], second[i] == second[j]) for i, j in combinations(range(40), 2)]
    a, b, c, d = (pairs.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False)))
    expected = 2 * (a * d - b * c) / ((a + b) * (b + d) + (a + c) * (c + d))
    assert adjusted_rand(cross_table(first, second, 3)) == pytest.approx(expected)
    assert adjusted_rand(cross_table(first, (first + 1) % 3, 3)) == 1.0
    assert adjusted_rand(cross_table(0 * first, 0 * first, 1)) == 1.0
    chance = [adjusted_rand(cross_table(rng.integers(3, size=300), rng.integers(3, size=300), 3)) for _ in range(100)]
    assert abs(np.mean(chance)) < 0.003


def test_em_beside_the_posterior_are_em_and_the_posterior(comparison):
    one = next(b for b in beside(comparison) if b.score.name == "mixture K=3")
    em = by_em(DATA, 3)
    found = {(s, e.name): e for s, e in one.rows}
    assert len(found) == 9  # sigma is fixed
    for s in range(3):
        e = found[s + 1, "price elasticity"]
        assert e.em == pytest.approx(em.parameters.theta[s, 1], abs=1e-5)
        assert e.em_se == pytest.approx(em.standard_errors.theta[s, 1], rel=1e-3)
        assert e.mean == pytest.approx(float(one.score.fit.posterior["theta"][:, :, s, 1].mean()))
    assert one.memberships.table.sum() == 50
    np.testing.assert_array_equal(one.memberships.table.sum(1), np.bincount(em.segment - 1, minlength=3))
    assert one.memberships.adjusted_rand > 0.8
    continuum = next(b for b in beside(comparison) if b.score.name == "hierarchical")
    assert continuum.memberships is None
    assert next(e.name for _, e in continuum.rows if e.em is not None) == "intercept"


def test_the_average_of_one_model_is_that_model(comparison):
    for fit in comparison.fits:
        alone = average(compare([fit]))
        theirs = fit.store_coefficients().sel(coefficient="log_price")
        np.testing.assert_allclose(alone["mean"], theirs["mean"], atol=1e-6)
        np.testing.assert_allclose(alone["sd"], theirs["sd"], atol=1e-6)
        np.testing.assert_allclose(alone["between"], 0.0, atol=1e-6)
        for end in ("lower", "upper"):
            wrong = np.abs(alone[end] - theirs[end]) / theirs["sd"]
            assert float(np.quantile(wrong, 0.9)) < 0.08, (fit.name, end)


def test_the_average_is_the_mixture_of_draws(comparison):
    """Against draws of a store's elasticity, model by model, in the shares of the weights."""
    averaged = average(comparison)
    assert float(averaged["weight"].sum()) == pytest.approx(1.0)
    by_model, weight = averaged["by_model"].to_numpy(), averaged["weight"].to_numpy()
    np.testing.assert_allclose(averaged["mean"], weight @ by_model)
    np.testing.assert_allclose(averaged["between"], np.sqrt(weight @ (by_model - weight @ by_model) ** 2), atol=1e-12)
    within = [
        compare([fit]).best.fit.store_coefficients().sel(coefficient="log_price")["sd"].to_numpy()
        for fit in comparison.fits
        if fit.name in averaged["model"]
    ]
    total = weight @ np.square(within) + averaged["between"] ** 2
    np.testing.assert_allclose(averaged["sd"] ** 2, total, rtol=0.02)
    assert bool((averaged["lower"] < averaged["mean"]).all() & (averaged["mean"] < averaged["upper"]).all())


def test_weighted_quantiles_count_weight_and_not_points():
    values = np.array([[3.0, 1.0, 2.0], [1.0, 2.0, 3.0]])
    weight = np.array([[0.2, 0.7, 0.1], [0.05, 0.05, 0.9]])
    low, middle = quantiles_of_values(weight, values, (0.5, 0.75))
    np.testing.assert_array_equal(low, [1.0, 3.0])
    np.testing.assert_array_equal(middle, [2.0, 3.0])


def test_the_table_to_download_is_the_average(comparison, html):
    url = re.search(r'href="data:text/csv;charset=utf-8;base64,([^"]+)"', html)
    lines = list(csv.DictReader(io.StringIO(base64.b64decode(url.group(1)).decode())))
    averaged, moved = average(comparison), comparison.shrinkage
    assert [line["store"] for line in lines] == list(DATA.stores)
    np.testing.assert_allclose([float(line["elasticity"]) for line in lines], averaged["mean"], rtol=1e-5)
    np.testing.assert_allclose([float(line["lower_89"]) for line in lines], averaged["lower"], rtol=1e-5)
    np.testing.assert_allclose([float(line["own_least_squares"]) for line in lines], moved.own[:, 1], rtol=1e-5)
    assert as_csv(averaged, moved.own[:, 1], moved.own_se[:, 1], moved.n).count("\n") == 51


def test_the_record_holds_the_sections(comparison):
    written = json.loads(json.dumps(record(comparison, comparison.verdict, ""), allow_nan=False))
    assert written["log_density_of"] == "log sales"
    assert len(written["bic_against_loo"]["largest"]) == 10
    assert {one["name"] for one in written["em_against_posterior"]} == {"mixture K=2", "mixture K=3", "hierarchical"}
    assert len(written["model_average"]["mean"]) == 50
    assert sum(row["weight_pseudo_bma"] for row in written["models"]) == pytest.approx(1.0)


def test_tables_can_be_sorted_and_are_whole_without_the_script(html):
    tables = re.findall(r'<table class="[^"]*sortable[^"]*">(.*?)</table>', html, re.DOTALL)
    assert len(tables) >= 5
    for table in tables:
        head = re.findall(r"<tr>(.*?)</tr>", table[: table.index("</thead>")], re.DOTALL)[-1]
        n = len(re.findall("<th", head))
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", table[table.index("<tbody>") :], re.DOTALL):
            assert len(re.findall(r"<t[hd][ >]", row)) == n
    script = html[html.index("<script>") : html.index("</script>")]
    assert "aria-sort" in script
    assert "button" in script


def test_fits_without_maximum_likelihood_have_a_page(tmp_path):
    fits = [Fit(mixture_tree(DATA, 3, draws=60), "mixture K=3"), Fit(hierarchical_tree(DATA, draws=60), "hierarchical")]
    without = compare(fits)
    assert disagreement(without) is None
    assert beside(without) == []
    assert "BIC says nothing" in without.verdict.number
    assert 'id="average"' in page(without, without.verdict, "")


def test_maximum_likelihood_of_other_coefficients_that_vary_stands_beside_no_posterior():
    fit = Fit(hierarchical_tree(DATA, draws=60), "hierarchical")
    entry = {"model": "hierarchical", "k": 1, "sigma_rule": fit.sigma_rule}
    names = fit.coefficients
    alone, every = entry | {"random": list(names[:1])}, entry | {"random": list(names[::-1])}
    assert em_twin(fit, {"fits": [alone, every]}) is every
    assert em_twin(fit, {"fits": [alone]}) is None
    assert em_twin(fit, {"fits": [entry]}) is entry
    assert varying(fit) == names


@pytest.mark.parametrize("random", ["intercept", "log_price"])
def test_spreads_beside_are_those_of_the_coefficients_that_vary(random):
    """By results.json, and by what the fit's own file holds of maximum likelihood."""
    settings = Settings(100, 100, 2, 1)
    fit = fit_hierarchical(DATA, random=[random], sigma="common", settings=settings)
    em = fit_mixed_model(DATA, random=[random], sigma="common")
    results = results_record(DATA, [mixed_entry(em, [], "wald", ())], {"sigma": "common"}, None, ())
    for given in (results, None):
        (one,) = beside(compare([fit], given))
        (spread,) = (e for _, e in one.rows if e.name.startswith("spread"))
        assert spread.name == f"spread (sd) of {random}"
        assert spread.em == pytest.approx(variance_components(em).sd[0], rel=1e-6)
        assert spread.em_se == pytest.approx(variance_components(em).sd_error[0], rel=1e-4)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([0.8288, 0.0954, 0.0757], ["83 %", "9 %", "8 %"]),
        ([1 / 3, 1 / 3, 1 / 3], ["34 %", "33 %", "33 %"]),
        ([0.998, 0.002], [">99 %", "<1 %"]),
        ([1.0, 0.0], ["100 %", "0 %"]),
        ([0.5, 0.5], ["50 %", "50 %"]),
    ],
)
def test_shares_sum_to_a_hundred(parts, said):
    assert shares(parts) == said
