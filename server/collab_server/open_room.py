"""A room that is loaded, what of it goes to disk, and what becomes of it when something breaks down."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final

from collab_protocol.errors import ProtocolError, StoreError
from collab_protocol.text import Replica
from collab_server.committer import Committer
from collab_server.config import ServerConfig
from collab_server.log_fields import about
from collab_server.meters import Meters
from collab_server.outbox import BatchEncoder
from collab_server.room import Room, RoomState
from collab_server.store.base import ChatLine, Row, SettingRow, Snapshot, StoredRoom

_log = logging.getLogger(__name__)

_RETRY_AFTER_FAILURE_MS: Final = 2000


def guard(room: Room) -> contextlib.AbstractContextManager[None]:
    """Give `room` up when something breaks down in it; it is loaded again, and no other room hears of it.

    What the client is to blame for passes through.
    """
    return _Guard(room)


class _Guard(contextlib.AbstractContextManager[None]):
    """A class: made for every message, and contextlib's generators cost three times as much."""

    __slots__ = ("_room",)

    def __init__(self, room: Room) -> None:
        self._room = room

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception) or isinstance(error, ProtocolError):
            return False
        _log.error("a room broke down", exc_info=error, extra=about(room=self._room.name))
        self._room.meters.room_breakdowns += 1
        self._room.fail(f"the server failed in {self._room.name}")
        return True


class OpenRoom:
    """A loaded room, what encodes its Batches, and when it may be unloaded.

    `replica` is the room's own, to read. `is_storing` is False while the room was told to stop storing.
    """

    def __init__(self, room: Room, turns: RoomTurns, replica: Replica, snapshot: Snapshot | None) -> None:
        self.room = room
        self.replica = replica
        self.is_storing = True
        self.encoder = BatchEncoder()
        self.covered = 0 if snapshot is None else snapshot.covered
        self.snapshot_bytes = 0 if snapshot is None else len(snapshot.data)
        self.unload_timer: asyncio.TimerHandle | None = None
        self._turns = turns

    def stay(self) -> None:
        """Take back that the room is to be unloaded."""
        if self.unload_timer is not None:
            self.unload_timer.cancel()
            self.unload_timer = None

    def close(self) -> None:
        """Free the document, now and not when the collector comes by. Nobody may be here any more."""
        self.stay()
        self.room.close()
        self._turns.room = None


class RoomTurns:
    """What a room has of the loop and of the disk: its turns and timers, and a log that tells it the outcome.

    `room` is set once it is made, and None again when it is closed.
    """

    def __init__(
        self,
        committer: Committer,
        *,
        on_row: Callable[[Room], None],
        on_failure: Callable[[Room, StoreError], None],
    ) -> None:
        """`on_row` is called for each row that is on disk, `on_failure` when something cannot be stored."""
        self._loop = asyncio.get_running_loop()
        self._committer = committer
        self._on_row = on_row
        self._on_failure = on_failure
        self.room: Room | None = None

    def at_end_of_turn(self, call: Callable[[], None]) -> None:
        self._loop.call_soon(self._guarded, call)

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        self._loop.call_later(delay_s, self._guarded, call)

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

    def _guarded(self, call: Callable[[], None]) -> None:
        if self.room is not None:
            with guard(self.room):
                call()


def make_room(
    stored: StoredRoom,
    replica: Replica,
    turns: RoomTurns,
    *,
    is_new: bool,
    epoch: bytes,
    is_durable: bool,
    config: ServerConfig,
    meters: Meters | None = None,
) -> Room:
    """Return a room on this loop as it is stored; `replica` holds its document, and is the room's now."""
    covered = 0 if stored.snapshot is None else stored.snapshot.covered
    turns.room = Room(
        RoomState(
            name=stored.name,
            lineage=stored.lineage,
            epoch=epoch,
            seq=stored.rows[-1].last if stored.rows else covered,
            replica=replica,
            settings=stored.settings,
            is_new=is_new,
            bindings=stored.bindings,
            chat=stored.chat,
        ),
        log=turns,
        defer=turns.at_end_of_turn,
        later=turns.later,
        now=time.time,
        clock=time.monotonic,
        is_durable=is_durable,
        limits=config.limits,
        draw_retry_ms=lambda: secrets.randbelow(_RETRY_AFTER_FAILURE_MS),
        meters=meters,
    )
    return turns.room
