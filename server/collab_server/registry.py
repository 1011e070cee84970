"""The rooms that are loaded: one load each however many join at once, unloading when idle, and erasing."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Collection, Coroutine
from dataclasses import replace
from typing import Final

from collab_protocol.errors import StoreError
from collab_protocol.limits import RoomLimits
from collab_protocol.messages import Authors, pack_ids
from collab_server.committer import Committer
from collab_server.config import Caps, ServerConfig
from collab_server.erasing import Erasing
from collab_server.log_fields import Kind, about, without_name
from collab_server.memory import FreedMemory
from collab_server.meters import Meters
from collab_server.open_room import OpenRoom, RoomTurns, guard, make_room
from collab_server.room import Room
from collab_server.room_caps import Refused, RoomCaps
from collab_server.snapshots import Snapshots
from collab_server.store.base import Store, StoredRoom, StoredSize, StoreTrouble
from collab_server.store.replay import read_document
from collab_server.store.survey import survey_file

__all__ = ["OpenRoom", "Refused", "Registry", "guard"]

_log = logging.getLogger(__name__)

_IDLE_MOST: Final = 64
"""Rooms that nobody is in and that stay loaded: one loads again in a millisecond, and many that are let go
together leave the memory of the process in shreds."""


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
        meters: Meters | None = None,
    ) -> None:
        """The disk is probed after `probe_first_s`, then less and less often, up to each `probe_most_s`."""
        self._config = config
        self._committer = committer
        self._epoch = epoch
        self._is_durable = is_durable
        self._meters = Meters() if meters is None else meters
        self._caps = RoomCaps(config.caps)
        self._freed = FreedMemory()
        self._snapshots = Snapshots(committer, self._meters)
        self._rooms: dict[str, OpenRoom] = {}
        self._idle: dict[str, OpenRoom] = {}  # those that nobody is in, the longest idle first
        self._loads: dict[str, asyncio.Task[OpenRoom]] = {}
        self._callers: dict[str, int] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._erasing = Erasing(committer, take_out=self._take_out, on_deleted=self._deleted)
        self.on_deleted: Callable[[str], None] = _ignore
        """Called with the name of a room that was deleted, before anybody can make another one."""
        self._probe_first_s = probe_first_s
        self._probe_most_s = probe_most_s
        self._probe_s = probe_first_s
        self._trouble: str | None = None
        self._probing: asyncio.Task[None] | None = None
        self._recovered_at = float("-inf")
        self._is_closing = False

    @property
    def loaded(self) -> Collection[OpenRoom]:
        """The rooms that are loaded."""
        return self._rooms.values()

    def find(self, name: str) -> OpenRoom | None:
        """Return the room `name` if it is loaded."""
        return self._rooms.get(name)

    def has(self, opened: OpenRoom) -> bool:
        """Return whether that is loaded still."""
        return self._rooms.get(opened.room.name) is opened

    @property
    def stored(self) -> int | None:
        """How many rooms are on disk; None while nobody has counted them."""
        return self._caps.stored

    @property
    def trouble(self) -> str:
        """Why the disk takes no writes at present; empty while it does."""
        return self._trouble or ""

    def change_limits(self, caps: Caps, room_limits: RoomLimits) -> None:
        """Heed these from now on, in the rooms that are loaded too."""
        self._config = replace(self._config, caps=caps, room_limits=room_limits)
        self._caps.change(caps)
        for opened in self._rooms.values():
            opened.room.change_limits(self._config.limits)

    async def survey(self, after: str, most: int) -> list[StoredSize]:
        """Return what is kept of `most` rooms at most whose names come after `after`; no commit waits for it.

        Raises:
            StoreError: the store cannot be read.
        """
        if self._config.memory:
            return await self._committer.run(lambda store: store.survey(after, most))
        return await asyncio.to_thread(survey_file, self._config.data_dir / "rooms.sqlite3", after, most)

    async def open(self, name: str, maker: str = "") -> OpenRoom:
        """Return the room `name`, loaded, or made by `maker`: a principal, or "" for the server itself.

        Raises:
            Refused: a cap of the server stands in the way; the text names it.
            StoreTrouble: the disk does not let it be read or made; the reason is for the one who asked.
            StoreError: it cannot be loaded; its files stay as they are and nobody gets an empty one.
        """
        while True:
            if self._is_closing:
                raise StoreError("the server is stopping")
            if (held := self._erasing.held(name)) is not None:
                await held.wait()
                continue
            opened = self._rooms.get(name)
            if opened is not None and not opened.room.is_over:
                opened.stay()
                self._idle.pop(name, None)
                return opened
            load = self._loads.get(name)
            is_ours = load is None
            if load is None:
                load = asyncio.create_task(self._load(name, maker), name=f"load {name}")
                self._loads[name] = load
                load.add_done_callback(lambda done: self._loaded(name, done))
            self._callers[name] = self._callers.get(name, 0) + 1
            try:
                # Shielded: one who gives up waiting must not end the load that others wait for.
                await asyncio.shield(load)
            except Refused:
                if is_ours:
                    raise
                # Somebody else may not make it; we may.
            finally:
                self._callers[name] -= 1
                if not self._callers[name]:
                    del self._callers[name]

    async def delete(self, name: str) -> bool:
        """Delete a room, as `Erasing.delete` does."""
        return await self._erasing.delete(name)

    async def forget(self, name: str) -> int:
        """Erase all of a room but its text, as `Erasing.forget` does."""
        return await self._erasing.forget(name)

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
        name = opened.room.name
        if self._rooms.get(name) is not opened or not opened.room.is_empty or opened.unload_timer is not None:
            return
        loop = asyncio.get_running_loop()
        opened.unload_timer = loop.call_later(self._config.room_idle_s, self._unload_later, opened)
        self._idle[name] = opened
        if len(self._idle) > _IDLE_MOST and (oldest := self._longest_idle()) is not None:
            self._unload(oldest)

    async def close(self, reason: str, draw_retry_ms: Callable[[], int] | None = None) -> None:
        """Bring everything to disk, then send everyone away, each with its own time to come back."""
        self._is_closing = True
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])
        await self._erasing.close()
        await asyncio.gather(*self._loads.values(), return_exceptions=True)
        for opened in list(self._rooms.values()):
            with guard(opened.room):
                opened.room.flush()
        await self._committer.run(lambda _: None)
        # Receipts of the last commit were put on the loop before the answer to the call above.
        for opened in list(self._rooms.values()):
            if not opened.room.is_over:
                opened.room.fail(reason, draw_retry_ms)
        await asyncio.gather(*self._chores, return_exceptions=True)

    def dispose(self) -> None:
        """Free every document; after all connections have ended."""
        for opened in self._rooms.values():
            opened.close()
        self._rooms.clear()
        self._idle.clear()
        self._freed.close()

    async def _load(self, name: str, maker: str) -> OpenRoom:
        began = time.monotonic()
        await self._make_space(name)
        parted = self._rooms.get(name)
        if parted is not None and parted.room.is_parted:
            await self._snapshots.keep_parted(parted)
        stored, is_new = await self._find_or_make(name, maker)
        replica, stored = await read_document(
            stored, lambda covered: self._committer.run(lambda store: _existing(store, name, before=covered))
        )
        turns = RoomTurns(self._committer, on_row=self._row_committed, on_failure=self._failed)
        room = make_room(
            stored,
            replica,
            turns,
            is_new=is_new,
            epoch=self._epoch,
            is_durable=self._is_durable,
            config=self._config,
            meters=self._meters,
        )
        before = self._rooms.pop(name, None)
        if before is not None:
            self._idle.pop(name, None)
            before.close()
        opened = self._rooms[name] = OpenRoom(room, turns, replica, stored.snapshot)
        self._meters.load_s.observe(time.monotonic() - began)
        if self._trouble is not None:
            opened.is_storing = False
            room.stop_storing(self._trouble)
        # Whoever asked for it may be gone by now, and nobody may ever leave it.
        self.left(opened)
        self._do(_index(room), f"index {name}")
        return opened

    async def _find_or_make(self, name: str, maker: str) -> tuple[StoredRoom, bool]:
        """Return a stored room, and whether it was made by this."""

        # Made only if it is not there: one that is can be read from a disk that takes no writes.
        def find(store: Store) -> tuple[StoredRoom | None, int | None]:
            stored = store.load(name)
            return stored, store.room_count() if stored is None and self._caps.stored is None else None

        stored, count = await self._committer.run(find, reopens=name)
        if stored is not None:
            return stored, False
        if self._caps.stored is None:
            self._caps.stored = count
        self._caps.take(name, maker)
        lineage, now = secrets.token_bytes(16), time.time()

        def make(store: Store) -> tuple[StoredRoom, bool]:
            is_new = store.create(name, lineage, now)
            return _existing(store, name), is_new

        try:
            return await self._committer.run(make)
        except StoreError:
            self._caps.stored = None  # to be counted anew
            raise

    async def _make_space(self, name: str) -> None:
        """Unload rooms that nobody is in, the longest idle first, until `name` may be loaded.

        Raises:
            Refused: as many as may be are in use.
        """
        most, has_waited = self._config.caps.loaded_rooms, False
        while len(self._rooms) + len(self._loads) > most:
            if name in self._rooms:
                return  # it takes the place of one that broke down
            opened = self._longest_idle()
            if opened is not None:
                self._unload(opened)
            elif has_waited or not self._idle:
                raise Refused(
                    f"{name} cannot be opened: this server has {most} rooms open at most, and people are"
                    " in all of them; try again later"
                )
            else:
                await self._committer.run(lambda _: None)  # what was written in them is under way
                has_waited = True

    def _loaded(self, name: str, load: asyncio.Task[OpenRoom]) -> None:
        self._loads.pop(name, None)
        # Asked for, so that a failure which nobody waits for any more is not reported as forgotten.
        error = None if load.cancelled() else load.exception()
        if error is not None:
            # Whom a cap keeps out is counted among the refusals: nothing is wrong with the room.
            self._meters.load_failures += not isinstance(error, Refused)
            why = without_name(error, name)
            _log.info("a room was not loaded: %s", why, extra=about(room=name, kind=Kind.REFUSED))

    def _failed(self, room: Room, error: StoreError) -> None:
        why = without_name(error, room.name)
        _log.error("a room is given up and loaded again: %s", why, extra=about(room=room.name))
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
        if self._snapshots.is_due(opened):
            self._keep_snapshot(opened)

    def _unload_later(self, opened: OpenRoom) -> None:
        opened.unload_timer = None
        if self._rooms.get(opened.room.name) is not opened:
            return
        if self._may_unload(opened):
            self._unload(opened)
        else:
            self.left(opened)

    def _longest_idle(self) -> OpenRoom | None:
        return next((each for each in self._idle.values() if self._may_unload(each)), None)

    def _may_unload(self, opened: OpenRoom) -> bool:
        room = opened.room
        return (room.is_over or room.is_idle) and room.name not in self._callers

    def _unload(self, opened: OpenRoom) -> None:
        room = opened.room
        if room.is_parted:
            self._do(self._snapshots.keep_parted(opened), f"snapshot {room.name}")
        elif not room.is_over and self._snapshots.is_worth_it(opened):
            self._keep_snapshot(opened)
        del self._rooms[room.name]
        self._idle.pop(room.name, None)
        opened.close()
        self._meters.unloads += 1
        self._freed.let_go()

    def _deleted(self, name: str, was_there: bool) -> None:
        self._caps.made(-was_there)
        self.on_deleted(name)

    async def _take_out(self, name: str, what: str) -> OpenRoom | None:
        """Take a room out of use, with all on disk that it took, and taking nothing more."""
        if self._trouble is not None:
            raise StoreTrouble(f"{name} cannot be {what}: {self._trouble}", self._trouble)
        if (load := self._loads.get(name)) is not None:
            await asyncio.wait([load])
        # Out of the tables: no timer unloads it, no row of it makes a snapshot, no recovery resumes it.
        opened = self._rooms.pop(name, None)
        self._idle.pop(name, None)
        if opened is not None and not opened.room.is_over:
            with guard(opened.room):
                opened.room.stop_storing(f"{name} is being {what}")
                opened.room.flush()
        # Then all is on disk, with its receipts out; what chores handed over comes before the erasing, too.
        await self._committer.run(lambda _: None)
        if opened is not None and opened.room.is_parted:
            await self._snapshots.keep_parted(opened)
        return opened

    def _keep_snapshot(self, opened: OpenRoom) -> None:
        keeping = self._snapshots.take(opened)
        if keeping is not None:
            self._do(keeping, f"snapshot {opened.room.name}")

    def _do(self, chore: Coroutine[None, None, None], name: str) -> None:
        """Run a chore; `close` waits for it."""
        task = asyncio.create_task(chore, name=name)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)


async def _index(room: Room) -> None:
    for _ in room.indexing():
        # Not 0: a loop that never rests keeps the store's thread from running.
        await asyncio.sleep(0.001)
        if room.is_over:
            return


def _ignore(_: str) -> None:
    """Stand in until somebody listens."""


def _existing(store: Store, name: str, *, before: int | None = None) -> StoredRoom:
    stored = store.load(name) if before is None else store.load(name, before=before)
    if stored is None:
        raise StoreError(f"room {name} is gone again")
    return stored
