"""A room's document in bytes, for those who lack some of it: whole, by a state vector, or the newest rows."""

from __future__ import annotations

from collections import deque
from typing import Final

from collab_protocol import limits
from collab_protocol.limits import MERGED_ROWS, RoomLimits
from collab_protocol.messages import Sync
from collab_protocol.text import EMPTY_STATE_VECTOR, Replica, merge_rows
from collab_server.intake import Intake
from collab_server.ledger import Ledger

_SIZE_SLACK: Final = limits.PART_BYTES
"""An update is larger than the text in it; an honest client near the cap is not to be refused for that."""

_SMALL_ROW_BYTES: Final = 4 * 1024
"""Larger rows are not kept in memory for those who fell behind."""


class Encodings:
    """What one replica is in bytes, kept as long as it holds."""

    def __init__(self, replica: Replica, intake: Intake, ledger: Ledger) -> None:
        self._replica = replica
        self._intake = intake
        self._ledger = ledger
        self._whole: tuple[int, bytes] | None = None
        self._whole_sync: Sync | None = None
        self._newest_rows: deque[bytes] = deque(maxlen=MERGED_ROWS)
        self._size_most = len(self.whole())

    def applied(self, row: bytes) -> None:
        """Note that the replica has one more row."""
        self._size_most += len(row)
        if len(row) > _SMALL_ROW_BYTES:
            self._newest_rows.clear()
        else:
            self._newest_rows.append(row)

    def whole(self) -> bytes:
        """Return the whole document as one update; kept until the next row."""
        seq = self._ledger.seq
        if self._whole is None or self._whole[0] != seq:
            self._whole = (seq, self._replica.update_since())
        return self._whole[1]

    def sync_from(self, state_vector: bytes) -> Sync:
        """Return all that one lacks who has `state_vector`.

        Raises:
            UpdateError: it is malformed.
        """
        state_vector = self._intake.state_vector_of(state_vector)
        seq = self._ledger.seq
        if state_vector != EMPTY_STATE_VECTOR:
            return Sync(seq, self._replica.state_vector(), self._replica.update_since(state_vector))
        if self._whole_sync is None or self._whole_sync.seq != seq:
            # One for all who join now: it is encoded once, too.
            self._whole_sync = Sync(seq, self._replica.state_vector(), self.whole())
        return self._whole_sync

    def sync_since(self, from_seq: int, state_vector: bytes) -> Sync | None:
        """Return the rows after `from_seq` as one update, where that is known to be little; else None.

        Against a state vector alone, all that was ever deleted here comes with it.

        Raises:
            UpdateError: the state vector is malformed.
        """
        seq = self._ledger.seq
        behind = seq - from_seq
        if not 0 < behind <= len(self._newest_rows):
            return None
        state_vector = self._intake.state_vector_of(state_vector)
        rows = [self._newest_rows[at] for at in range(-behind, 0)]
        return Sync(seq, self._replica.state_vector(), merge_rows(rows, state_vector))

    def has_space(self, update: bytes, most: RoomLimits) -> bool:
        """Return whether an update may come in. One that only deletes always may: it begins with a 0."""
        if update[:1] == b"\x00":
            return True
        if self._replica.size_utf8 + len(update) > most.text_bytes + _SIZE_SLACK:
            return False
        # Rows added up are more than the document that they make: look only when the sum is too much.
        if self._size_most + len(update) > most.encoded_bytes:
            self._size_most = len(self.whole())
        return self._size_most + len(update) <= most.encoded_bytes
