"""Tests of `collab_cli.log_floods`: what others make happen is told, and does not flood the log."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from collab_cli import log_floods
from collab_cli.log_floods import LINES_A_SECOND, FloodGate


class Written:
    """A log whose clock is ours."""

    def __init__(self) -> None:
        self.now = 100.0
        self.records: list[logging.LogRecord] = []
        self.has_count = threading.Event()
        self.gate = FloodGate(self._count, clock=lambda: self.now)

    def _count(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.has_count.set()

    def say(self, kind: str | None = "refused", times: int = 1, level: int = logging.INFO) -> int:
        """Log so many lines; returns how many went through."""
        record = logging.LogRecord("collab_server.listener", level, __file__, 1, "no", (), None)
        if kind is not None:
            record.kind = kind
        return sum(bool(self.gate.filter(record)) for _ in range(times))

    @property
    def counts(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def written() -> Iterator[Written]:
    log = Written()
    yield log
    log.gate.end()


def test_a_flood_is_cut_and_counted(written: Written) -> None:
    assert written.say(times=LINES_A_SECOND + 812) == LINES_A_SECOND
    written.now += 10
    written.gate.end()
    assert written.counts == ["… and 812 more in the last 10 s"]
    assert written.records[0].__dict__["kind"] == "refused"


def test_the_next_second_has_lines_of_its_own_and_each_kind_too(written: Written) -> None:
    assert written.say(times=2 * LINES_A_SECOND) == LINES_A_SECOND
    assert written.say("left") == 1
    written.now += 1
    assert written.say(times=2 * LINES_A_SECOND) == LINES_A_SECOND
    written.now += 1
    written.gate.end()
    assert written.counts == [f"… and {2 * LINES_A_SECOND} more in the last 2 s"]


def test_what_is_of_no_kind_is_never_cut(written: Written) -> None:
    assert written.say(None, times=500) == 500
    written.gate.end()
    assert written.counts == []


def test_the_count_is_as_grave_as_the_gravest_that_was_left_out(written: Written) -> None:
    written.say(times=LINES_A_SECOND + 1)
    written.say(level=logging.ERROR)
    written.gate.end()
    assert written.records[0].levelno == logging.ERROR
    written.gate.end()
    assert len(written.records) == 1, "what was counted is not counted again"


def test_the_count_comes_though_nothing_more_happens(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_floods, "TOLD_EVERY_S", 0.01)
    written.say(times=LINES_A_SECOND + 3)
    assert written.has_count.wait(10)
    assert written.counts[0].startswith("… and ")


@pytest.mark.parametrize("library", ["collab_server.websockets", "asyncio"])
def test_what_a_library_says_of_connections_is_a_kind(written: Written, library: str) -> None:
    record = logging.LogRecord(library, logging.ERROR, __file__, 1, "failed", (), None)
    assert sum(bool(written.gate.filter(record)) for _ in range(100)) == LINES_A_SECOND
