"""What a worked example is: a question, data of a known truth, and a page that answers."""

import math
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits

from bayesmix.pages import environment
from bayesmix.svg import inline_svg
from em.results import software

PACKAGES = ("numpy", "scipy", "pandas", "statsmodels", "matplotlib")


class Findings(NamedTuple):
    """What an example found.

    Attributes
    ----------
    headline, lead : the answer in a line, and in a few sentences with numbers and how sure they are.
    html : the page.
    numbers : the same and all else that the page rests on, for JSON.
    """

    headline: str
    lead: str
    html: str
    numbers: dict[str, Any]


class Example(NamedTuple):
    """An example by name; `module` has a function `worked(folder)` that writes its data there and returns Findings."""

    name: str
    question: str
    module: str

    def worked(self, folder: Path) -> Findings:
        """Work it; the module, and what it needs, is loaded only now."""
        find: Callable[[Path], Findings] = import_module(self.module).worked
        with threadpool_limits(1, user_api="blas"):  # on problems this small more threads only wait for each other
            return find(folder)


EXAMPLES = (
    Example(
        "ab-test",
        "Users come back, and a test counts their sessions: what did B do, to whom, and how sure is that?",
        "comparisons.examples.ab_test",
    ),
    Example(
        "conversion",
        "Which sessions end in a purchase, how far can the probabilities be believed, and where to draw the line?",
        "comparisons.examples.conversion",
    ),
    Example(
        "integrals",
        "A few yes or no for each store: how far off is Laplace, and when do nine nodes or MCMC matter?",
        "comparisons.examples.integrals",
    ),
    Example(
        "overdispersion",
        "Counts scatter more than Poisson has it: do stores differ, or do rows scatter, and what hangs on it?",
        "comparisons.examples.dispersion",
    ),
    Example(
        "logs-or-counts",
        "Sales are counts, and their logarithms are what is usually fitted: where does that cost something, and what?",
        "comparisons.examples.logs_or_counts",
    ),
)


def rendered(template: str, pictures: dict[str, tuple[Figure, str]], **contents: object) -> str:
    """A page of an example.

    Parameters
    ----------
    pictures : by name, each with what it shows for those who do not see it.
    """
    drawn = {name: Markup(inline_svg(figure, name, alt)) for name, (figure, alt) in pictures.items()}
    pages = environment("comparisons.examples")
    pages.filters["exp"] = math.exp
    return pages.get_template(template).render(pictures=drawn, software=software(*PACKAGES), **contents)
