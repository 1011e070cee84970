from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from collab_cli.commands import status
from collab_cli.exits import ExitCode
from collab_client.journal import journal_path
from collab_client.journal_file import JournalFile, Origin, Own, Receipted, Step

AT = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLLAB_HOME", str(tmp_path))
    return tmp_path


def leave(home: Path, room: str, server: str | None = None, *, rows: int = 1, receipted: int = 0) -> Path:
    """Leave a journal of `room` with rows, some of them receipted."""
    server = str(home / "data") if server is None else server
    path = journal_path(home / "state" / "journals", server, room)
    steps: list[Step] = [Own(5, n + 1, b"row", AT + n, None) for n in range(rows)]
    with closing(JournalFile(path, Origin(server, room, b"d" * 32))) as file:
        file.write([*steps, Receipted(5, receipted, AT + 100)])
    return path


def test_nothing_unsent_is_said_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert status.run(as_json=False) == ExitCode.OK
        captured = capsys.readouterr()
        assert captured.out == "everything that was typed on this machine is on a server\n"
        assert captured.err == ""
        leave(home, "notes", rows=2, receipted=2)


def test_rooms_with_unsent_changes_are_listed_with_what_to_type(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "local_time", lambda at: f"<{at:.0f}>")
    leave(home, "notes", rows=3, receipted=1)
    leave(home, "agenda", "ws://host:1")
    leave(home, "saved", rows=1, receipted=1)
    leave(home, "zoo", "unix:///a d/s.sock")
    assert status.run(as_json=False) == ExitCode.OK
    assert capsys.readouterr().out.splitlines() == [
        "agenda: 1 change not saved since <1700000000>; to send: collab join agenda --server ws://host:1",
        "notes: 2 changes not saved since <1700000001>; to send: collab join notes",
        "zoo: 1 change not saved since <1700000000>; to send: collab join zoo --server 'unix:///a d/s.sock'",
    ]


def test_for_programs_it_is_json(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.run(as_json=True) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == []
    mine, theirs = leave(home, "notes", rows=2), leave(home, "zoo", "ws://host:1")
    assert status.run(as_json=True) == ExitCode.OK
    since = "2023-11-14T22:13:20+00:00"
    assert json.loads(capsys.readouterr().out) == [
        {"room": "notes", "server": None, "changes": 2, "since": since, "journal": str(mine)},
        {"room": "zoo", "server": "ws://host:1", "changes": 1, "since": since, "journal": str(theirs)},
    ]


@pytest.mark.parametrize("as_json", [False, True])
def test_what_cannot_be_read_is_complained_of_and_hides_nothing(
    home: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    leave(home, "notes")
    broken = journal_path(home / "state" / "journals", "ws://host", "broken")
    broken.write_bytes(b"no database " * 1000)
    assert status.run(as_json=as_json) == ExitCode.INTERNAL
    captured = capsys.readouterr()
    assert f"collab: {broken}: file is not a database" in captured.err
    assert "notes" in captured.out
    leave(home, "notes", receipted=1)
    assert status.run(as_json=as_json) == ExitCode.INTERNAL
    assert capsys.readouterr().out == ("[]\n" if as_json else "")
