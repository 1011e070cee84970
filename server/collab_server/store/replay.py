"""A room's document from what is stored of it, and a snapshot checked before it is trusted."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from collab_protocol.errors import StoreError, UpdateError
from collab_protocol.gate import decode_state_vector
from collab_protocol.text import Replica
from collab_server.log_fields import about
from collab_server.store.base import Row, Snapshot, StoredRoom

_log = logging.getLogger(__name__)

_SLICE_S: Final = 0.002
"""How long a log is replayed before others get the loop (DESIGN section 6)."""


async def read_document(
    stored: StoredRoom, load_before: Callable[[int], Awaitable[StoredRoom]]
) -> tuple[Replica, StoredRoom]:
    """Return the document of a stored room, and what of it that was made from. The caller owns the replica.

    A snapshot that does not read back is passed over for the one before, with the rows after that:
    `load_before(covered)` loads those.

    Raises:
        StoreError: it cannot be read.
    """
    while True:
        replica = _new_replica()
        snapshot = stored.snapshot
        try:
            if snapshot is not None:
                replica.apply(snapshot.data)
                snapshot = None
            await _replay(replica, stored.rows)
        except UpdateError as error:
            replica.close()
            if snapshot is None:
                raise StoreError(
                    f"room {stored.name} cannot be read: {error}; its file was left as it is"
                ) from error
            covered = snapshot.covered
            _log.error("the snapshot at %d cannot be read: %s", covered, error, extra=about(room=stored.name))
            stored = await load_before(covered)
        except BaseException:
            replica.close()
            raise
        else:
            return replica, stored


def check_snapshot(snapshot: Snapshot, text: str, state_vector: bytes) -> None:
    """Read a snapshot back before it is trusted: text and clocks must be the room's.

    The clocks too: text that was deleted again counts in them, and later rows rest on it.

    Raises:
        StoreError: it does not read back as that.
    """
    copy = _new_replica()
    try:
        copy.apply(snapshot.data)
        if copy.text() != text:
            raise StoreError("it reads back as another text")
        # Decoded: their order is any.
        if decode_state_vector(copy.state_vector()) != decode_state_vector(state_vector):
            raise StoreError("it reads back with other clocks")
    except UpdateError as error:
        raise StoreError(f"it does not read back: {error}") from error
    finally:
        copy.close()


async def _replay(replica: Replica, rows: Iterable[Row]) -> None:
    """Apply a log, one row a transaction: all in one is quadratic."""
    until = time.monotonic() + _SLICE_S
    for row in rows:
        replica.apply(row.data)
        if time.monotonic() > until:
            await asyncio.sleep(0)
            until = time.monotonic() + _SLICE_S


def _new_replica() -> Replica:
    return Replica(secrets.randbelow(2**31 - 2) + 2)
