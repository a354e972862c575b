"""What is left of single weeks: against the rows, with weeks and trends put in, and the panel read again."""

import numpy as np
import pandas as pd
import pytest
from fits_for_comparisons import continuous, hierarchical_tree, mixture_tree, panel, segmented, write_fit
from numpy.testing import assert_allclose
from scipy.special import ndtr, ndtri

import bayesmix
from bayesmix.fitted import Fit
from bayesmix.panel_of_fit import panel_of
from bayesmix.pictures_of_residuals import fitted_picture, quantiles_picture, weeks_picture
from bayesmix.report import command, report
from bayesmix.report_weeks import week_by_week
from bayesmix.svg import inline_svg
from bayesmix.week_residuals import LEVELS, Residuals, against_normal, bands, by_week, residuals
from em.errors import InputError
from em.panel import Panel, read_panel


@pytest.fixture(scope="module")
def segments():
    data = panel(segmented(30), seed=3)
    return data, Fit(mixture_tree(data, 3, draws=60), "mixture K=3")


def test_residuals_are_log_sales_less_the_curve_of_the_store(segments):
    data, fit = segments
    found = residuals(fit, data)
    theta, share = fit.by_store["coefficients"].values, fit.by_store["membership"].values
    for row in (0, 400, 899):
        store = data.store[row]
        left = data.y[row] - (theta[store, 0] + theta[store, 1] * data.x[row, 1])
        assert found.left[row] == pytest.approx(left, rel=1e-9)
        assert found.z[row] == pytest.approx(left / fit.draws.sigma.mean(0)[share[store].argmax()], rel=1e-9)
        assert found.segment[row] == share[store].argmax()
    scatter = week_by_week(fit, data).scatter
    assert sum(one.rows for one in scatter) == 900
    assert all(abs(one.sd - 1.0) < 4.0 * one.sd_error for one in scatter)


def rows_of(z, k=1, seed=0):
    rng = np.random.default_rng(seed)
    return Residuals(rng.normal(9.0, 1.0, z.size), z, z, rng.integers(0, k, z.size))


