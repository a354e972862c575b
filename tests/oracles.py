"""Slow and plain versions of what the core does fast: a loop over rows, a full covariance, every labelling.

They take rows (a design and a response for each store), never statistics, and share no code with `em`.
"""

import itertools
from typing import NamedTuple

import numpy as np
from scipy.stats import norm


class Rows(NamedTuple):
    """A panel as rows: store (row,), x (row, coefficient), y (row,), and how many stores there are."""

    store: np.ndarray
    x: np.ndarray
    y: np.ndarray
    n_stores: int

    def of(self, store):
        """Design and response of one store."""
        mine = self.store == store
        return self.x[mine], self.y[mine]

    def taken(self, index):
        """Some of the rows, or all in another order."""
        return Rows(self.store[index], self.x[index], self.y[index], self.n_stores)


def draw_rows(rng, n_stores, k=2, *, p=2, weeks=(3, 25), sigma=1.0, spread=1.0, own_prices=True):
    """A random panel from K segments: log prices, then displays between 0 and 1; lengths differ between stores."""
    theta = np.column_stack([rng.normal(10.0, spread, k), rng.normal(-1.5, 0.7 * spread, k)])
    theta = np.column_stack([theta, rng.normal(0.5, spread, (k, max(p - 2, 0)))])[:, :p]
    segment = rng.integers(k, size=n_stores)
    length = rng.integers(weeks[0], weeks[1] + 1, n_stores) if own_prices else np.full(n_stores, weeks[1])
    store = np.repeat(np.arange(n_stores), length)
    log_price = rng.uniform(0.2, 2.0, store.size) if own_prices else np.tile(rng.uniform(0.2, 2.0, weeks[1]), n_stores)
    display = rng.uniform(0.0, 1.0, (store.size, max(p - 2, 0)))
    x = np.column_stack([np.ones(store.size), log_price, display])[:, :p]
    y = np.einsum("rp,rp->r", x, theta[segment[store]]) + sigma * rng.standard_normal(store.size)
    return Rows(store, x, y, n_stores)


def log_density_by_rows(rows, theta, sigma):
    """Log-density of every store under every segment, a row at a time; (store, segment)."""
    total = np.zeros((rows.n_stores, len(theta)))
    for store, x, y in zip(rows.store, rows.x, rows.y, strict=True):
        for k, coefficients in enumerate(theta):
            total[store, k] += norm.logpdf(y, loc=float(x @ coefficients), scale=sigma[k])
    return total


def log_density_by_covariance(rows, mu, sigma, omega):
    """Log-density of every store under every segment from the (week, week) covariance; (store, segment)."""
    total = np.zeros((rows.n_stores, len(mu)))
    for store in range(rows.n_stores):
        x, y = rows.of(store)
        for k in range(len(mu)):
            covariance = sigma[k] ** 2 * np.eye(len(y)) + x @ omega[k] @ x.T
            residual = y - x @ mu[k]
            log_det = np.linalg.slogdet(covariance)[1] if len(y) else 0.0
            distance = residual @ np.linalg.solve(covariance, residual) if len(y) else 0.0
            total[store, k] = -0.5 * (len(y) * np.log(2.0 * np.pi) + log_det + distance)
    return total


def mix(weight, density):
    """Log of the weighted mean of exp(density) over segments, one store at a time; (store,)."""
    return np.array([np.logaddexp.reduce(np.log(weight) + row) for row in density])


def posterior(weight, density):
    """Membership by Bayes' rule, one store at a time; (store, segment)."""
    shares = []
    for row in density:
        joint = weight * np.exp(row - row.max())
        shares.append(joint / joint.sum())
    return np.array(shares)


def log_likelihood_by_labels(weight, density):
    """Log-likelihood of a panel as the sum over every way of giving the stores a segment."""
    stores, k = density.shape
    terms = []
    for labels in itertools.product(range(k), repeat=stores):
        terms.append(sum(np.log(weight[z]) + density[i, z] for i, z in enumerate(labels)))
    return np.logaddexp.reduce(terms)


def weighted_least_squares(rows, weight_of_store):
    """Coefficients that minimise the weighted sum of squares of the stacked rows."""
    root = np.sqrt(weight_of_store[rows.store])
    return np.linalg.lstsq(rows.x * root[:, None], rows.y * root)[0]


def em_step(rows, weight, theta, sigma, rule, common=()):
    """One step of EM with every row in sight: new weight, theta, sigma, and the log-likelihood of the old ones."""
    density = log_density_by_rows(rows, theta, sigma)
    share = posterior(weight, density)
    k, p = theta.shape
    if common:
        # One stacked regression: each row stands once for each segment, common columns shared, own columns apart.
        own = [c for c in range(p) if c not in common]
        blocks, responses = [], []
        for j in range(k):
            design = np.zeros((len(rows.y), k * len(own) + len(common)))
            design[:, j * len(own) : (j + 1) * len(own)] = rows.x[:, own]
            design[:, k * len(own) :] = rows.x[:, list(common)]
            root = np.sqrt(share[rows.store, j]) / sigma[j]
            blocks.append(design * root[:, None])
            responses.append(rows.y * root)
        solution = np.linalg.lstsq(np.vstack(blocks), np.concatenate(responses))[0]
        theta = np.zeros((k, p))
        theta[:, own] = solution[: k * len(own)].reshape(k, -1)
        theta[:, list(common)] = solution[k * len(own) :]
    else:
        theta = np.array([weighted_least_squares(rows, share[:, j]) for j in range(k)])
    squares, count = np.zeros(k), np.zeros(k)
    for store, x, y in zip(rows.store, rows.x, rows.y, strict=True):
        squares += share[store] * np.square(y - theta @ x)
        count += share[store]
    if rule == "common":
        sigma = np.full(k, np.sqrt(squares.sum() / count.sum()))
    elif rule == "segment":
        sigma = np.sqrt(squares / count)
    return share.mean(0), theta, sigma, float(mix(weight, density).sum())


def slope(function, at, step=1e-5):
    """Gradient, or Jacobian, by central differences."""
    columns = []
    for i in range(len(at)):
        shift = np.zeros(len(at))
        shift[i] = step * max(1.0, abs(at[i]))
        columns.append((function(at + shift) - function(at - shift)) / (2.0 * shift[i]))
    return np.array(columns).T
