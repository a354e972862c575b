"""How much is drawn."""

from dataclasses import dataclass

LEAST = {"draws": 4, "tune": 1, "chains": 1, "seed": 0}  # four draws have a variance in each half


@dataclass(frozen=True)
class Settings:
    """How many draws: kept and tuning ones of each chain, the chains, and the seed that fixes them all."""

    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    seed: int = 0
