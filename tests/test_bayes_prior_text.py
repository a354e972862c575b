"""Priors as users type them."""

import pytest

from bayesmix.prior_text import override
from bayesmix.priors import Priors, as_record, from_record, statements
from em.errors import InputError

PLAIN = Priors(("intercept", "log_price", "display"), (9.5, -1.0, 0.0), (3.0, 1.5, 2.5))


def typed(*texts, model="mixture", sigma="common", priors=PLAIN):
    return override(priors, texts, model, sigma)


def test_nothing_typed_changes_nothing():
    assert typed() == PLAIN


def test_each_text_changes_what_it_names_and_nothing_else():
    assert typed("log_price=normal(-2, 0.5)").mean == (9.5, -2.0, 0.0)
    assert typed("log_price=normal(-2, 0.5)").sd == (3.0, 0.5, 2.5)
    assert typed(" intercept = Normal( 1e1,+2 ) ").mean[0] == 10.0
    assert typed("weight=dirichlet(4)").concentration == 4.0
    found = typed("sigma=lognormal(0.5, 0.3)", "display=normal(1, 1)")
    assert (found.sigma_median, found.sigma_log_sd, found.mean[2], found.concentration) == (0.5, 0.3, 1.0, 1.0)
    assert typed("correlation=lkj(4)", model="hierarchical").lkj == 4.0


def test_the_lines_that_are_shown_can_be_typed():
    shown = statements(PLAIN, "mixture", "fixed")
    back = typed(*(f"{name}={line}" for name, line in shown.items() if name != "sigma"), sigma="fixed")
    assert back == PLAIN


@pytest.mark.parametrize("order", [1, -1])
def test_the_spread_of_one_coefficient_goes_before_that_of_all(order):
    texts = ("spread=half-normal(0.5)", "spread[log_price]=halfnormal(0.2)")[::order]
    found = typed(*texts, model="hierarchical")
    assert found.spreads == (0.5, 0.2, 0.5)
    lines = statements(found, "hierarchical", "fixed")
    assert lines["sd of store coefficients[log_price]"] == "half-normal(0.2)"
    assert "sd of store coefficients" not in lines
    assert typed(texts[0 if order == 1 else 1], model="hierarchical").spread == 0.5


def test_a_file_gives_the_priors_back():
    import json

    for priors in (PLAIN, typed("spread[display]=halfnormal(2)", model="hierarchical")):
        assert from_record(json.loads(json.dumps(as_record(priors, "hierarchical", "common")))) == priors


def test_names_of_formulas_and_of_other_quantities_are_coefficients_too():
    odd = Priors(("C(region)[T.a=b]", "weight", "theta[1]"), (0.0,) * 3, (1.0,) * 3)
    assert typed("C(region)[T.a=b]=normal(1, 2)", priors=odd).mean == (1.0, 0.0, 0.0)
    assert typed("theta[weight]=normal(1, 2)", priors=odd).mean == (0.0, 1.0, 0.0)
    assert typed("theta[1]=normal(1, 2)", priors=odd).mean == (0.0, 0.0, 1.0)
    assert typed("weight=dirichlet(2)", priors=odd).concentration == 2.0
    assert typed("weight=normal(1, 2)", priors=odd, model="hierarchical").mean == (0.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("text", "model", "sigma", "told"),
    [
        ("log_prize=normal(0, 1)", "mixture", "fixed", "did you mean log_price?"),
        ("log_prize=normal(0, 1)", "mixture", "fixed", "expected one of intercept, log_price, display, weight;"),
        ("spread[prize]=halfnormal(1)", "hierarchical", "fixed", "no coefficient 'prize'"),
        ("log_price=cauchy(0, 1)", "mixture", "fixed", "the family is cauchy; expected normal(mean, sd)"),
        ("weight=normal(0, 1)", "mixture", "fixed", "expected dirichlet(concentration)"),
        ("log_price=normal(-2)", "mixture", "fixed", "1 numbers; expected 2"),
        ("log_price=normal()", "mixture", "fixed", "0 numbers; expected 2"),
        ("log_price=normal(-2, 0,5)", "mixture", "fixed", "3 numbers; expected 2"),
        ("log_price=normal(-2, 0)", "mixture", "fixed", "the sd is 0; expected a number above zero"),
        ("log_price=normal(x, 1)", "mixture", "fixed", "the mean is 'x'; expected a number"),
        ("log_price=normal(nan, 1)", "mixture", "fixed", "the mean is nan"),
        ("log_price=normal(inf, 1)", "mixture", "fixed", "the mean is inf"),
        ("weight=dirichlet(-1)", "mixture", "fixed", "the concentration is -1"),
        ("sigma=lognormal(1, -1)", "mixture", "common", "the log-sd is -1"),
        ("sigma=lognormal(1, 1)", "mixture", "fixed", "sigma is fixed at 1"),
        ("weight=dirichlet(1)", "hierarchical", "fixed", "the hierarchical model has no weight"),
        ("spread=halfnormal(1)", "mixture", "fixed", "the mixture model has no spread"),
        ("spread[log_price]=halfnormal(1)", "mixture", "fixed", "the mixture model has no spread[log_price]"),
        ("correlation=lkj(2)", "mixture", "fixed", "the mixture model has no correlation"),
        ("log_price", "mixture", "fixed", "cannot be read; expected NAME=FAMILY(NUMBERS)"),
        ("log_price=-2", "mixture", "fixed", "cannot be read"),
        ("=normal(0, 1)", "mixture", "fixed", "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused(text, model, sigma, told):
    with pytest.raises(InputError) as wrong:
        typed(text, model=model, sigma=sigma)
    assert str(wrong.value).startswith(f"prior {text!r}: ")
    assert told in str(wrong.value)


def test_nothing_is_said_twice():
    with pytest.raises(InputError, match="is given twice"):
        typed("log_price=normal(0, 1)", "theta[log_price]=normal(0, 2)")


def test_one_coefficient_has_no_correlation():
    with pytest.raises(InputError, match="has no correlation"):
        typed("correlation=lkj(2)", model="hierarchical", priors=Priors(("log_price",), (0.0,), (1.0,)))
