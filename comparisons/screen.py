"""The verdict and the table of models on the screen."""

from rich.console import Console
from rich.markup import escape

from bayesmix.axis import price_column
from bayesmix.fitted import Fit
from bayesmix.rounding import NONE, by_error, fixed
from bayesmix.store_loo import total
from bayesmix.stores import family_of
from comparisons.comparison import Comparison
from comparisons.number import chosen_mixture, chosen_normals
from comparisons.page import table
from comparisons.prices import price_sentence
from comparisons.verdict import Verdict
from em.show import narrow


def prices_of(comparison: Comparison, said: Verdict) -> str:
    """The sentence on prices of the model that the verdict speaks for."""
    comparison = comparison.of_best_family
    price = _price(comparison.best.fit)
    mixture = chosen_mixture(comparison)
    continuum, normals = comparison.best_of("hierarchical"), chosen_normals(comparison)
    of = continuum if mixture is None or said.kind == "continuum" else mixture
    of = normals if said.kind == "both" or of is None else of
    return price_sentence(of.fit, price) if price is not None and of else ""


def _price(fit: Fit) -> int | None:
    """Index of the coefficient that is a price elasticity; None where there is none."""
    family = family_of(fit.statistics)
    if family is not None and family.link != "log":
        return None
    return price_column(fit.coefficients) if "intercept" in fit.coefficients else None


def show(comparison: Comparison, said: Verdict, prices: str) -> None:
    """Print what the page says first, and its first table."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, 110))
    console.print(said.headline, style="bold", highlight=False, markup=False)
    for sentence in (said.sentence, said.number, prices):
        console.print(sentence, highlight=False, markup=False)
    shown = narrow("A new store: leave one store out")
    shown.add_column("model")
    for name in ("BIC", "elpd\nWAIC", "elpd\nLOO", "se", "p", "differ-\nence", "se of\nit", "weight"):
        shown.add_column(name, justify="right")
    for row in table(comparison):
        bic = fixed(row.em["bic"], 1) if row.em else NONE
        if row.score is None:
            shown.add_row(escape(row.name), bic, *[NONE] * 7)
            continue
        score = row.score
        diff, dse = score.difference
        best = score is comparison.best
        shown.add_row(
            escape(row.name),
            bic,
            fixed(total(score.waic.elpd_i), 1),
            fixed(score.elpd, 1),
            by_error(score.se, score.se),
            fixed(total(score.loo.p_i), 1),
            "0" if best else by_error(diff, dse),
            NONE if best else by_error(dse, dse),
            row.weights[0] if row.weights else NONE,
        )
    console.print(shown)
    for note in comparison.notes:
        console.print(f"note: {note}", highlight=False, markup=False)
