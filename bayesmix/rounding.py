"""Numbers as a reader should see them: no more digits than their uncertainty carries."""

import math
from collections.abc import Sequence

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
SPELT = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def decimals(error: float) -> int:
    """Decimals that leave two significant digits of a standard error, and never round to tens."""
    if not math.isfinite(error) or error <= 0.0:
        return 2
    return max(0, 1 - math.floor(math.log10(error)))


def fixed(value: float | None, digits: int) -> str:
    """A number with so many decimals, thousands parted, with a true minus sign and none before zero."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{value:,.{digits}f}"
    if text.startswith("-"):
        text = text[1:] if not text.strip("-0.,") else MINUS + text[1:]
    return text


def by_error(value: float | None, error: float | None) -> str:
    """A number with the decimals that its standard error carries."""
    return fixed(value, decimals(error) if error is not None else 2)


def figures(value: float, significant: int = 3) -> str:
    """A number of which only the size matters, with so many significant digits."""
    if value == 0.0 or not math.isfinite(value):
        return fixed(value, 0)
    digits = significant - 1 - math.floor(math.log10(abs(value)))
    return fixed(round(value, digits), max(digits, 0))


def by_ratio(value: float, low: float, high: float) -> str:
    """A positive number with the digits that an interval of it carries, as two of a wide one."""
    width = math.log(high / low) if 0.0 < low < high else 1.0
    return figures(value, min(max(2, 2 + math.floor(-math.log10(width))), 6))


def percent(share: float) -> str:
    """A share as whole per cent, and "<1 %" or ">99 %" rather than none or all."""
    if 0.0 < share < 0.005:
        return "<1 %"
    if 0.995 < share < 1.0:
        return ">99 %"
    return f"{share:.0%}".replace("%", " %")


def shares(parts: Sequence[float]) -> list[str]:
    """Parts of a whole as per cent that sum to 100: by the largest remainder, "<1 %" and ">99 %" as in `percent`.

    Parameters
    ----------
    parts : not negative, with a sum of 1 but for rounding.
    """
    exact = [100.0 * part / sum(parts) for part in parts]
    whole = [math.floor(value + 1e-9) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: whole[i] - exact[i])
    for i in by_remainder[: 100 - sum(whole)]:
        whole[i] += 1
    said = []
    for value, rounded in zip(exact, whole, strict=True):
        edge = "<1 %" if rounded == 0 and value > 1e-4 else ">99 %" if rounded == 100 and value < 100.0 - 1e-4 else ""
        said.append(edge or f"{rounded} %")
    return said


def spelt(count: int) -> str:
    """A small count in letters."""
    return SPELT[count] if 0 <= count < len(SPELT) else str(count)


def listed(words: list[str]) -> str:
    """Words in a row: a, b and c."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else ""
