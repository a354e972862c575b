"""Maximum likelihood as a posterior's own file has it, for models that results.json does not hold."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bayesmix.fitted import Fit
from bayesmix.stores import family_of, segment_loglik
from comparisons.agreement import em_twin, varying
from em.criteria import criteria
from em.likelihood import membership
from em.statistics import Floats


def completed(results: dict[str, Any] | None, fits: Sequence[Fit]) -> dict[str, Any]:
    """The content of results.json, with an entry from the file of every fit whose model it does not hold.

    Parameters
    ----------
    results : None is the same as one without entries.
    """
    known = results or {"data": fits[0].data, "settings": {"sigma": fits[0].sigma_rule}, "fits": []}
    for fit in fits:
        entry = entry_of(fit) if em_twin(fit, known) is None else None
        if entry is not None:
            known = {**known, "fits": [*known["fits"], entry]}
    return known


def entry_of(fit: Fit) -> dict[str, Any] | None:
    """The solution that the chains started from, as `fits` of results.json has one; None where the file has none."""
    em = fit.group("em")
    if em is None or not all(np.isfinite(em[name]).all() for name in em.data_vars if not str(name).endswith("_se")):
        return None
    found = {str(name): np.asarray(values, dtype=float) for name, values in em.data_vars.items()}
    if fit.model == "hierarchical":
        whole = {name for name in found if name == "log_likelihood" or name.startswith("gamma")}
        found = {name: value if name in whole else value[None] for name, value in found.items()}
        found["weight"] = np.ones(1)
    center = "theta" if "theta" in found else "mu"
    if "sd_se" in found:
        found["sd_se"] = found["sd_se"][:, [fit.coefficients.index(name) for name in varying(fit)]]
    family = family_of(fit.statistics)
    entry: dict[str, Any] = {
        "model": fit.model,
        **({} if family is None else {"family": family.name, "link": family.link}),
        "k": fit.k,
        "sigma_rule": fit.sigma_rule,
        "theta": found[center].tolist(),
        "pi": found["weight"].tolist(),
        "sigma": np.broadcast_to(found["sigma"], fit.k).tolist(),
    }
    entry |= {name: found[name].tolist() for name in ("omega", "gamma") if name in found}
    if fit.model != "mixture":
        entry["random"] = list(varying(fit))
        entry |= {} if family is None else {"quadrature": fit.quadrature}
    if fit.between is not None:
        entry["traits"] = list(fit.between.names)
    n_parameters = free_parameters(fit)
    measured = criteria(
        float(found["log_likelihood"]),
        n_parameters,
        fit.k - 1,
        len(fit.stores),
        int(fit.data["observations"]),
        em_memberships(entry, fit),
    )
    errors = {"theta": f"{center}_se", "pi": "weight_se", "sigma": "sigma_se", "sd": "sd_se"}
    return entry | {
        "log_likelihood": float(found["log_likelihood"]),
        "n_parameters": n_parameters,
        **measured._asdict(),
        "standard_errors": {ours: found[theirs].tolist() for ours, theirs in errors.items() if theirs in found},
        "warnings": [],
    }


def free_parameters(fit: Fit) -> int:
    """How many parameters of a model are free: coefficients, covariances, shares and sigmas."""
    p, k = len(fit.coefficients), fit.k
    q = len(varying(fit))
    sigmas = {"fixed": 0, "common": 1, "segment": k}[fit.sigma_rule]
    effects = 0 if fit.between is None else p * len(fit.between.names)
    return k * (p + q * (q + 1) // 2) + k - 1 + sigmas + effects


def em_memberships(em: dict[str, Any], fit: Fit) -> Floats:
    """Memberships of the stores of a fit under the parameters of an entry of `fits`; (store, segment)."""
    omega = np.asarray(em["omega"], dtype=float) if "omega" in em else None
    mu = np.asarray(em["theta"])
    if fit.traits is not None:
        mu = mu + (fit.traits @ np.asarray(em["gamma"], dtype=float))[:, None]
    component = segment_loglik(fit.statistics, mu, np.asarray(em["sigma"]), omega)
    return membership(np.log(np.asarray(em["pi"], dtype=float)), component)
