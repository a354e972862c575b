"""Predictions against closed forms, limits, and stores and weeks that were held out."""

import json

import fits_for_comparisons as gibbs
import numpy as np
import oracles
import pandas as pd
import pytest
from fits_by_hand import fit_of
from scipy.special import ndtr
from scipy.stats import norm

import bayesmix.known_stores
import bayesmix.predict
from bayesmix.fitted import Fit
from bayesmix.predict import NEW_STORE, predict
from bayesmix.price_rows import price_rows
from em.errors import InputError
from em.statistics import build, merge

NAMES = ("intercept", "log_price")
PRICES = np.array([1.5, 3.0, 6.0])
ROWS = np.column_stack([np.ones(3), np.log(PRICES)])
TAIL = 0.055


def statistics(seed=0, stores=5, weeks=(3, 9)):
    rows = oracles.draw_rows(np.random.default_rng(seed), stores, 2, weeks=weeks)
    return build(rows.store, rows.x, rows.y, stores)


def segments(n=50, k=3, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "weight": rng.dirichlet(3.0 * np.ones(k), n),
        "theta": np.array([10.0, -1.4]) + 0.5 * rng.normal(size=(n, k, 2)),
        "sigma": rng.uniform(0.4, 0.9, (n, k)),
    }


def continuum(n=50, seed=0):
    rng = np.random.default_rng(seed)
    factor = 0.4 * rng.normal(size=(n, 2, 2))
    return {
        "mu": np.array([10.0, -1.4]) + 0.3 * rng.normal(size=(n, 2)),
        "omega": factor @ np.swapaxes(factor, 1, 2),
        "sigma": rng.uniform(0.4, 0.9, n),
    }


def test_one_segment_with_sigma_fixed_is_the_conjugate_regression():
    """theta ~ N(m, C): log sales are N(x'm, x'Cx), a week's N(x'm, x'Cx + 1), whichever store."""
    n, rng = 40_000, np.random.default_rng(1)
    m, C = gibbs.conjugate(statistics(), np.ones(5, dtype=bool))
    theta = rng.multivariate_normal(m, C, n)
    fit = fit_of(statistics(), NAMES, weight=np.ones((n, 1)), theta=theta[:, None], sigma=np.ones((n, 1)))
    found = predict(fit, PRICES, ["C"], new_store=True)
    center, sd = ROWS @ m, np.sqrt(np.einsum("jp,pq,jq->j", ROWS, C, ROWS))
    week = np.sqrt(sd**2 + 1.0)
    z = norm.ppf(1.0 - TAIL)
    for store in ("C", NEW_STORE):
        one = found.sel(store=store)
        np.testing.assert_allclose(one["log_sales"], center, atol=0.01)
        np.testing.assert_allclose(one["log_sales_lower"], center - z * sd, atol=0.02)
        np.testing.assert_allclose(one["log_sales_upper"], center + z * sd, atol=0.02)
        np.testing.assert_allclose(one["mean_sales"], np.exp(center + 0.5 * sd**2 + 0.5), rtol=0.02)
        np.testing.assert_allclose(np.log(one["mean_sales_upper"]), center + z * sd + 0.5, atol=0.02)
        np.testing.assert_allclose(np.log(one["week_sales"]), center, atol=0.02)
        np.testing.assert_allclose(np.log(one["week_sales_lower"]), center - z * week, atol=0.03)
        np.testing.assert_allclose(np.log(one["week_sales_upper"]), center + z * week, atol=0.03)


def test_a_new_store_of_a_mixture_is_the_weighted_mixture():
    draws = segments(4000)
    found = predict(fit_of(statistics(), NAMES, **draws), PRICES, new_store=True).sel(store=NEW_STORE)
    center = np.einsum("dkp,jp->jdk", draws["theta"], ROWS)
    np.testing.assert_allclose(found["log_sales"], (draws["weight"] * center).sum(2).mean(1), rtol=1e-12)
    average = np.exp(center + 0.5 * draws["sigma"] ** 2)
    np.testing.assert_allclose(found["mean_sales"], (draws["weight"] * average).sum(2).mean(1), rtol=1e-12)
    for name, share in (("week_sales_lower", TAIL), ("week_sales", 0.5), ("week_sales_upper", 1.0 - TAIL)):
        below = ndtr((np.log(found[name].values)[:, None, None] - center) / draws["sigma"])
        np.testing.assert_allclose((draws["weight"] * below).sum(2).mean(1), share, atol=0.01)
    for name, share in (("mean_sales_lower", TAIL), ("mean_sales_upper", 1.0 - TAIL)):
        below = average <= found[name].values[:, None, None]
        np.testing.assert_allclose((draws["weight"] * below).sum(2).mean(1), share, atol=0.012)


