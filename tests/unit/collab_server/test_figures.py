from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import unix_connect
from websockets.typing import Subprotocol

from collab_protocol.messages import Receipt
from collab_server import slices
from collab_server.lock import Endpoints
from collab_server.log_fields import room_id
from collab_server.monitoring import figures
from collab_server.monitoring.catalogue import METRICS, Kind
from collab_server.monitoring.figures import memory_bytes, read_disk
from collab_server.office.serving import ADMIN_PATH, ADMIN_SUBPROTOCOL

from .wire import DEADLINE_S, config, joined, running, short_folder


async def ask(server: Endpoints) -> dict[str, Any]:
    """Ask for figures, as an operator does."""
    uri, spoken = f"ws://localhost{ADMIN_PATH}", [Subprotocol(ADMIN_SUBPROTOCOL)]
    async with asyncio.timeout(DEADLINE_S), unix_connect(server.unix, uri, subprotocols=spoken) as websocket:
        await websocket.send('{"do": "figures"}')
        answer = json.loads(await websocket.recv())
    assert "error" not in answer, answer
    told: dict[str, Any] = answer["ok"]
    return told


async def test_of_a_server_that_nobody_is_on() -> None:
    with short_folder() as folder:
        async with running(config(folder)) as server:
            told = await ask(server)
    assert told["version"] == "test"
    assert told["pid"] == os.getpid()
    assert told["started"] <= told["now"]
    assert told["memory_bytes"] > 1_000_000
    assert told["cpu_s"] > 0
    assert told["store_bytes"] > 0
    assert told["free_bytes"] > 0
    assert (told["connections"], told["people"], told["rooms_loaded"], told["rooms"]) == (0, 0, 0, [])
    assert (told["rooms_stored"], told["trouble"], told["ready"]) == (None, "", True)
    assert told["receipt_s"] == told["commit_s"] == {"p50": None, "p99": None}
    assert told["stall_s"].keys() == {"p50", "p99", "max"}


async def test_many_are_told_of_in_slices_and_those_that_went_meanwhile_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slices, "SLICE", 1)
    with short_folder() as folder:
        async with running(config(folder, room_idle_s=0.0)) as server:
            for _ in range(3):
                async with contextlib.AsyncExitStack() as stack:
                    for name in ("one", "two", "three"):
                        await stack.enter_async_context(joined(server, "ana", name))
                    told = await ask(server)
                    assert {each["room"] for each in told["rooms"]} == {"one", "two", "three"}
                    leaving = asyncio.create_task(stack.aclose())
                    assert {each["room"] for each in (await ask(server))["rooms"]} <= {"one", "two", "three"}
                    await leaving


async def test_rooms_are_told_by_name_and_by_the_id_of_the_log() -> None:
    with short_folder() as folder:
        async with (
            running(config(folder)) as server,
            joined(server, "ana", "busy") as ana,
            joined(server, "bo", "busy"),
            joined(server, "cai", "quiet"),
        ):
            for _ in range(4):
                await ana.type("é")
                await ana.wait_for(Receipt)
            told = await ask(server)
    busy, quiet = told["rooms"]
    assert busy == {
        "room": "busy",
        "id": room_id("busy"),
        "people": 2,
        "connections": 2,
        "lagging": 0,
        "seq": 4,
        "text_bytes": 8,
        "updates": 4,
        "bytes_in": sum(len(row) for row in ana.rows),
        "oldest_unsettled_s": 0.0,
    }
    assert (quiet["room"], quiet["people"], quiet["updates"]) == ("quiet", 1, 0)
    assert (told["connections"], told["people"], told["rooms_loaded"], told["rooms_stored"]) == (3, 3, 2, 2)
    assert told["counters"]["collab_updates_total"] == 4
    assert told["counters"]["collab_opened_connections_total"] == 3
    assert told["counters"].keys() == {each.name for each in METRICS if each.kind is Kind.COUNTER}
    assert 0 < told["receipt_s"]["p50"] <= told["receipt_s"]["p99"]
    assert 0 < told["commit_s"]["p50"] <= told["commit_s"]["p99"]


async def test_one_person_in_two_windows_is_one() -> None:
    with short_folder() as folder:
        async with (
            running(config(folder)) as server,
            joined(server, "ana"),
            joined(server, "ana", "other"),
        ):
            told = await ask(server)
    assert (told["connections"], told["people"]) == (2, 1)


async def test_of_many_rooms_those_are_told_where_most_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "_ROOMS_MOST", 2)
    with short_folder() as folder:
        async with (
            running(config(folder)) as server,
            joined(server, "ana", "first") as ana,
            joined(server, "bo", "second") as bo,
            joined(server, "cai", "third"),
            joined(server, "dee", "third"),
        ):
            for client, letters in ((ana, 5), (bo, 1)):
                for _ in range(letters):
                    await client.type("x")
                    await client.wait_for(Receipt)
            assert [each["room"] for each in (await ask(server))["rooms"]] == ["first", "second"]
            # From here on nothing more happened there, and all that was is of before.
            monkeypatch.setattr(figures, "_BUSY_S", 0.0)
            await ask(server)
            for _ in range(2):
                await bo.type("x")
                await bo.wait_for(Receipt)
            told = await ask(server)
            assert [each["room"] for each in told["rooms"]] == ["second", "third"]
            assert told["rooms_loaded"] == 3


async def test_a_server_without_files_says_nothing_about_them() -> None:
    with short_folder() as folder:
        async with running(config(folder, memory=True)) as server:
            told = await ask(server)
    assert told["store_bytes"] is None
    assert told["free_bytes"] is None


async def test_a_disk_that_does_not_answer_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on, asked = threading.Event(), []

    def hang(folder: Path) -> figures.Disk:
        asked.append(folder)
        goes_on.wait(DEADLINE_S)
        return figures.Disk(1, 2)

    monkeypatch.setattr(figures, "read_disk", hang)
    monkeypatch.setattr(figures, "_DISK_MOST_S", 0.01)
    with short_folder() as folder:
        async with running(config(folder)) as server:
            try:
                assert [(await ask(server))["store_bytes"] for _ in range(3)] == [None, None, None]
                assert len(asked) == 1
            finally:
                goes_on.set()


def test_what_a_folder_holds_of_a_store(tmp_path: Path) -> None:
    assert read_disk(tmp_path).store_bytes is None
    with sqlite3.connect(tmp_path / "rooms.sqlite3") as database:
        database.execute("CREATE TABLE room (name)")
    database.close()
    disk = read_disk(tmp_path)
    assert disk.store_bytes == (tmp_path / "rooms.sqlite3").stat().st_size
    assert disk.free_bytes is not None
    assert disk.free_bytes > 0
    assert read_disk(tmp_path / "gone") == figures.Disk()


def test_memory_is_told_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = memory_bytes()

    def fail(_: Path) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", fail)
    assert memory_bytes() >= measured // 2
