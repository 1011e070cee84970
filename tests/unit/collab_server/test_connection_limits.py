"""Tests of `collab_server.connection`: what one client may take of a server, and what it may not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from collab_protocol import limits
from collab_protocol.codec import encode
from collab_protocol.errors import FaultCode
from collab_protocol.messages import (
    AskPulse,
    Bye,
    Declined,
    Fault,
    Part,
    Ping,
    Pong,
    Pulse,
    Receipt,
    Resync,
    Said,
    Say,
    Sync,
    Update,
    Welcome,
)
from collab_protocol.text import EMPTY_STATE_VECTOR
from collab_server import sending
from collab_server.allowance import Pace
from collab_server.config import Caps
from collab_server.connection import Connection
from collab_server.lock import Endpoints
from collab_server.room import Room
from collab_server.room_socket import RoomSocket
from collab_server.roster import Member

from .rooms import hello
from .wire import DEADLINE_S, Client, config, dial, joined, running, short_folder


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[Endpoints]:
    async with running(config(folder)) as endpoints:
        yield endpoints


async def check_is_served(client: Client) -> None:
    n = await client.type("fine ")
    while (await client.wait_for(Receipt)).n < n:
        pass


async def test_one_who_is_too_fast_is_read_more_slowly_and_loses_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    rest_s = Pace.rest_s

    def noted(pace: Pace, now: float) -> float:
        rests.append(rest_s(pace, now))
        return rests[-1]

    monkeypatch.setattr(Pace, "rest_s", noted)
    async with (
        running(config(folder, caps=Caps(messages_per_s=250))) as endpoints,
        joined(endpoints, "ana") as ana,
        joined(endpoints, "bo") as bo,
    ):
        for number in range(1200):
            await ana.type(f"{number} ")
        while (await ana.wait_for(Receipt)).n < 1200:
            pass
        await check_is_served(bo)
        await bo.send(Resync(0, EMPTY_STATE_VECTOR))
        bo.replica.apply((await bo.wait_for(Sync)).update)
        text = bo.replica.text().replace("fine ", "")
        assert text == "".join(f"{number} " for number in range(1200))
    assert max(rests) > 0


async def test_what_comes_behind_a_large_update_comes_after_it(server: Endpoints) -> None:
    async with joined(server, "ana") as ana, joined(server, "bo") as bo:
        await ana.type("x" * 500_000)
        for letter in "abc":
            last = await ana.type(letter)
        while (await ana.wait_for(Receipt)).n < last:
            pass
        await bo.send(Resync(0, EMPTY_STATE_VECTOR))
        bo.replica.apply((await bo.wait_for(Sync)).update)
        assert bo.replica.text() == "x" * 500_000 + "abc"


async def test_what_comes_in_the_same_breath_as_the_hello_is_heard(server: Endpoints) -> None:
    async with dial(server) as ana:
        with ana.corked():
            await ana.send(hello("ana"))
            for number in range(40):
                await ana.send(Ping(number))
        for number in range(40):
            assert await ana.wait_for(Pong) == Pong(number)
    async with joined(server, "ana") as ana:
        await check_is_served(ana)


async def test_a_message_in_fragments_is_one_message(server: Endpoints) -> None:
    async with joined(server, "ana") as ana:
        ana.replica.edit(0, 0, "in pieces")
        whole = encode(Update(1, ana.rows[0]))
        await ana.websocket.send([whole[:3], whole[3:7], whole[7:]])
        assert (await ana.wait_for(Receipt)).n == 1
        await ana.websocket.send(["te", "xt"])
        assert (await ana.closed())[0] == 1002


async def test_one_who_pings_the_socket_and_does_not_read_is_ended(server: Endpoints) -> None:
    """The answers of the WebSocket layer itself (RFC 6455 section 5.5.3) wait for a reader, too."""
    async with joined(server, "bo") as bo, dial(server) as ana:
        await ana.enter(hello("ana"))
        ana.websocket.transport.pause_reading()
        pings = bytes([0x89, 0x80 | 125, 0, 0, 0, 0, *b"p" * 125]) * 100
        async with asyncio.timeout(DEADLINE_S):
            while not ana.websocket.transport.is_closing():
                ana.websocket.transport.write(pings)
                if ana.websocket.transport.get_write_buffer_size() > 0:
                    await asyncio.sleep(0.001)
                assert ana.websocket.transport.get_write_buffer_size() < 64 * 1024 * 1024
        await check_is_served(bo)


async def test_one_who_loads_slowly_is_not_taken_for_silent(
    server: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says nothing, not even Pong, until all of a large text is here, and that takes a while."""
    monkeypatch.setattr(limits, "SERVER_PING_S", 0.05)
    monkeypatch.setattr(limits, "SERVER_DEAD_S", 0.8)
    async with joined(server, "bo") as bo:
        await bo.type("x" * 4_000_000)
        await bo.wait_for(Receipt)
        alive = asyncio.create_task(_answer_pings(bo))
        async with dial(server, max_queue=1) as ana:
            await ana.send(hello("ana"))
            began = asyncio.get_running_loop().time()
            parts = 0
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    frame = await ana.websocket.recv(decode=False)
                    message = ana.feed(frame)
                    parts += 1
                    if isinstance(message, Sync):
                        break
                    await asyncio.sleep(0.025)
            assert asyncio.get_running_loop().time() - began > 3 * limits.SERVER_DEAD_S
            await check_is_served(ana)
        alive.cancel()