def test_a_new_store_of_the_continuum_is_a_draw_of_the_population():
    draws = continuum(4000)
    found = predict(fit_of(statistics(), NAMES, **draws), PRICES, new_store=True, seed=1).sel(store=NEW_STORE)
    center = draws["mu"] @ ROWS.T
    variance = np.einsum("jp,dpq,jq->dj", ROWS, draws["omega"], ROWS)
    sigma = draws["sigma"][:, None]
    np.testing.assert_allclose(found["log_sales"], center.mean(0), rtol=1e-12)
    mean = np.exp(center + 0.5 * variance + 0.5 * sigma**2).mean(0)
    np.testing.assert_allclose(found["mean_sales"], mean, rtol=1e-12)
    for name, share, sd in (("log_sales_lower", TAIL, np.sqrt(variance)), ("log_sales_upper", 1 - TAIL, variance**0.5)):
        np.testing.assert_allclose(ndtr((found[name].values - center) / sd).mean(0), share, atol=0.01)
    sd = np.sqrt(variance + sigma**2)
    for name, share in (("week_sales_lower", TAIL), ("week_sales", 0.5), ("week_sales_upper", 1.0 - TAIL)):
        np.testing.assert_allclose(ndtr((np.log(found[name].values) - center) / sd).mean(0), share, atol=0.01)


def test_a_new_store_of_a_mixture_of_normals_is_their_weighted_mixture():
    parts = [continuum(4000, seed=seed) for seed in (1, 2)]
    draws = {name: np.stack([part[name] for part in parts], axis=1) for name in parts[0]}
    draws["mu"][:, 1] += [2.0, 1.0]
    draws["weight"] = np.tile([0.3, 0.7], (4000, 1))
    found = predict(fit_of(statistics(), NAMES, **draws), PRICES, new_store=True).sel(store=NEW_STORE)
    center = np.einsum("dkp,jp->jdk", draws["mu"], ROWS)
    variance = np.einsum("jp,dkpq,jq->jdk", ROWS, draws["omega"], ROWS)
    mean = (draws["weight"] * np.exp(center + 0.5 * variance + 0.5 * draws["sigma"] ** 2)).sum(2).mean(1)
    np.testing.assert_allclose(found["mean_sales"], mean, rtol=1e-12)
    for name, share in (("log_sales_lower", TAIL), ("log_sales_upper", 1.0 - TAIL)):
        below = ndtr((found[name].values[:, None, None] - center) / np.sqrt(variance))
        np.testing.assert_allclose((draws["weight"] * below).sum(2).mean(1), share, atol=0.01)


def test_one_normal_is_the_continuum():
    draws = continuum()
    one = fit_of(statistics(), NAMES, **draws)
    many = fit_of(statistics(), NAMES, weight=np.ones((50, 1)), **{name: v[:, None] for name, v in draws.items()})
    for name, value in predict(one, PRICES, one.stores, new_store=True).data_vars.items():
        np.testing.assert_allclose(predict(many, PRICES, one.stores, new_store=True)[name], value, rtol=1e-12)


@pytest.mark.parametrize("draws", [segments(), continuum()], ids=["mixture", "hierarchical"])
def test_a_store_without_weeks_is_a_new_store(draws):
    stats = statistics()
    for field in (stats.n, stats.xtx, stats.b, stats.rss):
        field[1] = 0.0
    found = predict(fit_of(stats, NAMES, **draws), PRICES, ["B", "C"], new_store=True)
    for name in ("log_sales", "mean_sales"):
        np.testing.assert_allclose(found[name].sel(store="B"), found[name].sel(store=NEW_STORE), rtol=1e-12)
        assert np.abs(found[name].sel(store="C") / found[name].sel(store=NEW_STORE) - 1.0).max() > 1e-3


def test_a_store_with_many_weeks_keeps_its_own_regression():
    stats, draws = statistics(), continuum(400)
    often = stats._replace(n=stats.n * 1e9, xtx=stats.xtx * 1e9, rss=stats.rss * 1e9)
    found = predict(fit_of(often, NAMES, **draws), PRICES)
    np.testing.assert_allclose(found["log_sales"], stats.b @ ROWS.T, atol=1e-4)
    assert float((found["log_sales_upper"] - found["log_sales_lower"]).max()) < 0.01
    np.testing.assert_allclose(
        found["mean_sales"], np.exp(stats.b @ ROWS.T) * np.exp(0.5 * draws["sigma"] ** 2).mean(), rtol=1e-3
    )


