"""How carets move when the text around them changes: one's own, other people's, and those of undo.

The rule everywhere: text inserted exactly at a caret goes behind it, so the caret stays; the author's
own caret goes along with what was inserted; and the lower end of a selection goes along too, so that
what was selected stays what is selected.

    Presence(offset, seen) ─ Ring: through what its sender had not seen ─▶ offset here ─ Lines ─▶ Position
    Position ─ Patch: every change from then on ─▶ Position

Offsets are UTF-8 bytes, as on the wire. Once placed, a caret is a position, and shifting it needs
neither the text nor a look-up.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from collab_client.lines import Lines, Position
from collab_protocol.messages import Presence
from collab_protocol.presence import Activity, Caret, Person
from collab_protocol.text import Splice, utf8_length

_RING_ENTRIES: Final = 512
"""Far more than come between the sending and the arrival of a caret; DESIGN section 9 wants it short."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One contiguous change: what stood from `start` to `end` is replaced by what ends at `new_end`."""

    start: Position
    end: Position
    new_end: Position


@dataclass(frozen=True, slots=True)
class Span:
    """A caret and its selection as positions; equal when nothing is selected."""

    head: Position
    anchor: Position


class Shift(NamedTuple):
    """What a Splice does to offsets; without the text, so that keeping it costs nothing."""

    offset_utf8: int
    deleted_utf8: int
    added_utf8: int


def shifts(splices: Iterable[Splice]) -> tuple[Shift, ...]:
    """Return what `splices` do to offsets, insertion and deletion apart."""
    steps = []
    for splice in splices:
        if splice.deleted_utf8:
            steps.append(Shift(splice.offset_utf8, splice.deleted_utf8, 0))
        if splice.inserted:
            steps.append(Shift(splice.offset_utf8, 0, utf8_length(splice.inserted)))
    return tuple(steps)


def shift(offset_utf8: int, step: Shift, *, goes_along: bool = False) -> int:
    """Return where `offset_utf8` is after `step`; `goes_along` with an insert exactly there."""
    at = step.offset_utf8
    if offset_utf8 > at:
        offset_utf8 = max(at, offset_utf8 - step.deleted_utf8)
    if offset_utf8 > at or (goes_along and offset_utf8 == at):
        offset_utf8 += step.added_utf8
    return offset_utf8


def shift_caret(caret: Caret, steps: Iterable[Shift]) -> Caret:
    """Return `caret` after somebody else's change."""
    head, anchor = caret.head, caret.anchor
    for step in steps:
        head, anchor = (
            shift(head, step, goes_along=head < anchor),
            shift(anchor, step, goes_along=anchor < head),
        )
    return Caret(head, anchor)


def shift_span(span: Span, patch: Patch, *, is_author: bool = False) -> Span:
    """Return `span` after `patch`; `is_author`: it is the caret of whoever made the change."""
    head, anchor = span.head, span.anchor
    if head < patch.start and anchor < patch.start:
        return span
    if patch.start != patch.end:
        head, anchor = _without(head, patch), _without(anchor, patch)
    if patch.start != patch.new_end:
        head, anchor = (
            _with(head, patch, goes_along=is_author or head < anchor),
            _with(anchor, patch, goes_along=is_author or anchor < head),
        )
    return Span(head, anchor)


def _without(position: Position, patch: Patch) -> Position:
    """Return `position` after what stood from the patch's start to its end went."""
    start, end = patch.start, patch.end
    if position <= start:
        return position
    if position <= end:
        return start
    if position.row == end.row:
        return Position(start.row, position.column - end.column + start.column)
    return Position(position.row - end.row + start.row, position.column)


