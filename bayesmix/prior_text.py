"""Priors as a user types them: `log_price=normal(-2, 0.5)`."""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from bayesmix.priors import Priors
from em.errors import InputError


class Family(NamedTuple):
    """A distribution that a quantity may be given: its name, its arguments, and which of them must be above zero."""

    name: str
    arguments: tuple[str, ...]
    positive: tuple[bool, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.arguments)})"


FAMILIES = {
    "coefficient": Family("normal", ("mean", "sd"), (False, True)),
    "effect": Family("normal", ("mean", "sd"), (False, True)),
    "weight": Family("dirichlet", ("concentration",), (True,)),
    "sigma": Family("lognormal", ("median", "log-sd"), (True, True)),
    "spread": Family("halfnormal", ("scale",), (True,)),
    "correlation": Family("lkj", ("shape",), (True,)),
}
EXAMPLE = "log_price=normal(-2, 0.5)"


class Quantity(NamedTuple):
    """What has a prior: a key of `FAMILIES`, and the coefficient or effect it is of; "" is of all or of none."""

    kind: str
    of: str = ""


def override(priors: Priors, texts: Sequence[str], model: str, sigma: str) -> Priors:
    """Priors with some of them replaced.

    Parameters
    ----------
    texts : one `NAME=FAMILY(ARGUMENT, ...)` each. NAME is a coefficient (the intercept is log sales at average prices,
        or at a price of one where there is no intercept), `weight`, `sigma`, `spread` (the sd of store coefficients,
        all or one of them: `spread[log_price]`), `correlation`, or the effect of a trait, such as `income:log_price`.
        Where a coefficient has the name of another quantity, `theta[NAME]` or `mu[NAME]` is the coefficient.
    model, sigma : what is fitted, which decides what has a prior.

    Raises
    ------
    InputError
        When a text cannot be read, names what the model does not have, or says something a second time.
    """
    others = _others(model, sigma, len(priors.varying))
    given: dict[Quantity, tuple[float, ...]] = {}
    for text in texts:
        found = re.fullmatch(r"\s*(.+?)\s*=\s*([A-Za-z][\w-]*)\s*\(([^()]*)\)\s*", text, flags=re.DOTALL)
        if found is None:
            raise InputError(f"prior {text!r}: cannot be read; expected NAME=FAMILY(NUMBERS), such as {EXAMPLE}")
        name, family, arguments = found.groups()
        quantity = _quantity(text, name, priors, others, model)
        numbers = _numbers(text, FAMILIES[quantity.kind], family, arguments)
        if quantity in given:
            raise InputError(f"prior {text!r}: {name} is given twice; expected each prior once")
        given[quantity] = numbers
    return _replaced(priors, given)


def _others(model: str, sigma: str, varying: int) -> list[str]:
    """What a model has beside coefficients, of which some vary inside segments."""
    has = {
        "weight": model != "hierarchical",
        "sigma": sigma != "fixed",
        "spread": model != "mixture" and varying > 0,
        "correlation": model != "mixture" and varying > 1,
    }
    return [name for name, there in has.items() if there]


def _quantity(text: str, name: str, priors: Priors, others: Sequence[str], model: str) -> Quantity:
    """What a name is of."""
    coefficients, varying = priors.coefficients, [priors.coefficients[c] for c in priors.varying]
    bracketed = (
        None if name in (*coefficients, *priors.effects) else re.fullmatch(r"(theta|mu|spread)\s*\[\s*(.+?)\s*\]", name)
    )
    if bracketed and (bracketed.group(1) != "spread" or "spread" in others):
        inside = "intercept" if bracketed.group(2) == priors.at_averages else bracketed.group(2)
        if inside not in coefficients:
            raise InputError(f"prior {text!r}: no coefficient {inside!r}; {_expected(inside, coefficients)}")
        if bracketed.group(1) == "spread" and inside not in varying:
            raise InputError(f"prior {text!r}: {inside} does not vary; expected one of {', '.join(varying)}")
        return Quantity("spread" if bracketed.group(1) == "spread" else "coefficient", inside)
    if name in priors.effects:
        return Quantity("effect", name)
    if name in others:
        return Quantity(name)
    if name in coefficients:
        return Quantity("coefficient", name)
    names = [*coefficients, *priors.effects, *others]
    if name == "sigma" and priors.dispersed:
        raise InputError(f"prior {text!r}: sigma is fixed at 1; expected --sigma common or segment, where it is free")
    if name.partition("[")[0] in FAMILIES:
        raise InputError(f"prior {text!r}: the {model} model has no {name}; {_expected('', names)}")
    raise InputError(f"prior {text!r}: nothing is called {name!r}; {_expected(name, names)}")


def _expected(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"expected one of {', '.join(names)}" + (f"; did you mean {close[0]}?" if close else "")


def _numbers(text: str, family: Family, named: str, arguments: str) -> tuple[float, ...]:
    if re.sub("[-_]", "", named).casefold() != family.name:
        raise InputError(f"prior {text!r}: the family is {named}; expected {family}")
    parts = [part.strip() for part in arguments.split(",")] if arguments.strip() else []
    if len(parts) != len(family.arguments):
        raise InputError(f"prior {text!r}: {len(parts)} numbers; expected {len(family.arguments)}, {family}")
    return tuple(
        _number(text, part, argument, positive)
        for part, argument, positive in zip(parts, family.arguments, family.positive, strict=True)
    )


def _number(text: str, part: str, argument: str, positive: bool) -> float:
    expected = "a number above zero" if positive else "a number"
    try:
        value = float(part)
    except ValueError as wrong:
        raise InputError(f"prior {text!r}: the {argument} is {part!r}; expected {expected}") from wrong
    if not math.isfinite(value) or (positive and value <= 0.0):
        raise InputError(f"prior {text!r}: the {argument} is {part}; expected {expected}")
    return value


def _replaced(priors: Priors, given: Mapping[Quantity, tuple[float, ...]]) -> Priors:
    def by_name(kind: str, argument: int, values: Sequence[float], names: Sequence[str]) -> tuple[float, ...]:
        pairs = zip(names, values, strict=True)
        return tuple(given[quantity][argument] if (quantity := Quantity(kind, n)) in given else v for n, v in pairs)

    def by_coefficient(kind: str, argument: int, values: Sequence[float]) -> tuple[float, ...]:
        return by_name(kind, argument, values, priors.coefficients)

    def one(kind: str, argument: int, value: float) -> float:
        return given[Quantity(kind)][argument] if Quantity(kind) in given else value

    spread: float | tuple[float, ...] = priors.spread
    if Quantity("spread") in given:
        scale = given[Quantity("spread")][0]
        spread = tuple(scale if own else 0.0 for own in spread) if isinstance(spread, tuple) else scale
    if any(kind == "spread" and of for kind, of in given):
        spread = by_coefficient("spread", 0, replace(priors, spread=spread).spreads)
    return replace(
        priors,
        mean=by_coefficient("coefficient", 0, priors.mean),
        sd=by_coefficient("coefficient", 1, priors.sd),
        concentration=one("weight", 0, priors.concentration),
        sigma_median=one("sigma", 0, priors.sigma_median),
        sigma_log_sd=one("sigma", 1, priors.sigma_log_sd),
        spread=spread,
        effect_mean=by_name("effect", 0, priors.effect_mean, priors.effects),
        effect_sd=by_name("effect", 1, priors.effect_sd, priors.effects),
        lkj=one("correlation", 0, priors.lkj),
    )
