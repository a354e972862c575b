"""The list of worked examples: on the screen those just worked, on a page all that are in the folder."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from comparisons.examples.example import EXAMPLES, Findings, rendered


def index_page(folder: Path) -> str:
    """The page that links to every example whose page and numbers are in a folder."""
    listed = []
    for one in EXAMPLES:
        numbers = folder / f"{one.name}.json"
        if numbers.is_file() and (folder / f"{one.name}.html").is_file():
            listed.append((one, json.loads(numbers.read_text(encoding="utf-8"))))
    return rendered("index.html", {}, listed=listed)


def show(worked: Sequence[tuple[str, Findings]]) -> None:
    """Print what the examples found."""
    table = Table(title="Worked examples", title_justify="left", show_lines=True)
    table.add_column("example", no_wrap=True)
    table.add_column("found")
    for name, found in worked:
        table.add_row(name, f"[bold]{found.headline}[/bold]\n{found.lead}")
    Console().print(table)
