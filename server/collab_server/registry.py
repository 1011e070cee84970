"""The rooms that are loaded: one load each however many join at once, and unloading when idle."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Final

from collab_protocol.errors import ProtocolError, StoreError
from collab_protocol.messages import Authors, pack_ids
from collab_protocol.text import Replica
from collab_server.committer import Committer
from collab_server.config import ServerConfig
from collab_server.outbox import BatchEncoder
from collab_server.room import Room, RoomState
from collab_server.store.base import ChatLine, Row, SettingRow, Snapshot, Store, StoredRoom, StoreTrouble
from collab_server.store.replay import check_snapshot, read_document

_log = logging.getLogger(__name__)

_SNAPSHOT_AFTER_ROWS: Final = 100
"""Rows since the last snapshot that make another one worth its while when a room is unloaded."""

_SNAPSHOT_EVERY_ROWS: Final = 500
"""Rows after which a room that is in use gets a snapshot, so that a crash leaves no long log to replay."""

_SNAPSHOT_BYTES_A_ROW: Final = 2000
"""A large document waits longer for its next one: making it takes the loop a millisecond for each 500 kB."""

RETRY_AFTER_FAILURE_MS: Final = 2000


@contextlib.contextmanager
def guard(room: Room) -> Iterator[None]:
    """Give `room` up when something breaks down in it; it is loaded again, and no other room hears of it.

    What the client is to blame for passes through.
    """
    try:
        yield
    except ProtocolError:
        raise
    except Exception:
        _log.exception("room %s broke down", room.name)
        room.fail(f"the server failed in {room.name}")


class OpenRoom:
    """A loaded room, what encodes its Batches, and when it may be unloaded.

    `replica` is the room's own, to read. `is_storing` is False while the room was told to stop storing.
    """

    def __init__(self, room: Room, replica: Replica, snapshot: Snapshot | None) -> None:
        self.room = room
        self.replica = replica
        self.is_storing = True
        self.encoder = BatchEncoder()
        self.covered = 0 if snapshot is None else snapshot.covered
        self.snapshot_bytes = 0 if snapshot is None else len(snapshot.data)
        self.unload_timer: asyncio.TimerHandle | None = None


class _Log:
    """Hands a room's rows to the committer, and the outcome back to that room object."""

    def __init__(
        self,
        committer: Committer,
        *,
        on_row: Callable[[Room], None],
        on_failure: Callable[[Room, StoreError], None],
    ) -> None:
        self._committer = committer
        self._on_row = on_row
        self._on_failure = on_failure
        self.room: Room | None = None

    def append(self, row: Row) -> None:
        def tell(room: Room) -> None:
            room.committed(row.last)
            self._on_row(room)

        self._committer.write(row, lambda error: self._told(error, tell))

    def set_setting(self, room: str, key: str, value: str, seq: int) -> None:
        self._committer.write(
            SettingRow(room, key, value, seq),
            lambda error: self._told(error, lambda room: room.setting_committed(key, value)),
        )

    def say(self, line: ChatLine) -> None:
        self._committer.write(line, lambda error: self._told(error, lambda room: room.said(line)))

    def _told(self, error: StoreError | None, tell: Callable[[Room], None]) -> None:
        if self.room is None or self.room.is_over:
            return
        if error is None:
            with guard(self.room):
                tell(self.room)
        else:
            self._on_failure(self.room, error)


