"""Weeks of known stores of counts and choices: against sums over grids, against refits, and scores against sums."""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from scipy.special import logsumexp
from scipy.stats import kstest, nbinom, norm, poisson

from bayesmix.family_rows import FamilyRows, rows_given_stores
from bayesmix.posterior import ParameterDraws
from bayesmix.sampled_weeks import sampled_weeks
from bayesmix.stores import CountedStores
from bayesmix.week_density import Weeks, distinct, joined, known, log_density_further, log_density_left_out
from bayesmix.week_residuals import by_week, residuals
from comparisons.family_rivals import regression, rivals
from comparisons.judged_weeks import simulation_error
from comparisons.one_scale import density_of_sales
from comparisons.response_scores import crps_of_samples, scores_of_family
from comparisons.week_scores import inside
from em.design_counts import cell_of_rows, count_designs
from em.families import family_named
from em.families.family import log_density
from em.panel import Panel, statistics_of
from em.response import Response

GRID = np.linspace(-7.0, 7.0, 281)  # of a standard normal: sums over it are integrals


def weeks_of_family(name, seed=0, stores=5, weeks=6, level=0.7):
    rng, family = np.random.default_rng(seed), family_named(name)
    rows = stores * weeks
    store = np.repeat(np.arange(stores), weeks)
    x = np.column_stack([np.ones(rows), rng.choice([-0.5, 0.0, 1.0], rows)])
    offset = np.log(rng.choice([1.0, 2.0], rows)) if family.size == "exposure" else np.zeros(rows)
    trials = rng.integers(1, 9, rows).astype(float) if family.size == "trials" else np.ones(rows)
    theta = np.array([level, 0.4]) + 0.6 * rng.normal(size=(stores, 2))
    eta = offset + np.einsum("rp,rp->r", x, theta[store])
    return family, Weeks(store, x, family.draw(rng, eta, trials, np.log(0.5)), offset, trials)


def draws_of(model, seed=0, n=2):
    rng, k = np.random.default_rng(seed), 1 if model == "hierarchical" else 3
    omega = None
    if model == "hierarchical":
        factor = 0.5 * rng.normal(size=(n, k, 2, 2))
        omega = factor @ np.swapaxes(factor, -1, -2)
    mu = np.array([0.7, 0.4]) + 0.5 * rng.normal(size=(n, k, 2))
    return ParameterDraws(rng.dirichlet(np.ones(k), n), mu, rng.uniform(0.3, 0.8, (n, k)), omega)


def counted(family, weeks, n_stores, nodes=5):
    like = CountedStores(count_designs(family, weeks.store[:0], weeks.x[:0], weeks.y[:0], 0), nodes)
    return known(weeks, n_stores, like)


def by_grid(family, weeks, draws, d):
    """Log-probability of some weeks of one store, its segment and coefficients summed out one value at a time."""
    total = []
    for k in range(draws.mu.shape[1]):
        theta, prior = draws.mu[d, k][None], np.zeros(1)
        if draws.omega is not None:
            u = np.stack(np.meshgrid(GRID[::4], GRID[::4], indexing="ij"), -1).reshape(-1, 2)
            theta = theta + u @ np.linalg.cholesky(draws.omega[d, k]).T
            prior = norm.logpdf(u).sum(1) + 2.0 * np.log(GRID[4] - GRID[0])
        eta = weeks.offset + theta @ weeks.x.T
        density = log_density(family, weeks.y, eta, weeks.trials, np.log(draws.sigma[d, k])).sum(1)
        total.append(np.log(draws.weight[d, k]) + logsumexp(prior + density))
    return logsumexp(total)


@pytest.mark.parametrize("model", ["mixture", "hierarchical"])
@pytest.mark.parametrize("name", ["poisson", "negative-binomial", "binomial"])
def test_a_week_left_out_or_added_is_a_ratio_of_sums(name, model):
    """Exact where stores do not differ inside segments, else to what five nodes in two directions give."""
    family, weeks = weeks_of_family(name, stores=4, weeks=5)
    draws, atol = draws_of(model), 1e-9 if model == "mixture" else 3e-3
    found = log_density_left_out(counted(family, weeks, 4), draws, weeks)
    for r in range(0, weeks.y.size, 3):
        others = np.arange(weeks.y.size) != r
        own = others & (weeks.store == weeks.store[r])
        for d in range(2):
            whole = by_grid(family, weeks.of(weeks.store == weeks.store[r]), draws, d)
            assert found[d, r] == pytest.approx(whole - by_grid(family, weeks.of(own), draws, d), abs=atol)
        one = weeks.of(np.array([r]))
        further = log_density_further(counted(family, weeks.of(others), 4), draws, one)
        np.testing.assert_allclose(further[:, 0], found[:, r], atol=atol)


