"""95 % intervals, of estimates that are normal and of shares, and shares in words."""

import math

Z = 1.959964


def wilson(successes: float, trials: float) -> tuple[float, float]:
    """Of a share of independent trials, by the score (Wilson 1927, JASA 22)."""
    share, z2 = successes / trials, Z**2
    middle = (share + z2 / (2.0 * trials)) / (1.0 + z2 / trials)
    half = Z / (1.0 + z2 / trials) * math.sqrt(share * (1.0 - share) / trials + z2 / (4.0 * trials**2))
    return middle - half, middle + half


def percent(share: float) -> str:
    """A share with one decimal."""
    return f"{100.0 * share:.1f}\N{NO-BREAK SPACE}%"