def test_a_week_is_that_of_draws_made_one_by_one():
    """Segment, coefficients and noise drawn with loops and full matrices for one store."""
    rows = oracles.draw_rows(np.random.default_rng(4), 3, 2, weeks=(2, 4))
    stats, draws = build(rows.store, rows.x, rows.y, 3), segments(60, seed=4)
    fit = fit_of(stats, NAMES, **draws)
    rng, weeks = np.random.default_rng(9), []
    for d in range(60):
        density = oracles.log_density_by_rows(rows, draws["theta"][d], draws["sigma"][d])
        share = oracles.posterior(draws["weight"][d], density)[1]
        for k in rng.choice(3, 4000, p=share):
            weeks.append(draws["theta"][d, k] @ ROWS[1] + draws["sigma"][d, k] * rng.standard_normal())
    many = {name: np.repeat(value, 100, axis=0) for name, value in draws.items()}
    found = predict(fit_of(stats, NAMES, **many), PRICES, "B").isel(store=0, price=1)
    assert float(found["mean_sales"]) == pytest.approx(np.exp(weeks).mean(), rel=0.02)
    got = np.log([found["week_sales_lower"], found["week_sales"], found["week_sales_upper"]])
    np.testing.assert_allclose(got, np.quantile(weeks, [TAIL, 0.5, 1 - TAIL]), atol=0.03)
    assert float(predict(fit, PRICES, "B")["log_sales"][0, 1]) == pytest.approx(float(found["log_sales"]), rel=1e-12)


def test_weeks_and_stores_held_out_are_covered():
    """89 % intervals over many panels: another week of known stores, and stores that were not in the panel."""
    rng = np.random.default_rng(20)
    inside = {(model, kind): [] for model in ("mixture", "hierarchical") for kind in ("known", "new")}
    for seed in range(12):
        for model in ("mixture", "hierarchical"):
            draw = gibbs.segmented if model == "mixture" else gibbs.continuous
            theta = draw(60, seed=100 + seed)
            data = gibbs.panel(theta[:30], weeks=8, seed=seed)
            tree = (
                gibbs.mixture_tree(data, 3, chains=1, draws=200, seed=seed)
                if model == "mixture"
                else gibbs.hierarchical_tree(data, chains=1, draws=200, seed=seed)
            )
            price = np.exp(rng.normal(0.9, 0.5, 3))
            week = theta @ np.column_stack([np.ones(3), np.log(price)]).T + rng.normal(size=(60, 3))
            fit = Fit(tree, model)
            known = predict(fit, price, fit.stores)
            new = predict(fit, price, new_store=True)
            for kind, found, y in (("known", known, week[:30]), ("new", new, week[30:])):
                low, high = np.log(found["week_sales_lower"].values), np.log(found["week_sales_upper"].values)
                inside[model, kind].append((low <= y) & (y <= high))
    for case, hits in inside.items():
        every = np.array(hits)  # (panel, store, week); weeks of a store and stores of a panel share what is not known
        se = every.mean((1, 2)).std(ddof=1) / np.sqrt(len(every))
        binomial = np.sqrt(0.89 * 0.11 / every.size)
        assert abs(every.mean() - 0.89) < 3.5 * max(se, binomial), f"{case}: {every.mean():.3f}"


@pytest.mark.parametrize("model", ["mixture", "hierarchical"])
def test_what_stores_average_is_covered_where_the_population_is_known(model):
    """Stores drawn from the parameters that every draw has: known stores and new ones both are covered exactly."""
    rng, n = np.random.default_rng(8), 3000
    if model == "mixture":
        draws = {"weight": gibbs.WEIGHT, "theta": gibbs.THETA, "sigma": np.full(3, 0.8)}
        theta = gibbs.segmented(n, seed=4)
    else:
        draws = {"mu": gibbs.MU, "omega": gibbs.OMEGA, "sigma": np.float64(0.8)}
        theta = gibbs.continuous(n, seed=4)
    x = np.column_stack([np.ones(n * 3), rng.normal(0.9, 0.5, n * 3)])
    store = np.repeat(np.arange(n), 3)
    y = np.einsum("rp,rp->r", x, theta[store]) + 0.8 * rng.standard_normal(n * 3)
    fit = fit_of(build(store, x, y, n), NAMES, **{name: np.repeat(v[None], 400, 0) for name, v in draws.items()})
    truth = theta @ [1.0, np.log(2.5)]
    for found in (predict(fit, 2.5), predict(fit, 2.5, new_store=True)):
        one = found.isel(price=0)
        inside = (one["log_sales_lower"].values - 1e-9 <= truth) & (truth <= one["log_sales_upper"].values + 1e-9)
        average = np.exp(truth + 0.5 * 0.8**2)
        of_mean = (one["mean_sales_lower"].values <= average * (1 + 1e-9)) & (
            average * (1 - 1e-9) <= one["mean_sales_upper"].values
        )
        np.testing.assert_array_equal(of_mean, inside)
        error = 3.5 * np.sqrt(0.89 * 0.11 / n) + 0.01  # ends are of 400 draws
        if model == "mixture":  # three values: an interval holds at least its share
            assert inside.mean() > 0.89 - error
        else:
            assert abs(inside.mean() - 0.89) < error