def _with(position: Position, patch: Patch, *, goes_along: bool) -> Position:
    """Return `position` after what stands from the patch's start to its new end came."""
    start, end = patch.start, patch.new_end
    if position < start or (position == start and not goes_along):
        return position
    if position.row == start.row:
        return Position(end.row, position.column - start.column + end.column)
    return Position(position.row + end.row - start.row, position.column)


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

    def bring(self, caret: Caret, author: int, seen: int) -> Caret | None:
        """Return `caret` of session `author`, who had seen the log up to `seen`, as it is here now.

        None when what it must go through has been forgotten. What came with a Sync is not in the ring
        and is passed over: if it was the sender's own work, that is right; if not, the sender applies
        it after this caret and sends another.
        """
        if seen < self._forgotten_seq or self._forgotten_n:
            return None
        for entry in self._entries[bisect_right(self._seen_by, seen) :]:
            if entry.author != author and (entry.seq is None or entry.seq > seen):
                caret = shift_caret(caret, entry.steps)
        return caret

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
    """Another session, as far as this one can tell. Without `head` its caret is not known now."""

    person: Person
    head: Position | None
    anchor: Position | None
    activity: Activity
    moved_at: float


class PeerCarets(Mapping[int, Peer]):
    """The other sessions of the room, by session number."""

    def __init__(self, lines: Lines, ring: Ring) -> None:
        """`lines` and `ring` stay the owner's, who keeps them up to date."""
        self._lines = lines
        self._ring = ring
        self._peers: dict[int, Peer] = {}
        self._said: dict[int, Presence] = {}
        self._typing: set[int] = set()

    def __getitem__(self, session: int) -> Peer:
        return self._peers[session]

    def __iter__(self) -> Iterator[int]:
        return iter(self._peers)

    def __len__(self) -> int:
        return len(self._peers)

    def place(self, presence: Presence, now: float) -> None:
        """Take what a session says of itself; that it moved is noted when the place is news here.

        One who was typing has moved, though its caret was brought along by the text already.
        """
        person = presence.person
        if person is None:
            return
        session = person.session
        if presence.activity is Activity.GONE:
            self._peers.pop(session, None)
            self._said.pop(session, None)
            self._typing.discard(session)
            return
        self._said[session] = presence
        old = self._peers.get(session)
        span = self._span(presence)
        head, anchor = (None, None) if span is None else (span.head, span.anchor)
        has_moved = old is None or session in self._typing or (old.head, old.anchor) != (head, anchor)
        moved_at = now if old is None or (has_moved and head is not None) else old.moved_at
        self._typing.discard(session)
        self._peers[session] = Peer(person, head, anchor, presence.activity, moved_at)

    def place_again(self) -> None:
        """Place everybody by what they said last.

        A lagging reader gets carets before the Sync with the rows that they follow, and that Sync has
        shifted them once more.
        """
        for session, presence in self._said.items():
            span = self._span(presence)
            if span is not None:
                self._peers[session] = replace(self._peers[session], head=span.head, anchor=span.anchor)

    def receipted(self, seq: int) -> None:
        """Note that own rows turn out to stand at `seq` at most, as the ring knows by now.

        After a reconnect the roster may count them as seen before their receipt has come; until then
        they were taken for unseen, and carets brought through them once too often.
        """
        for session, presence in self._said.items():
            if presence.seen >= seq and session not in self._typing:
                span = self._span(presence)
                if span is not None:
                    self._peers[session] = replace(self._peers[session], head=span.head, anchor=span.anchor)

    def restart(self, ring: Ring) -> None:
        """Let everybody go, and go on with `ring`."""
        self._ring = ring
        self.clear()

    def clear(self) -> None:
        """Let everybody go."""
        self._peers.clear()
        self._said.clear()
        self._typing.clear()

    def shift(self, patch: Patch, author: int | None) -> None:
        """Bring every caret through `patch`, made by session `author`; None is this one, or unknown."""
        if author in self._peers:
            self._typing.add(author)
        for session, peer in self._peers.items():
            if peer.head is None or peer.anchor is None:
                continue
            span = Span(peer.head, peer.anchor)
            shifted = shift_span(span, patch, is_author=session == author)
            if shifted != span:
                self._peers[session] = replace(peer, head=shifted.head, anchor=shifted.anchor)

    def _span(self, presence: Presence) -> Span | None:
        if presence.person is None or not presence.carets:
            return None
        caret = self._ring.bring(presence.carets[0], presence.person.session, presence.seen)
        if caret is None:
            return None
        return Span(self._lines.nearest(caret.head), self._lines.nearest(caret.anchor))


