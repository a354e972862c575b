"""Simulation-based calibration of the posteriors, and whether it would notice a model that is wrong.

The fast tests read the ranks that `python tests/calibration.py` left in tests/calibration/; the slow ones fit anew.
"""

from dataclasses import replace

import calibration
import numpy as np
import pytest
from calibration_settings import DEFAULT, FAMILIES, SETTINGS, WRONG, WRONG_FAMILIES, Setting, draw_panel
from scipy.stats import binom, norm

FITS = 200
RIGHT, EVERY = SETTINGS | FAMILIES, SETTINGS | FAMILIES | WRONG | WRONG_FAMILIES
KEPT = {name: calibration.file_of(name) for name in EVERY}


@pytest.fixture(scope="module")
def kept():
    """Ranks of every setting, as they were written last."""
    return {name: calibration.read_ranks(path) for name, path in KEPT.items()}


@pytest.fixture(scope="module")
def fitted():
    """Fits of a setting, made once."""
    made = {}

    def fits(name):
        if name not in made:
            made[name] = calibration.calibrate(EVERY[name], EVERY[name].fits)
        return made[name]

    return fits


@pytest.fixture(scope="module")
def outside(kept):
    """The p-value below which a quantity is outside, by setting: the study of families has one of its own."""
    limits = [calibration.limit(kept[name] for name in study) for study in (SETTINGS, FAMILIES)]
    return {name: limits[name in FAMILIES | WRONG_FAMILIES] for name in EVERY}


def test_ranks_that_are_uniform_stay_inside_a_band_as_often_as_it_says():
    rng = np.random.default_rng(5)
    found = [calibration.p_values({"": rng.integers(calibration.KEPT + 1, size=FITS)}, seed)[""] for seed in range(400)]
    for level in (0.05, 0.2, 0.5):
        assert abs(np.mean(np.array(found) < level) - level) < 4.0 * np.sqrt(level * (1.0 - level) / 400)


@pytest.mark.parametrize(
    ("shift", "factor"), [(0.5, 1.0), (0.0, 1.6), (0.0, 0.6)], ids=["to one side", "too narrow", "too wide"]
)
def test_a_posterior_off_by_half_a_standard_deviation_leaves_the_band(shift, factor, outside):
    """Departures that 300 fits show almost surely; what they show less surely stands in results.md."""
    share = norm.cdf(shift + factor * np.random.default_rng(6).standard_normal(300))
    rank = np.floor((calibration.KEPT + 1) * share)
    assert calibration.p_values({"": rank})[""] < outside["K = 2, sigma fixed"]


@pytest.mark.parametrize("name", RIGHT)
def test_ranks_kept_are_uniform(name, kept, outside):
    assert all(len(ranks) >= RIGHT[name].fits for ranks in kept[name].values())
    found = calibration.p_values(kept[name])
    assert min(found.values()) > outside[name], found


@pytest.mark.parametrize("name", WRONG | WRONG_FAMILIES)
def test_ranks_kept_of_wrong_models_are_not(name, kept, outside):
    assert min(calibration.p_values(kept[name]).values()) < outside[name]


@pytest.mark.parametrize(
    "setting",
    [
        SETTINGS["K = 3, sigma segment"],
        Setting(3, "common", DEFAULT, differ=True),
        replace(FAMILIES["poisson, K = 2"], k=3),
    ],
    ids=["mixture", "mixture of normals", "counts"],
)
def test_a_truth_and_its_draws_are_ordered_by_the_same_rule(setting):
    truth, panel = draw_panel(np.random.default_rng(0), setting)
    names = [name for name, values in truth._asdict().items() if values is not None]
    exchanged = truth._replace(**{name: getattr(truth, name)[:, [2, 0, 1]] for name in names})
    found = calibration.quantities(exchanged, panel, setting)
    for name, value in calibration.quantities(truth, panel, setting).items():
        assert found[name] == pytest.approx(value, rel=1e-12), name


def test_fits_that_are_kept_are_not_made_again(tmp_path, monkeypatch):
    made = []

    def rank_one(setting, seed):
        made.append(seed)
        return calibration.Ranked({"sigma": len(made)}, {"sigma": 0.5}, 1, 1.0, ("slow",), 2.0)

    monkeypatch.setattr(calibration, "rank_one", rank_one)
    setting, keep = FAMILIES["gamma, K = 2"], tmp_path / "gamma.jsonl"
    first = calibration.calibrate(setting, 3, 1, keep)
    assert calibration.calibrate(setting, 5, 1, keep)[:3] == first
    assert len(made) == len(set(made)) == 5


def test_every_setting_has_panels_of_its_own():
    assert len({setting.seed for setting in EVERY.values()}) == len(EVERY)


@pytest.mark.slow
@pytest.mark.parametrize("name", RIGHT)
def test_ranks_are_uniform(name, fitted, outside):
    found = calibration.p_values(calibration.ranks_of(fitted(name)))
    assert min(found.values()) > outside[name], found


@pytest.mark.slow
@pytest.mark.parametrize("name", RIGHT)
def test_intervals_hold_the_truth_as_often_as_they_say(name, fitted, outside):
    for level in calibration.LEVELS:
        fits, tail = RIGHT[name].fits, 0.5 * outside[name]
        low, high = binom.ppf([tail, 1.0 - tail], fits, level) / fits
        covered = calibration.coverage(fitted(name), level)
        assert min(covered.values()) >= low, covered
        assert max(covered.values()) <= high, covered


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG | WRONG_FAMILIES)
def test_a_wrong_model_is_noticed(name, fitted, outside):
    assert min(calibration.p_values(calibration.ranks_of(fitted(name))).values()) < outside[name]
