"""Tests of `collab_cli.read_lines`: how far each room's chat has been read, across runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from collab_cli.read_lines import ReadLines, last_read


def now(call: Callable[[], None]) -> None:
    call()


def test_what_was_read_is_known_the_next_time(tmp_path: Path) -> None:
    file = tmp_path / "state" / "read-lines"
    ReadLines(file, "notes", run=now).read(7)
    ReadLines(file, "wss://example.org/notes", run=now).read(3)
    ReadLines(file, "notes", run=now).read(9)
    assert last_read(file, "notes") == 9
    assert last_read(file, "wss://example.org/notes") == 3
    assert last_read(file, "other") == 0
    assert file.read_text().startswith("9 notes\n")


def test_only_the_newest_is_written(tmp_path: Path) -> None:
    file = tmp_path / "read-lines"
    calls: list[Callable[[], None]] = []
    lines = ReadLines(file, "notes", run=calls.append)
    for number in (1, 2, 3):
        lines.read(number)
    calls[0]()
    assert last_read(file, "notes") == 3
    file.unlink()
    calls[1]()
    assert not file.exists(), "there was nothing new to write"


def test_it_does_not_grow_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "read-lines"
    for number in range(210):
        ReadLines(file, f"room-{number}", run=now).read(1)
    assert len(file.read_text().splitlines()) == 200
    assert last_read(file, "room-209") == 1
    assert last_read(file, "room-0") == 0


def test_a_file_that_cannot_be_kept_or_read_harms_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "read-lines"
    folder.mkdir()
    ReadLines(folder, "notes", run=now).read(1)
    assert last_read(folder, "notes") == 0
    odd = tmp_path / "odd"
    odd.write_text("x notes\n7\n-3 notes\n99999999999999999999 notes\n\n5 notes\n")
    assert last_read(odd, "notes") == 5
    odd.write_bytes(b"\xff\xfe")
    assert last_read(odd, "notes") == 0
