"""What is kept, room by room: counted beside the server, and told with what a loaded room knows better."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from collab_protocol.errors import StoreError
from collab_server.log_fields import room_id
from collab_server.office import rooms
from collab_server.store.base import Row, Snapshot, StoredSize
from collab_server.store.sqlite import SqliteStore
from collab_server.store.survey import survey_file

from .rooms import hello
from .test_office import Desk, ask, asking, desk, folder, stored
from .wire import config, dial, joined, running

__all__ = ["desk", "folder"]


def row(room: str, n: int, at: float, size: int = 100) -> Row:
    return Row(room, n, n, 1, "unix:ana", "ana", b"d" * 32, at, b"x" * size)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "rooms.sqlite3"
    store = SqliteStore(path)
    for number, name in enumerate(("a", "b", "c")):
        store.create(name, b"l" * 16, 1000.0 + number)
    store.write([row("a", 1, 2000.0), row("a", 2, 3000.0, 50_000), row("c", 1, 4000.0)], [])
    store.save_snapshot("a", Snapshot(2, b"y" * 1000))
    store.close()
    return path


def test_rooms_are_counted_in_the_order_of_their_names(path: Path) -> None:
    a = StoredSize("a", 1000.0, 3000.0, 2, 51_100, 2)
    b = StoredSize("b", 1001.0, 1001.0, 0, 0, 0)
    c = StoredSize("c", 1002.0, 4000.0, 1, 100, 1)
    assert survey_file(path, "", 10) == [a, b, c]
    assert survey_file(path, "", 2) == [a, b]
    assert survey_file(path, "b", 2) == [c]
    assert survey_file(path, "c", 2) == []
    store = SqliteStore(path)
    assert store.survey("a", 1) == [b]
    store.close()


def test_a_commit_does_not_wait_for_it_nor_it_for_a_commit(path: Path) -> None:
    store = SqliteStore(path)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert len(survey_file(path, "", 10)) == 3
        other.execute("ROLLBACK")
    other.close()
    db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
    db.execute("BEGIN")
    db.execute("SELECT count(*) FROM row").fetchone()
    writing = threading.Thread(target=store.write, args=([row("b", 1, 5000.0)], []))
    writing.start()
    writing.join(20)
    assert not writing.is_alive()
    db.close()
    assert survey_file(path, "a", 1)[0].rows == 1
    store.close()


def test_a_file_that_cannot_be_read_is_told_and_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        survey_file(tmp_path / "none.sqlite3", "", 10)
    assert not (tmp_path / "none.sqlite3").exists()


@pytest.mark.parametrize("memory", [False, True])
async def test_a_server_tells_what_it_keeps_and_who_is_there(folder: Path, memory: bool) -> None:
    async with (
        running(config(folder, memory=memory)) as endpoints,
        asking(endpoints) as link,
        joined(endpoints) as ana,
        joined(endpoints, "bo"),
        dial(endpoints) as window,
    ):
        await window.enter(hello("bo", nonce=b"2" * 16, client_ids=()))
        await ana.type("hello")
        await stored(ana)
        await ask(link, {"do": "close", "room": "notes"})
        answer = (await ask(link, {"do": "rooms"}))["ok"]
        (notes,) = answer["rooms"]
        assert not answer["more"]
        told: dict[str, Any] = {
            "room": "notes",
            "id": room_id("notes"),
            "people": 2,
            "connections": 3,
            "loaded": True,
            "rows": 1,
            "text_bytes": 5,
            "seq": 1,
            "closed": True,
        }
        assert told.items() <= notes.items()
        assert notes["bytes"] > 5
        assert notes["created"] <= notes["changed"]
        people = (await ask(link, {"do": "who", "room": "notes"}))["ok"]["people"]
        assert [(each["name"], each["role"], each["address"]) for each in people] == [
            ("ana", "admin", ""),
            ("bo", "admin", ""),
            ("bo", "admin", ""),
        ]


async def test_many_rooms_come_in_pages(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "_PAGE", 2)
    for name in ("a", "b", "c"):
        desk.store.create(name, b"l" * 16, 0.0)
    first = await desk.do("rooms")
    assert ([each["room"] for each in first["rooms"]], first["more"]) == (["a", "b"], True)
    second = await desk.do("rooms", after="b")
    assert ([each["room"] for each in second["rooms"]], second["more"]) == (["c"], False)
    assert second["rooms"][0]["text_bytes"] is None


async def test_where_people_come_from_is_for_operators(folder: Path) -> None:
    async with (
        running(config(folder, port=0, insecure=True)) as endpoints,
        asking(endpoints) as link,
        joined(endpoints, "ana", tcp=True),
    ):
        (ana,) = (await ask(link, {"do": "who", "room": "notes"}))["ok"]["people"]
        assert ana["address"] == "127.0.0.1"
