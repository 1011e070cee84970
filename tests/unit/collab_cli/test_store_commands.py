"""Tests of `collab backup`, `restore`, `verify` and `admin compact`, as they are typed."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from collab_cli.exits import ExitCode
from collab_cli.main import run
from collab_server.lock import FolderLock
from collab_server.store.sqlite import SqliteStore
from tests.unit.collab_server.stores import damage, text_in, write_room
from tests.unit.collab_server.wire import short_folder


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A machine whose server has a room, and does not run."""
    with short_folder() as folder:
        for variable in ("COLLAB_CONFIG", "XDG_CONFIG_HOME"):
            monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv("COLLAB_HOME", str(folder))
        store = SqliteStore(folder / "data" / "rooms.sqlite3")
        write_room(store, rows=12, snapshots=(4,))
        store.close()
        yield folder


@pytest.fixture
def store(home: Path) -> Path:
    return home / "data" / "rooms.sqlite3"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_backup_restore_and_back_again(home: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backup", str(home / "b")]) == ExitCode.OK
    said = capsys.readouterr()
    assert said.out.startswith(f"backed up {home / 'data'} to {home / 'b'}: 1 room, ")
    assert said.out.endswith(", read back\n")
    assert said.err == ""
    other = SqliteStore(store)
    write_room(other, "plans", rows=3)
    other.close()
    assert run(["restore", str(home / "b"), "--yes"]) == ExitCode.OK
    said = capsys.readouterr()
    (aside,) = (home / "data").glob("before-restore-*")
    assert said.out.splitlines() == [
        f"restored 1 room to {home / 'data'}; start the server again",
        f"what was there is in {aside}; to go back: collab restore {aside}",
    ]
    assert "brings back what they wrote since" in said.err
    assert run(["restore", str(home), "--yes"]) == ExitCode.REFUSED
    assert "name a backup in it" in capsys.readouterr().err
    assert run(["verify", "plans"]) == ExitCode.REFUSED
    assert "there is no room plans" in capsys.readouterr().err
    assert run(["restore", str(aside), "--yes", "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["rooms"] == 2
    assert text_in(store, "plans")


def test_the_way_back_leads_to_the_folder_that_was_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["backup", str(home / "b")])
    there = home / "another place"
    for _ in range(2):
        capsys.readouterr()
        assert run(["restore", str(home / "b"), "--data-dir", str(there), "--yes"]) == ExitCode.OK
    way = capsys.readouterr().out.splitlines()[-1].partition("to go back: ")[2]
    (aside,) = there.glob("before-restore-*")
    assert shlex.split(way) == ["collab", "restore", str(aside), "--data-dir", str(there)]


def test_a_backup_that_was_altered_is_told_as_such(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["backup", str(home / "b")])
    damage(home / "b", "UPDATE author SET name = 'cy' WHERE name = 'bo'")
    capsys.readouterr()
    assert run(["verify", str(home / "b")]) == ExitCode.REFUSED
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("author: what the backup has of it is not what was copied")
    assert lines[-1].endswith("the file is wrong")
    assert run(["verify", str(home / "b"), "--json"]) == ExitCode.REFUSED
    told = json.loads(capsys.readouterr().out)
    assert (told["right"], len(told["wrong"])) == (False, 1)
    assert run(["restore", str(home / "b"), "--yes"]) == ExitCode.REFUSED
    assert run(["restore", str(home / "b"), "--yes", "--damaged"]) == ExitCode.OK
    assert "not what was copied" in capsys.readouterr().err


def test_a_restore_is_asked_about(
    home: Path, store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(["backup", str(home / "b")])
    before = store.read_bytes()
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run(["restore", str(home / "b")]) == ExitCode.USAGE
    assert "add --yes" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert run(["restore", str(home / "b")]) == ExitCode.INTERNAL
    said = capsys.readouterr().err
    assert f"put {home / 'b'} of 20" in said
    assert "nothing was restored" in said
    assert store.read_bytes() == before
    with FolderLock(home / "data"):
        assert run(["restore", str(home / "b"), "--yes"]) == ExitCode.REFUSED
    assert "stop it first" in capsys.readouterr().err


def test_backups_of_a_store_with_a_fault_are_made_and_say_so(
    home: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home / "backups"
    folder.mkdir()
    run(["backup", str(folder)])
    damage(store, "DELETE FROM row WHERE first = 9")
    capsys.readouterr()
    assert run(["backup", str(folder), "--keep", "1", "--json"]) == ExitCode.REFUSED
    said = capsys.readouterr()
    note = json.loads(said.out)
    assert list(note["wrong"]) == ["notes"]
    assert note["removed"] == []
    assert "room notes was copied as it is, and is wrong: its log lacks" in said.err
    assert len(list(folder.iterdir())) == 2
    assert run(["restore", note["file"], "--yes"]) == ExitCode.REFUSED
    assert "--damaged" in capsys.readouterr().err


def test_verify_reads_the_store_or_a_file(
    home: Path, store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(["backup", str(home / "b.sqlite3")])
    damage(store, "UPDATE snapshot SET sha256 = x'00'")
    capsys.readouterr()
    assert run(["verify"]) == ExitCode.REFUSED
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "notes: the snapshot at 4 is damaged"
    assert lines[-1].endswith("12 rows of history: 1 room is wrong")
    monkeypatch.chdir(home)
    for file in ("b.sqlite3", "./b.sqlite3", str(home / "b.sqlite3")):
        assert run(["verify", file, "notes"]) == ExitCode.OK
    assert "all of it is right" in capsys.readouterr().out
    assert run(["verify", "notes", "--data-dir", str(home / "data"), "--json"]) == ExitCode.REFUSED
    told = json.loads(capsys.readouterr().out)
    assert (told["right"], told["format"], told["rooms"][0]["seq"]) == (False, 4, 12)
    assert run(["verify", "--data-dir", str(home / "none")]) == ExitCode.REFUSED
    assert "no server has kept anything" in capsys.readouterr().err


def test_compact_shows_first_what_would_go(
    home: Path, store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = text_in(store)
    damage(store, "UPDATE row SET at = first")
    assert run(["admin", "compact"]) == ExitCode.REFUSED
    assert "--older TIME or --larger SIZE" in capsys.readouterr().err
    assert run(["admin", "compact", "--older", "30d", "--dry-run"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "history older than 30 days:"
    assert lines[2].split()[:2] == ["notes", "11"]
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert run(["admin", "compact", "--older", "30d"]) == ExitCode.INTERNAL
    assert "nothing was removed" in capsys.readouterr().err
    assert run(["admin", "compact", "--older", "30d", "--json"]) == ExitCode.USAGE
    assert run(["admin", "compact", "--larger", "huge", "--yes"]) == ExitCode.USAGE
    capsys.readouterr()
    (home / "config").mkdir(exist_ok=True)
    assert run(["admin", "compact", "notes", "--older", "30d", "--yes"]) == ExitCode.OK
    assert "removed 11 rows of history" in capsys.readouterr().out
    assert run(["admin", "compact", "--larger", "1", "--yes"]) == ExitCode.OK
    assert "no history is beyond 1 B of a room" in capsys.readouterr().err
    assert text_in(store) == text


def test_compact_goes_by_the_settings_when_no_server_runs(
    home: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(store, "UPDATE row SET at = first")
    config = home / "config" / "config.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text('[serve]\nhistory_age = "90d"\n')
    assert run(["admin", "compact", "--yes", "--json"]) == ExitCode.OK
    told = json.loads(capsys.readouterr().out)
    assert (told["older_s"], told["rooms"][0]["rows"]) == (90 * 86_400, 11)
    assert told["rooms"][0]["from"] == "1970-01-01T00:00:01+00:00"
