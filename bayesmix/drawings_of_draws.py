"""What the diagnostic report draws of chains and draws, and of the prior behind them."""

from collections.abc import Iterator

import numpy as np

from bayesmix import pictures_of_draws as of_draws
from bayesmix.diagnose import ESS_PER_CHAIN
from bayesmix.drawings import Drawing, later
from bayesmix.report_contents import Contents
from bayesmix.report_modes import Row
from bayesmix.rounding import by_error, fixed
from bayesmix.uniformity import against_other_chains


def of_chains(c: Contents) -> Iterator[Drawing]:
    """Ranks, effective draws, energy and levels."""
    chains, n = c.fit.posterior.sizes["chain"], c.fit.posterior.sizes["draw"]
    if chains > 1 and c.rows:
        yield from _of_ranks(c.rows)
    if c.rows and n >= 4:
        fewest = min(float(row.summary.ess_bulk) for row in c.rows)
        alt = (
            f"Effective draws against draws: the parameter with fewest ends at {fixed(fewest, 0)} of {chains * n}; "
            f"{ESS_PER_CHAIN * chains} are wanted."
        )
        draws = [row.parameter.draws for row in c.rows]
        yield Drawing("effective", later(of_draws.effective_picture, draws, ESS_PER_CHAIN * chains), alt)
    if "energy" in c.fit.sample_stats:
        energy = c.fit.sample_stats["energy"].transpose("chain", "draw").to_numpy()
        lowest = min(chain.bfmi for chain in c.chains if chain.mode == 1 and chain.bfmi is not None)
        alt = (
            "Two histograms, of the energy of the draws and of its change from one draw to the next; the smallest "
            f"E-BFMI of a chain is {fixed(lowest, 2)}."
        )
        yield Drawing("energy", later(of_draws.energy_picture, energy), alt)
    each = ", ".join(f"{fixed(float(chain.loglik.mean()), 1)} in chain {chain.number}" for chain in c.chains)
    alt = f"A line for each chain: where the log-likelihood of its draws lies. Means: {each}."
    levels = [(chain.number, chain.mode, chain.loglik) for chain in c.chains]
    yield Drawing("levels", later(of_draws.levels_picture, levels), alt)


def _of_ranks(rows: list[Row]) -> Iterator[Drawing]:
    fewest = min(float(row.summary.ess_bulk) for row in rows)
    ranks = [of_draws.relative_ranks(of_draws.thinned(row.parameter.draws, fewest)) for row in rows]
    band = against_other_chains(*ranks[0].shape)
    for i, (row, values) in enumerate(zip(rows, ranks, strict=True)):
        furthest = max(
            float(np.abs(np.searchsorted(np.sort(one), band[0]) / one.size - band[0]).max()) for one in values
        )
        alt = (
            f"{row.parameter.label}: ranks of each chain's draws among those of all, as the difference from uniform; "
            f"the largest difference is {fixed(furthest, 2)}, R-hat {fixed(float(row.summary.rhat), 3)}."
        )
        yield Drawing(f"rank-{i}", later(of_draws.rank_picture, values, band), alt)


def of_priors(c: Contents) -> Iterator[Drawing]:
    """Prior against posterior of every parameter."""
    for i, row in enumerate(c.rows):
        prior = row.parameter.prior
        if prior is None:
            continue
        s = row.summary
        alt = (
            f"{row.parameter.label}: before the data {by_error(float(prior.mean()), float(prior.std()))} with sd "
            f"{by_error(float(prior.std()), float(prior.std()))}, after "
            f"{by_error(float(s.mean), float(s.sd))} with sd {by_error(float(s.sd), float(s.sd))}."
        )
        yield Drawing(f"prior-{i}", later(of_draws.prior_picture, prior, row.parameter.draws.ravel()), alt)
