"""Store likelihoods with random effects integrated out: against quad, differences, and the exact Gaussian."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate as by_quad

from em.design_counts import count_designs
from em.families import FAMILIES
from em.likelihood import component_loglik
from em.quadrature import integrate, product_rule
from em.statistics import build
from em.store_modes import cells_of, modes

MU = np.array([0.2, 0.4, -0.1])
LOG_SIGMA = -0.2


def stores_of(name, seed=1, weeks=7, stores=5):
    family, rng = FAMILIES[name], np.random.default_rng(seed)
    store = np.repeat(np.arange(stores), weeks)
    x = np.column_stack([np.ones(store.size), rng.integers(0, 3, store.size) / 2.0, rng.normal(size=store.size)])
    trials = np.full(store.size, 4.0 if family.size == "trials" else 1.0)
    y = family.draw(rng, x @ np.array([0.3, 0.5, -0.2]) + rng.normal(size=stores)[store], trials, -0.3)
    return family, store, x, y, trials


def root_of(random, seed=0):
    q = len(random)
    root = np.zeros((3, q))
    root[random] = np.linalg.cholesky(0.5 * np.eye(q) + 0.2)
    return root


def counted(name, **how):
    family, store, x, y, trials = stores_of(name, **how)
    return count_designs(family, store, x, y, int(store.max()) + 1, trials=trials)


@pytest.mark.parametrize("name", FAMILIES)
def test_many_nodes_are_the_integral(name):
    family, store, x, y, trials = stores_of(name)
    root = root_of([0])
    found = integrate(cells_of(counted(name)), MU, root, np.array([0]), LOG_SIGMA, product_rule(40, 1)).value
    for i in range(2):
        rows = store == i

        def relative(u, rows=rows, i=i):
            terms = family.terms(x[rows] @ (MU + root[:, 0] * u), LOG_SIGMA).of(y[rows], trials[rows])
            return np.exp(terms.sum() - found[i] - 0.5 * u * u) / np.sqrt(2.0 * np.pi)

        assert by_quad.quad(relative, -12.0, 12.0, epsabs=1e-12, epsrel=1e-12)[0] == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("name", ["bernoulli", "negative-binomial"])
def test_the_product_rule_is_the_integral_in_two_directions(name):
    family, store, x, y, trials = stores_of(name)
    root = root_of([0, 2])
    found = integrate(cells_of(counted(name)), MU, root, np.array([0, 2]), LOG_SIGMA, product_rule(21, 2)).value[0]
    rows = store == 0
    grid = np.linspace(-8.0, 8.0, 401)
    u = np.stack(np.meshgrid(grid, grid, indexing="ij"), axis=-1)
    eta = np.einsum("rp,gp->gr", x[rows], MU + u.reshape(-1, 2) @ root.T)
    terms = family.terms(eta, LOG_SIGMA).of(y[rows], trials[rows]).sum(1) - 0.5 * np.square(u).sum(-1).ravel()
    mass = np.exp(terms - found).sum() * (grid[1] - grid[0]) ** 2 / (2.0 * np.pi)
    assert mass == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(("random", "nodes"), [([0], 1), ([1], 6), ([0, 1], 4), ([0, 1, 2], 2)])
def test_slopes_are_those_of_differences(name, random, nodes):
    cells, q, h = cells_of(counted(name)), len(random), 1e-5
    rule, random = product_rule(nodes, q), np.array(random)

    def at(free):
        root = np.zeros((3, q))
        root[random] = free[3:-1].reshape(q, q)
        return integrate(cells, free[:3], root, random, float(free[-1]), rule)

    free = np.concatenate([MU, root_of(random)[random].ravel(), [LOG_SIGMA]])
    steps = h * np.eye(free.size)
    differenced = np.array([(at(free + one).value - at(free - one).value) / (2.0 * h) for one in steps]).T
    assert_allclose(at(free).slope, differenced, atol=3e-7, rtol=1e-6)


@pytest.mark.parametrize("nodes", [1, 3])
def test_a_gaussian_store_is_exact_with_any_number_of_nodes(nodes):
    family, store, x, y, _ = stores_of("gaussian")
    stats, root = counted("gaussian"), root_of([0, 1])
    value = integrate(cells_of(stats), MU, root, np.array([0, 1]), LOG_SIGMA, product_rule(nodes, 2)).value
    carrier = np.bincount(store, family.carrier(y, np.ones(y.size), LOG_SIGMA))
    exact = component_loglik(build(store, x, y, 5), MU[None], np.exp([LOG_SIGMA]), (root @ root.T)[None])[:, 0]
    assert_allclose(value + carrier, exact, rtol=1e-11)


def test_laplace_is_off_where_stores_have_few_choices_and_nodes_mend_it():
    cells, root = cells_of(counted("bernoulli", weeks=2, stores=40)), 2.5 * root_of([0])
    exact, rough, better = (
        integrate(cells, MU, root, np.array([0]), 0.0, product_rule(nodes, 1)).value.sum() for nodes in (60, 1, 9)
    )
    assert abs(rough - exact) > 0.2
    assert abs(better - exact) < 5e-3


@pytest.mark.parametrize("name", FAMILIES)
def test_modes_have_no_slope_even_from_far_away(name):
    cells, root = cells_of(counted(name)), 3.0 * root_of([0, 1, 2])
    found = modes(cells, MU, root, LOG_SIGMA, np.full((5, 3), 6.0))
    near = modes(cells, MU, root, LOG_SIGMA)
    assert_allclose(found.u, near.u, atol=1e-8)
    eta = cells.offset + np.einsum("cp,cp->c", cells.x, (MU + near.u @ root.T)[cells.store])
    score = cells.family.slopes(eta, LOG_SIGMA)[0].of(cells.total, cells.n)
    assert_allclose(cells.sums @ (cells.x @ root * score[:, None]) - near.u, 0.0, atol=1e-8)
