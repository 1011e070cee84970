"""Tests of `collab_cli.credentials`: kept for us alone, whole or not at all, and shown to no other server."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from pathlib import Path

import pytest

from collab_cli.credentials import Credentials, Stored
from collab_cli.exits import UsageError

HERE = "wss://example.org"
ANA = Stored("cc1.k1.YW5h.c2lnbmF0dXJl", None)
BO = Stored("cc1.k1.Ym8.c2lnbmF0dXJl", 4e9)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "credentials.json"


def test_what_was_saved_is_found_for_that_server_and_room_alone(file: Path) -> None:
    assert Credentials(file).find(HERE, "notes") is None
    Credentials(file).save(HERE, "notes", ANA)
    Credentials(file).save(HERE, "agenda", BO)
    stored = Credentials(file)
    assert stored.find(HERE, "notes") == ANA
    assert stored.find(HERE, "agenda") == BO
    for other in ("ws://example.org", "wss://example.org:444", "wss://sub.example.org", "wss://example.com"):
        assert stored.find(other, "notes") is None
    assert stored.find(HERE, "Notes") is None
    stored.save(HERE, "notes", BO)
    assert stored.find(HERE, "notes") == BO
    assert stored.complaints == []


@pytest.mark.parametrize("spelled", ["wss://EXAMPLE.org", "wss://example.org:443", "wss://example.org/"])
def test_one_server_may_be_spelled_in_several_ways(file: Path, spelled: str) -> None:
    Credentials(file).save(HERE, "notes", ANA)
    assert Credentials(file).find(spelled, "notes") == ANA
    Credentials(file).save("ws://[::1]:80", "notes", BO)
    assert Credentials(file).find("ws://[::1]", "notes") == BO


def test_it_is_for_us_alone(file: Path) -> None:
    file.parent.mkdir(mode=0o755)
    Credentials(file).save(HERE, "notes", ANA)
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in file.parent.iterdir()} == {0o600}
    file.chmod(0o644)
    assert Credentials(file).find(HERE, "notes") == ANA
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_nobody_reads_a_token_by_looking_at_the_value() -> None:
    assert "cc1" not in repr(ANA)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "3",
        "\xff",
        "[" * 100_000,
        '{"format": 1}',
        '{"format": "1", "servers": {}}',
        '{"format": 1, "servers": []}',
        '{"format": 1, "servers": {"a": {"b": {"token": "no token", "expires": null}}}}',
        '{"format": 1, "servers": {"a": {"b": {"token": "cc1.k.p.s", "expires": "soon"}}}}',
        '{"format": 1, "servers": {"a": {"b": {"token": "cc1.k.p.s"}}}}',
    ],
)
def test_a_damaged_file_is_set_aside_and_told(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text, encoding="latin-1")
    stored = Credentials(file)
    assert stored.find(HERE, "notes") is None
    [complaint] = stored.complaints
    assert "was damaged" in complaint
    assert "ask for a new invite" in complaint
    assert "cc1.k" not in complaint
    [aside] = file.parent.glob("credentials.json.broken-*")
    assert str(aside) in complaint
    assert aside.read_text(encoding="latin-1") == text
    stored.save(HERE, "notes", ANA)
    assert stored.find(HERE, "notes") == ANA


def test_a_damaged_file_that_is_to_be_written_is_set_aside_too(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("{")
    stored = Credentials(file)
    stored.save(HERE, "notes", ANA)
    assert len(stored.complaints) == 1
    assert Credentials(file).find(HERE, "notes") == ANA


def test_a_file_of_a_newer_collab_is_left_alone(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('{"format": 2, "servers": {}}')
    with pytest.raises(UsageError, match="upgrade"):
        Credentials(file).find(HERE, "notes")
    with pytest.raises(UsageError, match="upgrade"):
        Credentials(file).save(HERE, "notes", ANA)
    assert file.read_text() == '{"format": 2, "servers": {}}'


def test_a_link_or_a_folder_in_its_place_is_not_followed(file: Path, tmp_path: Path) -> None:
    file.parent.mkdir()
    (tmp_path / "elsewhere").write_text(json.dumps({"format": 1, "servers": {}}))
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="cannot use"):
        Credentials(file).find(HERE, "notes")
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(UsageError, match="no file of yours"):
        Credentials(file).find(HERE, "notes")


def test_what_cannot_be_written_leaves_what_was_there(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Credentials(file).save(HERE, "notes", ANA)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        Credentials(file).save(HERE, "notes", BO)
    assert Credentials(file).find(HERE, "notes") == ANA
    assert {each.name for each in file.parent.iterdir()} == {"credentials.json", ".credentials.json.lock"}


def test_what_ended_long_ago_goes(file: Path) -> None:
    now = time.time()
    Credentials(file).save(HERE, "old", Stored(ANA.token, now - 60 * 86_400))
    Credentials(file).save(HERE, "late", Stored(ANA.token, now - 60))
    Credentials(file).save(HERE, "notes", BO)
    stored = Credentials(file)
    assert stored.find(HERE, "old") is None
    assert stored.find(HERE, "late") is not None, "so that the server says when it ended"
    assert stored.find(HERE, "notes") == BO


def test_windows_that_save_at_once_all_find_theirs(file: Path) -> None:
    rooms = [f"room{number}" for number in range(8)]
    together = threading.Barrier(len(rooms))

    def save(room: str) -> None:
        together.wait()
        Credentials(file).save(HERE, room, ANA)

    threads = [threading.Thread(target=save, args=(room,)) for room in rooms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(Credentials(file).find(HERE, room) == ANA for room in rooms)
