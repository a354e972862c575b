"""Pictures yet to be drawn, each with its text for those who do not see it."""

from collections.abc import Callable
from typing import NamedTuple

from matplotlib.figure import Figure


class Drawing(NamedTuple):
    """A picture to be drawn: its name in the page, how, and its text for those who do not see it."""

    name: str
    draw: Callable[[], Figure]
    alt: str


def later(picture: Callable[..., Figure], *arguments: object, **options: object) -> Callable[[], Figure]:
    """A call to be made when the picture is wanted."""
    return lambda: picture(*arguments, **options)
