"""Families of responses by name; the one place where names become values."""

from em.errors import InputError
from em.families.bernoulli import BERNOULLI
from em.families.binomial import BINOMIAL
from em.families.family import Family
from em.families.gamma import GAMMA
from em.families.gaussian import GAUSSIAN
from em.families.negative_binomial import NEGATIVE_BINOMIAL
from em.families.poisson import POISSON

FAMILIES = {one.name: one for one in (GAUSSIAN, POISSON, NEGATIVE_BINOMIAL, BERNOULLI, BINOMIAL, GAMMA)}


def family_named(name: str) -> Family:
    """The family of that name.

    Raises
    ------
    InputError
        When there is none.
    """
    if name not in FAMILIES:
        raise InputError(f"no family {name!r}; expected one of {', '.join(FAMILIES)}")
    return FAMILIES[name]
