"""The text that one person edits: lines for the screen, a replica for everybody, carets, and undo.

Local edits change the lines first, then the replica; what comes from elsewhere, and undo, goes through
the replica, and its splices patch the lines. Every other caret is shifted through each patch. Nothing
in here waits, draws, or costs O(document) once the text is loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from collab_client import clusters
from collab_client.carets import Patch, Peer, PeerCarets, Ring, Span, UndoCarets, shift_span
from collab_client.lines import START, Edit, Lines, Position
from collab_protocol import limits
from collab_protocol.errors import EditError, TextTooLarge
from collab_protocol.messages import Presence
from collab_protocol.presence import Caret
from collab_protocol.text import Replica, Splice, utf8_length

_UNDO_PAUSE_S: Final = 2.0
"""Typing after a longer pause begins a step of undo; within it, each word does."""


@dataclass(frozen=True, slots=True)
class Change:
    """Rows `first_row`..`old_last_row` became `first_row`..`new_last_row`."""

    first_row: int
    old_last_row: int
    new_last_row: int
    is_local: bool


class _Kind(Enum):
    """What an edit is to undo; another kind begins another step."""

    TYPING = auto()
    DELETING = auto()
    OTHER = auto()


class Buffer:
    """One session's text with its carets.

    `on_local_update(data)` is called once for each own row: edit, undo or redo; it is to keep the bytes
    and not to look at the text. `on_change(change)` is called for each contiguous patch: lines and
    carets are then as that patch left them. `on_carets()` is called when other people came, moved or
    went, or a remote edit has moved the own caret. None of them may edit the buffer.
    """

    def __init__(
        self,
        replica: Replica,
        *,
        max_text_bytes: int = limits.TEXT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take over `replica`, which has undo; `clock` gives seconds. Costs O(text)."""
        self.replica = replica
        self.lines = Lines(replica.text())
        self.max_text_bytes = max_text_bytes
        self.read_only = False
        self.on_local_update: Callable[[bytes], None] = lambda _: None
        self.on_change: Callable[[Change], None] = lambda _: None
        self.on_carets: Callable[[], None] = lambda: None
        self._span = Span(START, START)
        self._ring = Ring()
        self._peers = PeerCarets(self.lines, self._ring)
        self._own_session: int | None = None
        self._own_rows = 0
        self._goal_cells: int | None = None
        self._clock = clock
        self._undo_carets = UndoCarets()
        self._edited_at = float("-inf")
        self._kind: _Kind | None = None  # of the step that the next edit may go on with
        self._has_typed_blank = False
        self._updates: list[bytes] = []
        self._splices: list[Splice] = []
        self._listen()

    def close(self) -> None:
        """Let go of the replica and of whoever listens."""
        self.replica.close()
        self.on_local_update = lambda _: None
        self.on_change = lambda _: None
        self.on_carets = lambda: None

    # What there is

    @property
    def head(self) -> Position:
        """The own caret."""
        return self._span.head

    @property
    def anchor(self) -> Position:
        """The selection's other end; the caret itself when nothing is selected."""
        return self._span.anchor

    @property
    def selection(self) -> tuple[Position, Position] | None:
        """The selected range, its start first; None when nothing is selected."""
        head, anchor = self._span.head, self._span.anchor
        if head == anchor:
            return None
        return (head, anchor) if head < anchor else (anchor, head)

    @property
    def selected_text(self) -> str:
        """The selected text; empty when nothing is selected."""
        return "" if self.selection is None else self.lines.slice(*self.selection)

    @property
    def peers(self) -> Mapping[int, Peer]:
        """The other sessions in the room, by session number; a live view."""
        return self._peers

    def carets_to_send(self) -> tuple[Caret, ...]:
        """Return the own caret as the wire has it."""
        return (self._caret(),)

    # Editing

    def replace(self, start: Position, end: Position, text: str) -> None:
        """Replace the text from `start` to `end`; the caret comes to stand behind `text`.

        Raises:
            EditError: the range is not in the text, `text` has lone surrogates, or one may not write.
            TextTooLarge: the text would pass `max_text_bytes`. Nothing was changed in either case.
        """
        self._edit((Edit(start, end, text),), _Kind.OTHER)

    def edit_all(self, edits: Sequence[Edit], *, select: tuple[Position, Position] | None = None) -> None:
        """Make `edits`, in order and not overlapping, in positions of the text as it is, as a step of undo.

        `select` is (anchor, head) in the text as it will be; without it both shift with the text.
        Raises as `replace`.
        """
        self._end_step()
        self._edit(edits, _Kind.OTHER, stays=True, select=select)
        self._end_step()

    def type_text(self, text: str) -> None:
        """Put `text` in the place of the selection, as typing. Raises as `replace`."""
        self._replace_selection(text, _Kind.TYPING)

    def newline(self) -> None:
        """Put a line break in the place of the selection; begins a step of undo. Raises as `replace`."""
        self._end_step()
        self._replace_selection("\n", _Kind.TYPING)

    def paste(self, text: str) -> None:
        """Put `text` in the place of the selection, as a step of undo. Raises as `replace`.

        Line breaks of any system become "\\n": terminals send "\\r" for those of a pasted text.
        """
        self._end_step()
        self._replace_selection(text.replace("\r\n", "\n").replace("\r", "\n"), _Kind.OTHER)
        self._end_step()

    def cut(self) -> str:
        """Delete the selection as a step of undo, and return it. Raises as `replace`."""
        text = self.selected_text
        self._end_step()
        self._replace_selection("", _Kind.DELETING)
        self._end_step()
        return text

    def backspace(self) -> None:
        """Delete the selection, or the cluster or line break before the caret. Raises as `replace`."""
        start, end = self.selection or (clusters.left_of(self.lines, self.head), self.head)
        self._edit((Edit(start, end, ""),), _Kind.DELETING)

    def delete(self) -> None:
        """Delete the selection, or the cluster or line break behind the caret. Raises as `replace`."""
        start, end = self.selection or (self.head, clusters.right_of(self.lines, self.head))
        self._edit((Edit(start, end, ""),), _Kind.DELETING)

    def undo(self) -> bool:
        """Take back the last step of one's own; False when there is none. Raises EditError if read-only."""
        return self._step_undo(is_undo=True)

    def redo(self) -> bool:
        """Do again what `undo` took back; False when there is none. Raises EditError if read-only."""
        return self._step_undo(is_undo=False)

    # Moving; `extend` leaves the anchor where it is

    def move_to(self, position: Position, extend: bool = False) -> None:
        """Move the caret to `position`, or to the nearest one there is."""
        self._move(self.lines.clamp(position), extend)

    def move_left(self, extend: bool = False) -> None:
        """Move one cluster back, or to the selection's start."""
        selection = None if extend else self.selection
        self._move(clusters.left_of(self.lines, self.head) if selection is None else selection[0], extend)

    def move_right(self, extend: bool = False) -> None:
        """Move one cluster on, or to the selection's end."""
        selection = None if extend else self.selection
        self._move(clusters.right_of(self.lines, self.head) if selection is None else selection[1], extend)

    def move_rows(self, delta: int, extend: bool = False) -> None:
        """Move `delta` rows down, negative up; keeps to the cell from which such moves began.

        From the first row up it goes to the text's start, from the last one down to its end.
        """
        row, column = self.head
        goal_cells = self._goal_cells
        if goal_cells is None:
            goal_cells = clusters.cells_before(self.lines.line(row), column)
        self._move(clusters.rows_from(self.lines, row, delta, goal_cells), extend)
        self._goal_cells = goal_cells

    def move_word_left(self, extend: bool = False) -> None:
        """Move to the start of the word before, or over the line break."""
        self._move(clusters.word_left_of(self.lines, self.head), extend)

    def move_word_right(self, extend: bool = False) -> None:
        """Move to the end of the word after, or over the line break."""
        self._move(clusters.word_right_of(self.lines, self.head), extend)

    def line_start(self, extend: bool = False) -> None:
        """Move to the start of the line."""
        self._move(Position(self.head.row, 0), extend)

    def line_end(self, extend: bool = False) -> None:
        """Move to the end of the line."""
        self._move(Position(self.head.row, len(self.lines.line(self.head.row))), extend)

    def document_start(self, extend: bool = False) -> None:
        """Move to the start of the text."""
        self._move(START, extend)

    def document_end(self, extend: bool = False) -> None:
        """Move to the end of the text."""
        self._move(self.lines.end, extend)

    def select_all(self) -> None:
        """Select the whole text; the caret stands at its end."""
        self._move(START, extend=False)
        self._move(self.lines.end, extend=True)

    # What comes from elsewhere

    def apply_remote(self, data: bytes, author: int, seq: int) -> None:
        """Apply committed rows up to `seq` by session `author`; own ones change nothing.

        Raises:
            UpdateError: `data` cannot be applied; the replica must be given up.
        """
        splices = self._apply(data, author)
        if splices and author != self._own_session:
            self._ring.add_remote(author, seq, splices)

    def apply_sync(self, data: bytes, seq: int) -> None:
        """Apply all that was missing up to `seq`, by whomever. Raises as `apply_remote`."""
        if self._apply(data, None) and self._peers:
            self._peers.place_again()
            self.on_carets()

    def restart(self, replica: Replica) -> None:
        """Go on with `replica` in the place of the present one, which is closed.

        The own caret stays where its text stayed; there is nothing to undo any more.
        """
        text = replica.text()
        before = self.lines.text()
        start = _alike(before, text)
        behind = _alike(before[start:][::-1], text[start:][::-1])
        start_utf8, end_utf8 = utf8_length(before[:start]), utf8_length(before[: len(before) - behind])
        self.replica.close()
        self.replica = replica
        self._listen()
        self._undo_carets = UndoCarets()
        self._end_step()
        self._ring = Ring()
        self._peers.restart(self._ring)
        splice = Splice(start_utf8, end_utf8 - start_utf8, text[start : len(text) - behind])
        if splice.deleted_utf8 or splice.inserted:
            self._patch((splice,), None, is_local=False)
        self.on_carets()

    def receipted(self, n: int, seq: int) -> None:
        """Note that own rows up to number `n` are in the log, the last of them at `seq`."""
        self._ring.receipted(n, seq)
        self._peers.receipted(seq)

    def place(self, presence: Presence, now: float) -> None:
        """Take what another session says of itself; `now` in seconds."""
        if self._is_other(presence):
            self._peers.place(presence, now)
            self.on_carets()

    def set_roster(self, roster: Iterable[Presence], own_session: int, seq: int, now: float) -> None:
        """Take who is in the room on a fresh link, the text standing at `seq`."""
        self._own_session = own_session
        self._ring.begin_link()
        self._peers.clear()
        for presence in filter(self._is_other, roster):
            self._peers.place(presence, now)
        self.on_carets()

    def clear_peers(self) -> None:
        """Forget the others: the link is gone."""
        self._peers.clear()
        self.on_carets()

    # Within

    def _listen(self) -> None:
        self._updates.clear()
        self._splices.clear()
        self.replica.on_update = self._updates.append
        self.replica.on_splices = self._splices.extend

    def _edit(
        self,
        edits: Sequence[Edit],
        kind: _Kind,
        *,
        stays: bool = False,
        select: tuple[Position, Position] | None = None,
    ) -> None:
        """Make `edits`; then the caret stands behind the text, or where it `stays` or `select` says."""
        self._check_may_write()
        edits = _joined(edits)
        splices = self._splices_of(edits)
        if not splices:
            return
        lowest = splices[-1].offset_utf8
        is_plain = len(edits) == 1 and self._span == Span(edits[0].start, edits[0].start)
        before = Caret(lowest, lowest) if is_plain else self._caret()
        now = self._clock()
        begins = self._begins_step(kind, now, edits[0].text)
        if begins:
            self.replica.end_undo_group()
        size = self.replica.size_utf8
        self.replica.edit_all(splices)
        for start, end, text in reversed(edits):
            if start == end and not text:
                continue
            patch = Patch(start, end, self.lines.replace(start, end, text))
            self._span = shift_span(self._span, patch) if stays else Span(patch.new_end, patch.new_end)
            self._peers.shift(patch, None)
            self.on_change(Change(start.row, end.row, patch.new_end.row, is_local=True))
        if select is not None:
            anchor, head = map(self.lines.clamp, select)
            self._span = Span(head, anchor)
        if is_plain and not stays:
            caret = lowest + utf8_length(edits[0].text)
            after = Caret(caret, caret)
        else:
            after = self._caret()
        grew = self.replica.size_utf8 - size
        behind = splices[0].offset_utf8 + splices[0].deleted_utf8
        extent = behind - lowest + sum(utf8_length(splice.inserted) for splice in splices)
        self._undo_carets.edited(lowest, before, after, begins=begins, extent=extent, grew=grew)
        self._kind, self._edited_at, self._goal_cells = kind, now, None
        self._has_typed_blank = edits[-1].text[-1:].isspace()
        self._send(splices)

    def _splices_of(self, edits: Sequence[Edit]) -> tuple[Splice, ...]:
        """Return what `edits` are to the replica, from the last to the first. Raises as `replace`."""
        splices = []
        behind = START
        change = 0
        for start, end, text in edits:
            if (
                start < behind
                or end < start
                or self.lines.clamp(start) != start
                or self.lines.clamp(end) != end
            ):
                raise EditError(f"{start} to {end} is no range of the text")
            behind = end
            if start == end and not text:
                continue
            try:
                added = utf8_length(text)
            except UnicodeEncodeError as error:
                raise EditError("the text to insert holds lone surrogates") from error
            at = self.lines.offset(start)
            deleted = 0 if start == end else self.lines.offset(end) - at
            change += added - deleted
            splices.append(Splice(at, deleted, text))
        self._check_fits(change)
        return tuple(reversed(splices))

    def _check_fits(self, grows: int) -> None:
        size = self.replica.size_utf8 + grows
        if grows > 0 and size > self.max_text_bytes:
            raise TextTooLarge(
                f"not done: the room holds at most {_size(self.max_text_bytes)} of text, "
                f"and this would make it {_size(size)}"
            )

    def _begins_step(self, kind: _Kind, now: float, text: str) -> bool:
        """Whether an edit begins a step of undo: another kind, a pause, or a word that begins."""
        if kind is not self._kind or now - self._edited_at >= _UNDO_PAUSE_S:
            return True
        return kind is _Kind.TYPING and self._has_typed_blank and not text[:1].isspace()

    def _replace_selection(self, text: str, kind: _Kind) -> None:
        start, end = self.selection or (self.head, self.head)
        self._edit((Edit(start, end, text),), kind)

    def _step_undo(self, *, is_undo: bool) -> bool:
        self._check_may_write()
        self._check_fits(self._undo_carets.growth(is_undo=is_undo))
        was = (self.replica.undo_depth, self.replica.redo_depth)
        if not (self.replica.undo() if is_undo else self.replica.redo()):
            return False
        now = (self.replica.undo_depth, self.replica.redo_depth)
        caret = self._undo_carets.undone(was, now) if is_undo else self._undo_carets.redone(was, now)
        self._end_step()
        self._goal_cells = None
        splices = self._take_splices()
        self._send(splices)
        self._patch(splices, None, is_local=True)
        if splices and caret is not None:
            first = splices[0].offset_utf8
            head, anchor = first + caret.head, first + caret.anchor
        elif splices:
            head = anchor = splices[-1].offset_utf8 + utf8_length(splices[-1].inserted)
        else:
            return True
        self._span = Span(self._character_at(head), self._character_at(anchor))
        return True

    def _character_at(self, offset_utf8: int) -> Position:
        """Return the position at this offset, or of the character that now holds it."""
        row, column = self.lines.nearest(offset_utf8)
        line = self.lines.line(row)
        if column < len(line) and not line.isascii() and not self._undo_carets.is_exact:
            column = clusters.previous_boundary(line, column + 1)
        return Position(row, column)

    def _apply(self, data: bytes, author: int | None) -> tuple[Splice, ...]:
        try:
            self.replica.apply(data)
        finally:  # also when it failed: the lines are what the replica holds
            span = self._span
            splices = self._take_splices()
            self._undo_carets.shift(splices)
            self._patch(splices, author, is_local=False)
            if self._span != span or (splices and self._peers):
                self.on_carets()
        return splices

    def _patch(self, splices: Iterable[Splice], author: int | None, *, is_local: bool) -> None:
        """Do to the lines and carets what happened in the replica, and tell of each step."""
        for splice in splices:
            start = self.lines.position(splice.offset_utf8)
            end = self.lines.position(splice.offset_utf8 + splice.deleted_utf8)
            patch = Patch(start, end, self.lines.replace(start, end, splice.inserted))
            self._span = shift_span(self._span, patch)
            self._peers.shift(patch, author)
            self.on_change(Change(start.row, end.row, patch.new_end.row, is_local))

    def _take_splices(self) -> tuple[Splice, ...]:
        splices = tuple(self._splices)
        self._splices.clear()
        return splices

    def _send(self, splices: tuple[Splice, ...]) -> None:
        """Number what the replica made of an own change, and hand it on."""
        rows = tuple(self._updates)
        self._updates.clear()
        for data in rows:
            self._own_rows += 1
            self._ring.add_own(self._own_rows, splices)
            splices = ()
            self.on_local_update(data)

    def _is_other(self, presence: Presence) -> bool:
        return presence.person is not None and presence.person.session != self._own_session

    def _caret(self) -> Caret:
        head = self.lines.offset(self._span.head)
        is_single = self._span.head == self._span.anchor
        return Caret(head, head if is_single else self.lines.offset(self._span.anchor))

    def _move(self, target: Position, extend: bool) -> None:
        span = Span(target, self._span.anchor if extend else target)
        if span != self._span:
            self._span = span
            self._end_step()
        self._goal_cells = None

    def _end_step(self) -> None:
        """Let the next edit begin a step of undo."""
        self._kind = None

    def _check_may_write(self) -> None:
        if self.read_only:
            raise EditError("this room is read-only for you")


def _joined(edits: Sequence[Edit]) -> Sequence[Edit]:
    """Return `edits`, those that touch made one: the CRDT tells others of them as one, too."""
    if len(edits) < 2:
        return edits
    joined = [edits[0]]
    for edit in edits[1:]:
        last = joined[-1]
        if edit.start == last.end and last.start <= last.end <= edit.end:
            joined[-1] = Edit(last.start, edit.end, last.text + edit.text)
        else:
            joined.append(edit)
    return joined


def _size(size_bytes: int) -> str:
    return f"{size_bytes:,} bytes" if size_bytes < 1e6 else f"{size_bytes / 1e6:.1f} MB"


def _alike(one: str, other: str) -> int:
    """Return how many characters both begin with; a hundred times faster than one by one."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
