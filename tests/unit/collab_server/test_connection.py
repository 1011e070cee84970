from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Generator
from dataclasses import replace

import msgpack
import pytest
from websockets.exceptions import ConnectionClosed

from collab_protocol import limits
from collab_protocol.codec import encode
from collab_protocol.errors import FaultCode, StoreError
from collab_protocol.messages import (
    AskAuthors,
    AskPulse,
    Authors,
    Batch,
    Bye,
    Declined,
    Fault,
    Look,
    Part,
    Ping,
    Pong,
    Presence,
    Pulse,
    Receipt,
    Resync,
    Said,
    Say,
    Sync,
    Update,
    Welcome,
    unpacking_ids,
)
from collab_protocol.presence import Activity
from collab_protocol.text import EMPTY_STATE_VECTOR
from collab_server import sending
from collab_server.lock import Endpoints
from collab_server.room import Room
from collab_server.roster import Member
from collab_server.store.base import Row, Writers
from collab_server.store.sqlite import SqliteStore
from collab_server.writing import Writing

from .rooms import hello
from .wire import DEADLINE_S, Client, config, dial, joined, running, short_folder


@pytest.fixture
async def server() -> AsyncIterator[Endpoints]:
    with short_folder() as folder:
        async with running(config(folder)) as endpoints:
            yield endpoints


async def check_is_served(client: Client) -> None:
    """Check that a client is none the worse for what another did."""
    n = await client.type("fine ")
    while (await client.wait_for(Receipt)).n < n:
        pass


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"", 1002),
        (b"\xc1", 1002),
        (msgpack.packb([3, 1]), 1002),
        (msgpack.packb([3, -1, b""]), 1002),
        (encode(Part(1, 5, 9, b"x")), 1002),
        (encode(Receipt(1, 1, True)), 1002),
        (encode(Update(1, b"junk")), 1008),
        (encode(Resync(0, b"\xff\xff")), 1008),
        ("text", 1002),
        (b"x" * (limits.FRAME_BYTES + 1), 1009),
    ],
)
async def test_one_that_breaks_the_protocol_ends_alone(
    server: Endpoints, frame: bytes | str, code: int
) -> None:
    async with joined(server, "ana") as ana, joined(server, "bo") as bo:
        await ana.websocket.send(frame)
        assert (await ana.closed())[0] == code
        lost = await bo.wait_for(Presence)
        assert lost.activity is Activity.LOST
        await check_is_served(bo)


async def test_a_tag_of_a_newer_version_is_skipped(server: Endpoints) -> None:
    async with joined(server) as ana:
        await ana.websocket.send(msgpack.packb([999, "news"]))
        await check_is_served(ana)


async def test_a_second_hello_is_refused(server: Endpoints) -> None:
    async with joined(server) as ana:
        await ana.send(hello("ana"))
        assert (await ana.closed())[0] == 1002


async def test_another_version_is_told_who_must_upgrade(server: Endpoints) -> None:
    async with dial(server) as ana:
        await ana.send(replace(hello("ana"), versions=(9,)))
        fault = await ana.wait_for(Fault)
        assert (fault.code, fault.retry_ms) == (FaultCode.VERSION, None)
        assert "upgrade" in fault.message
        await ana.closed()


