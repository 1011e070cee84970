"""Tests of `collab invite`, `invites` and `revoke`: the link alone on stdout, the rest on stderr."""

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

TOKEN = "ci1.k1.cGF5bG9hZA.c2lnbmF0dXJl"
LINK = f"wss://server.org/notes#{TOKEN}"
ENDS = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC
MADE = {"token": TOKEN, "link": LINK, "id": "a1b2", "expires": None, "use_by": ENDS}


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with short_folder() as home, monkeypatch.context() as patch:
        patch.setenv("COLLAB_HOME", str(home))
        patch.setenv("TZ", "Etc/GMT-2")
        time.tzset()
        yield home
    time.tzset()


@pytest.fixture
def office(home: Path) -> Iterator[FakeOffice]:
    with fake_office(home / "data", home / "x.sock") as office:
        office.answer = lambda request: {"ok": MADE}
        yield office


def test_the_link_is_alone_on_stdout(office: FakeOffice, capsys: Output) -> None:
    assert run(["invite", "notes"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{LINK}\n"
    assert shown.err == (
        "collab: lets one person write in notes; they type, by 2023-11-15 00:13: collab join 'LINK'\n"
        "collab: access does not end by itself; to take it back: collab revoke a1b2\n"
    )
    [asked] = office.asked
    assert asked == {
        "do": "invite",
        "room": "notes",
        "role": "write",
        "expires_s": None,
        "reusable": False,
        "name": "",
    }


def test_what_it_is_good_for_is_said(office: FakeOffice, home: Path, capsys: Output) -> None:
    office.answer = lambda request: {"ok": MADE | {"expires": ENDS, "use_by": ENDS}}
    folder = str(home / "data")
    assert (
        run(["invite", "notes", "--role", "read", "--expires", "2h", "--name", "ana", "--data-dir", folder])
        == 0
    )
    assert capsys.readouterr().err == (
        "collab: lets one person read in notes, as ana; they type: collab join 'LINK'\n"
        f"collab: access ends 2023-11-15 00:13; to take it back: collab revoke a1b2 --data-dir {folder}\n"
    )
    assert run(["invite", "notes", "--role", "admin", "--reusable"]) == 0
    assert "lets any number of people write and be an admin in notes; " in capsys.readouterr().err
    assert [(each["role"], each["expires_s"], each["reusable"], each["name"]) for each in office.asked] == [
        ("read", 7200, False, "ana"),
        ("admin", None, True, ""),
    ]


def test_for_programs_it_is_json(office: FakeOffice, capsys: Output) -> None:
    office.answer = lambda request: {"ok": MADE | {"expires": ENDS}}
    assert run(["invite", "notes", "--json", "--name", "ana"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert json.loads(shown.out) == {
        "link": LINK,
        "token": TOKEN,
        "id": "a1b2",
        "room": "notes",
        "role": "write",
        "name": "ana",
        "reusable": False,
        "expires": "2023-11-14T22:13:20+00:00",
    }


def test_the_address_is_what_was_typed_what_the_server_says_or_what_is_set(
    office: FakeOffice, home: Path, capsys: Output
) -> None:
    assert run(["invite", "notes", "--url", "wss://typed.org:444/"]) == 0
    assert capsys.readouterr().out == f"wss://typed.org:444/notes#{TOKEN}\n"
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text('[serve]\nurl = "wss://set.org"\n')
    assert run(["invite", "notes"]) == 0
    assert capsys.readouterr().out == f"{LINK}\n"
    office.answer = lambda request: {"ok": MADE | {"link": None}}
    assert run(["invite", "notes"]) == 0
    assert capsys.readouterr().out == f"wss://set.org/notes#{TOKEN}\n"


def test_without_an_address_the_token_is_printed_and_told_to_be_one(
    office: FakeOffice, capsys: Output
) -> None:
    office.answer = lambda request: {"ok": MADE | {"link": None}}
    assert run(["invite", "notes"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{TOKEN}\n"
    assert "they type, by 2023-11-15 00:13: collab join 'wss://HOST/notes#TOKEN'\n" in shown.err
    assert "--url" in shown.err
    assert "k1" not in shown.err


def test_a_name_is_said_as_others_will_read_it(office: FakeOffice, capsys: Output) -> None:
    assert run(["invite", "notes", "--name", f" a\x1b[31m  na {'x' * 40}"]) == 0
    called = f"a[31m na {'x' * 23}"
    assert f"in notes, as {called}; they type" in capsys.readouterr().err
    [asked] = office.asked
    assert asked["name"] == called


@pytest.mark.parametrize(
    ("url", "flag"), [("ws://elsewhere", "--insecure "), ("ws://127.0.0.1:1", ""), ("wss://elsewhere", "")]
)
def test_what_they_type_works(office: FakeOffice, capsys: Output, url: str, flag: str) -> None:
    assert run(["invite", "notes", "--url", url]) == 0
    assert f": collab join {flag}'LINK'\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--role", "boss"], "read, write, admin"),
        (["--expires", "2 hours"], "--expires: "),
        (["--name", " "], "--name: "),
        (["--name", "ana", "--reusable"], "leave one of them out"),
        (["--url", "https://x"], "--url: 'https://x' is not an address as in wss://example.org or "),
    ],
)
def test_a_mistake_asks_for_nothing(
    office: FakeOffice, capsys: Output, arguments: list[str], words: str
) -> None:
    assert run(["invite", "notes", *arguments]) == 2
    shown = capsys.readouterr()
    assert words in shown.err
    assert (shown.out, office.asked) == ("", [])


def invite(**changes: Any) -> dict[str, Any]:
    made = {"id": "a1", "room": "notes", "role": "write", "name": "", "made_at": ENDS, "expires": None}
    return {**made, "uses": 0, "state": "open", **changes}


def test_invites_are_a_table_or_json(office: FakeOffice, capsys: Output) -> None:
    listed = [invite(), invite(id="b2", name="a\x1bna", expires=ENDS, uses=1, state="used")]
    office.answer = lambda request: {"ok": {"invites": listed}}
    assert run(["invites"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "id  room   role   for   state  uses  made              ends",
        "a1  notes  write  -     open   0     2023-11-15 00:13  -",
        "b2  notes  write  a·na  used   1     2023-11-15 00:13  2023-11-15 00:13",
    ]
    assert run(["invites", "notes", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["id"], first["expires"], second["made_at"]) == ("a1", None, "2023-11-14T22:13:20+00:00")
    assert [each["room"] for each in office.asked] == [None, "notes"]


def test_no_invites_at_all(office: FakeOffice, capsys: Output) -> None:
    office.answer = lambda request: {"ok": {"invites": []}}
    assert run(["invites"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, "collab invite ROOM" in shown.err) == ("", True)
    assert run(["invites", "notes"]) == 0
    assert (
        capsys.readouterr().err
        == "collab: there are no invites into notes; to make one: collab invite notes\n"
    )
    assert run(["invites", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


@pytest.mark.parametrize(
    ("ended", "words"),
    [(0, ""), (1, "; 1 session was ended"), (2, "; 2 sessions were ended")],
)
def test_revoking_says_whom_it_ended(office: FakeOffice, capsys: Output, ended: int, words: str) -> None:
    office.answer = lambda request: {"ok": {"ended": ended}}
    assert run(["revoke", "a1b2"]) == 0
    assert capsys.readouterr().out == f"revoked a1b2{words}\n"
    assert office.asked == [{"do": "revoke", "id": "a1b2"}]


def test_what_the_server_refuses_is_exit_code_3(office: FakeOffice, capsys: Output) -> None:
    office.answer = lambda request: {"error": "this server asks for no tokens"}
    assert run(["invite", "notes"]) == 3
    assert capsys.readouterr().err == "collab: this server asks for no tokens\n"
