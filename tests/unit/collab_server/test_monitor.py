"""Tests of `collab_server.monitoring.monitor`: what happens on a server, and what its metrics make of it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import pytest
from websockets.exceptions import InvalidStatus

from collab_protocol.codec import encode
from collab_protocol.messages import (
    AskAuthors,
    Bye,
    Check,
    Declined,
    Fault,
    Receipt,
    Resync,
    Trouble,
    Update,
    Welcome,
)
from collab_server.config import Caps
from collab_server.lock import Endpoints
from collab_server.monitoring import health
from collab_server.store.base import StoreTrouble
from collab_server.store.sqlite import SqliteStore

from .rooms import hello
from .scraping import OPENMETRICS, get, scrape
from .wire import DEADLINE_S, config, dial, joined, running, short_folder

MONITOR = ("127.0.0.1", 0)


@contextlib.asynccontextmanager
async def monitored(**changes: Any) -> AsyncIterator[Endpoints]:
    with short_folder() as folder:
        async with running(
            config(folder, monitor=MONITOR, port=0, **({"insecure": True} | changes))
        ) as server:
            yield server


class Changes:
    """What a block of code changes in a server's metrics."""

    def __init__(self, server: Endpoints) -> None:
        self._server = server
        self._before: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        self._before = await scrape(self._server.monitor)
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def so_far(self) -> dict[str, float]:
        """Return what has grown or shrunk, and by how much, process and latencies aside."""
        after = await scrape(self._server.monitor)
        changes = {name: after[name] - self._before.get(name, 0) for name in after}
        return {name: change for name, change in changes.items() if change and name.startswith("collab_")}

    async def until(self, **expected: float) -> None:
        """Wait until metrics (without prefix, `__` before a label's value) have changed by just so much."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                now = {_short(name): change for name, change in (await self.so_far()).items()}
                if all(now.get(name, 0) == change for name, change in expected.items()):
                    return


def _short(name: str) -> str:
    family, _, label = name.removeprefix("collab_").rstrip("}").partition("{")
    value = label.partition("=")[2].replace("-", "_")
    return f"{family}__{value}" if value else family


class TestTyping:
    async def test_what_is_typed_is_counted_from_hand_to_disk(self) -> None:
        async with monitored() as server, joined(server, "ana") as ana, joined(server, "bo", tcp=True):
            async with Changes(server) as changes:
                for _ in range(3):
                    await ana.type("letter")
                    await ana.wait_for(Receipt)
                await changes.until(
                    updates_total=3,
                    receipts_total=3,
                    committed_rows_total=3,
                    receipt_latency_seconds_count=3,
                    commit_latency_seconds_count=3,
                    commit_size_rows_sum=3,
                    received_messages_total=3,
                )
                seen = await changes.so_far()
            assert seen["collab_receipt_latency_seconds_sum"] > 0
            assert seen["collab_received_bytes_total"] >= sum(len(row) for row in ana.rows)
            assert seen["collab_sent_messages_total"] >= 6  # three receipts, three batches
            assert seen["collab_sent_bytes_total"] > seen["collab_received_bytes_total"]

    async def test_who_is_here_is_counted_by_how_they_came(self) -> None:
        async with monitored() as server, Changes(server) as changes:
            async with joined(server, "ana"), joined(server, "bo", "other", tcp=True):
                now = await scrape(server.monitor, OPENMETRICS)
                assert now["collab_connections{way=unix}"] == now["collab_connections{way=tcp}"] == 1
                assert now["collab_sessions"] == now["collab_people"] == now["collab_loaded_rooms"] == 2
                assert now["collab_accepted_sockets_total"] == 1
            # Both are gone, and what they did stays.
            await changes.until(
                connections__unix=0,
                connections__tcp=0,
                sessions=0,
                people=0,
                opened_connections_total__unix=1,
                opened_connections_total__tcp=1,
                joined_sessions_total=2,
                room_load_seconds_count=2,
                loaded_rooms=2,
            )

    async def test_names_of_rooms_and_people_are_nowhere(self) -> None:
        async with monitored() as server, joined(server, "anastasia", "secret-plans") as ana:
            await ana.type("and no text")
            await ana.wait_for(Receipt)
            for accept in ("text/plain", OPENMETRICS):
                body = (await get(server.monitor, "/metrics", accept=accept)).body
                assert not any(name in body for name in ("anastasia", "secret", "no text", "device:"))


class TestWhatGoesWrong:
    async def test_an_update_without_ground_is_stale_and_sent_again(self) -> None:
        async with monitored() as server, joined(server, "ana") as ana, Changes(server) as changes:
            ana.replica.edit(0, 0, "first")
            ana.replica.edit(5, 0, "second")
            await ana.send(Update(1, ana.rows[1]))
            await ana.wait_for(Resync)
            await changes.until(
                stale_updates_total=1, resyncs_total__server=1, updates_total=0, hostile_messages_total=0
            )

    async def test_an_update_that_nobody_makes_is_hostile(self) -> None:
        async with monitored() as server, joined(server, "ana") as ana, Changes(server) as changes:
            await ana.send(Update(1, b"\xff\xff\xff"))
            await ana.closed()
            await changes.until(hostile_messages_total=1, malformed_messages_total=0, connections__unix=-1)

    async def test_what_breaks_the_protocol_is_malformed(self) -> None:
        async with monitored() as server, joined(server, "ana") as ana, Changes(server) as changes:
            await ana.websocket.send(b"\xc1")
            await ana.closed()
            await changes.until(malformed_messages_total=1, hostile_messages_total=0)

    async def test_texts_that_are_alike_and_one_that_is_not(self) -> None:
        async with monitored() as server, joined(server, "ana") as ana, Changes(server) as changes:
            await ana.type("text")
            await ana.wait_for(Receipt)
            await ana.send(Check(1, hashlib.sha256(b"text").digest()))
            await changes.until(text_checks_total__match=1, text_checks_total__mismatch=0)
            await ana.send(Check(1, hashlib.sha256(b"test").digest()))
            await ana.wait_for(Fault)
            await changes.until(
                text_checks_total__match=1, text_checks_total__mismatch=1, faults_total__diverged=1
            )

    async def test_too_many_questions_are_declined(self) -> None:
        async with monitored() as server, joined(server, "ana") as ana, Changes(server) as changes:
            for _ in range(5):
                await ana.send(AskAuthors(None))
            await ana.wait_for(Declined)
            await changes.until(declined_requests_total=1)

    async def test_one_who_sends_too_fast_is_slowed(self) -> None:
        caps = Caps(messages_per_s=5)
        async with monitored(caps=caps) as server, joined(server) as ana, Changes(server) as changes:
            for _ in range(20):
                await ana.websocket.send(encode(Check(9, bytes(32))))
            await changes.until(slowed_connections_total=1)


class TestWhoIsRefused:
    async def refuse(self, server: Endpoints, come: Callable[[], Awaitable[None]], **expected: float) -> None:
        async with Changes(server) as changes:
            await come()
            await changes.until(**expected)

    async def test_a_web_page_and_a_path_that_is_none(self) -> None:
        async def knock(room: str = "notes", **options: Any) -> None:
            with pytest.raises(InvalidStatus):
                async with dial(server, room, tcp=True, **options):
                    pass

        async with monitored() as server:
            await self.refuse(server, lambda: knock(origin="https://example.org"), refusals_total__origin=1)
            await self.refuse(server, lambda: knock("..%2f"), refusals_total__path=1)

    async def test_one_without_a_token(self) -> None:
        async def come() -> None:
            async with dial(server, tcp=True) as bo:
                await bo.send(hello("bo"))
                await bo.wait_for(Fault)

        async with monitored(insecure=False, auth=True) as server:
            await self.refuse(server, come, refusals_total__denied=1, faults_total__denied=1)

    async def test_one_too_many_in_a_room_and_from_an_address(self) -> None:
        async def into_the_room() -> None:
            async with dial(server) as bo:
                await bo.send(hello("bo"))
                await bo.wait_for(Fault)

        async def from_the_address() -> None:
            with pytest.raises(InvalidStatus):
                async with dial(server, "other", tcp=True):
                    pass

        caps = Caps(connections_per_room=1, connections_per_address=1)
        async with monitored(caps=caps) as server, joined(server, "ana", tcp=True):
            await self.refuse(server, into_the_room, refusals_total__room_full=1, faults_total__busy=1)
            await self.refuse(server, from_the_address, refusals_total__address_full=1)


class TestTheDisk:
    async def test_while_it_takes_nothing_people_are_sent_elsewhere(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken, write, probe = [True], SqliteStore.write, SqliteStore.probe

        def failing(call: Callable[..., None]) -> Callable[..., None]:
            def fail(*arguments: object) -> None:
                if broken:
                    raise StoreTrouble("commit: disk full", "the server's disk is full")
                call(*arguments)

            return fail

        monkeypatch.setattr(SqliteStore, "write", failing(write))
        monkeypatch.setattr(SqliteStore, "probe", failing(probe))
        async with monitored() as server, joined(server, "ana") as ana, Changes(server) as changes:
            await ana.type("cannot be kept")
            await ana.wait_for(Bye)
            not_ready = await get(server.monitor, "/readyz")
            assert (not_ready.status, not_ready.body) == (503, "the server's disk is full\n")
            assert (await get(server.monitor, "/healthz")).status == http.HTTPStatus.OK
            await changes.until(failed_commits_total=1, receipts_total=0, ready=-1, store_writable=-1)
            async with joined(server, "bo") as bo:
                assert (await bo.wait_for(Trouble)).message == "the server's disk is full"
                broken.clear()
                assert (await bo.wait_for(Trouble)).message == ""
                assert (await get(server.monitor, "/readyz")).body == "ready\n"
                await changes.until(ready=0, store_writable=0, committed_rows_total=0)

    async def test_one_that_hangs_is_no_disk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        goes_on, write = threading.Event(), SqliteStore.write

        def hang(*arguments: Any) -> None:
            goes_on.wait(DEADLINE_S)
            write(*arguments)

        monkeypatch.setattr(SqliteStore, "write", hang)
        monkeypatch.setattr(health, "_STORE_MOST_S", 0.0001)
        try:
            async with monitored() as server, joined(server, "ana") as ana, asyncio.timeout(DEADLINE_S):
                await ana.type("is it kept?")
                while (await get(server.monitor, "/readyz")).status != 503:
                    pass
                now = await scrape(server.monitor)
                assert now["collab_running_commit_seconds"] > 0
                assert now["collab_oldest_unsettled_seconds"] > 0
                goes_on.set()
                await ana.wait_for(Receipt)
                monkeypatch.undo()
                assert (await get(server.monitor, "/readyz")).body == "ready\n"
                now = await scrape(server.monitor)
                assert now["collab_running_commit_seconds"] == now["collab_oldest_unsettled_seconds"] == 0
        finally:
            goes_on.set()

    async def test_one_that_hangs_while_a_room_is_loaded_is_no_disk(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        goes_on, load = threading.Event(), SqliteStore.load

        def hang(*arguments: Any, **more: Any) -> Any:
            goes_on.wait(DEADLINE_S)
            return load(*arguments, **more)

        monkeypatch.setattr(SqliteStore, "load", hang)
        monkeypatch.setattr(health, "_STORE_MOST_S", 0.0001)
        try:
            async with monitored() as server, dial(server) as ana, asyncio.timeout(DEADLINE_S):
                await ana.send(hello("ana"))
                while (await get(server.monitor, "/readyz")).status != 503:
                    pass
                assert (await get(server.monitor, "/healthz")).body == "ok\n"
                goes_on.set()
                await ana.wait_for(Welcome)
                while (await get(server.monitor, "/readyz")).status != 200:
                    pass
        finally:
            goes_on.set()

    async def test_sizes_are_those_of_the_files(self) -> None:
        with short_folder() as folder:
            async with running(config(folder, monitor=MONITOR)) as server:
                files = [
                    path
                    for path in Path(folder / "data").glob("rooms.sqlite3*")
                    if path.suffix != ".sqlite3-shm"
                ]
                now = await scrape(server.monitor)
                assert now["collab_store_size_bytes"] == sum(path.stat().st_size for path in files)
                assert now["collab_store_free_bytes"] > 0

    async def test_of_a_server_without_files_nothing_is_said_about_them(self) -> None:
        async with monitored(memory=True) as server:
            now = await scrape(server.monitor)
            assert not {"collab_store_size_bytes", "collab_store_free_bytes"} & now.keys()


def test_who_is_not_watched_does_not_load_the_library() -> None:
    code = "import sys, collab_server.app; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=DEADLINE_S, check=False).returncode == 0
