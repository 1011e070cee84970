"""Tests of `collab admin`: what is asked of the server, and how its answers are shown."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collab_cli.main import run
from tests.unit.collab_server.wire import short_folder

from .fake_office import FakeOffice, fake_office

Output = pytest.CaptureFixture[str]

AT = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOffice]:
    with short_folder() as home, monkeypatch.context() as patch:
        patch.setenv("COLLAB_HOME", str(home))
        patch.setenv("TZ", "Etc/GMT-2")
        time.tzset()
        with fake_office(home / "data", home / "x.sock") as office:
            yield office
    time.tzset()


@pytest.mark.parametrize(
    ("arguments", "asked", "answer", "said"),
    [
        (
            ["kick", "notes", "ana"],
            {"do": "kick", "room": "notes", "who": "ana", "ban_s": 0},
            {"ended": 1},
            "ana was sent away from notes\n",
        ),
        (
            ["ban", "notes", "17", "--for", "2h"],
            {"do": "kick", "room": "notes", "who": "17", "ban_s": 7200},
            {"ended": 2},
            "17 was sent away from notes (2 sessions), and may not come back for 2h\n",
        ),
        (
            ["ban", "notes", "ana"],
            {"do": "kick", "room": "notes", "who": "ana", "ban_s": 86_400},
            {"ended": 1},
            "ana was sent away from notes, and may not come back for 1d\n",
        ),
        (
            ["unban", "notes", "invite:a1"],
            {"do": "unban", "room": "notes", "who": "invite:a1"},
            {},
            "invite:a1 may come into notes again\n",
        ),
        (
            ["close", "notes"],
            {"do": "close", "room": "notes"},
            {"ended": 0},
            "notes is closed to all but admins\n",
        ),
        (["open", "notes"], {"do": "open", "room": "notes"}, {}, "notes is open\n"),
        (
            ["rotate-keys"],
            {"do": "rotate-keys"},
            {"kid": "k2"},
            "tokens are signed with key k2 from now on; the key before stays good until you do this again\n",
        ),
    ],
)
def test_what_is_done_is_said(
    office: FakeOffice,
    capsys: Output,
    arguments: list[str],
    asked: dict[str, Any],
    answer: dict[str, Any],
    said: str,
) -> None:
    office.answer = lambda request: {"ok": answer}
    assert run(["admin", *arguments]) == 0
    assert capsys.readouterr().out == said
    assert office.asked == [asked]


@pytest.mark.parametrize(
    ("arguments", "answer", "told"),
    [
        (
            ["kick", "notes", "ana"],
            {"ended": 2},
            {"room": "notes", "who": "ana", "ended": 2, "ban_s": 0},
        ),
        (
            ["ban", "notes", "ana", "--for", "2h"],
            {"ended": 1},
            {"room": "notes", "who": "ana", "ended": 1, "ban_s": 7200},
        ),
        (["unban", "notes", "ana"], {}, {"room": "notes", "who": "ana"}),
        (["close", "notes"], {"ended": 3}, {"room": "notes", "closed": True, "ended": 3}),
        (["open", "notes"], {}, {"room": "notes", "closed": False, "ended": 0}),
        (["rotate-keys"], {"kid": "k2"}, {"kid": "k2"}),
    ],
)
def test_what_is_done_is_told_to_programs(
    office: FakeOffice, capsys: Output, arguments: list[str], answer: dict[str, Any], told: dict[str, Any]
) -> None:
    office.answer = lambda request: {"ok": answer}
    assert run(["admin", *arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == told


def test_a_token_stands_alone_on_stdout(office: FakeOffice, capsys: Output) -> None:
    token = "ci1.k.payload.signature"
    made = {"token": token, "server": None, "id": "a1", "expires": None, "use_by": AT}
    office.answer = lambda request: {"ok": made}
    assert run(["admin", "token", "--expires", "7d", "--name", " ana "]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{token}\n"
    assert office.asked == [{"do": "token", "expires_s": 604_800, "name": "ana"}]
    assert "by 2023-11-15 00:13: collab admin --server wss://HOST --token-file - sessions" in shown.err
    assert "access does not end by itself; to take it back: collab revoke a1" in shown.err
    assert run(["admin", "token", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == made | {"use_by": "2023-11-14T22:13:20+00:00"}
    assert run(["admin", "token", "--name", " "]) == 2


def test_nobody_to_send_away(office: FakeOffice, capsys: Output) -> None:
    office.answer = lambda request: {"ok": {"ended": 0}}
    assert run(["admin", "kick", "notes", "ana"]) == 3
    assert capsys.readouterr().err == "collab: nobody called ana is in notes\n"


@pytest.mark.parametrize("command", ["kick", "ban", "unban"])
def test_a_room_that_cannot_be_is_not_asked_for(office: FakeOffice, capsys: Output, command: str) -> None:
    assert run(["admin", command, "no/tes", "ana"]) == 2
    assert "cannot name a room" in capsys.readouterr().err
    assert office.asked == []


def test_sessions(office: FakeOffice, capsys: Output) -> None:
    ana = {"session": 7, "room": "notes", "name": "ana", "principal": "unix:ana", "role": "admin"}
    bo = {"session": 123, "room": "notes", "name": "b\x1b[o", "principal": "token:bo", "role": "read"}
    listed = [ana | {"since": AT, "expires": None}, bo | {"since": AT, "expires": AT}]
    office.answer = lambda request: {"ok": {"sessions": listed}}
    assert run(["admin", "sessions", "notes"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "session  room   name  who       role   since             ends",
        "7        notes  ana   unix:ana  admin  2023-11-15 00:13  -",
        "123      notes  b·[o  token:bo  read   2023-11-15 00:13  2023-11-15 00:13",
    ]
    assert run(["admin", "sessions", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["session"], first["expires"]) == (7, None)
    assert second["since"] == second["expires"] == "2023-11-14T22:13:20+00:00"
    assert [each["room"] for each in office.asked] == ["notes", None]


def test_bans(office: FakeOffice, capsys: Output) -> None:
    bans = [{"room": room, "who": "device:aa", "name": "bo", "until": AT} for room in ("notes", "agenda")]
    office.answer = lambda request: {"ok": {"bans": bans}}
    assert run(["admin", "bans", "notes"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "room   name  until             who",
        "notes  bo    2023-11-15 00:13  device:aa",
    ]
    assert run(["admin", "bans", "--json"]) == 0
    assert [each["until"] for each in json.loads(capsys.readouterr().out)] == [
        "2023-11-14T22:13:20+00:00"
    ] * 2


@pytest.mark.parametrize(
    ("what", "words"), [("sessions", "nobody is connected"), ("bans", "nobody is banned")]
)
def test_nobody_at_all(office: FakeOffice, capsys: Output, what: str, words: str) -> None:
    office.answer = lambda request: {"ok": {what: []}}
    assert run(["admin", what]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"collab: {words}\n")


def test_another_folder(office: FakeOffice, capsys: Output, tmp_path: Path) -> None:
    assert run(["admin", "sessions", "--data-dir", str(tmp_path / "none")]) == 2
    assert str(tmp_path / "none") in capsys.readouterr().err
    assert office.asked == []
