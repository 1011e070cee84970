"""Honest people who type all the time, each over a link that is never to break; and what they have to show.

They live in a thread with a loop of its own: whatever a test does meanwhile, they go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from collab_protocol import limits
from collab_protocol.codec import Assembler, Splitter
from collab_protocol.events import Dismissed, Displaced, Receipted, Refused, RowsArrived, Synced
from collab_protocol.names import ROOM_PATH
from collab_protocol.sync import ClientSync, Identity, Phase
from collab_protocol.text import Replica
from collab_protocol.versions import SUBPROTOCOL

T = TypeVar("T")

DEADLINE_S: Final = 10.0
"""How long a receipt, or the door, may take at the very most, whatever else goes on."""

_PAUSE_S: Final = 0.04
"""Between two markers of one person: fast typing."""

_CALL_S: Final = 60.0
_TRIES: Final = 10
_MARKER: Final = re.compile(r"<[a-z]+\d+>")


class Honest:
    """One person: types markers such as <ana17> at the end of the text, and takes what others type."""

    def __init__(self, name: str, port: int, room: str, token: str) -> None:
        self.name = name
        self.typed: list[str] = []
        self.broke: str | None = None
        self.longest_s = 0.0
        self._port = port
        self._room = room
        self._replica = Replica(secrets.randbits(32))
        self._replica.on_update = self._row
        self._sync = ClientSync(
            Identity(secrets.token_bytes(16), secrets.token_bytes(32), name, token=token),
            client_id=self._replica.client_id,
            state_vector=self._replica.state_vector,
        )
        self._splitter = Splitter()
        self._assembler = Assembler()
        self._sent_at: dict[int, float] = {}
        self._numbers = itertools.count(1)
        self._websocket: ClientConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self._is_typing = asyncio.Event()

    @property
    def text(self) -> str:
        return self._replica.text()

    @property
    def unsaved(self) -> int:
        return self._sync.unsaved

    async def join(self) -> int:
        """Come in, as clients do: again after a while, when told to. Returns how many tries that took."""
        caller = secrets.token_hex(8)
        for tries in range(1, _TRIES + 1):
            try:
                self._websocket = await connect(
                    f"ws://127.0.0.1:{self._port}{ROOM_PATH}{self._room}",
                    subprotocols=[Subprotocol(SUBPROTOCOL)],
                    additional_headers={"Collab-Client": caller},
                    compression=None,
                    max_size=limits.FRAME_BYTES,
                    ping_interval=None,
                    proxy=None,
                )
                self._sync.connected()
                await self._flush()
                while self._sync.phase is not Phase.LIVE:
                    await self._take()
            except (ConnectionClosed, InvalidStatus, OSError, EOFError) as error:
                self._sync.disconnected()
                refused = error.response.headers.get("Retry-After") if isinstance(error, InvalidStatus) else 0
                await asyncio.sleep(min(float(refused or 0.1), 1.0))
                continue
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._type())]
            return tries
        raise AssertionError(f"{self.name} did not get in")

    def go_on(self) -> None:
        """Type, until `rest`."""
        self._is_typing.set()

    def rest(self) -> None:
        self._is_typing.clear()

    async def type(self) -> None:
        """Type one marker now."""
        marker = f"<{self.name}{next(self._numbers)}>"
        self.typed.append(marker)
        self._replica.edit(self._replica.size_utf8, 0, marker)
        with contextlib.suppress(ConnectionClosed):
            await self._flush()

    async def paste(self, text: str) -> None:
        """Put ASCII `text` at the beginning, and take it out again."""
        self._replica.edit(0, 0, text)
        await self._flush()
        self._replica.edit(0, len(text), "")
        await self._flush()
        await self.until_saved()

    async def until_saved(self) -> None:
        """Wait until all that was typed has its receipt."""
        await self._until(lambda: self.unsaved == 0, "its receipts")

    async def until_text(self, text: str) -> None:
        await self._until(lambda: self.text == text, "the text of the others")

    async def leave(self) -> None:
        """Say goodbye and go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._websocket is not None:
            with contextlib.suppress(ConnectionClosed):
                self._sync.leave()
                await self._flush()
            await self._websocket.close()
        self._replica.close()

    async def _until(self, is_so: Any, what: str) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not is_so() and self.broke is None:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{self.name} waited {DEADLINE_S:.0f} s for {what}") from None
        assert self.broke is None, f"the link of {self.name} broke: {self.broke}"

    async def _listen(self) -> None:
        try:
            while True:
                await self._take()
        except ConnectionClosed as error:
            self.broke = str(error)
            self._changed.set()

    async def _type(self) -> None:
        while True:
            await self._is_typing.wait()
            await self.type()
            await asyncio.sleep(_PAUSE_S)

    def _row(self, data: bytes) -> None:
        self._sent_at[self._sync.local_update(data)] = time.monotonic()

    async def _take(self) -> None:
        assert self._websocket is not None
        message = self._assembler.feed(await self._websocket.recv(decode=False))
        if message is None:
            return
        self._sync.receive(message)
        for event in self._sync.events():
            if isinstance(event, RowsArrived | Synced):
                self._replica.apply(event.data)
            elif isinstance(event, Receipted):
                self._note_receipt(event.n)
            elif isinstance(event, Refused | Dismissed | Displaced):
                self.broke = repr(event)
        self._changed.set()
        await self._flush()

    def _note_receipt(self, n: int) -> None:
        now = time.monotonic()
        for each in [number for number in self._sent_at if number <= n]:
            self.longest_s = max(self.longest_s, now - self._sent_at.pop(each))

    async def _flush(self) -> None:
        assert self._websocket is not None
        while messages := self._sync.to_send():
            for message in messages:
                for frame in self._splitter.frames(message):
                    await self._websocket.send(frame)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the honest ones have to show after an attack."""

    longest_s: float
    markers: int


class People:
    """Ana and Bo, in one room, typing since they were made."""

    def __init__(self, port: int, room: str, token: str) -> None:
        self._port, self._room, self._token = port, room, token
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="people", daemon=True)
        self._thread.start()
        self._all = self._call(self._come())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._go())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_S)
        self._loop.close()

    def begin(self) -> None:
        """Let them type, and count how long receipts take from here on."""

        async def begin() -> None:
            for each in self._all:
                each.longest_s = 0.0
                await each.type()
                each.go_on()

        self._call(begin())

    def type_for(self, seconds: float) -> None:
        """Let them go on for so long at least, so that what an attack left behind has its time to show."""
        time.sleep(seconds)

    def paste(self, text: str) -> None:
        """Let the first of them put `text` in, take it out again, and wait for the receipts."""

        async def paste() -> None:
            await self._all[0].paste(text)

        self._call(paste())

    def newcomer(self) -> int:
        """Let somebody come in, look and leave; returns how many tries that took."""

        async def come() -> int:
            somebody = Honest("eve", self._port, self._room, self._token)
            try:
                async with asyncio.timeout(DEADLINE_S):
                    return await somebody.join()
            finally:
                await somebody.leave()

        return self._call(come())

    def settle(self) -> Shown:
        """Check that nothing was lost: not a link, not a receipt, no marker, and none is there twice.

        They rest meanwhile, and go on with `begin`.
        """
        return self._call(self._settle())

    async def _come(self) -> list[Honest]:
        people = [Honest(name, self._port, self._room, self._token) for name in ("ana", "bo")]
        for each in people:
            await each.join()
        return people

    async def _go(self) -> None:
        for each in self._all:
            await each.leave()

    async def _settle(self) -> Shown:
        for each in self._all:
            each.rest()
            await each.type()
        for each in self._all:
            await each.until_saved()
        third = Honest("eve", self._port, self._room, self._token)
        await third.join()
        try:
            for each in self._all:
                await each.until_text(third.text)
            typed = Counter(marker for each in self._all for marker in each.typed)
            found = Counter(marker for marker in _MARKER.findall(third.text) if not marker.startswith("<eve"))
            assert found == typed, f"missing {typed - found}, too many {found - typed}"
        finally:
            await third.leave()
        return Shown(max(each.longest_s for each in self._all), sum(typed.values()))

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_CALL_S)
