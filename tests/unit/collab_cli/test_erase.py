"""Tests of `collab delete` and `collab forget`: nothing goes unasked, and what is left is named."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collab_cli.main import run
from tests.e2e.home import Home
from tests.unit.collab_server.wire import short_folder

from .fake_office import FakeOffice, fake_office

Output = pytest.CaptureFixture[str]

ELSEWHERE = "backups may still hold it, and on people's own machines journals and copies of their text"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with short_folder() as home:
        monkeypatch.setenv("COLLAB_HOME", str(home))
        monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: PTH123, SIM115  # closed with the test
        yield home
        sys.stdin.close()


@pytest.fixture
def office(home: Path) -> Iterator[FakeOffice]:
    with fake_office(home / "data", home / "x.sock") as office:
        yield office


def test_delete(office: FakeOffice, capsys: Output) -> None:
    office.answer = lambda request: {"ok": {"deleted": True}}
    assert run(["delete", "notes", "--yes"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "deleted notes\n"
    assert shown.err == f"collab: {ELSEWHERE}\n"
    assert office.asked == [{"do": "delete", "room": "notes"}]


def test_copies_of_an_upgrade_are_named(office: FakeOffice, home: Path, capsys: Output) -> None:
    backup = home / "data" / "rooms.sqlite3.v3-backup"
    backup.touch()
    office.answer = lambda request: {"ok": {"deleted": True, "text_bytes": 1, "backups": [str(backup)]}}
    for command in ("delete", "forget"):
        assert run([command, "notes", "--yes"]) == 0
        assert f"rm {backup}\n" in capsys.readouterr().err


def test_what_is_to_be_typed_names_one_file_each(office: FakeOffice, capsys: Output) -> None:
    left = ["/srv/our notes/rooms.sqlite3.v3-backup", "/srv/$(x)"]
    office.answer = lambda request: {"ok": {"deleted": True, "backups": left}}
    assert run(["delete", "notes", "--yes"]) == 0
    assert f"rm '{left[0]}' '{left[1]}'\n" in capsys.readouterr().err


def test_a_room_that_is_not_there(office: FakeOffice, capsys: Output) -> None:
    office.answer = lambda request: {"ok": {"deleted": False}}
    assert run(["delete", "notes", "--yes"]) == 3
    assert "there is no room notes" in capsys.readouterr().err


@pytest.mark.parametrize(("size", "words"), [(0, "0 bytes"), (1, "1 byte"), (2000, "2000 bytes")])
def test_forget(office: FakeOffice, capsys: Output, size: int, words: str) -> None:
    office.answer = lambda request: {"ok": {"text_bytes": size, "backups": []}}
    assert run(["forget", "notes", "--yes"]) == 0
    assert capsys.readouterr().out == f"forgot the history of notes; its text stays ({words})\n"
    assert office.asked == [{"do": "forget", "room": "notes"}]


@pytest.mark.parametrize("command", ["delete", "forget"])
def test_where_nobody_can_be_asked_it_has_to_be_said(
    office: FakeOffice, capsys: Output, command: str
) -> None:
    assert run([command, "notes"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert office.asked == []


@pytest.mark.parametrize(
    ("command", "answer", "code", "words"),
    [
        ("delete", "y\r", 3, "there is no room notes"),
        ("delete", "\r", 1, "nothing was deleted"),
        ("forget", "n\r", 1, "nothing was forgotten"),
        ("delete", "\x04", 1, "nothing was deleted"),
    ],
)
def test_on_a_terminal_it_asks(command: str, answer: str, code: int, words: str) -> None:
    with Home() as home:
        assert home.run("invite", "agenda").returncode == 0  # so that there is a store
        terminal = home.open(command, "notes")
        terminal.wait_for("[y/N]")
        terminal.send(answer)
        assert terminal.wait_exit() == code
        assert words in terminal.text