def test_bands_of_normal_residuals_lie_at_its_quantiles_and_a_bend_shows():
    z = np.random.default_rng(1).normal(size=200_000)
    band = bands(rows_of(z), 1)[0]
    assert band.quantiles.shape == (5, 30)
    assert np.all(np.diff(band.at) > 0.0)
    assert_allclose(band.quantiles, np.broadcast_to(ndtri(LEVELS)[:, None], (5, 30)), atol=0.06)
    found = rows_of(z)
    bent = found._replace(z=z + (found.fitted - 9.0) ** 2)
    assert bands(bent, 1)[0].quantiles[2][[0, 15, -1]].tolist() == pytest.approx([4.0, 0.0, 4.0], abs=1.5)
    first = np.sort(found.fitted)[: 200_000 // 30]
    assert band.at[0] == pytest.approx(np.median(first), abs=1e-3)


def test_segments_with_few_rows_have_no_band():
    found = rows_of(np.random.default_rng(1).normal(size=1000))
    assert set(bands(found._replace(segment=np.where(np.arange(1000) < 950, 0, 1)), 2)) == {0}


def test_ordered_residuals_of_a_normal_are_on_the_diagonal_and_every_end_is_drawn():
    z = np.random.default_rng(2).normal(size=50_000)
    expected, found = against_normal(z)
    assert expected.size < 250
    assert expected[0] == pytest.approx(ndtri(0.5 / 50_000), rel=1e-12)
    assert_allclose(found[30:-30], expected[30:-30], atol=0.05)
    assert_allclose(found[[0, 1, -1]], np.sort(z)[[0, 1, -1]])
    assert against_normal(z[:5])[0].size == 5


def moved(data, shift):
    """The same panel with log sales moved, week by week."""
    return Panel(data.stores, data.weeks, data.coefficients, data.store, data.week, data.x, data.y + shift[data.week],
                 data.file, data.sha256)  # fmt: skip


def test_a_week_unlike_the_others_is_named_and_no_other():
    data = panel(continuous(60), weeks=40, seed=4)
    shift = np.zeros(40)
    shift[17] = -1.2
    unlike = moved(data, shift)
    fit = Fit(hierarchical_tree(unlike, draws=60), "hierarchical")
    found = by_week(residuals(fit, unlike), unlike, fit.draws.sigma.mean(0))
    assert found.unusual.tolist() == [17]
    assert 1.0 - (2.0 * ndtr(found.limit) - 1.0) ** 40 == pytest.approx(0.01, rel=0.01)  # any of the weeks
    assert_allclose(found.error, 1.0 / np.sqrt(60))
    assert found.mean[17] == pytest.approx(-1.2, abs=0.35)
    said = " ".join(week_by_week(fit, unlike).told)
    assert "1 of 40 week lies beyond" in said
    assert "18 (−" in said
    plain = Fit(hierarchical_tree(data, draws=60), "hierarchical")
    assert "None of 40 weeks lies beyond" in " ".join(week_by_week(plain, data).told)


def test_a_trend_is_found_and_none_is_not():
    data = panel(continuous(60), weeks=40, seed=4)
    rising = moved(data, 0.02 * np.arange(40.0))
    fit = Fit(hierarchical_tree(rising, draws=60), "hierarchical")
    found = by_week(residuals(fit, rising), rising, fit.draws.sigma.mean(0))
    assert abs(found.trend - 0.02) < 4.0 * found.trend_error
    assert "Sales rise from week to week" in " ".join(week_by_week(fit, rising).told)
    mean, week = found.mean, found.week.astype(float)
    slope, covariance = np.polyfit(week, mean, 1, cov=True)
    assert found.trend == pytest.approx(slope[0], rel=1e-9)
    assert found.trend_error == pytest.approx(np.sqrt(covariance[0, 0]), rel=1e-9)


def test_pictures_of_many_weeks_stay_small():
    z = np.random.default_rng(1).normal(size=300_000)
    found = rows_of(z)
    data = Panel((), tuple(map(str, range(100))), (), np.zeros(z.size, dtype=int), np.arange(z.size) % 100,
                 np.zeros((0, 0)), z, "", "")  # fmt: skip
    weeks = by_week(found, data, np.ones(1))
    figures = [
        fitted_picture(bands(found, 1)[0]),
        quantiles_picture({0: against_normal(z)}),
        weeks_picture(weeks, data.weeks),
    ]
    for figure in figures:
        assert len(inline_svg(figure, "small", "alt")) < 60_000


@pytest.fixture
def on_disk(tmp_path):
    """A long file with names of its own, and a fit of it."""
    data = panel(segmented(40), seed=6)
    columns = {"shop": [data.stores[s] for s in data.store], "period": data.week + 1, "units": np.exp(data.y),
               "eur": np.exp(data.x[:, 1])}  # fmt: skip
    path = tmp_path / "sales.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    named = {"store": "shop", "week": "period", "sales": "units", "price": "eur"}
    read = read_panel(path, **named)
    assert vars(read.columns) == {**vars(data.columns), **named}
    file = write_fit(mixture_tree(read, 2, draws=60), tmp_path / "fit.nc")
    return path, file, read


def test_the_panel_of_a_fit_is_read_again_as_it_was(on_disk):
    path, file, read = on_disk
    found = panel_of(bayesmix.load(file))
    assert (found.stores, found.weeks, found.coefficients) == (read.stores, read.weeks, read.coefficients)
    for name in ("store", "week", "x", "y"):
        np.testing.assert_array_equal(getattr(found, name), getattr(read, name))
    moved_to = path.rename(path.with_name("moved.csv"))
    np.testing.assert_array_equal(panel_of(bayesmix.load(file), moved_to).y, read.y)


def test_the_page_has_weeks_with_the_file_and_says_why_without_it(on_disk, tmp_path, ended):
    path, file, _ = on_disk
    fit, page = bayesmix.load(file), tmp_path / "page.html"
    whole = report(fit)
    for name in ("fitted-0", "fitted-1", "residuals-normal", "weeks"):
        assert f'class="{name}"' in whole
    assert "No residuals" not in whole
    content = path.read_text()
    path.write_text(content + "\n")
    changed = report(fit)
    assert 'class="weeks"' not in changed
    assert "No residuals of single weeks" in changed
    assert "is not the file that was fitted (its sha256 begins" in changed
    end = ended(command, file, "--data", path, "--out", page)
    assert (end.code, page.exists()) == (2, False)
    assert end.err.startswith(f"error: {path}: is not the file that was fitted")
    path.unlink()
    assert "cannot be read (No such file or directory)" in report(fit)
    moved_to = tmp_path / "moved.csv"
    moved_to.write_text(content)
    assert ended(command, file, "--data", moved_to, "--out", page).code == 0
    assert 'class="weeks"' in page.read_text()


def test_a_fit_that_does_not_name_its_columns_is_told(on_disk):
    _, file, _ = on_disk
    fit = bayesmix.load(file)
    del fit.data["columns"]
    with pytest.raises(InputError, match="does not say which columns"):
        panel_of(fit)
