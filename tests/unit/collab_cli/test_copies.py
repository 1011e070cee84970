from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from collab_cli.copies import keep_copy
from collab_protocol.errors import StoreError


def test_a_copy_is_a_plain_file_for_its_owner_alone(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        place = Path(keep_copy(tmp_path / "state" / "copies", "notes", "zürich\r\n🙂\n"))
    finally:
        os.umask(umask)
    assert place.read_bytes() == "zürich\r\n🙂\n".encode()
    assert place.stat().st_mode & 0o777 == 0o600
    assert place.parent.stat().st_mode & 0o777 == 0o700
    assert place.parent == tmp_path / "state" / "copies"
    assert place.name.startswith("notes-")


def test_copies_of_one_second_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda _: "now")
    places = [Path(keep_copy(tmp_path, "notes", text)) for text in ("one", "two", "three")]
    assert [place.name for place in places] == ["notes-now.txt", "notes-now-1.txt", "notes-now-2.txt"]
    assert [place.read_text() for place in places] == ["one", "two", "three"]


def test_a_copy_is_on_disk_before_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        [path] = tmp_path.iterdir()
        synced.append(path.read_text())

    monkeypatch.setattr(os, "fsync", fsync)
    keep_copy(tmp_path, "notes", "text")
    assert synced[0] == "text"


def test_what_cannot_be_kept_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        keep_copy(tmp_path / "file", "notes", "text")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        keep_copy(tmp_path, "notes", "text")
    assert list(tmp_path.glob("notes-*")) == []
