"""The other people's carets: brought to where the text is here, and shifted with it from then on."""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, ValuesView
from dataclasses import dataclass, replace
from typing import Final

from collab_client.carets import Passage, Shift, Span, shift_caret, shifts
from collab_client.lines import Lines, Position
from collab_protocol import limits
from collab_protocol.messages import Presence
from collab_protocol.presence import Activity, Caret, Person
from collab_protocol.text import Splice

_RING_ENTRIES: Final = 512
"""Far more than come between the sending and the arrival of a caret; DESIGN section 9 wants it short."""


@dataclass(slots=True)
class _Entry:
    author: int | None  # a session; None is this one
    n: int | None  # the number of an own row
    seq: int | None  # None until an own row has its receipt
    steps: tuple[Shift, ...]


class Ring:
    """The latest changes, so that a caret can be brought through those its sender had not seen."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._seen_by: list[float] = []  # how far in the log each one lies, with all before it
        self._forgotten_seq = 0
        self._forgotten_n = 0

    def add_own(self, n: int, splices: Iterable[Splice]) -> None:
        """Note own row `n`, which nobody else has seen before its receipt."""
        self._add(_Entry(None, n, None, shifts(splices)))

    def add_remote(self, author: int, seq: int, splices: Iterable[Splice]) -> None:
        """Note a row of another session."""
        self._add(_Entry(author, None, seq, shifts(splices)))

    def receipted(self, n: int, seq: int) -> None:
        """Note that own rows up to `n` stand in the log, the last of them at `seq`."""
        for at, entry in enumerate(self._entries):
            if entry.author is None and entry.seq is None and entry.n is not None and entry.n <= n:
                entry.seq = seq
                del self._seen_by[at:]
        self._count()
        if 0 < self._forgotten_n <= n:
            self._forgotten_seq = max(self._forgotten_seq, seq)
            self._forgotten_n = 0

    def begin_link(self) -> None:
        """Forget all but own rows without a receipt: on a fresh link sessions have other numbers."""
        self._entries = [entry for entry in self._entries if entry.seq is None]
        self._seen_by.clear()
        self._count()
        self._forgotten_seq = 0

    def bring(self, carets: Sequence[Caret], author: int, seen: int) -> tuple[Caret, ...]:
        """Return `carets` of session `author`, as they are here now, who had seen the log up to `seen`.

        None of them when what they must go through has been forgotten. What came with a Sync is not in the
        ring and is passed over: if it was the sender's own work, that is right; if not, the sender applies it
        after these carets and sends others.
        """
        if seen < self._forgotten_seq or self._forgotten_n:
            return ()
        for entry in self._entries[bisect_right(self._seen_by, seen) :]:
            if entry.author != author and (entry.seq is None or entry.seq > seen):
                carets = [shift_caret(caret, entry.steps) for caret in carets]
        return tuple(carets)

    def _add(self, entry: _Entry) -> None:
        self._entries.append(entry)
        self._count()
        if len(self._entries) > _RING_ENTRIES:
            oldest = self._entries.pop(0)
            del self._seen_by[0]
            if oldest.seq is not None:
                self._forgotten_seq = max(self._forgotten_seq, oldest.seq)
            elif oldest.n is not None:
                self._forgotten_n = oldest.n

    def _count(self) -> None:
        """Bring `_seen_by` up to the last entry."""
        for entry in self._entries[len(self._seen_by) :]:
            before = self._seen_by[-1] if self._seen_by else 0
            self._seen_by.append(max(before, math.inf if entry.seq is None else entry.seq))


@dataclass(frozen=True, slots=True)
class Peer:
    """Another session, as far as this one can tell.

    `spans` are its carets, the primary one first; empty while they are not known. `typed_at` is when a row
    of theirs last came, `following` the session whose view they follow, or 0. `view` is what they see of the
    text, from its first place to its last; None while that is not known.
    """

    person: Person
    spans: tuple[Span, ...]
    activity: Activity
    moved_at: float
    typed_at: float = -math.inf
    following: int = 0
    view: tuple[Position, Position] | None = None

    @property
    def head(self) -> Position | None:
        """The primary caret; None while it is not known."""
        return self.spans[0].head if self.spans else None

    @property
    def anchor(self) -> Position | None:
        """The other end of its selection; the caret itself when it selects nothing."""
        return self.spans[0].anchor if self.spans else None


class PeerCarets(Mapping[int, Peer]):
    """The other sessions of the room, by session number."""

    def __init__(self, lines: Lines, ring: Ring, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`lines` and `ring` stay the owner's, who keeps them up to date; `clock` gives seconds."""
        self._lines = lines
        self._ring = ring
        self._clock = clock
        self._peers: dict[int, Peer] = {}
        self._said: dict[int, Presence] = {}
        self._typing: set[int] = set()

    def __getitem__(self, session: int) -> Peer:
        return self._peers[session]

    def __iter__(self) -> Iterator[int]:
        return iter(self._peers)

    def __len__(self) -> int:
        return len(self._peers)

    def values(self) -> ValuesView[Peer]:
        """Return the peers; what Mapping makes of `__iter__` takes ten times as long."""
        return self._peers.values()

    def place(self, presence: Presence, now: float) -> None:
        """Take what a session says of itself; that it moved is noted when the place is news here.

        One who was typing has moved, though its caret was brought along by the text already.
        """
        person = presence.person
        if person is None:
            return
        session = person.session
        if presence.activity.is_over:
            self._peers.pop(session, None)
            self._said.pop(session, None)
            self._typing.discard(session)
            return
        old = self._peers.get(session)
        if old is None and len(self._peers) >= limits.PEOPLE:
            return  # more than any room has: no server of ours says that
        self._said[session] = presence
        spans, view = self._placed(presence)
        has_moved = old is None or session in self._typing or old.spans != spans
        moved_at = now if old is None or (has_moved and spans) else old.moved_at
        typed_at = -math.inf if old is None else old.typed_at
        self._typing.discard(session)
        self._peers[session] = Peer(
            person, spans, presence.activity, moved_at, typed_at, presence.following, view
        )

    def place_again(self) -> None:
        """Place everybody by what they said last.

        A lagging reader gets carets before the Sync with the rows that they follow, and that Sync has
        shifted them once more.
        """
        for session, presence in self._said.items():
            self._place_again(session, presence)

    def receipted(self, seq: int) -> None:
        """Note that own rows turn out to stand at `seq` at most, as the ring knows by now.

        After a reconnect the roster may count them as seen before their receipt has come; until then
        they were taken for unseen, and carets brought through them once too often.
        """
        for session, presence in self._said.items():
            if presence.seen >= seq and session not in self._typing:
                self._place_again(session, presence)

    def restart(self, ring: Ring) -> None:
        """Let everybody go, and go on with `ring`."""
        self._ring = ring
        self.clear()

    def clear(self) -> None:
        """Let everybody go."""
        self._peers.clear()
        self._said.clear()
        self._typing.clear()

    def shift(self, passage: Passage, author: int | None) -> None:
        """Bring every caret and view through what session `author` made; None is this one, or unknown."""
        for session, peer in self._peers.items():
            is_author = session == author
            spans = tuple([passage.span(span, is_author=is_author) for span in peer.spans])
            view = peer.view
            if view is not None:
                seen = passage.span(Span(*view))
                view = (seen.head, seen.anchor)
            typed_at = peer.typed_at
            if is_author:
                self._typing.add(session)
                typed_at = self._clock()
            elif spans == peer.spans and view == peer.view:
                continue
            # `replace` costs twice as much, and all the others are here for each key of anybody.
            self._peers[session] = Peer(
                peer.person, spans, peer.activity, peer.moved_at, typed_at, peer.following, view
            )

    def _place_again(self, session: int, presence: Presence) -> None:
        spans, view = self._placed(presence)
        if spans or view is not None:
            peer = self._peers[session]
            self._peers[session] = replace(peer, spans=spans or peer.spans, view=view or peer.view)

    def _placed(self, presence: Presence) -> tuple[tuple[Span, ...], tuple[Position, Position] | None]:
        """Return the carets and the view, each where it is here; without those that cannot be known."""
        if presence.person is None:
            return (), None
        carets, seen = presence.carets, presence.view
        if seen is not None:
            carets = (*carets, Caret(seen.top, seen.bottom))
        nearest = self._lines.nearest
        brought = self._ring.bring(carets, presence.person.session, presence.seen)
        spans = tuple([Span(nearest(caret.head), nearest(caret.anchor)) for caret in brought])
        if seen is None or not spans:
            return spans, None
        return spans[:-1], (spans[-1].head, spans[-1].anchor)
