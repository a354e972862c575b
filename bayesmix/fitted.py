"""A posterior as users hold it: the tree of its file, under names, whether just drawn or read back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from bayesmix.posterior import OF_ALL_SEGMENTS, ParameterDraws, flat, parameter_draws
from bayesmix.stores import Stores, family_of
from bayesmix.stores_kept import from_group
from em.between import Between
from em.command import replacing
from em.errors import InputError
from em.response import LOG_SALES
from em.statistics import Floats, GaussianStatistics, Ints

if TYPE_CHECKING:
    from bayesmix.count_checks import CountChecks
    from bayesmix.store_loo import Loo
    from em.panel import Panel

PARAMETERS: dict[str, tuple[str, ...]] = {
    "mixture": ("weight", "theta", "sigma"),
    "hierarchical": ("mu", "omega", "sigma"),
    "normal-mixture": ("weight", "mu", "omega", "sigma"),
}


@dataclass(frozen=True, repr=False)
class Fit:
    """One posterior.

    Attributes
    ----------
    tree : everything, as `bayesmix.tree` describes it; ArviZ's functions take it as it is.
    name : what tables call it.
    file, sha256 : of the netCDF file it was read from; empty when it was not.
    """

    tree: xr.DataTree = field(repr=False)
    name: str
    file: str = ""
    sha256: str = field(default="", repr=False)

    @cached_property
    def model(self) -> str:
        """What varies between stores: "mixture", "hierarchical" or "normal-mixture"."""
        return str(self.tree.attrs["model"])

    @cached_property
    def k(self) -> int:
        """Number of segments; 1 for the hierarchical model."""
        return int(self.posterior.sizes.get("segment", 1))

    @cached_property
    def sigma_rule(self) -> str:
        """How the residual standard deviation is treated: "fixed", "common" or "segment"."""
        return str(self.tree.attrs["sigma_rule"])

    @cached_property
    def unit(self) -> str:
        """What one term of the log-likelihood is of: "store"."""
        return str(self.tree.attrs["unit"])

    @cached_property
    def log_density_of(self) -> str:
        """What the log-likelihood is the density of: "log sales", or the response of another family."""
        return str(self.tree.attrs["log_density_of"])

    @cached_property
    def trusted(self) -> bool:
        """Whether nothing speaks against the draws."""
        return bool(int(self.tree.attrs["trusted"]))

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """Why the draws are not to be trusted; empty when they are."""
        return tuple(self._record("warnings"))

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a careful reader should know, and no reason for distrust."""
        return tuple(json.loads(self.tree.attrs.get("notes", "[]")))

    @cached_property
    def data(self) -> dict[str, Any]:
        """What it was fitted to: file, sha256, stores, weeks, observations, coefficients."""
        return self._record("data")

    @cached_property
    def priors(self) -> dict[str, Any]:
        """What was believed: `numbers`, and `statements` in the user's units."""
        return self._record("priors")

    @cached_property
    def sampler(self) -> dict[str, Any]:
        """How it was drawn: draws, tune, chains, seed, seconds, divergences, labels_switched."""
        return self._record("sampler")

    @cached_property
    def software(self) -> dict[str, Any]:
        """Versions of what made it."""
        return self._record("software")

    @cached_property
    def stores(self) -> tuple[str, ...]:
        """Names of the stores."""
        return tuple(str(name) for name in self.tree["constant_data"].to_dataset()["store"].values)

    @cached_property
    def coefficients(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        return tuple(str(name) for name in self.tree["constant_data"].to_dataset()["coefficient"].values)

    @cached_property
    def statistics(self) -> Stores:
        """The statistics of the stores that it was fitted to."""
        return from_group(self.tree["constant_data"].to_dataset(), self.family, self.quadrature)

    @cached_property
    def gaussian(self) -> GaussianStatistics:
        """The same of a fit of log sales.

        Raises
        ------
        InputError
            When the fit is of another family.
        """
        if not isinstance(self.statistics, GaussianStatistics):
            raise InputError(f"{self.name}: is of {self.log_density_of}; expected a fit of log sales")
        return self.statistics

    @cached_property
    def quadrature(self) -> int:
        """Nodes in each direction of the integrals over coefficients of stores; 0 where they are exact."""
        return 0 if self.family == LOG_SALES else int(self.tree.attrs["quadrature"])

    @cached_property
    def integral(self) -> str:
        """How the draws treat the coefficients of stores: "exact" (log sales), "quadrature", or "mcmc"."""
        return "exact" if self.family == LOG_SALES else str(self.tree.attrs["integral"])

    @cached_property
    def family(self) -> str:
        """Distribution of the response; "gaussian" is that of log sales."""
        return str(self.tree.attrs["family"])

    @cached_property
    def traits(self) -> Floats | None:
        """Traits that explain coefficients (store, trait), less their means over stores; None where nothing does."""
        between = self.between
        return None if between is None else between.values

    def traits_of(self, stores: Ints) -> Floats | None:
        """The traits of some stores, by their positions; (one, trait)."""
        return None if self.traits is None else self.traits[stores]

    @cached_property
    def between(self) -> Between | None:
        """The same with names and means; None where nothing explains the coefficients."""
        constant = self.tree["constant_data"].to_dataset()
        if "traits" not in constant:
            return None
        values, mean = (np.asarray(constant[name].to_numpy(), dtype=float) for name in ("traits", "trait_mean"))
        return Between(tuple(map(str, constant["trait"].to_numpy())), values, mean)

    @cached_property
    def store_loglik(self) -> xr.DataArray:
        """Log-likelihood of every store under every draw, (chain, draw, store_name)."""
        return self.tree["log_likelihood"].to_dataset()["store"]

    @cached_property
    def reff(self) -> float:
        """Relative efficiency of the store likelihoods, for `az.loo(fit.tree, var_name="store", reff=fit.reff)`."""
        from bayesmix.store_loo import relative_efficiency

        return relative_efficiency(self.store_loglik)

    @cached_property
    def psis(self) -> "Loo":
        """Leaving one store out by importance sampling; see `bayesmix.store_loo`."""
        from bayesmix.store_loo import loo

        return loo(self.store_loglik)

    @cached_property
    def posterior(self) -> xr.Dataset:
        """Labelled draws of the parameters, (chain, draw, ...)."""
        return self.tree["posterior"].to_dataset()

    @cached_property
    def sample_stats(self) -> xr.Dataset:
        """The sampler's own statistics, (chain, draw)."""
        return self.tree["sample_stats"].to_dataset()

    @cached_property
    def by_store(self) -> xr.Dataset:
        """Posterior mean and sd of every store's coefficients, and of its membership of segments."""
        return self.tree["stores"].to_dataset()

    def group(self, name: str) -> xr.Dataset | None:
        """A further group of the file, such as `em`, `prior`, `log_prior` or `modes`; None where there is none."""
        return self.tree[name].to_dataset() if name in self.tree.children else None

    def mode(self, number: int) -> "Fit":
        """The posterior of one mode apart, by its number in the group `modes`: 1 is this fit itself.

        Raises
        ------
        InputError
            When there is no such mode.
        """
        modes = self.group("modes")
        found = 1 if modes is None else modes.sizes["mode"]
        if not 1 <= number <= found:
            raise InputError(f"no mode {number} of {self.name}; expected a number from 1 to {found}")
        if number == 1 or modes is None:
            return self
        part = self.tree[f"mode_{number}"]
        joined = xr.DataTree.from_dict(
            {
                **{f"/{name}": node.to_dataset() for name, node in self.tree.children.items() if "mode" not in name},
                **{f"/{name}": node.to_dataset() for name, node in part.children.items()},
            }
        )
        share = float(modes["weight"][number - 1])
        reason = f"this is mode {number} of {found}, with weight {share:.2g} among them"
        told = json.loads(self.tree.attrs.get("warnings_of_modes", "[]")) or [[]] * found
        name = f"{self.name}, mode {number}"
        joined.attrs = {
            **self.tree.attrs,
            "name": name,
            "mode": reason,
            "trusted": 0,
            "warnings": json.dumps([reason, *told[number - 1]]),
        }
        return Fit(joined, name)

    @cached_property
    def draws(self) -> ParameterDraws:
        """All draws as plain arrays with a segment axis, whatever the model."""
        names = [*PARAMETERS[self.model], *(name for name in OF_ALL_SEGMENTS if name in self.posterior)]
        return parameter_draws({name: flat(self.posterior[name].to_numpy()) for name in names})

    def predict(
        self,
        prices: Any,
        stores: str | Sequence[str] | None = None,
        *,
        new_store: bool = False,
        interval: float = 0.89,
        seed: int = 0,
        covariates: Mapping[str, Any] | None = None,
        traits: Mapping[str, Any] | None = None,
        size: Any = 1.0,
    ) -> xr.Dataset:
        """Sales of known stores, or of a new one, at given prices.

        Parameters
        ----------
        prices : one or more prices, or a table of prices and covariates by name.
        stores : names of known stores; all where neither these nor a new one are asked for.
        new_store : a store not yet seen, its coefficients drawn from the segments or the continuum.
        interval : probability of the equal-tailed intervals.
        covariates : values of further columns, such as {"display": 0.5}: one for all prices, or one for each.
        traits : of the new store, where traits explain coefficients, such as {"income": 40}; those not given are at
            their mean over stores.
        size : exposure or trials of the rows, one for all or one for each, for families that have them.

        Returns
        -------
        Dataset over (store, price), each with `_lower` and `_upper`: `log_sales`, the expected log sales; `mean_sales`,
        the average over many weeks, exp(log_sales + sigma^2 / 2); `week_sales`, the median of one week, whose interval
        is that of a single week. Of another family linear_predictor, mean_response and row_response. See
        `bayesmix.predict`.

        Raises
        ------
        InputError
            For an unknown store, a price that is not positive, or a covariate that is missing.
        """
        from bayesmix.predict import predict

        return predict(
            self,
            prices,
            stores,
            new_store=new_store,
            interval=interval,
            seed=seed,
            covariates=covariates,
            traits=traits,
            size=size,
        )

    def explained_by_traits(self) -> xr.Dataset | None:
        """Share of the differences between stores that their traits explain; see `bayesmix.explained_by_traits`."""
        from bayesmix.explained_by_traits import explained_by_traits

        return explained_by_traits(self)

    def count_checks(self, panel: "Panel | None" = None, seed: int = 0) -> "CountChecks":
        """Whether counts, choices or amounts are distributed as the model has them; see `bayesmix.checked_fit`."""
        from bayesmix.checked_fit import checks_of_fit

        return checks_of_fit(self, panel, seed)

    def co_membership(self, stores: Sequence[str] | None = None) -> xr.DataArray:
        """Probability that two stores are in the same segment; see `bayesmix.label_free`."""
        from bayesmix.label_free import co_membership

        return co_membership(self, stores)

    def store_coefficients(self, interval: float = 0.89) -> xr.Dataset:
        """Mean, sd and interval of every store's coefficients; see `bayesmix.label_free`."""
        from bayesmix.label_free import store_coefficients

        return store_coefficients(self, interval)

    def save(self, path: str | Path) -> None:
        """Write the netCDF file that `bayesmix.load` reads, whole or not at all.

        Raises
        ------
        InputError
            When it cannot be written.
        """
        with replacing(Path(path)) as temporary:
            self.tree.to_netcdf(temporary, engine="netcdf4")

    def __repr__(self) -> str:
        """The posterior means (and standard deviations) in plain text, and whether to trust them."""
        from bayesmix.parameters import parameters

        data, draws = self.data, self.posterior.sizes
        family = family_of(self.statistics)
        scatter = f", sigma {self.sigma_rule}"
        if family is not None:
            scatter = f", dispersion {self.sigma_rule}" if family.dispersed else ""
        lines = [
            f"{self.name}{scatter}: {data['stores']} stores, {data['observations']} observations; "
            f"{draws['chain']} chain{'s' if draws['chain'] > 1 else ''} of {draws['draw']} draws"
        ]
        lines += [
            f"  {one.label}".ljust(40) + f"{one.draws.mean():10.4f} ({one.draws.std():.4f})" for one in parameters(self)
        ]
        in_use = self.group("segments_in_use")
        if in_use is not None:
            likely = {int(n): float(p) for n, p in zip(in_use["number"], in_use["probability"], strict=True) if p > 0.0}
            lines.append("  segments in use: " + ", ".join(f"{n} ({p:.3f})" for n, p in likely.items()))
        lines += [f"note: {note}" for note in self.notes]
        verdict = [f"not to be trusted: {reason}" for reason in self.reasons] or ["to be trusted"]
        return "\n".join(lines + verdict)

    def _record(self, name: str) -> Any:
        return json.loads(self.tree.attrs[name])
