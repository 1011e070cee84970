"""The rooms that are loaded: one load each however many join at once, and unloading when idle."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from typing import Final

from collab_protocol.errors import StoreError, UpdateError
from collab_protocol.text import Replica
from collab_server.committer import Committer
from collab_server.config import ServerConfig
from collab_server.outbox import BatchEncoder
from collab_server.room import Room, RoomState
from collab_server.store.base import Row, SettingRow, Snapshot, Store, StoredRoom

_log = logging.getLogger(__name__)

_SLICE_S: Final = 0.002
"""How long a log is replayed before others get the loop (DESIGN section 6)."""

_SNAPSHOT_AFTER_ROWS: Final = 100
"""Rows since the last snapshot that make another one worth its while when a room is unloaded."""

RETRY_AFTER_FAILURE_MS: Final = 2000


class OpenRoom:
    """A loaded room, what encodes its Batches, and when it may be unloaded."""

    def __init__(self, room: Room, covered: int) -> None:
        self.room = room
        self.encoder = BatchEncoder()
        self.covered = covered
        self.unload_timer: asyncio.TimerHandle | None = None


class _Log:
    """Hands a room's rows to the committer, and the outcome back to that room object."""

    def __init__(
        self, name: str, committer: Committer, on_failure: Callable[[Room, StoreError], None]
    ) -> None:
        self._name = name
        self._committer = committer
        self._on_failure = on_failure
        self.room: Room | None = None

    def append(self, row: Row) -> None:
        self._committer.write(row, lambda error: self._told(error, lambda room: room.committed(row.last)))

    def set_setting(self, room: str, key: str, value: str, seq: int) -> None:
        self._committer.write(
            SettingRow(room, key, value, seq),
            lambda error: self._told(error, lambda room: room.setting_committed(key, value)),
        )

    def _told(self, error: StoreError | None, tell: Callable[[Room], None]) -> None:
        if self.room is None or self.room.is_over:
            return
        if error is None:
            tell(self.room)
        else:
            self._on_failure(self.room, error)


class Registry:
    """All rooms of one store."""

    def __init__(self, config: ServerConfig, committer: Committer, *, epoch: bytes, is_durable: bool) -> None:
        self._config = config
        self._committer = committer
        self._epoch = epoch
        self._is_durable = is_durable
        self._rooms: dict[str, OpenRoom] = {}
        self._loads: dict[str, asyncio.Task[OpenRoom]] = {}
        self._unloads: set[asyncio.Task[None]] = set()

    async def open(self, name: str) -> OpenRoom:
        """Return the room `name`, loaded or made.

        Raises:
            StoreError: it cannot be loaded; its files stay as they are and nobody gets an empty one.
        """
        while True:
            opened = self._rooms.get(name)
            if opened is not None and not opened.room.is_over:
                if opened.unload_timer is not None:
                    opened.unload_timer.cancel()
                    opened.unload_timer = None
                return opened
            load = self._loads.get(name)
            if load is None:
                load = asyncio.create_task(self._load(name), name=f"load {name}")
                self._loads[name] = load
                load.add_done_callback(lambda _: self._loads.pop(name, None))
            # Shielded: one who gives up waiting must not end the load that others wait for.
            await asyncio.shield(load)

    def left(self, opened: OpenRoom) -> None:
        """Note that somebody left; a room that stays empty is unloaded."""
        if opened.room.is_over or not opened.room.is_empty or opened.unload_timer is not None:
            return
        loop = asyncio.get_running_loop()
        opened.unload_timer = loop.call_later(self._config.room_idle_s, self._unload_later, opened)

    async def close(self, reason: str) -> None:
        """Bring everything to disk, then send everyone away."""
        for opened in list(self._rooms.values()):
            opened.room.flush()
        await self._committer.run(lambda _: None)
        # Receipts of the last commit were put on the loop before the answer to the call above.
        for opened in list(self._rooms.values()):
            if not opened.room.is_over:
                opened.room.fail(reason)
        await asyncio.gather(*self._unloads, return_exceptions=True)

    def dispose(self) -> None:
        """Free every document; after all connections have ended."""
        for opened in self._rooms.values():
            if opened.unload_timer is not None:
                opened.unload_timer.cancel()
            opened.room.close()
        self._rooms.clear()

    async def _load(self, name: str) -> OpenRoom:
        lineage, now = secrets.token_bytes(16), time.time()

        def load(store: Store) -> tuple[StoredRoom, bool]:
            is_new = store.create(name, lineage, now)
            stored = store.load(name)
            if stored is None:
                raise StoreError(f"room {name} is gone again")
            return stored, is_new

        stored, is_new = await self._committer.run(load, reopens=name)
        replica = Replica(secrets.randbelow(2**31 - 2) + 2)
        try:
            await _replay(replica, stored)
        except UpdateError as error:
            replica.close()
            raise StoreError(f"room {name} cannot be read: {error}; its file was left as it is") from error
        covered = 0 if stored.snapshot is None else stored.snapshot.covered
        log = _Log(name, self._committer, self._failed)
        room = Room(
            RoomState(
                name=name,
                lineage=stored.lineage,
                epoch=self._epoch,
                seq=stored.rows[-1].last if stored.rows else covered,
                replica=replica,
                settings=stored.settings,
                is_new=is_new,
            ),
            log=log,
            defer=_at_end_of_turn,
            now=time.time,
            is_durable=self._is_durable,
            limits=self._config.room_limits,
            draw_retry_ms=lambda: secrets.randbelow(RETRY_AFTER_FAILURE_MS),
        )
        log.room = room
        before = self._rooms.get(name)
        if before is not None:
            before.room.close()
        opened = self._rooms[name] = OpenRoom(room, covered)
        return opened

    def _failed(self, room: Room, error: StoreError) -> None:
        _log.error("room %s is given up and loaded again: %s", room.name, error)
        room.fail(f"the server could not store {room.name}")

    def _unload_later(self, opened: OpenRoom) -> None:
        opened.unload_timer = None
        task = asyncio.create_task(self._unload(opened), name=f"unload {opened.room.name}")
        self._unloads.add(task)
        task.add_done_callback(self._unloads.discard)

    async def _unload(self, opened: OpenRoom) -> None:
        room = opened.room
        if not room.is_idle or self._rooms.get(room.name) is not opened:
            return
        del self._rooms[room.name]
        snapshot = Snapshot(room.seq, room.whole_update())
        text = room.text()
        room.close()
        if snapshot.covered - opened.covered < _SNAPSHOT_AFTER_ROWS:
            return
        try:
            _check_snapshot(snapshot, text)
            await self._committer.run(lambda store: store.save_snapshot(room.name, snapshot))
        except StoreError as error:
            _log.error("no snapshot of room %s: %s", room.name, error)


def _at_end_of_turn(call: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(call)


async def _replay(replica: Replica, stored: StoredRoom) -> None:
    """Apply a log, one row a transaction: all in one is quadratic."""
    if stored.snapshot is not None:
        replica.apply(stored.snapshot.data)
    until = time.monotonic() + _SLICE_S
    for row in stored.rows:
        replica.apply(row.data)
        if time.monotonic() > until:
            await asyncio.sleep(0)
            until = time.monotonic() + _SLICE_S


def _check_snapshot(snapshot: Snapshot, text: str) -> None:
    """Read a snapshot back before it is trusted."""
    copy = Replica(secrets.randbelow(2**31 - 2) + 2)
    try:
        copy.apply(snapshot.data)
        if copy.text() != text:
            raise StoreError("it reads back as another text")
    except UpdateError as error:
        raise StoreError(f"it does not read back: {error}") from error
    finally:
        copy.close()