async def _answer_pings(client: Client) -> None:
    while True:
        await client.send(Ping(1))
        await client.receive()


async def test_large_messages_share_a_budget_and_the_one_too_many_is_told(folder: Path) -> None:
    caps = Caps(reassembly_bytes=3 * limits.PART_BYTES)
    piece = b"x" * limits.PART_BYTES
    async with running(config(folder, caps=caps)) as endpoints:
        async with joined(endpoints, "ana") as ana, joined(endpoints, "bo") as bo:
            for index in range(3):
                await ana.websocket.send(encode(Part(1, index, 9, piece)))
            await ana.send(Ping(5))
            await ana.wait_for(Pong)
            await bo.websocket.send(encode(Part(1, 0, 9, piece)))
            fault = await bo.wait_for(Fault)
            assert (fault.code, bool(fault.retry_ms)) == (FaultCode.BUSY, True)
            assert str(caps.reassembly_bytes) in fault.message
            assert (await bo.closed())[0] == 1013
        # What the others had begun is free again.
        async with joined(endpoints, "eve") as eve:
            for index in range(3):
                await eve.websocket.send(encode(Part(1, index, 9, piece)))
            await eve.send(Ping(6))
            assert await eve.wait_for(Pong) == Pong(6)


async def test_resyncs_and_questions_without_end_are_declined(server: Endpoints) -> None:
    async with joined(server, "ana") as ana, joined(server, "bo") as bo:
        for _ in range(40):
            await ana.send(AskPulse())
        answers = [await ana.wait_for(Pulse) for _ in range(2)]
        assert answers
        assert "too many" in (await ana.wait_for(Declined)).message
        with contextlib.suppress(ConnectionClosed):
            for _ in range(60):
                await ana.send(Resync(0, EMPTY_STATE_VECTOR))
        assert await ana.closed() == (1013, "too many resyncs at once")
        assert [(m.code, bool(m.retry_ms)) for m in ana.heard if isinstance(m, Fault)] == [
            (FaultCode.SLOW, True)
        ]
        await bo.send(Say("still here"))
        await bo.wait_for(Said)


async def test_nobody_makes_a_room_by_a_hello_that_is_refused(server: Endpoints) -> None:
    async with dial(server, "typo") as ana:
        await ana.send(hello("ana", versions=(99,)))
        assert (await ana.wait_for(Fault)).code is FaultCode.VERSION
    async with dial(server, "typo") as ana:
        await ana.enter(hello("ana"))
        assert ana.welcome is not None
        assert ana.welcome.is_new


