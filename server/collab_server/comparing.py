"""Whether texts that have to be alike are: a member's and the room's, the room's and what who joins gets."""

from __future__ import annotations

import hashlib
from typing import Final

from collab_protocol.errors import UpdateError
from collab_protocol.text import Replica
from collab_server.encodings import Encodings
from collab_server.ledger import Ledger

_COPY_ID: Final = 1
"""The client id of copies that nobody edits."""


class Comparing:
    """Compares one room's text; each answer costs O(document) once, and is kept until the next row."""

    def __init__(self, replica: Replica, encodings: Encodings, ledger: Ledger) -> None:
        self._replica = replica
        self._encodings = encodings
        self._ledger = ledger
        self._digest: tuple[int, bytes] | None = None
        self._is_read_back: tuple[int, bool] | None = None

    def is_ours(self, sha256: bytes) -> bool:
        """Return whether that is the hash of the text as it stands here."""
        seq = self._ledger.seq
        if self._digest is None or self._digest[0] != seq:
            self._digest = (seq, hashlib.sha256(self._replica.text().encode()).digest())
        return self._digest[1] == sha256

    def reads_back(self) -> bool:
        """Return whether one who joins now gets the text that stands here."""
        seq = self._ledger.seq
        if self._is_read_back is None or self._is_read_back[0] != seq:
            self._is_read_back = (seq, self._read_back() == self._replica.text())
        return self._is_read_back[1]

    def _read_back(self) -> str | None:
        copy = Replica(_COPY_ID)
        try:
            copy.apply(self._encodings.whole())
            return copy.text()
        except UpdateError:
            return None
        finally:
            copy.close()
