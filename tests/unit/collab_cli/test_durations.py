"""Tests of `collab_cli.durations`: times as people type and read them."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from collab_cli.durations import local_time, parse_duration_s, utc_time
from collab_cli.exits import UsageError


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("7d", 604_800), ("1w", 604_800), (" 2 H ", 7200)],
)
def test_a_number_and_a_unit(typed: str, seconds: int) -> None:
    assert parse_duration_s(typed, "--for") == seconds


@pytest.mark.parametrize("typed", ["", "2", "h", "0h", "-1h", "2 hours", "1.5h", "٢h", "2h30m", "9999999w"])
def test_anything_else_is_refused_with_what_to_write(typed: str) -> None:
    with pytest.raises(UsageError, match=r"^--for: .*90s, 30m, 2h, 7d or 1w"):
        parse_duration_s(typed, "--for")


@pytest.fixture
def _two_hours_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "XXX-2")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_two_hours_east")
def test_people_read_their_own_time_and_programs_utc() -> None:
    assert local_time(0) == "1970-01-01 02:00"
    assert utc_time(0) == "1970-01-01T00:00:00+00:00"
    assert utc_time(None) is None