def test_stores_do_not_depend_on_those_asked_for_beside_them(monkeypatch):
    fit = fit_of(statistics(), NAMES, **continuum())
    every = predict(fit, PRICES, fit.stores, new_store=True)
    monkeypatch.setattr(bayesmix.predict, "chunks_of_stores", lambda n, draws: [slice(i, i + 1) for i in range(n)])
    one = predict(fit, PRICES[1:2], ["D"])
    for name in every.data_vars:
        assert float(one[name][0, 0]) == pytest.approx(float(every[name].sel(store="D")[1]), rel=1e-12)
    assert float(predict(fit, PRICES, ["D"], seed=1)["week_sales"][0, 0]) != float(
        every["week_sales"].sel(store="D")[0]
    )


def test_chunks_hold_a_bounded_number_of_values():
    draws = fit_of(statistics(), NAMES, **segments(100, 4)).draws
    chunks = bayesmix.known_stores.chunks_of_stores(50, draws, most=4000)
    assert [s.stop - s.start for s in chunks] == [10] * 5
    assert [s.stop - s.start for s in bayesmix.known_stores.chunks_of_stores(3, draws, most=1)] == [1, 1, 1]


def test_more_weeks_of_a_store_narrow_its_interval():
    stats = statistics()
    wide, narrow = (predict(fit_of(s, NAMES, **continuum()), 3.0) for s in (stats, merge(stats, stats)))
    width = [float((p["log_sales_upper"] - p["log_sales_lower"]).mean()) for p in (wide, narrow)]
    assert width[1] < 0.9 * width[0]


def test_the_result_says_what_it_is():
    fit = fit_of(statistics(), NAMES, modes=[0.75, 0.25], reasons=["R-hat is 2"], **segments())
    found = fit.predict(PRICES, ["A"], new_store=True, interval=0.5)
    assert found.sizes == {"store": 2, "price": 3}
    assert list(found["store"].values) == ["A", NEW_STORE]
    assert list(found["unit"].values) == ["a known store, given its weeks", "a store not yet seen"]
    assert (found.attrs["interval"], found.attrs["interval_kind"]) == (0.5, "equal-tailed")
    assert (found.attrs["trusted"], json.loads(found.attrs["warnings"])) == (0, ["R-hat is 2"])
    assert "the heaviest of 2, with 75.0%" in found.attrs["mode"]
    assert found.attrs["model"] == "mixture"
    assert list(fit.predict(3.0)["store"].values) == list(fit.stores)
    assert list(fit.predict(3.0, new_store=True)["store"].values) == [NEW_STORE]
    narrow, wide = (fit.predict(3.0, "A", interval=level) for level in (0.5, 0.9))
    assert float(narrow["week_sales_lower"][0, 0]) > float(wide["week_sales_lower"][0, 0])


def test_a_prediction_can_be_written(tmp_path):
    fit_of(statistics(), NAMES, **segments()).predict(PRICES).to_netcdf(tmp_path / "prediction.nc", engine="netcdf4")


def test_prices_beyond_those_of_the_panel_are_marked():
    fit = fit_of(statistics(), NAMES, **segments())
    constant = fit.tree["constant_data"].to_dataset()
    constant["column_min"], constant["column_max"] = ("coefficient", [1.0, 0.0]), ("coefficient", [1.0, np.log(4.0)])
    fit.tree["constant_data"].dataset = constant
    assert list(predict(fit, [0.9, 1.0, 4.0, 4.1])["outside"].values) == [True, False, False, True]


@pytest.mark.parametrize("wrong", [0.0, 1.0, 89])
def test_an_interval_is_a_probability(wrong):
    with pytest.raises(InputError, match="between 0 and 1"):
        predict(fit_of(statistics(), NAMES, **segments()), PRICES, interval=wrong)


