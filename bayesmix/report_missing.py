"""What is not in a diagnostic report, and why."""

from collections.abc import Sequence

import numpy as np

from bayesmix.axis import price_column
from bayesmix.fitted import Fit
from bayesmix.parameters import deviating
from bayesmix.pooling import random_effects
from bayesmix.report_checks import CHECKED, Check, enough_draws
from bayesmix.response_words import ResponseWords, words_of
from bayesmix.rounding import listed
from bayesmix.store_loo import FEWEST_DRAWS


def missing(
    fit: Fit, checks: Sequence[Check], insensitive: bool, curves: Sequence[int] = (), unread: str = ""
) -> list[str]:
    """One sentence for each thing that is not on the page.

    Parameters
    ----------
    insensitive : whether prior sensitivity could not be worked out.
    curves : columns that the response of another family is drawn against.
    unread : why its rows could not be read.
    """
    found = []
    if not enough_draws(fit):
        found.append(f"No store left out, no predictive checks, no prior sensitivity: they take {FEWEST_DRAWS} draws.")
    words = words_of(fit)
    found += _of_sales(fit, checks) if words is None else _of_family(fit, words, curves, unread)
    if any(check.curve is None for check in checks):
        found.append("No picture of LOO-PIT where fewer than ten stores have the number that is checked.")
    if fit.posterior.sizes["chain"] == 1:
        found.append("No rank plots: they compare chains, and there is one.")
    if "energy" not in fit.sample_stats:
        found.append("No picture of energy: the file has none.")
    if fit.k == 1 and fit.model != "hierarchical":
        found.append("No picture of membership: with one segment every store is in it.")
    if fit.model == "hierarchical":
        found.append("No segments: this model has none.")
    if fit.group("em") is None:
        found.append("No estimates of EM: the file has none.")
    if fit.group("prior") is None:
        found.append("No prior beside the posterior: the file has no draws from it.")
    if insensitive and enough_draws(fit):
        found.append("No prior sensitivity: the file has no densities of the priors.")
    return found


def _of_sales(fit: Fit, checks: Sequence[Check]) -> list[str]:
    """What is not there of log sales."""
    names, price = [name.casefold() for name in fit.coefficients], price_column(fit.coefficients)
    found = []
    if price is None:
        found.append("No demand curves and no elasticities: the model has no log price.")
    elif "intercept" not in names:
        found.append("No demand curves: without an intercept the file does not hold the stores' average week.")
    if "intercept" not in names and checks:
        found.append("No check of mean log sales: without an intercept the file does not hold the stores' means.")
    slopes = next((check for check in checks if check.summary.name == "price elasticity"), None)
    n = min(len(fit.stores), CHECKED)
    settled = 0 if slopes is None else slopes.summary.store.size
    if price is not None and checks and settled < n:
        found.append(
            f"{n - settled} of {n} stores have no elasticity of their own, for their price is constant or their weeks "
            "too few; they are not in the checks of it. The model's elasticity of them comes from the other stores."
        )
    return found


def _of_family(fit: Fit, words: ResponseWords, curves: Sequence[int], unread: str) -> list[str]:
    """What is not there of counts, choices and amounts."""
    found = []
    if unread:
        found.append(f"No check whether the distribution fits: it takes the data file. {unread}.")
    if not curves:
        found.append(
            f"No curve of {words.name}: no column takes more than two values; the {words.ratios} say what columns do."
        )
    if "intercept" not in fit.coefficients:
        found.append("No typical row: without an intercept there is no level of a store.")
    found.append(
        "No residuals of single weeks: a count or a choice is discrete and its spread hangs on its mean, so distances "
        "from what is fitted have no one shape. Rows are judged by their distribution instead, and stores by their "
        "totals."
    )
    if fit.model == "hierarchical":
        left = [fit.coefficients[c] for c in _varying(fit) if c not in [one.coefficient for one in random_effects(fit)]]
        if left:
            said = listed([deviating(name, words) for name in left])
            found.append(
                f"No picture whether stores are normal in {said}: in half of the stores their own rows leave more than "
                "half of that open, and then what is said of them is not normal even where stores are."
            )
    return found


def _varying(fit: Fit) -> list[int]:
    omega = fit.draws.omega
    return [] if omega is None else [int(c) for c in np.flatnonzero(np.diagonal(omega[:, 0].mean(0)))]
