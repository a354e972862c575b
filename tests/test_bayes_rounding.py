import math

import pytest

from bayesmix.rounding import by_error, figures, fixed, listed, percent, spelt


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-22172.481, 92.7, "−22,172"),
        (169.07, 16.6, "169"),
        (-3.14159, 1.2, "−3.1"),
        (-1.0649, 0.0215, "−1.065"),
        (0.25, 0.0, "0.25"),
        (1.0, math.inf, "1.00"),
        (-0.0004, 0.5, "0.00"),
        (None, None, "–"),
        (math.nan, 1.0, "–"),
    ],
)
def test_a_number_has_the_digits_its_error_carries(value, error, text):
    assert by_error(value, error) == text


@pytest.mark.parametrize(("value", "text"), [(-0.0, "0.0"), (-1234.56, "−1,234.6"), (0.04, "0.0")])
def test_fixed(value, text):
    assert fixed(value, 1) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0 %"), (0.001, "<1 %"), (0.07, "7 %"), (0.9999, ">99 %"), (1.0, "100 %")]
)
def test_percent_never_says_none_or_all_when_it_is_not(share, text):
    assert percent(share) == text


def test_words():
    assert (spelt(3), spelt(14)) == ("three", "14")
    assert [listed(list(w)) for w in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1234567.0, "1,230,000"),
        (-1.2345, "−1.23"),
        (0.000123456, "0.000123"),
        (0.0, "0"),
        (float("nan"), "–"),
        (99.96, "100"),
    ],
)
def test_figures_keep_the_size_of_a_number(value, said):
    assert figures(value).removesuffix(".0") == said
