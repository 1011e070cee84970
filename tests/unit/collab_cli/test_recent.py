"""Tests of `collab_cli.recent`: the list of rooms joined last."""

from __future__ import annotations

from pathlib import Path

from collab_cli.recent import recent_rooms, remember_room


def test_newest_first_and_each_once(tmp_path: Path) -> None:
    file = tmp_path / "state" / "recent-rooms"
    for room in ("a", "b", "a", "c"):
        remember_room(file, room)
    assert recent_rooms(file) == ["c", "a", "b"]


def test_it_does_not_grow_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "recent-rooms"
    for number in range(60):
        remember_room(file, f"room-{number}")
    assert recent_rooms(file)[0] == "room-59"
    assert len(recent_rooms(file)) == 50


def test_a_list_that_cannot_be_kept_or_read_harms_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "recent-rooms"
    folder.mkdir()
    remember_room(folder, "a")
    assert recent_rooms(folder) == []
    assert recent_rooms(tmp_path / "absent") == []
    (tmp_path / "odd").write_bytes(b"\xff\xfe")
    assert recent_rooms(tmp_path / "odd") == []
