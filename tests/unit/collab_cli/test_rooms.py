"""`collab rooms` and `collab who`: all pages are asked for, sorted, and told to people and to programs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from collab_cli.commands import rooms, who
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
        for module in (rooms, who):
            patch.setattr(module.time, "time", lambda: AT + 200)
        time.tzset()
        with fake_office(home / "data", home / "x.sock") as office:
            yield office
    time.tzset()


def room(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "room": name,
        "id": "1a2b3c4d",
        "people": 0,
        "connections": 0,
        "loaded": False,
        "rows": 0,
        "bytes": 0,
        "text_bytes": None,
        "seq": 0,
        "created": AT,
        "changed": AT,
        "closed": False,
    } | fields


_AGENDA = room("agenda", rows=120, bytes=1_400_000, changed=AT - 7 * 86_400, closed=True)
_NOTES = room("notes", people=1, connections=2, rows=3, bytes=512, changed=AT + 190)
_TODO = room("todo", people=2, connections=2, rows=7, bytes=99_960, changed=AT)


def in_pages(request: dict[str, Any]) -> dict[str, Any]:
    pages = {"": [_AGENDA, _NOTES], "notes": [_TODO]}
    found = pages[request["after"]]
    return {"ok": {"rooms": found, "more": request["after"] == ""}}


def test_rooms_are_shown_with_those_first_where_people_are(office: FakeOffice, capsys: Output) -> None:
    office.answer = in_pages
    assert run(["rooms"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "room    id        people  rows    size  changed",
        "todo    1a2b3c4d       2     7  100 kB  3 min ago",
        "notes   1a2b3c4d   1 (2)     3   512 B  just now",
        "agenda  1a2b3c4d       -   120  1.4 MB  2023-11-08 00:13  closed",
        "",
        "3 rooms, 1.5 MB; 3 people in them",
    ]
    assert [each["after"] for each in office.asked] == ["", "notes"]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("changed", ["todo", "notes", "agenda"]),
        ("name", ["agenda", "notes", "todo"]),
        ("people", ["todo", "notes", "agenda"]),
        ("rows", ["agenda", "todo", "notes"]),
        ("size", ["agenda", "todo", "notes"]),
    ],
)
def test_rooms_are_sorted(office: FakeOffice, capsys: Output, order: str, names: list[str]) -> None:
    office.answer = in_pages
    assert run(["rooms", "--sort", order, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["room"] for each in told] == names
    assert {each["created"] for each in told} == {"2023-11-14T22:13:20+00:00"}


def test_no_rooms_and_no_such_order(office: FakeOffice, capsys: Output) -> None:
    office.answer = lambda request: {"ok": {"rooms": [], "more": False}}
    assert run(["rooms"]) == 0
    assert capsys.readouterr().err == "collab: there are no rooms yet: whoever joins one makes it\n"
    assert run(["rooms", "--sort", "age"]) == 2
    assert "'age' is not one of changed, name, people, rows, size" in capsys.readouterr().err


def test_who_is_there(office: FakeOffice, capsys: Output) -> None:
    person = {"session": 17, "role": "write", "activity": "idle", "since": AT, "expires": None}
    people = [
        person | {"name": "ana", "principal": "unix:ana", "round_trip_ms": None, "address": ""},
        person | {"name": "b\x1bo", "principal": "token:bo", "round_trip_ms": 31, "address": "192.0.2.7"},
        person | {"name": "bo", "principal": "token:bo", "round_trip_ms": 1200, "address": None},
    ]
    office.answer = lambda request: {"ok": {"room": "notes", "people": people}}
    assert run(["who", "notes"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "name  role   session  doing  round trip  came       from          who",
        "ana   write       17  idle            -  3 min ago  this machine  unix:ana",
        "b·o   write       17  idle        31 ms  3 min ago  192.0.2.7     token:bo",
        "bo    write       17  idle      1200 ms  3 min ago  ?             token:bo",
    ]
    assert office.asked == [{"do": "who", "room": "notes"}]
    assert run(["who", "notes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[1]["since"] == "2023-11-14T22:13:20+00:00"
    office.answer = lambda request: {"ok": {"room": "notes", "people": []}}
    assert run(["who", "notes"]) == 0
    assert capsys.readouterr().err == "collab: nobody is in notes\n"
    assert run(["who", "no/tes"]) == 2