def test_a_row_that_outweighs_its_store_has_its_nodes_placed_anew():
    """Large counts in two weeks: without the one the store would lie elsewhere, where no node of both is."""
    family = family_named("poisson")
    x, y = np.ones((2, 1)), np.array([150.0, 80.0])
    rows = FamilyRows(np.zeros(2, dtype=int), x, np.zeros(2), y, np.ones(2))
    stats = count_designs(family, rows.store, x, y, 1)
    parameters = np.array([[[4.6]]]), np.ones((1, 1)), np.array([[[[0.5]]]])

    def alone(nodes, **options):
        return rows_given_stores(stats, nodes, *parameters, rows, left_out=True, **options).alone[0, :, 0]

    theta = 4.6 + np.sqrt(0.5) * np.linspace(-6.0, 6.0, 200_001)
    prior = norm.logpdf(np.linspace(-6.0, 6.0, 200_001))
    each = poisson.logpmf(y[:, None], np.exp(theta))
    exact = logsumexp(prior + each.sum(0)) - np.array([logsumexp(prior + each[1]), logsumexp(prior + each[0])])
    np.testing.assert_allclose(alone(9), exact, atol=1e-6)
    assert np.abs(alone(9, limit=np.inf) - exact).min() > 1e-3
    np.testing.assert_allclose(alone(1), exact, atol=5e-3)  # Laplace's, always anew


@pytest.mark.parametrize("model", ["mixture", "hierarchical"])
def test_one_step_densities_add_up_to_that_of_the_block(model):
    """Chain rule, statistics joined on the way; five nodes leave a little."""
    family, weeks = weeks_of_family("poisson", 3, stores=3, weeks=5)
    draws, position = draws_of(model, 4), np.tile(np.arange(5), 3)
    stores, total = counted(family, weeks.of(position < 2), 3), np.zeros((2, 3))
    for step in range(2, 5):
        now = weeks.of(position == step)
        total += log_density_further(stores, draws, now)
        stores = joined(stores, known(now, 3, stores))
    for d in range(2):
        block = [
            by_grid(family, weeks.of(weeks.store == s), draws, d)
            - by_grid(family, weeks.of((weeks.store == s) & (position < 2)), draws, d)
            for s in range(3)
        ]
        np.testing.assert_allclose(total[d], block, atol=1e-9 if model == "mixture" else 5e-3)


