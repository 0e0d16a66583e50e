"""What is left of a session whose leader has ended."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from nexus_core.adapters.process.sessions import end_members
from support.processes import is_alive

MARKER = ("OF_RUN", "this one")


class Session:
    """A leader that has ended, and the processes that it left."""

    def __init__(self) -> None:
        self.number = 0
        self.left: list[int] = []

    def leaves(self, environment: dict[str, str], seconds: float) -> int:
        """Begin a session with a process that runs for some time; return its id."""
        start = (
            "import json, os, sys; _, seconds, environment = sys.argv;"
            "quiet = [(os.POSIX_SPAWN_CLOSE, 1)];"
            "print(os.posix_spawnp("
            "'sleep', ['sleep', seconds], json.loads(environment), file_actions=quiet))"
        )
        words = [sys.executable, "-IS", "-c", start, str(seconds), json.dumps(environment)]
        leader = subprocess.Popen(  # noqa: S603 - words of this test
            words, stdout=subprocess.PIPE, start_new_session=True
        )
        printed, _ = leader.communicate()
        self.number = leader.pid
        self.left.append(int(printed))
        return self.left[-1]


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session()
    yield session
    for pid in filter(is_alive, session.left):
        os.kill(pid, signal.SIGKILL)


def test_what_bears_the_mark_is_ended(session: Session) -> None:
    pid = session.leaves(dict([MARKER]), 600)
    assert end_members(session.number, MARKER) == 1
    assert not is_alive(pid)


def test_what_is_of_another_is_left_alone(session: Session) -> None:
    pid = session.leaves({MARKER[0]: "another one"}, 600)
    assert end_members(session.number, MARKER) == 0
    assert is_alive(pid)


def test_what_is_dying_already_is_waited_for(session: Session) -> None:
    # It has given back its memory, and its environment with that, and is not gone yet.
    pid = session.leaves({}, 0.5)
    assert end_members(session.number, MARKER) == 0
    assert not is_alive(pid)