async def test_pings_of_the_socket_count_as_messages(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    rest_s = Pace.rest_s

    def noted(pace: Pace, now: float) -> float:
        rests.append(rest_s(pace, now))
        return rests[-1]

    monkeypatch.setattr(Pace, "rest_s", noted)
    async with (
        running(config(folder, caps=Caps(messages_per_s=250))) as endpoints,
        joined(endpoints, "ana") as ana,
    ):
        ana.websocket.transport.write(bytes([0x89, 0x80, 0, 0, 0, 0]) * 1200)
        await check_is_served(ana)
    assert max(rests) > 0


async def test_one_who_is_told_to_go_and_does_not_read_fills_nothing_more(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Connection] = []
    run = Connection.run

    async def noted(connection: Connection) -> None:
        made.append(connection)
        await run(connection)

    monkeypatch.setattr(Connection, "run", noted)
    piece = b"x" * limits.PART_BYTES
    async with (
        running(config(folder, caps=Caps(reassembly_bytes=4 * limits.PART_BYTES))) as endpoints,
        joined(endpoints, "ana") as ana,
    ):
        for _ in range(60):
            last = await ana.type("x" * 20_000)
        while (await ana.wait_for(Receipt)).n < last:
            pass
        async with dial(endpoints, max_queue=1) as bo:
            await bo.send(hello("bo"))
            await bo.wait_for(Welcome)
            bo.websocket.transport.pause_reading()
            for index in range(20):
                await bo.websocket.send(encode(Part(1, index, 40, piece)))
            async with asyncio.timeout(DEADLINE_S):
                while made[1]._sending.last_word is None:
                    await asyncio.sleep(0)
                for _ in range(100):
                    await ana.send(Ping(1))
                    await ana.wait_for(Pong)
            assert not made[1]._over.done(), "it has not taken its last word"
            assert made[1]._assembler.held_bytes <= 5 * limits.PART_BYTES
            bo.websocket.transport.abort()


async def test_one_who_takes_its_last_word_too_slowly_is_given_up(
    server: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trickle is progress, but not without end."""
    monkeypatch.setattr(limits, "SERVER_PING_S", 0.05)
    monkeypatch.setattr(sending, "_PROGRESS_S", 0.5)
    async with joined(server, "ana") as ana:
        await ana.type("x" * 8_000_000)
        await ana.wait_for(Receipt)
        async with dial(server, max_queue=1) as bo, dial(server) as again:
            await bo.send(hello("bo"))
            await bo.wait_for(Welcome)
            await again.send(hello("bo"))
            trickle = asyncio.create_task(_trickle(bo))
            async with asyncio.timeout(DEADLINE_S):
                await bo.websocket.wait_closed()
            assert not any(isinstance(message, Sync) for message in bo.heard)
            trickle.cancel()


async def _trickle(client: Client) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            message = client.feed(await client.websocket.recv(decode=False))
            client.heard += [] if message is None else [message]
            await asyncio.sleep(0.02)


async def test_one_who_is_not_read_is_not_taken_for_silent(
    server: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SERVER_PING_S", 0.05)
    monkeypatch.setattr(limits, "SERVER_DEAD_S", 0.3)
    is_held = True
    updating = Room.updating

    def slow(room: Room, member: Member, n: int, data: bytes) -> Generator[None, None, None]:
        while is_held:
            yield
        yield from updating(room, member, n, data)

    monkeypatch.setattr(Room, "updating", slow)
    async with joined(server, "ana") as ana:
        n = await ana.type("it takes long to judge")
        talking = asyncio.create_task(_ping(ana))
        async with asyncio.timeout(DEADLINE_S):
            pings = 0
            while pings < 20:  # of the server: one each 50 ms
                frame = await ana.websocket.recv(decode=False)
                pings += isinstance(ana.feed(frame), Ping)
        is_held = False
        assert (await ana.wait_for(Receipt)).n == n
        talking.cancel()


async def _ping(client: Client) -> None:
    while True:
        await client.send(Ping(1))
        await asyncio.sleep(0.02)


async def test_nothing_comes_behind_a_fault(server: Endpoints) -> None:
    async with joined(server, "ana"), dial(server) as bo:
        await bo.send(hello("bo", lineage=b"another room's.."))
        heard = []
        with contextlib.suppress(ConnectionClosed):
            while True:
                heard.append(bo.feed(await bo.websocket.recv(decode=False)))
        assert isinstance(heard[-1], Fault)


async def test_a_goodbye_before_the_hello_ends_it_at_once(
    server: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HELLO_TIMEOUT_S", 2 * DEADLINE_S)
    async with dial(server) as ana:
        await ana.send(Bye("never mind", None))
        assert (await ana.closed())[0] == 1000


async def test_one_who_is_ended_while_it_is_not_read_still_closes_in_order(
    server: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    updating = Room.updating

    def endless(room: Room, member: Member, n: int, data: bytes) -> Generator[None, None, None]:
        while True:
            yield
        yield from updating(room, member, n, data)

    aborted: list[RoomSocket] = []
    close = RoomSocket.close

    async def noted(socket: RoomSocket, code: int = 1000, reason: str = "") -> None:
        await close(socket, code, reason)
        if socket.protocol.close_rcvd is None:
            aborted.append(socket)

    monkeypatch.setattr(RoomSocket, "close", noted)
    async with joined(server, "ana") as old:
        with monkeypatch.context() as patched:
            patched.setattr(Room, "updating", endless)
            await old.type("never done")
            await old.send(Ping(1))
            async with joined(server, "ana"):
                await old.closed()
    assert not aborted


async def test_an_older_client_is_told_in_its_words_and_closed_for_the_true_reason(server: Endpoints) -> None:
    async with joined(server, "ana"), dial(server) as bo:
        await bo.send(hello("bo", client_ids=(11,), versions=(1,)))
        assert (await bo.wait_for(Fault)).code is FaultCode.BROKEN
        assert (await bo.closed())[0] == 1000


async def test_large_texts_that_wait_for_slow_readers_are_bounded_and_shared_ones_count_once(
    folder: Path,
) -> None:
    """Each reader joined at another row, and so has a text of its own waiting."""
    async with (
        running(config(folder, caps=Caps(large_bytes=9_000_000))) as endpoints,
        joined(endpoints, "ana") as ana,
        contextlib.AsyncExitStack() as stack,
    ):
        await ana.type("x" * 4_000_000)
        await ana.wait_for(Receipt)

        async def stalled(number: int) -> Client:
            reader = await stack.enter_async_context(dial(endpoints, max_queue=1))
            await reader.send(hello(f"reader {number}", client_ids=(number,)))
            await reader.wait_for(Welcome)
            reader.websocket.transport.pause_reading()
            return reader

        same_row = [await stalled(number) for number in range(100, 104)]
        await check_is_served(ana)
        await stalled(104)
        await check_is_served(ana)
        late = await stack.enter_async_context(dial(endpoints))
        await late.send(hello("late", client_ids=(105,)))
        fault = await late.wait_for(Fault)
        assert (fault.code, bool(fault.retry_ms)) == (FaultCode.BUSY, True)
        assert "9000000 bytes" in fault.message
        assert (await late.closed())[0] == 1013
        for reader in same_row:
            reader.websocket.transport.abort()
        async with asyncio.timeout(DEADLINE_S):
            while True:  # until the server has seen them go
                async with dial(endpoints) as again:
                    await again.send(hello("late", client_ids=(105,)))
                    while not isinstance(message := await again.receive(), Sync | Fault):
                        pass
                    if isinstance(message, Sync):
                        break