def test_rows_that_are_alike_are_worked_out_once():
    family, weeks = weeks_of_family("poisson", 5, stores=4, weeks=30)
    few, index = distinct(weeks)
    assert few.y.size < weeks.y.size
    for ours, theirs in zip(few.of(index), weeks, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    draws, stores = draws_of("hierarchical", 5), counted(family, weeks, 4)
    whole = log_density_left_out(stores, draws, weeks)
    np.testing.assert_allclose(log_density_left_out(stores, draws, few)[:, index], whole, rtol=1e-12)
    with pytest.raises(ValueError, match="a row that the statistics do not hold"):
        cell_of_rows(stores.counts, weeks.store, weeks.x + 1.0, weeks.offset)


def test_crps_of_samples_is_the_sum_over_all_pairs_and_of_many_that_of_the_distribution():
    rng = np.random.default_rng(0)
    seen, y = rng.poisson(4.0, (50, 3)).astype(float), np.array([0.0, 4.0, 11.0])
    crps, by_draw, median = crps_of_samples(seen, y)
    pairs = np.abs(seen[:, None] - seen[None]).sum((0, 1)) / (50 * 49)
    np.testing.assert_allclose(crps, np.abs(seen - y).mean(0) - 0.5 * pairs)
    apart = np.abs(seen[:, None] - seen[None]).sum(1) / 49
    np.testing.assert_allclose(by_draw, (np.abs(seen - y) - apart).sum(1))
    np.testing.assert_array_equal(median, np.sort(seen, 0)[24])
    many = nbinom.rvs(3.0, 0.4, size=(4000, 400), random_state=rng).astype(float)
    at = np.arange(200)
    sums = np.square(nbinom.cdf(at, 3.0, 0.4) - (at >= 7)).sum()  # the sum over counts that the CRPS is
    found, by_draw, _ = crps_of_samples(many, np.full(400, 7.0))
    error = by_draw.std() / np.sqrt(4000) / 400
    assert abs(found.mean() - sums) < 4.0 * error < 0.02


@pytest.mark.parametrize("level", [-2.0, 1.0])
def test_a_right_model_is_inside_89_percent_of_the_time_whatever_the_counts_are(level):
    rng, family = np.random.default_rng(1), family_named("poisson")
    store = np.arange(4000)
    y = rng.poisson(np.exp(level + 0.7 * rng.normal(size=4000))).astype(float)
    weeks = Weeks(store, np.ones((4000, 1)), y, np.zeros(4000), np.ones(4000))
    draws = ParameterDraws(np.ones((1, 1)), np.full((1, 1, 1), level), np.ones((1, 1)), np.full((1, 1, 1, 1), 0.49))
    unseen = counted(family, weeks.of(slice(0)), 4000, 9)
    found, _ = scores_of_family(unseen, draws, weeks, rng)
    error = found.inside.std() / np.sqrt(4000)
    assert abs(found.inside.mean() - 0.89) < 3.5 * error < 0.02
    assert found.pit.mean() == pytest.approx(0.5, abs=0.02)
    np.testing.assert_allclose(inside(np.array([0.0, 0.9, 0.5]), np.array([0.11, 0.99, 0.5])), [0.5, 0.5, 1.0])


def test_samples_have_the_moments_of_the_store():
    family, weeks = weeks_of_family("poisson", 6, stores=3, weeks=8)
    draws, stores = draws_of("hierarchical", 6, n=1), counted(family, weeks, 3, 15)
    of = sampled_weeks(stores, draws, weeks, np.random.default_rng(0), times=4000)
    one = weeks.of(weeks.store == 0)
    u = np.stack(np.meshgrid(GRID[::4], GRID[::4], indexing="ij"), -1).reshape(-1, 2)
    theta = draws.mu[0, 0] + u @ np.linalg.cholesky(draws.omega[0, 0]).T
    share = norm.logpdf(u).sum(1) + log_density(family, one.y, one.offset + theta @ one.x.T, one.trials, 0.0).sum(1)
    share = np.exp(share - logsumexp(share))
    eta = one.offset + theta @ one.x.T
    np.testing.assert_allclose(of.eta[:, weeks.store == 0].mean(0), share @ eta, atol=2e-3)
    spread = share @ np.square(eta) - np.square(share @ eta)
    np.testing.assert_allclose(of.eta[:, weeks.store == 0].var(0), spread, rtol=0.05)


def test_rivals_know_their_own_weeks():
    """One regression is near the fit of all rows; a store that shows nothing is finite; own means follow the store."""
    family, weeks = weeks_of_family("poisson", 7, stores=30, weeks=12, level=2.0)
    weeks = weeks._replace(y=np.where(weeks.store == 3, 0.0, weeks.y))
    own, mean, one = rivals(("intercept", "detailing"))
    like = counted(family, weeks, 30)
    found = regression(one, weeks, 30, like)
    assert found.stores.n_stores == 1
    eta = weeks.offset + weeks.x @ found.draws.mu[0, 0]
    np.testing.assert_allclose(weeks.x.T @ (weeks.y - np.exp(eta)), 0.0, atol=1e-6 * weeks.y.sum())
    left = log_density_left_out(found.stores, found.draws, one.seen(weeks))[0]
    within = poisson.logpmf(weeks.y, np.exp(eta))
    assert (left < within).all()
    np.testing.assert_allclose(left, within, rtol=0.03)
    for rival in (own, mean):
        stores, draws = regression(rival, weeks, 30, like)
        left = log_density_left_out(stores, draws, rival.seen(weeks))[0]
        assert np.isfinite(left).all()
        assert left[weeks.store == 3].min() > -0.3
        assert left.mean() > within.mean()


@pytest.mark.parametrize("name", ["poisson", "negative-binomial", "binomial", "gamma"])
def test_residuals_of_a_right_fit_are_standard_normal_and_no_week_stands_out(name):
    rng, family = np.random.default_rng(9), family_named(name)
    stores, weeks = 60, 50
    theta, store = np.array([1.0, 0.5]) + 0.3 * rng.normal(size=(stores, 2)), np.repeat(np.arange(stores), weeks)
    x = np.column_stack([np.ones(store.size), rng.normal(size=store.size)])
    trials = np.full(store.size, 6.0 if family.size == "trials" else 1.0)
    offset = np.log(rng.uniform(0.5, 2.0, store.size)) if family.size == "exposure" else 0.0 * trials
    y = family.draw(rng, offset + (x * theta[store]).sum(1), trials, np.log(0.4))
    y[(np.tile(np.arange(weeks), stores) == 20)] = y.max()
    data = Panel(
        tuple(map(str, range(stores))), tuple(map(str, range(weeks))), ("intercept", "x"), store,
        np.tile(np.arange(weeks), stores), x, y, "panel.csv", "", response=Response(family, "seen", offset, trials),
    )  # fmt: skip
    held = SimpleNamespace(
        by_store={"coefficients": xr.DataArray(theta, dims=("store", "coefficient"))}, k=1, name="right",
        draws=SimpleNamespace(sigma=np.full((1, 1), 0.4)), statistics=CountedStores(statistics_of(data), 1),
    )  # fmt: skip
    found = residuals(held, data)
    right = data.week != 20
    assert kstest(found.z[right], "norm").pvalue > 1e-3
    seen = by_week(found, data, np.ones(1))
    np.testing.assert_array_equal(seen.week[seen.unusual], [20])
    ratio = y[~right].sum() / family.mean(offset + (x * theta[store]).sum(1), trials)[~right].sum()
    assert seen.mean[20] == pytest.approx(np.log(ratio))


def test_log_sales_on_the_scale_of_sales():
    rng = np.random.default_rng(8)
    sales, mean, sd = rng.lognormal(2.0, 0.5, 20), 2.1, 0.6
    found = density_of_sales(norm.logpdf(np.log(sales), mean, sd), np.log(sales))
    step = 1e-5 * sales
    share = norm.cdf(np.log(sales + step), mean, sd) - norm.cdf(np.log(sales - step), mean, sd)
    np.testing.assert_allclose(np.exp(found), share / (2.0 * step), rtol=1e-5)


def test_a_row_whose_covariate_is_far_out_leaves_a_number():
    """At some nodes it is so unlikely that their shares round to nothing, and without it they are most of the sum."""
    family, y = family_named("poisson"), np.array([0.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    x = np.column_stack([np.ones(6), [0.49, 0.16, -0.93, 2.87, 0.88, -1.14]])
    weeks = Weeks(np.zeros(6, dtype=np.intp), x, y, np.zeros(6), np.ones(6))
    mu, omega = np.array([[[0.514, -0.511]]]), np.array([[[[4.05, 0.46], [0.46, 4.75]]]])
    draws = ParameterDraws(np.ones((1, 1)), mu, np.ones((1, 1)), omega)
    found = log_density_left_out(counted(family, weeks, 1), draws, weeks)[0]
    whole = by_grid(family, weeks, draws, 0)
    exact = [whole - by_grid(family, weeks.of(np.arange(6) != r), draws, 0) for r in range(6)]
    np.testing.assert_allclose(found, exact, atol=0.02)


@pytest.mark.parametrize("name", ["gamma", "negative-binomial"])
def test_a_rival_takes_its_dispersion_from_its_rows(name):
    family, weeks = weeks_of_family(name, stores=1, weeks=800, level=1.5)
    like = CountedStores(count_designs(family, weeks.store[:0], weeks.x[:0], weeks.y[:0], 0), 5)
    found = regression(rivals(("intercept", "x"))[-1], weeks, 1, like).draws.sigma
    assert found[0, 0] == pytest.approx(0.5, abs=0.06)


def test_the_error_of_a_crps_counts_draws_and_not_their_samples():
    family, weeks = weeks_of_family("poisson", stores=1, weeks=40)
    like = CountedStores(count_designs(family, weeks.store[:0], weeks.x[:0], weeks.y[:0], 0), 5)
    stores, found, told = known(weeks, 1, like), [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        mu = np.array([0.7, 0.4]) + 0.3 * rng.normal(size=(50, 1, 2))
        scores, by_draw = scores_of_family(
            stores, ParameterDraws(np.ones((50, 1)), mu, np.ones((50, 1)), None), weeks, rng
        )
        found.append(scores.crps.mean())
        told.append(simulation_error(by_draw, 40))
    assert 0.7 < np.mean(told) / np.std(found) < 1.5
