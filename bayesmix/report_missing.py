"""What is not in a diagnostic report, and why."""

from collections.abc import Sequence

from bayesmix.axis import price_column
from bayesmix.fitted import Fit
from bayesmix.report_checks import CHECKED, Check, enough_draws
from bayesmix.store_loo import FEWEST_DRAWS


def missing(fit: Fit, checks: Sequence[Check], insensitive: bool) -> list[str]:
    """One sentence for each thing that is not on the page.

    Parameters
    ----------
    insensitive : whether prior sensitivity could not be worked out.
    """
    names, price = [name.casefold() for name in fit.coefficients], price_column(fit.coefficients)
    found = []
    if not enough_draws(fit):
        found.append(f"No store left out, no predictive checks, no prior sensitivity: they take {FEWEST_DRAWS} draws.")
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
