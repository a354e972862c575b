import math

import numpy as np
import pytest
from scipy.special import logsumexp

from comparisons.differences import Difference, difference, flags, stacking_weights


def test_difference_and_its_standard_error_are_those_of_the_pairs():
    rng = np.random.default_rng(0)
    hard = -70.0 + 30.0 * rng.normal(size=200)
    a, b = hard + rng.normal(size=200), hard
    found = difference(a, b)
    pairs = [x - y for x, y in zip(a, b, strict=True)]
    mean = sum(pairs) / 200
    assert found.elpd_diff == pytest.approx(sum(pairs))
    assert found.dse == pytest.approx(math.sqrt(200 * sum((x - mean) ** 2 for x in pairs) / 199))
    assert found.dse < 20.0 < math.sqrt(200) * hard.std()


@pytest.mark.parametrize(
    ("diff", "dse", "decided"),
    [(3.9, 0.1, False), (4.0, 2.0, True), (-4.1, 1.0, True), (30.0, 15.1, False), (-30.0, 14.9, True)],
)
def test_a_difference_is_decided_when_it_is_large_and_large_against_its_error(diff, dse, decided):
    assert Difference(diff, dse).decided is decided
    assert bool(flags(Difference(diff, dse), best=False)) is not decided
    assert flags(Difference(diff, dse), best=True) == ()


def test_stacking_finds_the_weights_that_predict_best():
    rng = np.random.default_rng(2)
    elpd_i = -70.0 + rng.normal(size=(150, 2)) + [0.2, 0.0]
    grid = np.linspace(0.0, 1.0, 2001)
    weights = np.stack([grid, 1.0 - grid], 1)
    with np.errstate(divide="ignore"):
        score = logsumexp(elpd_i[:, None, :] + np.log(weights), axis=2).sum(0)
    best = grid[score.argmax()]
    assert 0.05 < best < 0.95
    assert stacking_weights(elpd_i)[0] == pytest.approx(best, abs=0.005)


def test_stacking_does_not_depend_on_how_long_the_series_are_or_on_the_order_of_models():
    rng = np.random.default_rng(3)
    elpd_i = -70.0 + rng.normal(size=(150, 3))
    weights = stacking_weights(elpd_i)
    assert weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(stacking_weights(elpd_i - 7_000.0), weights, atol=1e-6)
    np.testing.assert_allclose(stacking_weights(elpd_i[:, ::-1])[::-1], weights, atol=1e-3)


def test_one_model_has_all_the_weight():
    np.testing.assert_array_equal(stacking_weights(np.full((5, 1), -70.0)), [1.0])