async def test_one_that_says_nothing_is_not_kept(server: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HELLO_TIMEOUT_S", 0.1)
    async with dial(server) as ana:
        assert (await ana.closed())[0] == 1002


async def test_pings_alone_are_no_hello(server: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HELLO_TIMEOUT_S", 0.1)
    async with dial(server) as ana:
        await ana.send(Ping(1))
        assert (await ana.closed())[0] == 1002


async def test_nobody_fills_the_memory_before_the_hello(server: Endpoints) -> None:
    async with dial(server) as stranger:
        of = limits.MESSAGE_BYTES // limits.PART_BYTES
        piece = b"x" * limits.PART_BYTES
        sent = 0
        with contextlib.suppress(ConnectionClosed):
            async with asyncio.timeout(DEADLINE_S):
                for index in range(of):
                    await stranger.websocket.send(encode(Part(1, index, of, piece)))
                    sent += len(piece)
        code, _ = await stranger.closed()
        assert code == 1002
        assert sent < limits.MESSAGE_BYTES / 4


async def test_a_ping_is_answered_also_in_the_midst_of_a_large_message(server: Endpoints) -> None:
    async with joined(server, "ana") as ana:
        await ana.type("x" * 3_000_000)
        await ana.wait_for(Receipt)
        async with dial(server) as bo:
            await bo.send(hello("bo"))
            await bo.wait_for(Welcome)
            await bo.send(Ping(7))
            while True:
                message = await bo.receive()
                if isinstance(message, Pong):
                    break
            assert message == Pong(7)


async def test_a_silent_one_is_dropped_and_is_a_ghost_no_longer(
    server: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SERVER_PING_S", 0.05)
    monkeypatch.setattr(limits, "SERVER_DEAD_S", 0.3)
    async with joined(server, "bo") as bo, joined(server, "ana") as ana:
        alive = asyncio.create_task(_answer_pings(bo))
        ana.websocket.transport.pause_reading()
        async with asyncio.timeout(DEADLINE_S):
            while not any(isinstance(m, Presence) and m.activity is Activity.LOST for m in bo.heard):
                await asyncio.sleep(0)
        alive.cancel()


async def _answer_pings(client: Client) -> None:
    """Say something all the time, and hear what comes."""
    while True:
        await client.send(Ping(1))
        await client.receive()


async def test_one_that_talks_but_takes_nothing_is_given_up(
    server: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SERVER_PING_S", 0.05)
    monkeypatch.setattr(sending, "_PROGRESS_S", 0.3)
    async with joined(server, "ana") as ana:
        await ana.type("x" * 4_000_000)
        await ana.wait_for(Receipt)
        async with dial(server, max_queue=1) as bo:
            await bo.send(hello("bo"))
            with contextlib.suppress(ConnectionClosed):
                async with asyncio.timeout(DEADLINE_S):
                    while not bo.websocket.close_code:
                        await bo.send(Ping(1))
            while (await ana.wait_for(Presence)).activity is not Activity.LOST:
                pass


async def test_a_reconnect_with_the_same_nonce_ends_the_older_link(server: Endpoints) -> None:
    async with joined(server, "ana") as old, joined(server, "bo") as bo, joined(server, "ana") as new:
        fault = await old.wait_for(Fault)
        assert fault.code is FaultCode.REPLACED
        await old.closed()
        await check_is_served(new)
        await bo.wait_for(Batch)


async def test_a_room_that_cannot_be_opened_is_refused_not_served_empty() -> None:
    with short_folder() as folder:
        store = SqliteStore(folder / "data" / "rooms.sqlite3")
        store.create("notes", b"l" * 16, 1.0)
        store._db.execute("INSERT INTO author VALUES (1, 'notes', 1, x'00', 'p', 'n', 1)")
        store._db.execute("INSERT INTO row VALUES ('notes', 1, 1, 1, 1.0, x'ffffff')")
        store.close()
        async with running(config(folder)) as endpoints, joined(endpoints, "bo", "other") as bo:
            async with dial(endpoints) as ana:
                await ana.send(hello("ana"))
                fault = await ana.wait_for(Fault)
                assert fault.code is FaultCode.STORE
                assert not any(isinstance(message, Welcome) for message in ana.heard)
                await ana.closed()
            await check_is_served(bo)
        store = SqliteStore(folder / "data" / "rooms.sqlite3")
        stored = store.load("notes")
        store.close()
        assert stored is not None
        assert stored.rows[0].data == b"\xff\xff\xff", "left as it is"


async def test_a_commit_that_fails_is_not_receipted_and_the_room_comes_back(
    server: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("database or disk is full")

    async with joined(server, "ana") as ana, joined(server, "bo") as bo:
        with monkeypatch.context() as broken:
            broken.setattr(SqliteStore, "write", full)
            await ana.type("lost?")
            assert (await ana.closed())[0] == 1012
            assert (await bo.closed())[0] == 1012
        assert not any(isinstance(message, Receipt) for message in ana.heard)
        assert not any(isinstance(message, Batch) for message in bo.heard)
        async with dial(server) as again:
            await again.enter(hello("ana", client_ids=(ana.replica.client_id,)))
            assert again.replica.text() == ""
            await again.send(Update(1, ana.rows[0]))
            assert (await again.wait_for(Receipt)).n == 1
        async with joined(server, "bo") as bo_again:
            assert bo_again.replica.text() == "lost?"


async def test_a_room_that_breaks_down_spares_the_others(
    server: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with joined(server, "ana", "one") as ana, joined(server, "bo", "two") as bo:
        with monkeypatch.context() as broken:
            broken.setattr(Writing, "_apply", lambda *_: 1 / 0)
            await ana.type("x")
            assert (await ana.closed())[0] == 1012
        await check_is_served(bo)
        async with joined(server, "ana", "one") as again:
            await check_is_served(again)


async def test_a_load_that_takes_long_is_not_taken_for_silence(
    server: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = asyncio.Event()
    loop = asyncio.get_running_loop()
    load = SqliteStore.load

    def slow(store: SqliteStore, room: str) -> object:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(DEADLINE_S)
        return load(store, room)

    monkeypatch.setattr(SqliteStore, "load", slow)
    monkeypatch.setattr(limits, "HELLO_TIMEOUT_S", 0.2)
    async with dial(server) as ana:
        await ana.send(hello("ana"))
        for number in range(3):
            await ana.send(Ping(number))
            assert await ana.wait_for(Pong) == Pong(number)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await ana.websocket.recv()
        release.set()
        await ana.wait_for(Welcome)
        await check_is_served(ana)


async def test_resync_brings_what_is_missing(server: Endpoints) -> None:
    async with joined(server, "ana") as ana, joined(server, "bo") as bo:
        await ana.type("hello")
        await bo.wait_for(Batch)
        await bo.send(Resync(0, EMPTY_STATE_VECTOR))
        sync = await bo.wait_for(Sync)
        bo.replica.apply(sync.update)
        assert (sync.seq, bo.replica.text()) == (1, "hello")


async def test_who_says_goodbye_is_gone(server: Endpoints) -> None:
    async with joined(server, "ana") as ana, joined(server, "bo") as bo:
        await ana.send(Bye("left", None))
        assert (await bo.wait_for(Presence)).activity is Activity.GONE


async def test_what_came_before_a_link_ended_is_heard_to_its_goodbye(
    server: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes long to read, and meanwhile something cannot be sent any more."""
    is_held = True
    updating = Room.updating

    def slow(room: Room, member: Member, n: int, data: bytes) -> Generator[None, None, None]:
        while is_held:
            yield
        yield from updating(room, member, n, data)

    monkeypatch.setattr(Room, "updating", slow)
    async with joined(server, "ana") as ana, joined(server, "bo") as bo:
        await ana.type("the last words")
        await ana.send(Bye("left", None))
        await ana.websocket.close()
        await bo.send(Say("to everybody"))
        await bo.wait_for(Said)
        await bo.send(Ping(7))
        await bo.wait_for(Pong)
        is_held = False
        assert (await bo.wait_for(Presence)).activity is Activity.GONE
        await bo.wait_for(Batch)


async def test_who_breaks_off_is_lost(server: Endpoints) -> None:
    async with joined(server, "ana") as ana, joined(server, "bo") as bo:
        ana.websocket.transport.abort()
        assert (await bo.wait_for(Presence)).activity is Activity.LOST


async def test_what_is_said_is_there_after_a_restart() -> None:
    with short_folder() as folder:
        async with (
            running(config(folder)) as endpoints,
            joined(endpoints, "ana") as ana,
            joined(endpoints, "bo") as bo,
        ):
            await ana.send(Say("  hello, all  "))
            told = await bo.wait_for(Said)
            assert await ana.wait_for(Said) == told
            assert (told.n, told.author.name, told.text) == (1, "ana", "hello, all")
            await ana.send(Say(" "))
            await ana.wait_for(Declined)
            await check_is_served(ana)
        async with running(config(folder)) as endpoints, joined(endpoints, "bo") as again:
            assert await again.wait_for(Said) == replace(told, is_new=False)
            await again.send(Say("you too"))
            assert (await again.wait_for(Said)).n == 2


async def test_the_others_are_asked_to_look(server: Endpoints) -> None:
    async with joined(server, "ana") as ana, joined(server, "bo") as bo:
        await bo.send(Look(None))
        person = (await ana.wait_for(Look)).person
        assert person is not None
        assert person.name == "bo"


class TestPulse:
    async def test_everybodys_distance_is_told_once_it_is_known(self, server: Endpoints) -> None:
        async with joined(server, "ana") as ana, joined(server, "bo") as bo:
            assert ana.welcome is not None
            assert bo.welcome is not None
            await ana.send(Pong(1))  # the answer to the Ping that comes with the Welcome
            await ana.send(AskPulse())
            [(session, round_trip_ms)] = (await ana.wait_for(Pulse)).entries
            assert session == ana.welcome.session
            assert 0 <= round_trip_ms < DEADLINE_S * 1000
            await bo.send(Pong(1))
            await bo.send(AskPulse())
            entries = (await bo.wait_for(Pulse)).entries
            assert {session for session, _ in entries} == {ana.welcome.session, bo.welcome.session}

    @pytest.mark.parametrize("number", [0, 2, 2**50])
    async def test_a_pong_to_nothing_that_was_asked_says_nothing(
        self, server: Endpoints, number: int
    ) -> None:
        async with joined(server, "ana") as ana:
            await ana.send(Pong(number))
            await ana.send(AskPulse())
            assert (await ana.wait_for(Pulse)).entries == ()


class TestAuthors:
    async def test_who_wrote_what_comes_from_the_log(self, server: Endpoints) -> None:
        async with joined(server, "ana") as ana, joined(server, "bo") as bo:
            await ana.type("one")
            await ana.wait_for(Receipt)
            await bo.wait_for(Batch)
            await bo.type("two")
            await ana.wait_for(Batch)
            await ana.send(AskAuthors(None))
            ever = await ana.wait_for(Authors)
            names = [author.name for author in ever.people]
            assert (ever.since, names) == (None, ["bo", "ana"])
            assert {client_id: names[at] for client_id, at in unpacking_ids(ever.ids)} == {
                ana.replica.client_id: "ana",
                bo.replica.client_id: "bo",
            }
            assert bo.welcome is not None
            assert bo.welcome.person is not None
            assert ever.people[0].colour == bo.welcome.person.colour
            await ana.send(AskAuthors(1))
            since = await ana.wait_for(Authors)
            assert (since.since, since.people, since.ids) == (1, ever.people[:1], b"")

    async def test_rows_that_are_not_on_disk_yet_count(self, server: Endpoints) -> None:
        async with joined(server, "ana") as ana:
            await ana.type("just now")
            await ana.send(AskAuthors(0))
            assert [author.name for author in (await ana.wait_for(Authors)).people] == ["ana"]

    async def test_what_else_comes_does_not_wait_for_the_answer(
        self, server: Endpoints, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        release = asyncio.Event()
        loop = asyncio.get_running_loop()
        writers = SqliteStore.writers
        asked: list[int | None] = []

        def slow(store: SqliteStore, room: str, since: int | None) -> Writers:
            asked.append(since)
            asyncio.run_coroutine_threadsafe(release.wait(), loop).result(DEADLINE_S)
            return writers(store, room, since)

        monkeypatch.setattr(SqliteStore, "writers", slow)
        async with joined(server, "ana") as ana, joined(server, "bo") as bo:
            for since in range(6):
                await ana.send(AskAuthors(since))
            await ana.wait_for(Declined)
            await ana.wait_for(Declined)
            await ana.send(Ping(7))
            assert await ana.wait_for(Pong) == Pong(7)
            await bo.send(Presence(None, (), 0, Activity.IDLE))
            assert (await ana.wait_for(Presence)).activity is Activity.IDLE
            assert len(asked) < 2, "one question at a time"
            release.set()
            assert [(await ana.wait_for(Authors)).since for _ in range(4)] == [0, 1, 2, 3]

    async def test_a_disk_that_cannot_be_read_is_told(
        self, server: Endpoints, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise StoreError("disk I/O error")

        async with joined(server, "ana") as ana:
            with monkeypatch.context() as patched:
                patched.setattr(SqliteStore, "writers", broken)
                await ana.send(AskAuthors(None))
                assert "disk" not in (await ana.wait_for(Declined)).message
            await ana.send(AskAuthors(None))
            await ana.wait_for(Authors)
            await check_is_served(ana)

    async def test_a_room_with_a_long_life_can_be_asked(self) -> None:
        with short_folder() as folder:
            store = SqliteStore(folder / "data" / "rooms.sqlite3")
            store.create("notes", b"l" * 16, 1.0)
            count = 36_000
            rows = [
                Row(
                    "notes",
                    n,
                    n,
                    n,
                    f"unix:{n % 50}",
                    f"person {n % 50}",
                    b"h" * 32,
                    1.0,
                    b"\0\0",
                    (n + 100,),
                )
                for n in range(1, count + 1)
            ]
            store.write(rows, [])
            store.close()
            async with running(config(folder)) as endpoints, joined(endpoints, "ana") as ana:
                await ana.send(AskAuthors(None))
                authors = await ana.wait_for(Authors)
                ids = dict(unpacking_ids(authors.ids))
                assert (len(authors.people), len(ids)) == (50, count)
                assert {authors.people[ids[n + 100]].name for n in range(7, count, 50)} == {"person 7"}
                await check_is_served(ana)
