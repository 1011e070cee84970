"""What others changed while the person was away: counted, marked, and told once it is known by whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from collab_client.buffer import Buffer
from collab_client.changes import Changes
from collab_protocol.presence import Author

AWAY_LEAST_S: Final = 30.0
"""Who was away for less has not missed anything."""


@dataclass(frozen=True, slots=True)
class Digest:
    """So many lines came and went by `authors`; `both` stretches were changed here, too, while apart."""

    added: int
    removed: int
    authors: tuple[Author, ...]
    both: int
    away_s: float


@dataclass(slots=True)
class _Untold:
    """A digest that lacks its authors: who wrote behind row `since`."""

    since: int
    added: int
    removed: int
    both: int
    away_s: float


class Away:
    """Between `left` and `back` changes count; then ask who made them, and give the answer to `authors`.

    Times are seconds of any one clock. A short absence leaves no mark.
    """

    def __init__(self, buffer: Buffer) -> None:
        self.changes = Changes(buffer)
        self._left: tuple[float, int] | None = None
        self._untold: _Untold | None = None

    def left(self, now: float, seq: int) -> None:
        """Note that from `now` on, at `seq`, the person does not see what others do."""
        if self._left is None:
            self._left = (now, seq)
            self.changes.begin()

    def unsent(self, rows: Iterable[tuple[int, int]]) -> None:
        """Note which rows, from first to before end, one had changed before `left`, unseen by others."""
        if self._left is not None:
            self.changes.note_mine(rows)

    def back(self, now: float, seq: int) -> int | None:
        """Note that the text is in sync again and the person looks at it.

        Returns behind which row the authors are to be asked for; None when there is nothing to tell. As
        long as that is not answered each further return says it again, and all is told of together.
        """
        if self._left is not None:
            (at, since), self._left = self._left, None
            outcome = self.changes.end(keep=now - at >= AWAY_LEAST_S)
            if outcome is not None:
                told = self._untold or _Untold(min(since, seq), 0, 0, 0, 0.0)
                told.added += outcome.added
                told.removed += outcome.removed
                told.both += outcome.both
                told.away_s += now - at
                self._untold = told
        return None if self._untold is None else self._untold.since

    def authors(self, people: tuple[Author, ...]) -> Digest | None:
        """Return the digest, made by `people`; None when there is none to be told."""
        told, self._untold = self._untold, None
        if told is None:
            return None
        return Digest(told.added, told.removed, people, told.both, told.away_s)
