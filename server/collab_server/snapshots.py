"""When a room that is loaded gets a snapshot, and how it is taken: checked before it is kept."""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import Final

from collab_protocol.errors import StoreError
from collab_server.committer import Committer
from collab_server.log_fields import about, without_name
from collab_server.meters import Meters
from collab_server.open_room import OpenRoom
from collab_server.store.base import Snapshot
from collab_server.store.replay import check_snapshot

_log = logging.getLogger(__name__)

_AFTER_ROWS: Final = 100
"""Rows since the last snapshot that make another one worth its while when a room is unloaded."""

_EVERY_ROWS: Final = 500
"""Rows after which a room that is in use gets a snapshot, so that a crash leaves no long log to replay."""

_BYTES_A_ROW: Final = 2000
"""A large document waits longer for its next one: making it takes the loop a millisecond for each 500 kB."""


class Snapshots:
    """Takes snapshots of the rooms of one store."""

    def __init__(self, committer: Committer, meters: Meters) -> None:
        self._committer = committer
        self._meters = meters

    def is_due(self, opened: OpenRoom) -> bool:
        """Return whether a room that is in use should get one now."""
        enough = max(_EVERY_ROWS, opened.snapshot_bytes // _BYTES_A_ROW)
        return opened.room.seq - opened.covered >= enough

    def is_worth_it(self, opened: OpenRoom) -> bool:
        """Return whether a room that is unloaded should get one."""
        return opened.room.seq - opened.covered >= _AFTER_ROWS

    def take(self, opened: OpenRoom) -> Coroutine[None, None, None] | None:
        """Take one now; returns what keeps it as soon as the store gets to it, None for one that is wrong."""
        room = opened.room
        snapshot = Snapshot(room.seq, room.whole_update())
        opened.covered, opened.snapshot_bytes = snapshot.covered, len(snapshot.data)
        try:
            check_snapshot(snapshot, room.text(), opened.replica.state_vector())
        except StoreError as error:
            self._meters.snapshot_failures += 1
            _log.error("no snapshot: %s", error, extra=about(room=room.name))
            return None
        return self._save(room.name, snapshot)

    def keep_parted(self, opened: OpenRoom) -> Coroutine[None, None, None]:
        """Keep what those get who join: the rows, replayed, would part again, and these read alike."""
        room = opened.room
        return self._save(room.name, Snapshot(room.seq, room.whole_update()))

    async def _save(self, name: str, snapshot: Snapshot) -> None:
        try:
            await self._committer.run(lambda store: store.save_snapshot(name, snapshot))
            self._meters.snapshots += 1
        except StoreError as error:
            self._meters.snapshot_failures += 1
            _log.error("no snapshot: %s", without_name(error, name), extra=about(room=name))
