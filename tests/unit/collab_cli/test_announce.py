"""Tests of `collab_cli.announce`: lines to a file or a FIFO, and nobody waits for either."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from collab_cli.announce import Announcements, open_announcements
from collab_cli.exits import ExitCode, UsageError


def announce(path: Path, *lines: str) -> None:
    announcements = Announcements(path)
    for line in lines:
        announcements(line)
    announcements.close()
    announcements._thread.join()


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def test_lines_are_added_to_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "said"
    announce(path, "ana joined", "saved")
    announce(path, "ana left")
    assert path.read_text() == "ana joined\nsaved\nana left\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_is_one_line_whatever_is_in_it(tmp_path: Path) -> None:
    announce(tmp_path / "said", "chat from ana: a\nb\x1b[2J\u202ec", "x" * 100_000)
    first, second = (tmp_path / "said").read_text().splitlines()
    assert first == "chat from ana: a b·[2J·c"
    assert set(second) == {"x"}
    assert len(second) == 1000


@pytest.mark.parametrize("name", ["no/such/folder", ".", "sealed"])
def test_what_cannot_be_opened_is_said_at_once(name: str, tmp_path: Path) -> None:
    (tmp_path / "sealed").symlink_to("sealed")
    with pytest.raises(UsageError, match="cannot announce to") as raised:
        open_announcements(str(tmp_path / name))
    assert raised.value.code is ExitCode.USAGE


def test_nowhere_and_the_screen_need_no_file() -> None:
    assert open_announcements("") is None
    assert open_announcements("region") is None


def test_standard_output_is_the_screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="region"):
        open_announcements("-")
    assert list(tmp_path.iterdir()) == []


def test_the_terminal_itself_is_the_screen() -> None:
    with pytest.raises(UsageError, match="this screen"):
        open_announcements("/dev/tty")


def test_a_fifo_without_a_reader_loses_lines_and_waits_for_nobody(fifo: Path) -> None:
    told: list[str] = []
    announcements = Announcements(fifo)
    announcements.on_trouble = told.append
    announcements("lost")
    announcements("lost, too")
    announcements.close()
    announcements._thread.join()
    assert told == []


def test_no_file_takes_the_place_of_a_fifo_that_has_vanished(fifo: Path) -> None:
    announcements = Announcements(fifo)
    fifo.unlink()
    announcements("lost")
    announcements.close()
    announcements._thread.join()
    assert not fifo.exists()


def test_readers_of_a_fifo_come_and_go(fifo: Path) -> None:
    announcements = Announcements(fifo)
    for line in ("one", "two"):
        reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        try:
            announcements(line)
            os.set_blocking(reader, True)
            while (got := read_line(reader)) != line:
                assert got == "nobody is there", "it may have been written when this reader was there already"
        finally:
            os.close(reader)
        announcements("nobody is there")
    announcements.close()


def read_line(reader: int) -> str:
    """Return the next line of a FIFO that may not have a writer yet."""
    got = b""
    while not got.endswith(b"\n"):
        got += os.read(reader, 1)
    return got.decode().removesuffix("\n")


def test_a_reader_that_does_not_keep_up_loses_lines(fifo: Path) -> None:
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    lines = ["x" * 900] * 250
    announce(fifo, *lines)
    got = b""
    while piece := os.read(reader, 65536):
        got += piece
    os.close(reader)
    whole = got.decode().splitlines()
    assert 0 < len(whole) < len(lines)
    assert set(whole) == {lines[0]}


def test_trouble_is_told_once() -> None:
    told: list[str] = []
    announcements = Announcements(Path("/dev/full"))
    announcements.on_trouble = told.append
    announcements("one")
    while not announcements._trouble:
        pass
    announcements("two")
    announcements("three")
    announcements.close()
    assert told == ["cannot announce to /dev/full: No space left on device"]
