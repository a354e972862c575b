"""Turns a matplotlib figure into inline SVG that takes colours and fonts from the page and can be read out."""

import io
import re
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Stand-ins drawn by matplotlib, each to be replaced by a colour of the page's style sheet, so that one picture
# serves light, dark and paper.
INK, MUTED, LINE, OWN, PAPER = "#010101", "#020202", "#030303", "#040404", "#050505"
SHADES = ("#060606", "#070707", "#080808", "#090909")  # from faint to full ink
SEGMENTS = tuple(f"#0{s}0{s}f{s}" for s in range(1, 9))
TONES = {INK: "ink", MUTED: "muted", LINE: "line", OWN: "own", PAPER: "paper"} | {
    colour: f"{kind}-{i + 1}"
    for kind, colours in (("segment", SEGMENTS), ("shade", SHADES))
    for i, colour in enumerate(colours)
}
STYLE: dict[Any, Any] = {"svg.fonttype": "none", "font.size": 10.0, "axes.unicode_minus": True, "path.simplify": False}


def segment_colour(segment: int) -> str:
    """Stand-in colour of a segment, counted from 0."""
    return SEGMENTS[segment % len(SEGMENTS)]


def inline_svg(figure: Figure, name: str, alt: str) -> str:
    """The figure as an <svg> element to stand in a page.

    Parameters
    ----------
    name : unique in the page; also the salt of the identifiers inside, so that the same picture is the same text.
    alt : what the picture shows, for those who do not see it.
    """
    FigureCanvasSVG(figure)
    out = io.StringIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        figure.savefig(
            out, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
        )
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<style.*?</style>\s*", "", text, flags=re.DOTALL)  # of all elements, so of the page's too
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", _lighter, text)
    opening = f'<svg role="img" aria-label="{escape(alt, quote=True)}" class="{name}" '
    return re.sub(r'<svg (?:height|width)="[^"]*" version="1.1"|<svg ', opening, text, count=1)


def _lighter(tag: re.Match[str]) -> str:
    """A tag, never what stands between tags, in hundredths of a point and in colours of the style sheet."""
    text = re.sub(r"(\d\.\d\d)\d+", r"\1", tag.group())
    for colour, tone in TONES.items():
        text = text.replace(colour, f"var(--{tone})")
    return text
