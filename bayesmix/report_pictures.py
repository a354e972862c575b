"""The pictures of the diagnostic report as inline SVG."""

from markupsafe import Markup

from bayesmix.drawings_of_checks import of_checks
from bayesmix.drawings_of_counts import of_counts
from bayesmix.drawings_of_draws import of_chains, of_priors
from bayesmix.drawings_of_rates import of_rates, of_responses
from bayesmix.drawings_of_segments import of_segments
from bayesmix.drawings_of_stores import of_continuum, of_shrinkage, of_stores
from bayesmix.drawings_of_weeks import of_weeks
from bayesmix.report_contents import Contents
from bayesmix.svg import inline_svg
from em.command import watched

KINDS = (
    of_segments, of_responses, of_stores, of_rates, of_shrinkage, of_continuum, of_weeks, of_chains, of_checks,
    lambda c: of_counts(c.counts), of_priors,
)  # fmt: skip


def gallery(c: Contents) -> dict[str, Markup]:
    """Pictures by name; those that the fit does not allow are not there."""
    drawings = [drawing for kind in KINDS for drawing in kind(c)]
    return {
        one.name: Markup(inline_svg(one.draw(), one.name, one.alt))
        for one in watched(drawings, "drawing", len(drawings))
    }
