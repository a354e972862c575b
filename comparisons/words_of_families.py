"""The words by which a page and a screen speak of a fit: its coefficients, its scatter, its linear predictor."""

from bayesmix.fitted import Fit
from bayesmix.stores import family_of

INTERCEPT, PRICE, SIGMA = "intercept", "log_price", "sigma"


def linear_predictor(fit: Fit) -> str:
    """What the coefficients of a fit add up to."""
    family = family_of(fit.statistics)
    if family is None:
        return "log sales"
    of = {"log": "log of expected", "logit": "log odds of", "identity": "expected"}[family.link]
    return f"{of} {fit.log_density_of}"


def coefficient_name(fit: Fit, name: str) -> str:
    """What tables call a coefficient; a price has an elasticity where the link is logarithmic."""
    family = family_of(fit.statistics)
    if name == INTERCEPT:
        return "intercept (log sales at price 1)" if family is None else f"intercept ({linear_predictor(fit)})"
    return "price elasticity" if name == PRICE and (family is None or family.link == "log") else name


def scatter_name(fit: Fit) -> str | None:
    """What sigma is; None of a family that has none."""
    family = family_of(fit.statistics)
    if family is None:
        return "sigma, weekly scatter of log sales"
    return "dispersion (as a coefficient of variation)" if family.dispersed else None


def ratio_name(fit: Fit) -> str | None:
    """What the exponential of a coefficient is; None where it is nothing, as of log sales, which have elasticities."""
    family = family_of(fit.statistics)
    if family is None or family.link == "identity":
        return None
    return "odds ratio" if family.link == "logit" else f"ratio of expected {fit.log_density_of}"
