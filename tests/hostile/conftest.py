"""One server for all these tests, two honest people who type throughout, and what is looked at each time."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Final

import pytest

from tests.e2e.home import Home
from tests.hostile.people import DEADLINE_S, People
from tests.hostile.served import Served

ROOM: Final = "notes"

_TEST_S: Final = 60.0

_GROWTH_BYTES: Final = 64 * 1024 * 1024
"""What memory a server may take more after an attack than before it: generous, and nowhere near a leak."""

_figures: list[str] = []


@pytest.fixture(scope="package")
def served() -> Iterator[Served]:
    # Attackers come faster here than one address may by default; how that is refused has tests of its own.
    with Home() as home, Served(home, "--accept-rate", "4000") as made:
        yield made


@pytest.fixture(scope="package")
def people(served: Served) -> Iterator[People]:
    with People(served.port, ROOM, served.invite(ROOM)) as made:
        yield made


@pytest.fixture(scope="package")
def reader(served: Served) -> str:
    """A token with which anybody may read in the honest ones' room."""
    return served.invite(ROOM, "read")


@pytest.fixture(scope="package")
def writer(served: Served) -> str:
    """One with which anybody may write there."""
    return served.invite(ROOM)


@pytest.fixture(autouse=True)
def hard_deadline() -> Iterator[None]:
    """Fail the test, rather than hang."""

    def give_up(_: int, __: FrameType | None) -> None:
        pytest.fail(f"the test was not done after {_TEST_S:.0f} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, _TEST_S)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def throughout(
    hard_deadline: None, served: Served, people: People, request: pytest.FixtureRequest
) -> Iterator[People]:
    """Let the honest two type during the test, and check at its end that they are none the worse for it."""
    before = served.rss_bytes()
    people.begin()
    yield people
    shown = people.settle()
    after = served.rss_bytes()
    assert served.is_running
    os.kill(served.pid, 0)
    grown = None if before is None or after is None else after - before
    _figures.append(
        f"{request.node.name:.<70} {shown.longest_s * 1000:7.0f} ms"
        + ("" if grown is None or after is None else f" {grown / 2**20:+7.1f} MiB, {after / 2**20:.0f}")
    )
    assert shown.longest_s < DEADLINE_S
    if grown is not None:
        assert grown < _GROWTH_BYTES, f"{grown / 2**20:.0f} MiB more than before"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show how long an honest receipt took at most, and what memory the server took more, by test."""
    for line in _figures:
        terminalreporter.write_line(line)
