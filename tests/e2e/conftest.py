"""What every end-to-end test gets: a machine of its own, and a deadline after which it fails."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType
from typing import Final

import pytest

from tests.e2e.home import Home

_DEADLINE_S: Final = 60.0


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "deadline(seconds): after this much the test fails, wherever it is")


@pytest.fixture(autouse=True)
def hard_deadline(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test, rather than hang, when it takes longer than it ever should."""
    marker = request.node.get_closest_marker("deadline")
    seconds = float(marker.args[0]) if marker else _DEADLINE_S

    def give_up(_: int, __: FrameType | None) -> None:
        pytest.fail(f"the test was not done after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def home(hard_deadline: None) -> Iterator[Home]:
    """A folder in which nothing is yet, and on which everything ends with the test."""
    with Home() as made:
        yield made