def test_a_store_that_is_not_there_is_named_with_its_neighbours():
    fit = fit_of(statistics(stores=30), NAMES, **segments())
    with pytest.raises(InputError, match=r"no store 'S300' in the fit; did you mean S30"):
        predict(fit, PRICES, ["S1", "S300"])
    with pytest.raises(InputError, match=r"no store 's2' in the fit; did you mean S2, S20, S21"):
        predict(fit, PRICES, "s2")
    with pytest.raises(InputError, match=r"its stores are S1, S2, .*30 in all"):
        predict(fit, PRICES, "Quebec")
    with pytest.raises(InputError, match="no store to predict"):
        predict(fit, PRICES, [])


# Rows of prices and covariates.

FORMULA = ("intercept", "log_price", "DISP", "log_price:DISP", "sqrt(size)")


def test_rows_are_those_of_the_design():
    found = price_rows({"price": [2.0, 4.0], "disp": 0.5, "size": [4.0, 9.0], "week": [1, 2]}, None, FORMULA)
    log = np.log([2.0, 4.0])
    np.testing.assert_allclose(found.x, np.column_stack([[1, 1], log, [0.5, 0.5], 0.5 * log, [2.0, 3.0]]))
    assert set(found.given) == {"price", "disp", "size"}
    frame = pd.DataFrame({"Price": [2.0, 4.0], "DISP": [0.5, 0.5], "size": [4.0, 9.0]})
    np.testing.assert_allclose(price_rows(frame, None, FORMULA).x, found.x)
    beside = price_rows([2.0, 4.0], {"DISP": 0.5, "size": [4.0, 9.0]}, FORMULA)
    np.testing.assert_allclose(beside.x, found.x)
    direct = price_rows(3.0, {"C(region)[T.b]": 1}, ("intercept", "log_price", "C(region)[T.b]"))
    np.testing.assert_allclose(direct.x, [[1.0, np.log(3.0), 1.0]])
    assert price_rows(pd.Series([1.0, 2.0]), None, NAMES).x.shape == (2, 2)
    np.testing.assert_allclose(price_rows({"log_price": 1.2}, None, NAMES).x, [[1.0, 1.2]])


@pytest.mark.parametrize(
    ("prices", "covariates", "coefficients", "told"),
    [
        (0.0, None, NAMES, "price is 0; expected a number above zero"),
        ([2.0, -1.0], None, NAMES, "price is -1; expected a number above zero"),
        ([2.0, np.nan], None, NAMES, "price: value 2 is nan"),
        ("dear", None, NAMES, "price: 'dear' is no number"),
        ([], None, NAMES, "price: has shape"),
        ([[1.0, 2.0]], None, NAMES, "expected one number or a row of them"),
        ([2.0], None, (*NAMES, "display"), "no values of display; expected them beside price"),
        ({"display": 1.0}, None, (*NAMES, "display"), "no values of price, which log_price needs"),
        ({}, None, NAMES, "no values of price, which log_price needs; expected them beside nothing"),
        ([2.0], None, (*NAMES, "log_price:display"), "no values of display, which log_price:display needs"),
        ([2.0], {"display": 0}, (*NAMES, "center(display)"), "expected a column called 'center(display)'"),
        ([2.0], {"display": -1}, (*NAMES, "sqrt(display)"), "display is -1; expected one that has a sqrt"),
        ([2.0], {"dsplay": 0}, NAMES, "covariate dsplay is none of the fit's; its coefficients are intercept, log_p"),
        ({"price": 2.0}, {"price": 1.0}, NAMES, "price is given twice"),
        ([1.0, 2.0, 3.0], {"display": [0, 1]}, (*NAMES, "display"), "display has 2 values and price 3"),
    ],
)
def test_rows_that_cannot_be_are_refused(prices, covariates, coefficients, told):
    with pytest.raises(InputError) as wrong:
        price_rows(prices, covariates, coefficients)
    assert told in str(wrong.value)


def test_a_known_store_of_the_new_stores_name_is_not_mistaken_for_it(monkeypatch):
    monkeypatch.setattr("bayesmix.predict.NEW_STORE", "A")
    fit = fit_of(statistics(), NAMES, **continuum())
    with pytest.raises(InputError, match="a store of the panel is called 'A'"):
        predict(fit, PRICES, ["B", "A"], new_store=True)
    assert list(predict(fit, PRICES, ["B"], new_store=True)["store"].values) == ["B", "A"]
