from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.asyncio.server import unix_serve

from collab_server.room_socket import RoomSocket

from .wire import DEADLINE_S, short_folder

PING = bytes([0x89, 0x80, 0, 0, 0, 0])
BEGIN = bytes([0x02, 0x80, 0, 0, 0, 0])
EMPTY_FRAGMENT = bytes([0x00, 0x80, 0, 0, 0, 0])


def message(payload: bytes) -> bytes:
    return bytes([0x82, 0x80 | len(payload), 0, 0, 0, 0]) + payload


class Owner:
    """What a socket is handed over to: notes what came."""

    def __init__(self, socket: RoomSocket) -> None:
        self.socket = socket
        self.heard: list[bytes | None] = []
        self.controls = 0
        self.turns = 0
        self.is_lost = asyncio.Event()
        self.on_message: Callable[[], None] = lambda: None
        self._last_turn = -1
        self._now = 0
        socket.hand_over(
            on_message=self._hear,
            on_control=self._control,
            on_writable=lambda: None,
            on_lost=self.is_lost.set,
        )
        self._tick()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not is_so():
                await asyncio.sleep(0)

    def _tick(self) -> None:
        self._now += 1
        if not self.is_lost.is_set():
            asyncio.get_running_loop().call_soon(self._tick)

    def _hear(self, frame: bytes | None) -> None:
        assert not self.is_lost.is_set(), "the end comes last"
        self.heard.append(frame)
        self._count_turn()
        self.on_message()

    def _control(self) -> None:
        self.controls += 1
        self._count_turn()

    def _count_turn(self) -> None:
        if self._now != self._last_turn:
            self._last_turn = self._now
            self.turns += 1


@contextlib.asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Owner, ClientConnection]]:
    owners: asyncio.Queue[Owner] = asyncio.Queue()

    async def serve(socket: object) -> None:
        assert isinstance(socket, RoomSocket)
        owner = Owner(socket)
        owners.put_nowait(owner)
        await socket.wait_closed()

    path = str(folder / "s.sock")
    async with (
        unix_serve(serve, path, create_connection=RoomSocket, close_timeout=0.2, ping_interval=None),
        unix_connect(
            path, "ws://localhost/", close_timeout=0.2, ping_interval=None, compression=None
        ) as client,
    ):
        yield await owners.get(), client
        client.transport.abort()


Test = Callable[[Owner, ClientConnection], Awaitable[None]]


def on_both_loops(test: Test) -> Callable[[Callable[[], asyncio.AbstractEventLoop]], None]:
    """Run a test with a pair of its own on asyncio's loop and on uvloop, whose transports differ."""

    async def with_pair() -> None:
        with short_folder() as folder:
            async with served(folder) as pair:
                await test(*pair)

    @pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop])
    def run(loop_factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(with_pair())

    return run


@on_both_loops
async def test_others_get_the_loop_whatever_comes_in_one_piece(
    owner: Owner, client: ClientConnection
) -> None:
    count = 20_000
    heard = 0
    for frames in (PING * count, message(b"m") * count, BEGIN + EMPTY_FRAGMENT * count):
        heard, owner.turns = heard + count, 0
        client.transport.write(frames)
        await owner.until(lambda: owner.controls + len(owner.heard) >= heard)  # noqa: B023  # ends before the next
        assert owner.turns > 10


@on_both_loops
async def test_a_paused_one_is_handed_nothing_and_gets_it_all_in_order_later(
    owner: Owner, client: ClientConnection
) -> None:
    sent = [b"%d" % number for number in range(3000)]
    owner.on_message = owner.socket.pause
    client.transport.write(b"".join(map(message, sent)))
    for number in range(20):
        await owner.until(lambda number=number: len(owner.heard) > number)  # type: ignore[misc]
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(owner.heard) == number + 1
        owner.socket.resume()
        assert len(owner.heard) == number + 1, "not before `resume` returns"
    owner.on_message = lambda: None
    owner.socket.resume()
    await owner.until(lambda: len(owner.heard) == len(sent))
    assert owner.heard == sent


@on_both_loops
async def test_what_came_before_the_end_is_heard_before_it(owner: Owner, client: ClientConnection) -> None:
    owner.on_message = owner.socket.pause
    client.transport.write(b"".join(message(b"%d" % number) for number in range(300)))
    client.transport.abort()
    await owner.until(lambda: bool(owner.heard))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not owner.is_lost.is_set()
    owner.on_message = lambda: None
    owner.socket.resume()
    async with asyncio.timeout(DEADLINE_S):
        await owner.is_lost.wait()
    assert owner.heard[-1] == b"299"


@on_both_loops
async def test_the_end_is_heard_while_paused_once_it_goes_on(owner: Owner, client: ClientConnection) -> None:
    owner.socket.pause()
    owner.socket.transport.abort()
    async with asyncio.timeout(DEADLINE_S):
        await owner.socket.wait_closed()
    assert not owner.is_lost.is_set()
    owner.socket.resume()
    async with asyncio.timeout(DEADLINE_S):
        await owner.is_lost.wait()
    assert owner.heard == []
    client.transport.abort()


@on_both_loops
async def test_who_closes_has_ended_before_the_socket_has(owner: Owner, client: ClientConnection) -> None:
    """It may keep the socket open for as long as it likes."""
    client.transport.write(message(b"last") + bytes([0x88, 0x80, 0, 0, 0, 0]))
    client.transport.pause_reading()
    async with asyncio.timeout(DEADLINE_S):
        await owner.is_lost.wait()
    assert owner.heard == [b"last"]


@on_both_loops
async def test_fragments_without_end_take_no_memory(owner: Owner, client: ClientConnection) -> None:
    client.transport.write(BEGIN + EMPTY_FRAGMENT * 5000)
    await owner.until(lambda: owner.controls == 5001)
    client.transport.write(bytes([0x80, 0x82, 0, 0, 0, 0]) + b"ab")
    await owner.until(lambda: bool(owner.heard))
    assert owner.heard == [b"ab"]
    client.transport.write(BEGIN + EMPTY_FRAGMENT * 5000)
    await owner.until(lambda: owner.controls == 10002)
    assert owner.socket._pieces == b""


@on_both_loops
async def test_one_who_reads_nothing_cannot_hold_up_its_own_end(
    owner: Owner, client: ClientConnection
) -> None:
    client.transport.pause_reading()
    async with asyncio.timeout(DEADLINE_S):
        while not owner.socket.is_full:
            owner.socket.write(b"x" * 65_536)
            await asyncio.sleep(0)
        await owner.socket.close(1002, "broken")
    assert owner.socket.transport.is_closing()
