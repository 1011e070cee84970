"""Tests of `collab_cli.office.office`: a server that runs is asked, and with none the folder is opened."""

from __future__ import annotations

import http
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from collab_cli.exits import CommandError, ExitCode, UsageError
from collab_cli.office import office
from collab_cli.office.office import ask_office
from collab_cli.paths import Folders, find_folders
from collab_protocol.errors import CollabError, StoreError
from collab_server.lock import FolderLock, FolderTaken
from collab_server.office.serving import ADMIN_PATH, ADMIN_SUBPROTOCOL
from tests.unit.collab_server.wire import short_folder

from ..fake_office import FakeOffice, fake_office

INVITES = {"do": "invites", "room": None}


@pytest.fixture
def folders() -> Iterator[Folders]:
    with short_folder() as home:
        yield find_folders({"COLLAB_HOME": str(home)})


@pytest.fixture
def running(folders: Folders) -> Iterator[FakeOffice]:
    with fake_office(folders.data, folders.data.parent / "x.sock") as running:
        yield running


def test_both_ends_mean_the_same_place() -> None:
    assert f"ws://localhost{ADMIN_PATH}" == office.ADMIN_URL
    assert office.SUBPROTOCOL == ADMIN_SUBPROTOCOL


def test_a_server_that_runs_is_asked(folders: Folders, running: FakeOffice) -> None:
    running.answer = lambda request: {"ok": {"invites": [request["do"]]}}
    assert ask_office(folders, folders.data, INVITES) == {"invites": ["invites"]}
    assert running.asked == [INVITES]
    assert running.paths == ["/admin"]


def test_what_it_does_not_do_is_said_in_its_words(folders: Folders, running: FakeOffice) -> None:
    running.answer = lambda request: {"error": "there is no such invite"}
    with pytest.raises(CommandError, match=r"^there is no such invite$") as refusal:
        ask_office(folders, folders.data, INVITES)
    assert refusal.value.code is ExitCode.REFUSED


@pytest.mark.parametrize("answer", ["", "{", "[]", "3", '{"ok": 3}', "{}"])
def test_an_answer_that_makes_no_sense(folders: Folders, running: FakeOffice, answer: str) -> None:
    running.answer = lambda request: answer
    with pytest.raises(CommandError, match=r"makes no sense|lacks"):
        ask_office(folders, folders.data, INVITES)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (http.HTTPStatus.NOT_FOUND, "is collab 0.0.1, which knows nothing of this: restart it"),
        (http.HTTPStatus.FORBIDDEN, "does not take this from you: only the owner may"),
    ],
)
def test_a_server_that_does_not_want_us(
    folders: Folders, running: FakeOffice, status: http.HTTPStatus, words: str
) -> None:
    running.status = status
    with pytest.raises(CommandError, match=words) as refusal:
        ask_office(folders, folders.data, INVITES)
    assert refusal.value.code is ExitCode.REFUSED


def test_a_server_that_ends_meanwhile(folders: Folders, running: FakeOffice) -> None:
    running.answer = lambda request: None
    with pytest.raises(CommandError, match="ended before it answered") as refusal:
        ask_office(folders, folders.data, INVITES)
    assert refusal.value.code is ExitCode.UNREACHABLE


def test_without_a_server_the_folder_is_opened(folders: Folders) -> None:
    made = ask_office(folders, folders.data, {"do": "invite", "room": "notes"})
    assert [each["id"] for each in ask_office(folders, folders.data, INVITES)["invites"]] == [made["id"]]
    with pytest.raises(CollabError):
        ask_office(folders, folders.data, {"do": "revoke", "id": "another"})


def test_what_the_folder_warns_of_is_said_and_no_error_twice(
    folders: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    ask_office(folders, folders.data, {"do": "invite", "room": "notes"})
    (folders.data / "keys").chmod(0o644)
    ask_office(folders, folders.data, {"do": "invite", "room": "notes"})
    assert capsys.readouterr().err.startswith(f"collab: others could read {folders.data / 'keys'}: ")
    with pytest.raises(CollabError, match="there is no room notes"):
        ask_office(folders, folders.data, {"do": "forget", "room": "notes"})
    assert capsys.readouterr().err == ""


def test_the_note_of_a_server_that_was_killed_keeps_nobody_out(folders: Folders) -> None:
    ask_office(folders, folders.data, {"do": "invite", "room": "notes"})
    note = {"version": "1", "protocol": [1], "pid": 1, "tcp": None, "started": 0.0}
    (folders.data / "server.json").write_text(json.dumps(note | {"unix": str(folders.data / "gone.sock")}))
    assert len(ask_office(folders, folders.data, INVITES)["invites"]) == 1


def test_a_server_that_holds_the_folder_and_does_not_answer(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office, "_STARTING_S", 0.1)
    ask_office(folders, folders.data, {"do": "invite", "room": "notes"})
    with FolderLock(folders.data), pytest.raises(CommandError, match="does not answer") as refusal:
        ask_office(folders, folders.data, INVITES)
    assert isinstance(refusal.value.__cause__, FolderTaken)
    assert refusal.value.code is ExitCode.UNREACHABLE


def test_what_only_a_running_server_does_is_said(folders: Folders) -> None:
    ask_office(folders, folders.data, {"do": "invite", "room": "notes"})
    with pytest.raises(CollabError, match="only a running one can do this"):
        ask_office(folders, folders.data, {"do": "limits", "set": {}})
    with pytest.raises(CollabError, match="may be older than your collab"):
        ask_office(folders, folders.data, {"do": "dance"})
    assert ask_office(folders, folders.data, {"do": "rooms", "after": ""})["rooms"] == []


@pytest.mark.parametrize(("owner", "whose"), [(0, "root"), (4_000_000, "'#4000000'")])
def test_a_folder_of_another_account_is_left_alone(
    folders: Folders, monkeypatch: pytest.MonkeyPatch, owner: int, whose: str
) -> None:
    folders.data.mkdir(parents=True)
    monkeypatch.setattr(office, "_owner_of", lambda data_dir: owner)
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(UsageError, match="and no server runs on it: sudo -u") as refusal:
        ask_office(folders, folders.data, {"do": "invite", "room": "notes"})
    assert f"{folders.data} belongs to {whose}" in str(refusal.value)
    assert list(folders.data.iterdir()) == []


def test_where_there_is_nothing_nothing_is_made(folders: Folders, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no server has kept anything"):
        ask_office(folders, folders.data, INVITES)
    with pytest.raises(UsageError, match="--data-dir"):
        ask_office(folders, tmp_path / "typo", {"do": "invite", "room": "notes"})
    assert not folders.data.exists()
    assert not (tmp_path / "typo").exists()
