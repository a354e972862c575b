"""What the program's commands share: how they complain, write and end.

Exit codes: 0 good; 2 the input or the call is wrong; 3 results written but not to be trusted; 130 interrupted.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from operator import length_hint
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from em.errors import InputError

if TYPE_CHECKING:
    from rich.progress import Progress

CORES = (
    len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
)  # that this process may use
SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample.csv"


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints look like every other message of the program."""

    def __init__(self, **options: object) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)  # pyright: ignore[reportArgumentType]

    def error(self, message: str) -> NoReturn:
        """Raise the message, to be printed by `run`."""
        raise InputError(f"{message} (see --help)")


def run(command: Callable[[list[str]], int], argv: list[str] | None = None) -> NoReturn:
    """Run a command and leave with its exit code; what the user got wrong ends in one line on stderr."""
    try:
        code = command(sys.argv[1:] if argv is None else argv)
    except InputError as wrong:
        print(f"error: {wrong}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("error: interrupted; no output was touched", file=sys.stderr)
        code = 130
    sys.exit(code)


@contextmanager
def printing() -> Iterator[None]:
    """Let a reader close the screen before the end: the files are written, and the exit code stays its own."""
    try:
        yield
        sys.stdout.flush()
    except SystemExit:  # what rich makes of a closed pipe
        pass
    except OSError as wrong:
        if not isinstance(wrong, BrokenPipeError):
            print(f"the table could not be printed ({wrong.strerror}); the files are whole", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def distrust(reasons: list[str]) -> int:
    """Print why results are not to be trusted; the exit code that says the same."""
    for reason in reasons:
        print(f"not to be trusted: {reason}", file=sys.stderr)
    return 3 if reasons else 0


@contextmanager
def display() -> Iterator["Progress | None"]:
    """The progress display on stderr: the one already shown, or a new one; None where stderr is not a terminal.

    Whatever waits inside another wait adds a line to its display, so that there is never more than one.
    """
    shown = SHOWN.get()
    if shown is not None or not sys.stderr.isatty():
        yield shown
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    left = TimeRemainingColumn(elapsed_when_finished=True)
    with Progress(*columns, left, console=Console(stderr=True), transient=True) as shown:
        SHOWN.set(shown)
        try:
            yield shown
        finally:
            SHOWN.set(None)


SHOWN: ContextVar["Progress | None"] = ContextVar("shown", default=None)


def watched[Item](items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Pass items on under a progress bar on stderr; without one where stderr is not a terminal."""
    with display() as shown:
        if shown is None:
            yield from items
            return
        task = shown.add_task(what, total=total if total is not None else length_hint(items) or None)
        try:
            for item in items:
                yield item
                shown.advance(task)
        finally:
            shown.remove_task(task)


@contextmanager
def working(what: str) -> Iterator[None]:
    """A sign of life on stderr while something is worked out; nothing where stderr is not a terminal."""
    with display() as shown:
        if shown is None:
            yield
            return
        task = shown.add_task(what, total=None)
        try:
            yield
        finally:
            shown.remove_task(task)


def check_writable(*outputs: Path | None, inputs: Sequence[str | Path | None] = ()) -> None:
    """Raise InputError where an output could not be written, before any work is done.

    Parameters
    ----------
    outputs : files to write; None is passed over.
    inputs : files that are read, and so may not be written.

    Raises
    ------
    InputError
        When a folder is missing or read-only, a path is no regular file, two are the same, or one is an input.
    """
    taken = {Path(name).resolve(): f"the input {name}" for name in inputs if name is not None}
    for path in filter(None, outputs):
        try:
            place = path.resolve()
            folder, other, nowhere = path.is_dir(), path.exists() and not path.is_file(), not path.parent.is_dir()
            allowed = os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))
        except (OSError, ValueError) as wrong:
            reason = getattr(wrong, "strerror", None) or wrong
            raise InputError(f"{path}: cannot be written ({reason})") from wrong
        if folder:
            raise InputError(f"{path}: is a folder; expected a file to write")
        if other:
            raise InputError(f"{path}: is not a regular file; expected a file to write")
        if nowhere:
            raise InputError(f"{path}: there is no folder {path.parent}; expected one to write into")
        if not allowed:
            raise InputError(f"{path}: cannot be written (no permission)")
        if place in taken:
            raise InputError(f"{path}: is also {taken[place]}; expected different files")
        taken[place] = f"the output {path}"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends well, and is removed when it does not.

    Raises
    ------
    InputError
        When the operating system refuses to write.
    """
    check_writable(path)
    try:
        handle, name = tempfile.mkstemp(prefix=".", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            os.chmod(temporary, 0o666 & ~_umask())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as refused:
        raise InputError(f"{path}: cannot be written ({refused.strerror or refused})") from refused


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
