"""What is singular about a covariance between stores, in words."""

from collections.abc import Sequence

import numpy as np

from em.statistics import Floats, Ints

NO_VARIANCE = 1e-10  # share of sigma^2, in panel units, below which a direction of Omega counts as zero
PERFECT = 1e-8  # distance of a correlation from 1 or -1 below which it counts as perfect


def singularities(omega: Floats, rank: int, random: Ints, names: Sequence[str]) -> tuple[str, ...]:
    """Sentences that name zero variances, perfect correlations, or else combinations that do not vary.

    Parameters
    ----------
    omega : (coefficient, coefficient), exactly of the given rank on the random coefficients.
    rank : how many independent directions the stores' coefficients vary in.
    random : positions of the random coefficients.
    """
    if rank == random.size:
        return ()
    sd = np.sqrt(np.diagonal(omega))
    # A variance is zero next to the largest only by rounding: rank tells how many directions there are at all.
    varies = [a for a in random if rank and sd[a] > 0.0]
    told = [f"the variance of {names[a]} between stores is zero" for a in random if a not in varies]
    pairs = 0
    for j, a in enumerate(varies):
        for c in varies[:j]:
            correlation = float(omega[a, c] / (sd[a] * sd[c]))
            if 1.0 - abs(correlation) < PERFECT:
                told.append(f"{names[c]} and {names[a]} of stores are perfectly correlated ({round(correlation):+d})")
                pairs += 1
    if len(varies) > rank and not pairs:
        told.append(
            f"stores differ in {rank} directions only: a combination of {', '.join(str(names[a]) for a in varies)} "
            "does not vary between them"
        )
    return tuple(told)
