"""`collab admin limits`: what is typed is checked, what is answered is told, and how to keep it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from collab_cli.main import run
from tests.unit.collab_server.wire import short_folder

from .fake_office import FakeOffice, fake_office

Output = pytest.CaptureFixture[str]

LIMITS = {
    "connections": {"limit": 500, "in_use": 12, "before": 10_000},
    "accept_rate": {"limit": 200, "in_use": None, "before": 200},
    "room_bytes": {"limit": 8 * 1024**2, "in_use": 1_400_000, "before": 16 * 1024**2},
}


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOffice]:
    with short_folder() as home:
        monkeypatch.setenv("COLLAB_HOME", str(home))
        with fake_office(home / "data", home / "x.sock") as office:
            office.answer = lambda request: {"ok": {"limits": LIMITS}}
            yield office


def test_limits_are_set_and_it_is_said_how_to_keep_them(office: FakeOffice, capsys: Output) -> None:
    changes = ["connections=500", "room-bytes=8M", "large_bytes = 1G"]
    assert run(["admin", "limits", *changes]) == 0
    wanted = {"connections": 500, "room_bytes": 8 * 1024**2, "large_bytes": 1024**3}
    assert office.asked == [{"do": "limits", "set": wanted}]
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "             limit  in use  before",
        "connections    500      12   10000",
        "accept_rate    200       -",
        "room_bytes      8M  1.4 MB     16M",
    ]
    assert shown.err == (
        "collab: this holds until the server ends; to keep it, say in config.toml:"
        ' [serve] connections = 500, room_bytes = "8M"\n'
    )


def test_limits_are_told(office: FakeOffice, capsys: Output) -> None:
    assert run(["admin", "limits", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == LIMITS
    assert shown.err == ""
    assert office.asked == [{"do": "limits", "set": {}}]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("connections", "'connections': write NAME=VALUE"),
        ("connections=many", "connections: 'many' is not a whole number"),
        ("bytes_per_second=-1", "bytes_per_second: '-1' is not a size"),
    ],
)
def test_what_is_no_limit_is_not_asked_for(
    office: FakeOffice, capsys: Output, typed: str, words: str
) -> None:
    assert run(["admin", "limits", typed]) == 2
    assert words in capsys.readouterr().err
    assert office.asked == []
