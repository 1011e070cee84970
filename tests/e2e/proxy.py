"""A TCP proxy between a client and its server that breaks the link in the ways that networks do.

    client ──▶ UP   ──▶ take ─▶ [bytes, due when] ─▶ pass ──▶ server
           ◀── DOWN ◀──  pass ◀─ [bytes, due when] ◀─ take ◀──

It lives in a thread with a loop of its own, so that a test that blocks does not hold the link up. Every
method may be called from any other thread, and has taken effect when it returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Self, TypeVar

T = TypeVar("T")

_CHUNK_BYTES: Final = 1 << 16
_CALL_DEADLINE_S: Final = 10.0
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER of zero seconds: close() then sends RST (tcp(7), socket(7))."""


class Direction(Enum):
    """Which way bytes go."""

    UP = auto()
    """From the client to the server."""
    DOWN = auto()


BOTH: Final = (Direction.UP, Direction.DOWN)


@dataclass(slots=True)
class _Faults:
    """What is wrong with one direction, for all connections."""

    delay_s: float = 0.0
    slice_bytes: int = _CHUNK_BYTES
    is_passing: bool = True
    is_taking: bool = True
    cut_after_bytes: int | None = None


class _Pipe:
    """One direction of one connection."""

    def __init__(
        self, source: socket.socket, sink: socket.socket, faults: _Faults, cut: Callable[[], None]
    ) -> None:
        self.passed = bytearray()
        self.is_silent = False
        self.wake = asyncio.Event()
        self._source = source
        self._sink = sink
        self._faults = faults
        self._cut = cut
        self._held: deque[tuple[float, memoryview]] = deque()

    async def take(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while self.is_silent or not self._faults.is_taking:
                await self._changed(None)
            try:
                data = await loop.sock_recv(self._source, _CHUNK_BYTES)
            except OSError:
                while not self._may_pass():
                    await self._changed(None)
                raise
            self._held.append((loop.time() + self._faults.delay_s, memoryview(data)))
            self.wake.set()
            if not data:
                return

    async def pass_on(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self._may_pass() or not self._held:
                await self._changed(None)
                continue
            due_at, data = self._held[0]
            if (left_s := due_at - loop.time()) > 0:
                await self._changed(left_s)
                continue
            if not data:
                with contextlib.suppress(OSError):
                    self._sink.shutdown(socket.SHUT_WR)
                return
            most = self._faults.cut_after_bytes
            piece = data[: self._faults.slice_bytes if most is None else min(self._faults.slice_bytes, most)]
            if piece:
                await loop.sock_sendall(self._sink, piece)
                self.passed += piece
                self._advance(due_at, data[len(piece) :])
            if most is not None:
                self._faults.cut_after_bytes = most - len(piece)
                if most == len(piece):
                    self._cut()
            await asyncio.sleep(0)

    def _may_pass(self) -> bool:
        return self._faults.is_passing and not self.is_silent

    def _advance(self, due_at: float, rest: memoryview) -> None:
        if rest:
            self._held[0] = (due_at, rest)
        else:
            self._held.popleft()

    async def _changed(self, timeout_s: float | None) -> None:
        """Wait until something else is so. Both ends of the pipe wait here, so each has to look again."""
        waiter = self.wake
        if waiter.is_set():
            self.wake = waiter = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await waiter.wait()


class _Connection:
    """A client's connection and ours to the server."""

    def __init__(self, client: socket.socket, server: socket.socket, proxy: Proxy) -> None:
        self.pipes = {
            Direction.UP: _Pipe(client, server, proxy.faults[Direction.UP], self._cut),
            Direction.DOWN: _Pipe(server, client, proxy.faults[Direction.DOWN], self._cut),
        }
        self._proxy = proxy

    async def run(self) -> None:
        """Pass bytes until both sides have ended or one breaks. Raises: OSError: one did."""
        async with asyncio.TaskGroup() as tasks:
            for pipe in self.pipes.values():
                tasks.create_task(pipe.take())
                tasks.create_task(pipe.pass_on())

    def _cut(self) -> None:
        for faults in self._proxy.faults.values():
            faults.cut_after_bytes = None
        raise ConnectionResetError("cut on purpose")


class Proxy:
    """Listens on `port` of this machine and passes on to `server_port`; use it in a `with`."""

    def __init__(self, server_port: int) -> None:
        self.accepted_at: list[float] = []
        """When each connection was accepted (time.monotonic), the refused ones too."""
        self.faults = {direction: _Faults() for direction in Direction}
        self._server_port = server_port
        self._is_refusing = False
        self._connections: dict[_Connection, asyncio.Task[None]] = {}
        self._all: list[_Connection] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._accepting = self._call(lambda: self._loop.create_task(self._accept()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def url(self, room: str) -> str:
        """Return what to join."""
        return f"ws://127.0.0.1:{self.port}/{room}"

    # Faults

    def heal(self) -> None:
        """Take back every fault but those that have ended a connection already."""

        def heal() -> None:
            self._is_refusing = False
            for faults in self.faults.values():
                faults.delay_s, faults.slice_bytes = 0.0, _CHUNK_BYTES
                faults.is_passing = faults.is_taking = True
                faults.cut_after_bytes = None
            self._wake()

        self._call(heal)

    def delay(self, seconds: float, directions: Iterable[Direction] = BOTH) -> None:
        """Pass on what is taken from now on `seconds` later; the rate stays what it is."""
        self._set(directions, "delay_s", seconds)

    def slice(self, size_bytes: int, directions: Iterable[Direction] = BOTH) -> None:
        """Pass on `size_bytes` at a time."""
        self._set(directions, "slice_bytes", size_bytes)

    def stall(self, directions: Iterable[Direction] = BOTH, *, is_taking: bool = True) -> None:
        """Take bytes and pass none on, until `heal`. Without `is_taking` the sender sees a full window."""
        self._set(directions, "is_passing", False)
        self._set(directions, "is_taking", is_taking)

    def cut_after(self, count_bytes: int, direction: Direction) -> None:
        """Let so many more bytes through in `direction`, then reset the connection they went over; once."""
        self._set((direction,), "cut_after_bytes", count_bytes)

    def half_open(self) -> None:
        """Be silent towards both ends of the connections that there are, for ever; new ones work."""

        def silence() -> None:
            for connection in self._connections:
                for pipe in connection.pipes.values():
                    pipe.is_silent = True
            self._wake()

        self._call(silence)

    def reset(self) -> None:
        """End the connections that there are with RST, to both ends."""

        def reset() -> list[asyncio.Task[None]]:
            for task in self._connections.values():
                task.cancel()
            return list(self._connections.values())

        for task in self._call(reset):
            asyncio.run_coroutine_threadsafe(_ended(task), self._loop).result(_CALL_DEADLINE_S)

    def refuse(self) -> None:
        """Answer each new connection with RST, until `heal`."""
        self._call(lambda: setattr(self, "_is_refusing", True))

    def accept(self) -> None:
        """Take `refuse` back, and no other fault."""
        self._call(lambda: setattr(self, "_is_refusing", False))

    # What went through

    @property
    def open_connections(self) -> int:
        """How many connections there are now."""
        return self._call(lambda: len(self._connections))

    def passed(self, direction: Direction, which: int = -1) -> bytes:
        """Return what went through a connection so far: the newest, or number `which` of all there were."""

        def passed() -> bytes:
            return bytes(self._all[which].pipes[direction].passed) if self._all else b""

        return self._call(passed)

    @property
    def last_connection(self) -> int:
        """The number of the newest connection, for `passed`; -1 if there was none."""
        return self._call(lambda: len(self._all) - 1)

    @property
    def is_cut_pending(self) -> bool:
        """Whether a `cut_after` has not come to its end yet."""
        return self._call(lambda: any(f.cut_after_bytes is not None for f in self.faults.values()))

    def close(self) -> None:
        """Reset every connection and end the thread."""
        if self._loop.is_closed():
            return
        self._call(self._accepting.cancel)
        asyncio.run_coroutine_threadsafe(_ended(self._accepting), self._loop).result(_CALL_DEADLINE_S)
        self.reset()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_DEADLINE_S)
        self._loop.close()
        self._listener.close()

    # In the loop

    def _call(self, function: Callable[[], T]) -> T:
        """Run `function` in the proxy's loop and return what it returns."""

        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(_CALL_DEADLINE_S)

    def _set(self, directions: Iterable[Direction], name: str, value: object) -> None:
        def change() -> None:
            for direction in directions:
                setattr(self.faults[direction], name, value)
            self._wake()

        self._call(change)

    def _wake(self) -> None:
        for connection in self._connections:
            for pipe in connection.pipes.values():
                pipe.wake.set()

    async def _accept(self) -> None:
        while True:
            client, _ = await self._loop.sock_accept(self._listener)
            self.accepted_at.append(time.monotonic())
            if self._is_refusing:
                _reset(client)
                continue
            server = socket.socket()
            server.setblocking(False)
            # Small, so that a reader who stands still is soon felt.
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _CHUNK_BYTES)
            connection = _Connection(client, server, self)
            self._all.append(connection)
            task = self._loop.create_task(self._serve(connection, client, server))
            self._connections[connection] = task
            task.add_done_callback(functools.partial(self._gone, connection))

    def _gone(self, connection: _Connection, _: asyncio.Task[None]) -> None:
        del self._connections[connection]

    async def _serve(self, connection: _Connection, client: socket.socket, server: socket.socket) -> None:
        client.setblocking(False)
        is_whole = False
        try:
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.sock_connect(server, ("127.0.0.1", self._server_port))
            await connection.run()
            is_whole = True
        except* OSError:
            pass
        finally:
            for end in (client, server):
                if is_whole:
                    end.close()
                else:
                    _reset(end)


def _reset(end: socket.socket) -> None:
    """Close with RST instead of FIN."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    end.close()


async def _ended(task: asyncio.Task[None]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await task