@dataclass(slots=True)
class _Step:
    """One step of undo: its lowest offset, and the carets around it counted from there.

    `extent` is how far from there it changed the text, `grew` by how many bytes; `others` is what others
    had done by then.
    """

    lowest: int
    before: Caret
    after: Caret
    extent: int
    grew: int
    others: int

    def is_near(self) -> bool:
        """Whether the carets stand in what the step itself changed."""
        ends = (self.before.head, self.before.anchor, self.after.head, self.after.anchor)
        return all(0 <= end <= self.extent for end in ends)


class UndoCarets:
    """The carets beside the steps of undo and redo.

    They are kept relative to the lowest place that the step changed. Undo touches that place first, so
    they come out right wherever it has gone meanwhile, and the kept ones need no shifting.
    """

    def __init__(self) -> None:
        self._undo: list[_Step | None] = []
        self._redo: list[_Step | None] = []
        self._open: _Step | None = None
        self._others = 0
        self.is_exact = True
        """Nobody has edited between the last step that was undone or redone and then."""

    def edited(
        self, offset_utf8: int, before: Caret, after: Caret, *, begins: bool, extent: int, grew: int
    ) -> None:
        """Note an own edit at `offset_utf8`; `begins` a step of its own, or goes on with the last.

        It reached `extent` bytes from there, before or after it, and made the text `grew` bytes longer.
        """
        self._redo.clear()
        step = self._open
        if begins or step is None:
            before, after = _moved(before, -offset_utf8), _moved(after, -offset_utf8)
            self._open = _Step(offset_utf8, before, after, extent, grew, self._others)
            self._undo.append(self._open)
            return
        step.extent += extent + abs(offset_utf8 - step.lowest)
        step.grew += grew
        step.others = self._others
        if offset_utf8 < step.lowest:
            step.before = _moved(step.before, step.lowest - offset_utf8)
            step.lowest = offset_utf8
        step.after = _moved(after, -step.lowest)

    def shift(self, splices: Iterable[Splice]) -> None:
        """Bring the step that may still go on through somebody else's change."""
        self._others += 1
        if self._open is not None:
            for step in shifts(splices):
                self._open.lowest = shift(self._open.lowest, step)

    def undone(self, was: tuple[int, int], now: tuple[int, int]) -> Caret | None:
        """Note an undo between these depths of (undo, redo); return the caret from before the step.

        It counts from the undo's first splice. None when it is not known.
        """
        step = self._step_back(self._undo, was[0], now[0])
        self._align(self._undo, now[0])
        self._redo.append(step)
        self._align(self._redo, now[1])
        return None if step is None or not self._is_placed(step) else step.before

    def redone(self, was: tuple[int, int], now: tuple[int, int]) -> Caret | None:
        """Note a redo between these depths of (undo, redo); return the caret from after the step."""
        step = self._step_back(self._redo, was[1], now[1])
        self._align(self._redo, now[1])
        self._undo.append(step)
        self._align(self._undo, now[0])
        return None if step is None or not self._is_placed(step) else step.after

    def growth(self, *, is_undo: bool) -> int:
        """Return by how many bytes the next undo or redo makes the text longer, as far as is known."""
        steps = self._undo if is_undo else self._redo
        step = steps[-1] if steps else None
        return 0 if step is None else -step.grew if is_undo else step.grew

    def _is_placed(self, step: _Step) -> bool:
        """Whether its carets can be told: what others did between them and the step is not known."""
        self.is_exact = step.others == self._others
        return step.others == self._others or step.is_near()

    def _step_back(self, source: list[_Step | None], was: int, now: int) -> _Step | None:
        """Return the step that took effect: the lowest of those that went from the stack."""
        self._open = None
        # Another length says that the CRDT has grouped otherwise than we: then nothing is known.
        return source[now] if len(source) == was > now else None

    def _align(self, steps: list[_Step | None], depth: int) -> None:
        if len(steps) > depth:
            del steps[depth:]
        elif len(steps) < depth:
            steps[:] = [None] * depth


def _moved(caret: Caret, by: int) -> Caret:
    return Caret(caret.head + by, caret.anchor + by)
