"""The command that works the examples: python -m comparisons.examples [NAME...] [--out FOLDER]."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

from em.command import Parser, printing, replacing, run, working
from em.errors import InputError

DESCRIPTION = """\
Worked examples of what the models teach, on simulated data whose truth is known and stands beside the estimates. Each
ends in a page to read (NAME.html), its numbers (NAME.json) and its data (NAME.csv and the like), and all are listed
in index.html.

examples:
  python -m comparisons.examples
      all of them, in out/examples/
  python -m comparisons.examples ab-test --out pages
      an A/B test whose users come back: GLM, GEE and mixed model beside each other

exit codes: 0 good; 2 the call is wrong; 130 interrupted
"""


def command(argv: list[str]) -> int:
    """Parse, work the examples, write; the exit code."""
    parser = Parser(prog="python -m comparisons.examples", description=DESCRIPTION)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="ab-test, conversion, integrals, overdispersion, logs-or-counts (default: all)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out/examples"), metavar="FOLDER", help="made if missing (out/examples)"
    )
    args = parser.parse_args(argv)
    if find_spec("statsmodels") is None:
        raise InputError("the examples need statsmodels; expected it installed, as `make examples` does")
    from comparisons.examples.example import EXAMPLES

    known = {one.name: one for one in EXAMPLES}
    for name in args.names:
        if name not in known:
            raise InputError(f"no example {name!r}; expected one of {', '.join(known)}")
    folder = _folder(args.out)
    from comparisons.examples.index import index_page, show

    worked = []
    for name in dict.fromkeys(args.names or known):
        with working(f"working the example {name}"):
            found = known[name].worked(folder)
        page, numbers = folder / f"{name}.html", folder / f"{name}.json"
        contents = json.dumps(
            {"headline": found.headline, "lead": found.lead, **found.numbers}, indent=1, ensure_ascii=False
        )
        with replacing(page) as new_page, replacing(numbers) as new_numbers:
            new_page.write_text(found.html, encoding="utf-8")
            new_numbers.write_text(contents + "\n", encoding="utf-8")
        worked.append((name, found))
    with replacing(folder / "index.html") as new_page:
        new_page.write_text(index_page(folder), encoding="utf-8")
    with printing():
        show(worked)
    print(f"written: {folder / 'index.html'} and what it lists", file=sys.stderr)
    return 0


def _folder(path: Path) -> Path:
    """The folder to write into, made where it is missing."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as refused:
        raise InputError(f"{path}: is no folder to write into ({refused.strerror}); expected --out FOLDER") from refused
    return path


def main(argv: list[str] | None = None) -> None:
    """Run the command and leave with its exit code."""
    run(command, argv)


if __name__ == "__main__":
    main()