class Registry:
    """All rooms of one store.

    When the disk fails under a commit, the room is given up, since it may be ahead of the disk. Until a
    probe says that the disk takes writes again, every room that is loaded is told to stop storing before
    anyone joins; the clients go on in their journals. Then all of them are told to resume.
    """

    def __init__(
        self,
        config: ServerConfig,
        committer: Committer,
        *,
        epoch: bytes,
        is_durable: bool,
        probe_first_s: float = 1.0,
        probe_most_s: float = 5.0,
    ) -> None:
        """The disk is probed after `probe_first_s`, then less and less often, up to each `probe_most_s`."""
        self._config = config
        self._committer = committer
        self._epoch = epoch
        self._is_durable = is_durable
        self._rooms: dict[str, OpenRoom] = {}
        self._loads: dict[str, asyncio.Task[OpenRoom]] = {}
        self._callers: Counter[str] = Counter()
        self._chores: set[asyncio.Task[None]] = set()
        self._probe_first_s = probe_first_s
        self._probe_most_s = probe_most_s
        self._probe_s = probe_first_s
        self._trouble: str | None = None
        self._probing: asyncio.Task[None] | None = None
        self._recovered_at = float("-inf")
        self._is_closing = False

    async def open(self, name: str) -> OpenRoom:
        """Return the room `name`, loaded or made.

        Raises:
            StoreTrouble: the disk does not let it be read or made; the reason is for the one who asked.
            StoreError: it cannot be loaded; its files stay as they are and nobody gets an empty one.
        """
        while True:
            if self._is_closing:
                raise StoreError("the server is stopping")
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
                load.add_done_callback(lambda done: self._loaded(name, done))
            # Shielded: one who gives up waiting must not end the load that others wait for.
            self._callers[name] += 1
            try:
                await asyncio.shield(load)
            finally:
                self._callers[name] -= 1
                self._callers += Counter()  # drops those at 0

    async def authors(self, opened: OpenRoom, since: int | None) -> Authors:
        """Return who wrote in a room since row `since`, or ever, rows that are not on disk yet included.

        Raises:
            StoreError: the disk cannot be read.
        """
        room = opened.room
        with guard(room):
            room.flush()

        def read(store: Store) -> tuple[tuple[tuple[str, str], ...], bytes]:
            writers = store.writers(room.name, since)
            return writers.people, pack_ids(writers.ids)

        # Behind the rows that were just handed over.
        people, ids = await self._committer.run(read)
        return Authors(since, room.authors(people), ids)

    def left(self, opened: OpenRoom) -> None:
        """Note that somebody left; a room that stays empty is unloaded."""
        if opened.room.is_over or not opened.room.is_empty or opened.unload_timer is not None:
            return
        loop = asyncio.get_running_loop()
        opened.unload_timer = loop.call_later(self._config.room_idle_s, self._unload_later, opened)

    async def close(self, reason: str) -> None:
        """Bring everything to disk, then send everyone away."""
        self._is_closing = True
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])
        await asyncio.gather(*self._loads.values(), return_exceptions=True)
        for opened in list(self._rooms.values()):
            with guard(opened.room):
                opened.room.flush()
        await self._committer.run(lambda _: None)
        # Receipts of the last commit were put on the loop before the answer to the call above.
        for opened in list(self._rooms.values()):
            if not opened.room.is_over:
                opened.room.fail(reason)
        await asyncio.gather(*self._chores, return_exceptions=True)

    def dispose(self) -> None:
        """Free every document; after all connections have ended."""
        for opened in self._rooms.values():
            if opened.unload_timer is not None:
                opened.unload_timer.cancel()
            opened.room.close()
        self._rooms.clear()

    async def _load(self, name: str) -> OpenRoom:
        lineage, now = secrets.token_bytes(16), time.time()
        parted = self._rooms.get(name)
        if parted is not None and parted.room.is_parted:
            # Its rows, replayed, would part again. All go on with what those get who join: they read alike.
            await self._save(name, Snapshot(parted.room.seq, parted.room.whole_update()))

        def load(store: Store) -> tuple[StoredRoom, bool]:
            # Made only if it is not there: one that is can be read from a disk that takes no writes.
            if (stored := store.load(name)) is not None:
                return stored, False
            is_new = store.create(name, lineage, now)
            return _existing(store, name), is_new

        stored, is_new = await self._committer.run(load, reopens=name)
        replica, stored = await read_document(
            stored, lambda covered: self._committer.run(lambda store: _existing(store, name, before=covered))
        )
        covered = 0 if stored.snapshot is None else stored.snapshot.covered
        log = _Log(self._committer, on_row=self._row_committed, on_failure=self._failed)
        room: Room

        def at_end_of_turn(call: Callable[[], None]) -> None:
            asyncio.get_running_loop().call_soon(_guarded, room, call)

        def later(delay_s: float, call: Callable[[], None]) -> None:
            asyncio.get_running_loop().call_later(delay_s, _guarded, room, call)

        room = Room(
            RoomState(
                name=name,
                lineage=stored.lineage,
                epoch=self._epoch,
                seq=stored.rows[-1].last if stored.rows else covered,
                replica=replica,
                settings=stored.settings,
                is_new=is_new,
                bindings=stored.bindings,
                chat=stored.chat,
            ),
            log=log,
            defer=at_end_of_turn,
            later=later,
            now=time.time,
            clock=time.monotonic,
            is_durable=self._is_durable,
            limits=self._config.room_limits,
            draw_retry_ms=lambda: secrets.randbelow(RETRY_AFTER_FAILURE_MS),
        )
        log.room = room
        before = self._rooms.get(name)
        if before is not None:
            before.room.close()
        opened = self._rooms[name] = OpenRoom(room, replica, stored.snapshot)
        if self._trouble is not None:
            opened.is_storing = False
            room.stop_storing(self._trouble)
        # Whoever asked for it may be gone by now, and nobody may ever leave it.
        self.left(opened)
        self._do(_index(room), f"index {name}")
        return opened

    def _loaded(self, name: str, load: asyncio.Task[OpenRoom]) -> None:
        self._loads.pop(name, None)
        # Asked for, so that a failure which nobody waits for any more is not reported as forgotten.
        if not load.cancelled() and load.exception() is not None:
            _log.info("room %s was not loaded: %s", name, load.exception())

    def _failed(self, room: Room, error: StoreError) -> None:
        _log.error("room %s is given up and loaded again: %s", room.name, error)
        if isinstance(error, StoreTrouble):
            self._enter_trouble(error.reason)
        room.fail(f"the server could not store {room.name}")

    def _enter_trouble(self, reason: str) -> None:
        self._trouble = reason
        if self._probing is not None or self._is_closing:
            return
        # A disk with little space left passes each probe, and fails again at the next large row.
        if asyncio.get_running_loop().time() - self._recovered_at > 2 * self._probe_most_s:
            self._probe_s = self._probe_first_s
        self._probing = asyncio.create_task(self._probe(), name="probe the store")

    async def _probe(self) -> None:
        """Wait until the store takes writes again, then let all rooms go on."""
        while True:
            await asyncio.sleep(self._probe_s)
            self._probe_s = min(2 * self._probe_s, self._probe_most_s)
            try:
                await self._committer.run(lambda store: store.probe())
            except StoreError as error:
                if isinstance(error, StoreTrouble):
                    self._trouble = error.reason
                _log.warning("the store takes no writes yet: %s", error)
            else:
                break
        _log.info("the store takes writes again")
        self._trouble, self._probing = None, None
        self._recovered_at = asyncio.get_running_loop().time()
        for opened in list(self._rooms.values()):
            if not opened.is_storing and not opened.room.is_over:
                opened.is_storing = True
                with guard(opened.room):
                    opened.room.resume_storing()

    def _row_committed(self, room: Room) -> None:
        opened = self._rooms.get(room.name)
        # Only of what is wholly on disk: a snapshot may not hold what a crash could take back.
        if opened is None or opened.room is not room or not room.is_settled:
            return
        enough = max(_SNAPSHOT_EVERY_ROWS, opened.snapshot_bytes // _SNAPSHOT_BYTES_A_ROW)
        if room.seq - opened.covered >= enough:
            self._keep_snapshot(opened)

    def _unload_later(self, opened: OpenRoom) -> None:
        opened.unload_timer = None
        room = opened.room
        if self._rooms.get(room.name) is not opened:
            return
        if not room.is_idle or self._callers[room.name]:
            self.left(opened)
            return
        if room.seq - opened.covered >= _SNAPSHOT_AFTER_ROWS:
            self._keep_snapshot(opened)
        del self._rooms[room.name]
        room.close()

    def _keep_snapshot(self, opened: OpenRoom) -> None:
        """Take a snapshot now, and keep it as soon as the store gets to it."""
        room = opened.room
        snapshot = Snapshot(room.seq, room.whole_update())
        opened.covered, opened.snapshot_bytes = snapshot.covered, len(snapshot.data)
        try:
            check_snapshot(snapshot, room.text(), opened.replica.state_vector())
        except StoreError as error:
            _log.error("no snapshot of room %s: %s", room.name, error)
            return
        self._do(self._save(room.name, snapshot), f"snapshot {room.name}")

    def _do(self, chore: Coroutine[None, None, None], name: str) -> None:
        """Run a chore; `close` waits for it."""
        task = asyncio.create_task(chore, name=name)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    async def _save(self, name: str, snapshot: Snapshot) -> None:
        try:
            await self._committer.run(lambda store: store.save_snapshot(name, snapshot))
        except StoreError as error:
            _log.error("no snapshot of room %s: %s", name, error)


async def _index(room: Room) -> None:
    for _ in room.indexing():
        # Not 0: a loop that never rests keeps the store's thread from running.
        await asyncio.sleep(0.001)
        if room.is_over:
            return


def _guarded(room: Room, call: Callable[[], None]) -> None:
    with guard(room):
        call()


def _existing(store: Store, name: str, *, before: int | None = None) -> StoredRoom:
    stored = store.load(name) if before is None else store.load(name, before=before)
    if stored is None:
        raise StoreError(f"room {name} is gone again")
    return stored
