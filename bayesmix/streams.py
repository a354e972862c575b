"""Independent streams of random numbers from one seed: one for each purpose, so that no two share their numbers."""

import numpy as np

PURPOSES = (
    "chain",
    "start",
    "hops",
    "evidence",
    "prior",
    "prior predictive",
    "folds",
    "start without stores",
    "start tempered",
    "coefficients of stores",
    "rates of stores",
)


def stream(seed: int, purpose: str, *number: int) -> np.random.SeedSequence:
    """The stream of a purpose, or of its parts by their numbers, such as a chain's.

    Raises
    ------
    ValueError
        When the purpose is none of `PURPOSES`; its place there is its key, so new ones go last.
    """
    return np.random.SeedSequence(seed, spawn_key=(PURPOSES.index(purpose), *number))
