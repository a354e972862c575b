"""How pages are made: one set of filters, macros and styles for all of them."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from bayesmix import rounding


def environment(package: str) -> Environment:
    """Templates of a package, and behind them those that all pages share; names are escaped, a gap is an error."""
    pages = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("bayesmix")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    numbers = (rounding.fixed, rounding.by_error, rounding.by_ratio, rounding.figures)
    filters = (*numbers, rounding.percent, rounding.shares)
    pages.filters.update({one.__name__: one for one in filters})
    pages.globals.update(decimals=rounding.decimals)
    return pages
