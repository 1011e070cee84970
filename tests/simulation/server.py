"""The server of a simulated world: a real room over a disk that commits when the world says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from collab_protocol.limits import RoomLimits
from collab_protocol.text import Replica
from collab_server.room import Room, RoomState
from collab_server.store.base import ChatLine, Row
from tests.simulation.links import Peer

if TYPE_CHECKING:
    from tests.simulation.world import World

SLOWNESS = 20.0
"""How much slower the server's clock runs than the world's, so that what people do is often shown late."""

MARKER = re.compile(r"‹\d+\.\d+›")


class WorldError(AssertionError):
    """The world broke a promise."""


@dataclass
class Disk:
    """What the server has on disk."""

    lineage: bytes
    epoch: bytes
    rows: list[Row] = field(default_factory=list)
    bindings: dict[int, bytes] = field(default_factory=dict)
    is_full: bool = False

    def copy(self) -> Disk:
        return Disk(self.lineage, self.epoch, list(self.rows), dict(self.bindings))

    def text(self) -> str:
        """Return the text, by replaying every row."""
        replica = Replica(1)
        try:
            for row in self.rows:
                replica.apply(row.data)
            return replica.text()
        finally:
            replica.close()


class Server:
    """One life of the server process, with the room as it is loaded now."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.uncommitted: list[Row] = []
        self.deferred: list[Callable[[], None]] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.peers: list[Peer] = []
        self.room = self._load()

    def _load(self) -> Room:
        disk = self.world.disk
        replica = Replica(self.world.draw_id())
        for row in disk.rows:
            replica.apply(row.data)
        state = RoomState(
            name="notes",
            lineage=disk.lineage,
            epoch=disk.epoch,
            seq=disk.rows[-1].last if disk.rows else 0,
            replica=replica,
            settings={},
            is_new=not disk.rows,
            bindings=dict(disk.bindings),
        )
        return Room(
            state,
            log=self,
            defer=self.deferred.append,
            later=lambda delay_s, call: self.timers.append((self.world.now + delay_s * SLOWNESS, call)),
            now=lambda: self.world.now,
            clock=lambda: self.world.now / SLOWNESS,
            is_durable=True,
            limits=RoomLimits(),
            draw_retry_ms=lambda: 0,
        )

    def append(self, row: Row) -> None:
        self.uncommitted.append(row)

    def set_setting(self, room: str, key: str, value: str, seq: int) -> None:
        raise WorldError("nobody changes settings here")

    def say(self, line: ChatLine) -> None:
        raise WorldError("nobody chats here")

    def turn(self) -> None:
        """Run what was put off to the end of the loop turn, or until now."""
        deferred, self.deferred[:] = list(self.deferred), []
        deferred += [call for at, call in self.timers if at <= self.world.now]
        self.timers = [timer for timer in self.timers if timer[0] > self.world.now]
        for run in deferred:
            run()

    @property
    def has_a_turn_to_make(self) -> bool:
        """Whether something is put off that may be done now."""
        return bool(self.deferred) or any(at <= self.world.now for at, _ in self.timers)

    def commit(self, count: int) -> None:
        """Bring the next `count` rows to disk, as one group; a full disk gives the room up."""
        if self.world.disk.is_full and self.uncommitted:
            self.uncommitted.clear()
            self.room.fail("the server could not store notes")
            self.room.close()
            self.room = self._load()
            self.room.stop_storing("the server's disk is full")
            return
        rows, self.uncommitted = self.uncommitted[:count], self.uncommitted[count:]
        if rows:
            disk = self.world.disk
            disk.rows += rows
            for row in rows:
                disk.bindings |= dict.fromkeys(row.new_ids, row.device_hash)
            self.world.note_committed(rows)
            self.room.committed(rows[-1].last)

    def mend(self) -> None:
        """Let the disk take rows again."""
        self.world.disk.is_full = False
        self.room.resume_storing()

    def close(self) -> None:
        self.room.close()
