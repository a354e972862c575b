"""What all tests share: how Hypothesis draws, where the developers' panels are, and how a command is run."""

from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings

from em.command import run

SHARED = Path(__file__).resolve().parents[2] / "shared"

settings.register_profile(
    "bayesmix", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("bayesmix")


class Ended(NamedTuple):
    """How a command ended: exit code, what it printed, what it complained of."""

    code: int
    out: str
    err: str


@pytest.fixture
def ended(capsys):
    """Run a command in this process, as its console script would."""

    def call(command, *argv):
        with pytest.raises(SystemExit) as end:
            run(command, [str(word) for word in argv])
        printed = capsys.readouterr()
        return Ended(int(end.value.code or 0), printed.out, printed.err)

    return call


@pytest.fixture(scope="session")
def shared():
    """A file beside the project, by its path there; the test is skipped where it is missing."""

    def find(name):
        path = SHARED / name
        if not path.is_file():
            pytest.skip(f"{name} is not beside the project (expected in ../shared)")
        return path

    return find
